"""Parts whose law is unknown: measured times of ops of some sizes, and what follows for all other sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import exp, log, prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.hardware.arithmetic import BYTES, Format, computed, refusal
from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Sheet, Step, register
from hetsim.units import Energy, Time

if TYPE_CHECKING:
    import numpy as np

    from hetsim.workload import Array, Op

Size = Annotated[int, Field(gt=0)]
MATRIX = ("vectors", "rows", "columns", "groups")


class Measurement(BaseModel):
    """The time (and energy) of an op of one size.

    A product's size is its ``vectors``, the ``rows`` (depth) and ``columns`` of its matrix, and for a grouped
    convolution ``groups``; that of any other op the ``elements`` that go in and out. Without a size the time
    holds for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vectors: Size | None = None
    rows: Size | None = None
    columns: Size | None = None
    groups: Size = 1
    elements: Size | None = None
    time: Time = Field(gt=0)
    energy: Energy = 0.0

    @model_validator(mode="after")
    def _has_one_size(self) -> Measurement:
        product = [name for name in MATRIX[:3] if getattr(self, name) is not None]
        if product and (len(product) < 3 or self.elements is not None):
            raise ValueError("a size is vectors, rows and columns of a product, or the elements of any other op")
        return self

    @property
    def size(self) -> tuple[int, ...]:
        """The size as a point: four dimensions, one, or none."""
        if self.elements is not None:
            return (self.elements,)
        if self.vectors is None or self.rows is None or self.columns is None:
            return ()
        return (self.vectors, self.rows, self.columns, self.groups)


class Times(BaseModel):
    """Measurements of the operators ``of``, all sized in the same way."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: tuple[str, ...] = Field(min_length=1)
    points: tuple[Measurement, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sizes_are_comparable(self) -> Times:
        sizes = [point.size for point in self.points]
        if len({len(size) for size in sizes}) > 1:
            raise ValueError("some points are sized as products, others by elements or not at all")
        if len(set(sizes)) < len(sizes):
            raise ValueError("a size is given twice; give its mean time once")
        return self

    @cached_property
    def _logs(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Sizes and (time, energy) in logarithms; energies that are not known stay 0."""
        import numpy as np

        sizes = np.log([point.size for point in self.points])
        return sizes, np.array([(log(p.time), log(p.energy) if p.energy else 0.0) for p in self.points])

    def at(self, size: Sequence[int]) -> tuple[float, float]:
        """Seconds and joules of an op of a size.

        Inside the measured range a power law is fitted to the measurements around it, weighted by the inverse
        eighth power of their distance in logarithmic sizes [moving least squares, Lancaster 1981]: it meets every
        measured point, and any power law exactly. Beyond the largest size an op takes as much longer as it has
        more to do; below the smallest, as long as that.
        """
        if not self.points[0].size:
            return self.points[0].time, self.points[0].energy
        import numpy as np

        sizes, values = self._logs
        inside = np.clip(np.log(size), sizes.min(axis=0), sizes.max(axis=0))
        larger = prod(max(s / exp(x), 1.0) for s, x in zip(size, inside, strict=True))
        apart = ((sizes - inside) ** 2).sum(axis=1)
        if apart.min() < 1e-18:
            time, energy = values[apart.argmin()]
        else:
            weight = ((apart.min() / apart) ** 4)[:, None]
            centre, mean = ((weight * v).sum(axis=0) / weight.sum() for v in (sizes, values))
            apart_x, apart_y = (np.sqrt(weight) * v for v in (sizes - centre, values - mean))
            slope = np.linalg.lstsq(apart_x, apart_y, rcond=1e-9)[0]
            time, energy = mean + (inside - centre) @ slope
        return exp(time) * larger, exp(energy) * larger if self.points[0].energy else 0.0


class TableSheet(Sheet):
    """Measured ``times``; numbers are computed in ``format``. ``streams`` is how many ops may run at once."""

    kind: Literal["table"] = "table"
    format: Format = "fp32"
    streams: int = Field(default=1, gt=0)
    times: tuple[Times, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_operator_once(self) -> TableSheet:
        names = [name for times in self.times for name in times.of]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"times are given twice for {', '.join(twice)}")
        return self


@register
class Table(Component[TableSheet]):
    """Runs the operators that were measured, in the time that follows from their sizes."""

    kind: ClassVar[str] = "table"
    sheet_type: ClassVar[type[Sheet]] = TableSheet

    @cached_property
    def _times(self) -> Mapping[str, Times]:
        return {name: times for times in self.sheet.times for name in times.of}

    def capacities(self) -> Mapping[str, int]:
        return {f"{self.name}.stream": self.sheet.streams}

    def supports(self, op: Op) -> str:
        if reason := refusal(op, self.sheet.format):
            return reason
        if op.kind not in self._times:
            return f"has no measured time of {op.kind}"
        if len(self._times[op.kind].points[0].size) == len(MATRIX) and op.matrix is None:
            return f"has times of {op.kind} as a product, and the op is none"
        return ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        times = self._times[op.kind]
        size: tuple[int, ...] = (sum(t.size for t in (*op.moving, *op.outputs)),)
        if len(times.points[0].size) == len(MATRIX) and op.matrix is not None:
            size = tuple(getattr(op.matrix, name) for name in MATRIX)
        seconds, joules = times.at(size)
        item = BYTES[self.sheet.format]
        return Plan(
            holds=(f"{self.name}.stream",),
            output_bytes=tuple(t.size * item for t in op.outputs),
            steps=(Step("run", 1, seconds, joules, "compute"),),
            fill=seconds,
        )

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        return Outcome(computed(op, inputs, self.sheet.format, moment.threads))
