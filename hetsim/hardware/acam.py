"""Analog content-addressable memories: arrays of cells that each hold an interval, searched in one step
[Li 2020; Pedretti 2021].

A cell keeps two conductances, the lower and the upper bound of an interval. A search value on the data line that
lies outside discharges the row's match line, so that a row stays high when all its cells match: an AND of intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hetsim.analog.device import Write
from hetsim.analog.mapping import Tiling
from hetsim.analog.programming import Programming
from hetsim.analog.scheme import Footprint
from hetsim.hardware.component import (
    Component,
    Deployment,
    Moment,
    Outcome,
    Placement,
    Plan,
    Residency,
    Sheet,
    Step,
    register,
)
from hetsim.hardware.writing import spent, write_steps
from hetsim.units import Bandwidth, Energy, EnergyPerByte, Time

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor

_CELL = Footprint(1, 2, ((0, 0), (0, 1)))  # the devices of an interval's bounds stand side by side


class AcamSheet(Sheet):
    """Datasheet of ``arrays`` of ``rows`` words of ``columns`` interval cells.

    Bounds and search values have ``bits`` over the range that a feature's finite bounds span; a bound misses its
    level by a normal error of ``error`` of that range. A search takes ``search``, all arrays at once, ``match_line``
    for each row and ``cell`` for each cell, and ``dac`` for each data line. Search values and matches cross a bus of
    ``bandwidth`` at ``transfer``. Both devices of each cell are written by ``write``, side by side as ``programming``
    has it.
    """

    kind: Literal["acam"] = "acam"
    arrays: int = Field(ge=1)
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    bits: int = Field(ge=1, le=12)
    error: float = Field(default=0.0, ge=0)
    search: Time = Field(gt=0)
    match_line: Energy = Field(ge=0)
    cell: Energy = Field(ge=0)
    dac: Energy = Field(ge=0)
    bandwidth: Bandwidth = Field(gt=0)
    transfer: EnergyPerByte = Field(ge=0)
    write: Write
    programming: Programming = Programming()
    endurance: float | None = Field(default=None, gt=0)


@dataclass(slots=True)
class Stored:
    """Boxes as the cells hold them, ``low`` and ``high`` [r, d] in levels, and what search values are scaled by."""

    low: Array
    high: Array
    start: Array
    span: Array


@dataclass(slots=True)
class Memory:
    """What a run's arrays hold, by name and version, and how often the most written cell was written."""

    key: int
    stored: dict[tuple[str, int], Stored] = field(default_factory=dict)
    pulses: float = 0.0


@register
class Acam(Component[AcamSheet]):
    """A search for each sample, one after the other, in all the rows at once.

    Boxes that do not fit in one array are split: over rows, searched side by side, and over columns, whose matches
    are combined digitally. What is not there is written first; the oldest boxes make room.
    """

    kind: ClassVar[str] = "acam"
    sheet_type: ClassVar[type[Sheet]] = AcamSheet

    def residency(self) -> Residency:
        return Residency((), self.sheet.arrays)

    def supports(self, op: Op) -> str:
        if op.kind != "CamSearch":
            return f"searches intervals, no {op.kind}"
        if op.exact:
            return "compares with an error, and the op must be exact"
        if not all(t is not None and t.constant for t in op.inputs[1:]):
            return "the intervals must be constants"
        needed = self._tiling(_low(op)).tiles
        return f"the intervals take {needed} arrays, it has {self.sheet.arrays}" if needed > self.sheet.arrays else ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        sheet, low = self.sheet, _low(op)
        (rows, columns), samples = low.shape, op.outputs[0].shape[0]
        after, deployment, setup, steps = None, None, 0.0, self._steps(samples, rows, columns)
        if not residency.holds(low):
            tiling, cells = self._tiling(low), 2 * rows * columns
            after, evicted = residency.placing(Placement(low.name, low.version, tiling.tiles))
            seconds = sheet.programming.expected(tiling.shapes(), sheet.write)
            pulses = cells * sheet.write.pulses
            writing = write_steps(sheet.write, pulses, cells)
            if low.version == 0 and not evicted:
                deployment = Deployment(seconds, spent(writing), pulses)
            else:
                setup, steps = seconds, (*writing, *steps)
        moved = (columns * sheet.bits / 8 + rows / 8) / sheet.bandwidth
        return Plan(
            holds=(f"{self.name}.arrays",),
            output_bytes=(-(-samples * rows // 8),),
            steps=steps,
            setup=setup,
            fill=moved + sheet.search,
            interval=max(moved, sheet.search),
            chunks=samples,
            after=after,
            deployment=deployment,
        )

    def _steps(self, samples: int, rows: int, columns: int) -> tuple[Step, ...]:
        sheet, tiling = self.sheet, Tiling(rows, columns, self.sheet.rows, self.sheet.columns)
        moved = samples * (columns * sheet.bits / 8 + rows / 8)
        return (
            Step("load", moved, 1 / sheet.bandwidth, sheet.transfer, "buffer"),
            Step("drive", samples * columns * tiling.down, 0.0, sheet.dac, "dac"),
            Step("compare", samples * rows * columns, 0.0, sheet.cell, "array"),
            Step("match", samples * rows * tiling.across, sheet.search, sheet.match_line, "array"),
        )

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Memory, moment: Moment, plan: Plan) -> Outcome:
        """Which samples lie in which boxes, with bounds and search values in levels."""
        import numpy as np

        from hetsim.extensions import matches

        x, low, high = inputs
        assert x is not None and low is not None and high is not None
        name = (_low(op).name, _low(op).version)
        if name not in state.stored or plan.after is not None:
            state.stored[name] = self._store(low, high, state.key, moment.ideal, name)
            state.pulses += 2 * self.sheet.write.pulses
        kept = state.stored[name]
        top = 2**self.sheet.bits - 1
        levels = np.clip(np.rint((x - kept.start) / kept.span * top), -1, top + 1)
        return Outcome((matches(levels, kept.low, kept.high),))

    def _store(self, low: Array, high: Array, key: int, ideal: bool, name: tuple[str, int]) -> Stored:
        """Bounds in levels: those between two levels, so that a level lies in the box that its values lie in."""
        import numpy as np

        from hetsim.keys import key as derive

        bounds = np.concatenate([low, high])
        finite = np.isfinite(bounds)
        start = np.where(finite, bounds, np.inf).min(axis=0)
        span = np.where(finite, bounds, -np.inf).max(axis=0) - start
        start, span = np.where(np.isfinite(start), start, 0), np.where(np.isfinite(span) & (span > 0), span, 1)
        top = 2**self.sheet.bits - 1
        random = np.random.Generator(np.random.Philox(key=derive(key, "bounds", *name)))
        missed = random.standard_normal(bounds.shape) * (0.0 if ideal else self.sheet.error * top)
        levels = np.ceil((bounds - start) / span * top - 0.5) - 0.5 + missed
        return Stored(levels[: len(low)], levels[len(low) :], start, span)

    def state(self, key: int) -> Memory:
        return Memory(key)

    def report(self, state: Memory, seconds: float) -> Mapping[str, float]:
        """``mean_write_pulses`` of a cell's two devices in all writings, and as a share of the endurance."""
        pulses, endurance = state.pulses / 2, self.sheet.endurance
        return {"mean_write_pulses": pulses} | ({"wear": pulses / endurance} if endurance else {})

    def peaks(self) -> Mapping[str, float]:
        """All arrays full and searched without a pause; a comparison with each bound is an operation."""
        sheet = self.sheet
        cells = sheet.arrays * sheet.rows * sheet.columns
        rate = 2 * cells / sheet.search
        lines = sheet.arrays * (sheet.rows * sheet.match_line + sheet.columns * sheet.dac)
        power = sheet.static_power + (cells * sheet.cell + lines) / sheet.search
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def _tiling(self, low: Tensor) -> Tiling:
        rows, columns = low.shape
        return Tiling(rows, columns, self.sheet.rows, self.sheet.columns, _CELL)


def _low(op: Op) -> Tensor:
    low = op.inputs[1]
    assert low is not None
    return low
