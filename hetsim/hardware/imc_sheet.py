"""The datasheet of an in-memory computing chip."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from hetsim.analog.device import Facts
from hetsim.analog.macro import MacroSheet
from hetsim.analog.programming import Programming
from hetsim.analog.storage import Storage
from hetsim.hardware.component import Sheet
from hetsim.units import Bandwidth, Energy, EnergyPerByte, Frequency, Time

OUTPUT_BYTES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2}


class TileBus(Facts):
    """On-chip path between the chip's port and its tiles: ``energy`` per byte covers the way and the buffers."""

    bandwidth: Bandwidth = Field(gt=0)
    energy: EnergyPerByte = Field(ge=0)


class Digital(Facts):
    """Digital logic behind the converters: energy of a ``shift_add`` for each conversion and of an addition that
    ``accumulate``\\ s partial sums or biases, all columns at once in ``time``; and of the ``check`` of a sum by an AN
    code (default: as a shift-add)."""

    shift_add: Energy = Field(ge=0)
    accumulate: Energy = Field(ge=0)
    check: Energy | None = Field(default=None, ge=0)
    time: Time = Field(default=0.0, ge=0)


class Units(Facts):
    """``count`` equal units for the operators ``kinds``, each at ``rate`` element-wise operations per second."""

    kinds: tuple[str, ...]
    count: int = Field(default=1, ge=1)
    rate: Frequency = Field(gt=0)
    energy: Energy = Field(ge=0)


class Compensation(Facts):
    """Global drift compensation: every ``interval`` since it was written, before its next read, a stored matrix is
    given a batch of ``vectors`` and one factor a tile makes up for what it has lost since it was young."""

    interval: Time = Field(gt=0)
    vectors: int = Field(default=16, ge=1)


class ImcSheet(Sheet, MacroSheet):
    """Datasheet of a chip of ``crossbars`` equal macros, whose own figures stand beside these.

    ``activation`` units work behind the converters, ``pooling`` units take an op of their own. Outputs leave in
    format ``output``. With ``deploy: preloaded`` what fits is stored before t = 0, with ``cold`` in the run.
    ``age`` is the time since programming at t = 0 (default: the youngest age for which the device's laws hold).
    ``rewrite`` is how often all that the run wrote, before t = 0 too, is written again, for the years to the first
    failure (default: what the run itself writes, run after run); it takes no time or energy.
    ``layers`` stores some layers otherwise than the others: by the name of an op or of its stored tensor, or a pattern
    of such names, of which the first that fits holds.
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
    rewrite: Time | None = Field(default=None, gt=0)
    compensation: Compensation | None = None
    layers: Mapping[str, Storage] = {}

    @model_validator(mode="after")
    def _offsets_drift_too(self) -> Self:
        if self.compensation is not None and self.mapping == "offset" and self.subtraction == "digital":
            raise ValueError("compensation needs pairs, or a unit column that drifts like the weights")
        return self

    @model_validator(mode="after")
    def _layers_can_be_stored(self) -> Self:
        for pattern, sheet in self._layers.items():
            if problem := sheet.problem():
                raise ValueError(f"layers.{pattern}: {problem}")
        return self

    @cached_property
    def _layers(self) -> Mapping[str, ImcSheet]:
        """The datasheet as each pattern of `layers` has it."""
        own = {name: getattr(self, name) for name in type(self).model_fields if name != "layers"}
        return {
            pattern: type(self).model_construct(**own | storage.model_dump(exclude_unset=True))
            for pattern, storage in self.layers.items()
        }

    def layer(self, *names: str) -> ImcSheet:
        """The datasheet for a layer known by these names."""
        for pattern, sheet in self._layers.items():
            if any(fnmatchcase(name, pattern) for name in names):
                return sheet
        return self

    def replicated(self, replicas: int) -> Self:
        """The datasheet with no fewer replicas of each matrix."""
        return self if replicas <= self.replicas else self.model_copy(update={"replicas": replicas})
