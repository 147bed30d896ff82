"""Datasheets of processors: what a CPU or a GPU sustains, from where its bytes come, what it draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.hardware.caches import CacheSheet
from hetsim.hardware.clock import ClockSheet
from hetsim.hardware.component import Sheet
from hetsim.hardware.memory import OwnOrNamed
from hetsim.hardware.tiling import TilingSheet
from hetsim.units import Bandwidth, EnergyPerOp, Power, Rate, Ratio, Time

Precision = Literal["fp64", "fp32", "tf32", "fp16", "bf16", "int8", "int4"]
PeakRate = Annotated[Rate, Field(gt=0)]


class SleepSheet(BaseModel):
    """A power state: a part that was idle for ``after`` draws ``power``, and takes ``wake`` to begin an op again."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    after: Time = Field(default=0.0, ge=0)
    wake: Time = Field(default=0.0, ge=0)
    power: Power = Field(ge=0)


class ProcessorSheet(Sheet):
    """Datasheet of a CPU or GPU.

    ``vector`` and ``matrix`` are peak rates by precision: of the vector units, and of units for matrix
    products (tensor cores) where the part has them. ``efficiency`` is the share of a peak that tuned kernels
    sustain; ``operators`` gives the rate of element-wise operations of ONNX operators that have no tuned kernel.
    ``units`` are cores or streaming multiprocessors, ``tiling`` how products are cut up for them,
    ``unit_bandwidth`` the most that one of them draws from the memory, ``gemv_units`` how many work on a product
    with a single vector. ``launch`` is the overhead of one op, ``streams`` how many ops may run at once;
    with ``fusion``, element-wise ops run behind the op that makes their first input. ``caches`` are listed
    innermost first. ``memory`` is built in, or the name of a memory component that may be shared with others.
    ``energy`` is that of an operation (half a MAC) by precision, all of the chip's dynamic energy but that of
    the bytes; ``static_power`` is drawn always, but in the state of ``sleep``. Where the power would exceed
    ``power_limit`` the ``clock`` slows down.
    """

    format: Precision = "fp32"
    vector: Mapping[Precision, PeakRate]
    matrix: Mapping[Precision, PeakRate] = {}
    efficiency: Ratio = Field(default=1.0, gt=0, le=1)
    operators: Mapping[str, PeakRate] = {}
    units: int = Field(default=1, gt=0)
    tiling: TilingSheet | None = None
    unit_bandwidth: Bandwidth | None = Field(default=None, gt=0)
    gemv_units: int | None = Field(default=None, gt=0)
    launch: Time = Field(default=0.0, ge=0)
    streams: int = Field(default=1, gt=0)
    fusion: bool = False
    caches: tuple[CacheSheet, ...] = ()
    memory: OwnOrNamed
    energy: Mapping[Precision, EnergyPerOp]
    clock: ClockSheet | None = None
    power_limit: Power | None = Field(default=None, gt=0)
    sleep: SleepSheet | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> ProcessorSheet:
        """Every precision has a rate and an energy, caches grow outwards, a limit has a clock to slow down."""
        if self.format not in self.vector:
            raise ValueError(f"format is {self.format}, but vector gives no peak rate for it")
        unpriced = [p for p in {**self.vector, **self.matrix} if p not in self.energy]
        if unpriced:
            raise ValueError(f"energy gives nothing for {', '.join(unpriced)}")
        if any(a.capacity >= b.capacity for a, b in zip(self.caches, self.caches[1:], strict=False)):
            raise ValueError("caches are listed from the innermost, smallest, to the outermost")
        if self.sleep is not None and self.sleep.power > self.static_power:
            raise ValueError("asleep it draws more than its static_power")
        if self.power_limit is not None and self.clock is None:
            raise ValueError("power_limit needs a clock that can slow down")
        return self


class RooflineSheet(ProcessorSheet):
    """Datasheet of an accelerator of which no more than its roofline is known."""

    kind: Literal["roofline"] = "roofline"
