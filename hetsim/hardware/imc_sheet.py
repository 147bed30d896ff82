"""The datasheet of an in-memory computing chip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from hetsim.analog.device import Facts
from hetsim.analog.macro import MacroSheet
from hetsim.analog.programming import Programming
from hetsim.hardware.component import Sheet
from hetsim.units import Bandwidth, Energy, EnergyPerByte, Frequency, Time

OUTPUT_BYTES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2}


class TileBus(Facts):
    """On-chip path between the chip's port and its tiles: ``energy`` per byte covers the way and the buffers."""

    bandwidth: Bandwidth = Field(gt=0)
    energy: EnergyPerByte = Field(ge=0)


class Digital(Facts):
    """Digital logic behind the converters: energy of a ``shift_add`` for each conversion and of an addition that
    ``accumulate``\\ s partial sums or biases, all columns at once in ``time``."""

    shift_add: Energy = Field(ge=0)
    accumulate: Energy = Field(ge=0)
    time: Time = Field(default=0.0, ge=0)


class Units(Facts):
    """``count`` equal units for the operators ``kinds``, each at ``rate`` element-wise operations per second."""

    kinds: tuple[str, ...]
    count: int = Field(default=1, ge=1)
    rate: Frequency = Field(gt=0)
    energy: Energy = Field(ge=0)


class ImcSheet(Sheet, MacroSheet):
    """Datasheet of a chip of ``crossbars`` equal macros, whose own figures stand beside these.

    ``activation`` units work behind the converters, ``pooling`` units take an op of their own. Outputs leave in
    format ``output``. With ``deploy: preloaded`` what fits is stored before t = 0, with ``cold`` in the run.
    ``age`` is the time since programming at t = 0 (default: the youngest age for which the device's laws hold).
    """

    kind: Literal["imc"] = "imc"
    crossbars: int = Field(ge=1)
    bus: TileBus
    digital: Digital
    activation: Units | None = None
    pooling: Units | None = None
    output: Literal["fp32", "fp16", "bf16"] = "fp32"
    programming: Programming = Programming()
    deploy: Literal["preloaded", "cold"] = "preloaded"
    age: Time | None = None
