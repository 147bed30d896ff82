"""In-memory computing chips: crossbars that store matrices, with their converters and digital periphery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from hetsim.errors import RunError
from hetsim.hardware.component import (
    Component,
    Deployment,
    Measured,
    Moment,
    Outcome,
    Placement,
    Plan,
    Residency,
    Sheet,
    Step,
    register,
)
from hetsim.hardware.imc_sheet import OUTPUT_BYTES, ImcSheet, Units

if TYPE_CHECKING:
    from hetsim.analog.bank import Bank, Stored
    from hetsim.analog.mapping import Tiling
    from hetsim.workload import Array, Matrix, Op, Tensor


@register
class Imc(Component[ImcSheet]):
    """A matrix op is spread over the tiles of its stored matrix, which all work at once, vector after vector.

    A vector is loaded, driven bit by bit, converted and shifted and added, its tiles' partial sums are added up,
    and the outputs move out; each stage takes the next vector when it is done with one. Matrices that are not on
    the chip are written first; the oldest ones make room. Without numbers, half of the input bits are taken to be
    set, half of signed inputs to be negative, and cells to be in the middle of the conductance window.
    """

    kind: ClassVar[str] = "imc"
    sheet_type: ClassVar[type[Sheet]] = ImcSheet

    def capacities(self) -> Mapping[str, int]:
        units = self.sheet.pooling
        return {f"{self.name}.pooling": units.count} if units else {}

    def residency(self) -> Residency:
        return Residency((), self.sheet.crossbars)

    def supports(self, op: Op) -> str:
        if op.cost is not None:
            return f"runs tensor operations, not a {op.kind}"
        if op.exact:
            return "computes with an error, and the op must be exact"
        if op.activation is not None and not _has(self.sheet.activation, op.activation):
            return f"has no unit for {op.activation}"
        if op.matrix is None or op.matrix.stored is None:
            return "" if _has(self.sheet.pooling, op.kind) else f"has no unit for {op.kind} without a stored matrix"
        needed = self._slots(op.matrix)
        if needed > self.sheet.crossbars:
            return f"the matrix takes {needed} crossbars, the chip has {self.sheet.crossbars}"
        return ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        if op.matrix is None or op.matrix.stored is None:
            return self._pooled(op)
        stored, matrix, sheet = op.matrix.stored, op.matrix, self.sheet
        evicted: list[str] = []
        after, deployment, seconds, steps = None, None, 0.0, self._steps(op, matrix)
        if not residency.holds(stored):
            after, evicted = self._placed(stored, self._slots(matrix), residency)
            seconds, pulses = self._writing(matrix)
            writing = self._write_steps(pulses)
            if sheet.deploy == "preloaded" and stored.version == 0 and not evicted:
                joules = sum(step.count * step.joules for step in writing)
                deployment, seconds = Deployment(seconds, joules, pulses), 0.0
            else:
                steps = (*writing, *steps)
        latency, interval = self._pace(op, matrix)
        return Plan(
            holds=tuple(f"{self.name}.tiles:{name}" for name in dict.fromkeys((stored.name, *evicted))),
            output_bytes=tuple(t.size * OUTPUT_BYTES[sheet.output] for t in op.outputs),
            steps=tuple(step for step in steps if step.count),
            setup=seconds,
            fill=latency,
            interval=interval,
            chunks=matrix.vectors,
            streams=True,
            after=after,
            deployment=deployment,
        )

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Bank, moment: Moment, plan: Plan) -> Outcome:
        """Products read from the crossbars; bias and activation digital; outputs rounded to the chip's format.

        Measures what the cells dissipate and, where the plan has it, what programming took. Raises RunError for
        numbers that cannot be stored or applied, such as those of a run that diverges.
        """
        from hetsim.formats import rounded
        from hetsim.numerics import run

        output = self.sheet.output
        if op.matrix is None or op.matrix.stored is None:
            return Outcome(tuple(rounded(y, output) for y in run(op, inputs, moment.threads)))
        from hetsim.numerics import finish, lift, lower

        x, w = lower(op, inputs)
        grouped = w.ndim == 3
        try:
            matrices = (w if grouped else w[None]).repeat(op.matrix.copies, axis=0)
            kept = self._kept(op.matrix.stored, matrices, state, moment, plan)
            values, joules, counts = self._products(op, x if grouped else x[None], kept, moment, plan)
        except ValueError as error:
            raise RunError(f"op {op.name!r} on {self.name!r}: {error}") from None
        made = finish(op, lift(op, values if grouped else values[0]), inputs)
        steps, seconds = {"integrate": Measured(_count(plan, "integrate"), joules)}, None
        writing = self._write_steps(kept.written.pulses)
        if plan.setup > 0:
            seconds = kept.written.seconds
            steps |= {step.name: Measured(step.count, step.count * step.joules) for step in writing}
        deployment = None
        if plan.deployment is not None:
            spent = sum(step.count * step.joules for step in writing)
            deployment = Deployment(kept.written.seconds, spent, kept.written.pulses)
        return Outcome((rounded(made, output),), steps, seconds, deployment, counts)

    def _kept(self, stored: Tensor, matrices: Array, bank: Bank, moment: Moment, plan: Plan) -> Stored:
        """The matrices on the chip, written now, or before t = 0, if they are not there yet."""
        name = (stored.name, stored.version)
        if name in bank.stored:
            return bank.stored[name]
        for old in [old for old in bank.stored if old[0] == stored.name]:
            bank.release(old)
        if plan.setup > 0:
            return bank.store(name, matrices, moment.time)
        age = self.sheet.device.reference_age if self.sheet.age is None else self.sheet.age
        return bank.store(name, matrices, 0.0, age)

    def _products(
        self, op: Op, x: Array, kept: Stored, moment: Moment, plan: Plan
    ) -> tuple[Array, float, Mapping[str, float]]:
        """Products of each group, [G, M, N], the joules that cells dissipated, and what is counted."""
        import numpy as np

        from hetsim.keys import key

        mode: Literal["analog", "ideal"] = "ideal" if moment.ideal else "analog"
        time = moment.time + (kept.written.seconds if plan.setup > 0 else 0.0)
        copies = len(kept.crossbars) // len(x)  # vector v of a group goes to its copy number v % copies
        readings = [
            crossbar.mvm(x[g // copies, g % copies :: copies], time, key(moment.key, g), mode, signed=_signed(op))
            for g, crossbar in enumerate(kept.crossbars)
            if g % copies < x.shape[1]
        ]
        counts = {
            "adc_conversions": float(sum(r.conversions for r in readings)),
            "adc_clipped": float(sum(r.clipped for r in readings)),
        }
        values = np.empty((*x.shape[:2], readings[0].values.shape[1]), readings[0].values.dtype)
        busy = min(copies, x.shape[1])
        for g, reading in enumerate(readings):
            values[g // busy, g % busy :: copies] = reading.values
        return values, sum(r.joules for r in readings), counts

    def state(self, key: int) -> Bank:
        from hetsim.analog.bank import Bank

        return Bank(self.sheet, self.sheet.programming, self.sheet.crossbars, key)

    def report(self, state: Bank, seconds: float) -> Mapping[str, float]:
        """``max_write_pulses``: most pulses that any cell has had; ``wear``: that as a share of the endurance."""
        worst = float(state.worst())
        endurance = self.sheet.device.endurance
        return {"max_write_pulses": worst} | ({"wear": worst / endurance} if endurance else {})

    def peaks(self) -> Mapping[str, float]:
        """Every crossbar full and all at work, inputs unsigned; the macros alone, without bus and programming."""
        sheet = self.sheet
        tiling = sheet.tiling(sheet.rows, sheet.columns)
        height, width = tiling.height, tiling.width
        rate = sheet.crossbars * 2 * height * width / sheet.pace(False, width)[1]
        steps = self._reading(1, sheet.tiling(height, width), signed=False)
        per_op = sum(step.count * step.joules for step in steps) / (2 * height * width)
        power = sheet.static_power + rate * per_op
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def _pace(self, op: Op, matrix: Matrix) -> tuple[float, float]:
        """Seconds from the first input to the first vector's outputs, and from one vector's to the next's.

        Inputs and outputs share the bus; conversion, partial sums and activation are stages of their own.
        """
        sheet, tiling = self.sheet, self.sheet.tiling(matrix.rows, matrix.columns)
        load = matrix.groups * matrix.rows * sheet.input_bits / 8 / sheet.bus.bandwidth
        outputs = matrix.groups * matrix.columns
        move = outputs * OUTPUT_BYTES[sheet.output] / sheet.bus.bandwidth
        latency, interval = sheet.pace(_signed(op), tiling.widest)
        add = sheet.digital.time * (tiling.down - 1 + _biased(op))
        units = sheet.activation
        activate = outputs / (units.rate * units.count) if units and op.activation else 0.0
        stages = max(interval, add, activate) / matrix.copies  # each copy has its own converters and adders behind it
        return load + latency + add + activate + move, max(load + move, stages)

    def _steps(self, op: Op, matrix: Matrix) -> tuple[Step, ...]:
        sheet, tiling = self.sheet, self.sheet.tiling(matrix.rows, matrix.columns)
        products = matrix.vectors * matrix.groups
        outputs = products * matrix.columns
        units = sheet.activation
        activate = () if units is None else (Step("activate", outputs, 1 / units.rate, units.energy, "digital"),)
        return (
            self._bus_step("load", products * matrix.rows, sheet.input_bits / 8),
            *self._reading(products, tiling, _signed(op)),
            Step(
                "accumulate",
                outputs * (tiling.down - 1 + _biased(op)),
                sheet.digital.time / matrix.columns,
                sheet.digital.accumulate,
                "digital",
            ),
            *(activate if op.activation else ()),
            self._bus_step("move", outputs, OUTPUT_BYTES[sheet.output]),
        )

    def _reading(self, products: int, tiling: Tiling, signed: bool) -> tuple[Step, ...]:
        """Drive, integrate, sample, convert, shift and add, for so many products with a tiled matrix."""
        sheet, passes = self.sheet, self.sheet.passes(signed)
        pulses, integrations = sum(p.pulses for p in passes), sum(p.integrations for p in passes)
        word_lines = tiling.rows * tiling.across * (2 if sheet.pair == "rows" else 1)
        lines = products * tiling.columns * tiling.down * sheet.lines
        reads = products * tiling.tiles * integrations
        array = products * sheet.dissipation(tiling, signed) / reads
        sample = sheet.sample + sheet.integrate * integrations / pulses
        adc = sheet.adc
        return (
            Step("drive", products * word_lines * pulses, 0.0, sheet.dac.energy, "dac"),
            Step("integrate", reads, sheet.integration_time, array, "array", expected=True),
            Step("sample", lines * pulses, 0.0, sample, "adc"),
            Step("convert", lines * len(passes), adc.time, adc.energy, "adc"),
            Step("shift-add", lines * len(passes), 0.0, sheet.digital.shift_add, "digital"),
        )

    def _bus_step(self, name: str, values: int, size: float) -> Step:
        bus = self.sheet.bus
        return Step(name, values, size / bus.bandwidth, size * bus.energy, "buffer")

    def _slots(self, matrix: Matrix) -> int:
        return matrix.copies * matrix.groups * self.sheet.tiling(matrix.rows, matrix.columns).tiles

    def _placed(self, stored: Tensor, slots: int, residency: Residency) -> tuple[Residency, list[str]]:
        """The residency with a matrix added, and the names of those that made room: other versions of it, then the
        oldest."""
        placed, free = list(residency.placed), residency.free
        gone = [p for p in placed if p.tensor == stored.name]
        gone += [p for p in placed if p.tensor != stored.name]
        evicted: list[str] = []
        while gone and (free < slots or gone[0].tensor == stored.name):
            old = gone.pop(0)
            placed.remove(old)
            free += old.slots
            evicted.append(old.tensor)
        placed.append(Placement(stored.name, stored.version, slots))
        return Residency(tuple(placed), free - slots), evicted

    def _writing(self, matrix: Matrix) -> tuple[float, float]:
        """Expected seconds and pulses of writing a matrix."""
        sheet, tiling = self.sheet, self.sheet.tiling(matrix.rows, matrix.columns)
        tall, wide = (2, 1) if sheet.pair == "rows" else (1, 2)
        shapes = [(tall * h, wide * w) for h in tiling.heights() for w in tiling.widths()]
        count = matrix.copies * matrix.groups
        seconds = sheet.programming.expected(shapes * count, sheet.device.write)
        cells = 2 * count * matrix.rows * matrix.columns
        return seconds, cells * sheet.device.write.pulses

    def _write_steps(self, pulses: float) -> tuple[Step, ...]:
        write = self.sheet.device.write
        return (
            Step("program", pulses, write.time, write.energy, "program", expected=True),
            Step("verify", pulses, write.verify, self.sheet.adc.energy, "program", expected=True),
        )

    def _pooled(self, op: Op) -> Plan:
        """A pooling unit takes an output position after the other, and the elements of its windows in turn."""
        units, output = self.sheet.pooling, op.outputs[0]
        assert units is not None, "only supported ops are planned"
        size = OUTPUT_BYTES[self.sheet.output]
        positions = max(1, output.size // output.shape[1]) if len(output.shape) > 1 else output.size
        taken, made = sum(t.size for t in op.moving), output.size
        busy = op.element_ops / units.rate / positions
        moving = (taken + made) * size / self.sheet.bus.bandwidth / positions
        return Plan(
            holds=(f"{self.name}.pooling",),
            output_bytes=tuple(t.size * size for t in op.outputs),
            steps=(
                self._bus_step("load", taken, size),
                Step("pool", op.element_ops, 1 / units.rate, units.energy, "digital"),
                self._bus_step("move", made, size),
            ),
            fill=busy + moving,
            interval=max(busy, moving),
            chunks=positions,
            streams=True,
        )


def _has(units: Units | None, operator: str) -> bool:
    """Whether the units compute an operator, written as in ``Relu`` or ``Clip(0,6)``."""
    return units is not None and operator.partition("(")[0] in units.kinds


def _signed(op: Op) -> bool:
    """Whether the moving operand may have negative numbers."""
    moving = next(t for t in op.inputs[:2] if t is not None and t is not _stored(op))
    return not (moving.nonnegative or moving.dtype.startswith("uint"))


def _stored(op: Op) -> Tensor | None:
    return None if op.matrix is None else op.matrix.stored


def _biased(op: Op) -> bool:
    return len(op.inputs) > 2 and op.inputs[2] is not None


def _count(plan: Plan, name: str) -> float:
    return next((step.count for step in plan.steps if step.name == name), 0.0)
