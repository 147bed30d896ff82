"""In-memory computing chips: crossbars that store matrices, with their converters and digital periphery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from hetsim.errors import RunError
from hetsim.hardware import imc_update
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
from hetsim.hardware.imc_calibration import Calibrated, calibrate
from hetsim.hardware.imc_product import finished, lowered, products
from hetsim.hardware.imc_sheet import OUTPUT_BYTES, ImcSheet, Units
from hetsim.hardware.imc_work import Work, bus_step, turned, work
from hetsim.hardware.writing import spent
from hetsim.workload import Matrix

if TYPE_CHECKING:
    from hetsim.analog.bank import Bank, Stored
    from hetsim.workload import Array, Op, Tensor


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
    work_type: ClassVar[type[Work]] = Work

    def work(self, op: Op, matrix: Matrix, stored: Tensor) -> Work:
        """What an op on a stored matrix takes, when it is stored as the op uses it."""
        return work(self.sheet, op, matrix, stored, self.work_type)

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
        matrix = _stored(op)
        if matrix is None or matrix.stored is None:
            return "" if _has(self.sheet.pooling, op.kind) else f"has no unit for {op.kind} without a stored matrix"
        todo = self.work(op, matrix, matrix.stored)
        if todo.slots > self.sheet.crossbars:
            return f"the matrix takes {todo.slots} crossbars, the chip has {self.sheet.crossbars}"
        return imc_update.refusal(self.sheet, todo) if matrix.stored.trained else ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        matrix = _stored(op)
        if matrix is None or matrix.stored is None:
            return self._pooled(op)
        stored, sheet = matrix.stored, self.sheet
        todo, place = self.work(op, matrix, stored), self._resident(stored, matrix, residency)
        if place is not None and place.transposed != matrix.transposed:
            todo = turned(todo)
        evicted: tuple[str, ...] = ()
        after, deployment, seconds = None, None, 0.0
        steps, (latency, interval), updating = todo.steps(), todo.pace(), op.changed is not None
        if updating:
            lasting, changes = imc_update.expected(sheet, todo, op)
            steps, latency = imc_update.steps(sheet, op, changes), imc_update.loading(sheet, op)
        if place is None:
            new = Placement(stored.name, stored.version, todo.slots, matrix.transposed)
            after, evicted = residency.placing(new)
            seconds, pulses = todo.writing()
            writing = todo.write_steps(pulses)
            if sheet.deploy == "preloaded" and stored.version == 0 and not evicted:
                deployment, seconds = Deployment(seconds, spent(writing), pulses), 0.0
            else:
                steps = (*writing, *steps)
        return Plan(
            holds=tuple(f"{self.name}.tiles:{name}" for name in dict.fromkeys((stored.name, *evicted))),
            output_bytes=tuple(t.size * OUTPUT_BYTES[sheet.output] for t in op.outputs),
            steps=(*(step for step in steps if step.count), *self._calibration()),
            setup=seconds + lasting if updating else seconds,
            fill=latency,
            interval=interval,
            chunks=matrix.vectors,
            streams=not updating,
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

        if op.changed is not None:
            return self._update(op, inputs, state, moment, plan)
        output = self.sheet.output
        if op.matrix is None or op.matrix.stored is None:
            return Outcome(tuple(rounded(y, output) for y in run(op, inputs, moment.threads)))
        todo = self.work(op, op.matrix, op.matrix.stored)
        x, matrices = lowered(op, inputs)
        try:
            kept = state.stored[self._kept(todo, matrices, state, moment, plan)]
            seconds = kept.written.seconds + todo.read_back()[0]
            time = moment.time + (seconds if _writes(plan) else 0.0)
            took = Calibrated() if moment.ideal else calibrate(todo.sheet, kept, time)
            time += took.seconds
            flipped = kept.transposed != op.matrix.transposed
            values, joules, counts = products(x, kept, moment, time, todo.signed, flipped)
        except ValueError as error:
            raise RunError(f"op {op.name!r} on {self.name!r}: {error}") from None
        made = finished(op, values, inputs)
        steps, setup = {"integrate": Measured(_count(plan, "integrate"), joules)}, None
        if _writes(plan):
            setup = seconds
            steps |= _measured(todo, kept)
        if took.count:
            setup = (setup or 0.0) + took.seconds
            steps["calibrate"] = Measured(took.count, took.joules)
            counts = {**counts, "calibrations": 1.0, "calibration_conversions": float(took.conversions)}
        deployment = _deployed(todo, kept, seconds) if plan.deployment is not None else None
        return Outcome((rounded(made, output),), steps, setup, deployment, counts)

    def _update(self, op: Op, inputs: Sequence[Array | None], bank: Bank, moment: Moment, plan: Plan) -> Outcome:
        """Pulses on the cells that hold the matrix, which is written first if it is not there yet."""
        assert op.changed is not None and inputs[2] is not None
        todo = self.work(op, imc_update.target(op), op.changed)
        try:
            held = inputs[2][None]
            name = self._kept(todo, lambda: held, bank, moment, plan)
            kept = bank.stored[name]
            written = kept.written.seconds + todo.read_back()[0]
            seconds = written if _writes(plan) else 0.0
            lasting, pulses = imc_update.update(op, inputs, name, bank, moment, moment.time + seconds)
        except ValueError as error:
            raise RunError(f"op {op.name!r} on {self.name!r}: {error}") from None
        steps = {"pulse": pulses} | (_measured(todo, kept) if _writes(plan) else {})
        deployment = _deployed(todo, kept, written) if plan.deployment is not None else None
        return Outcome((), steps, seconds + lasting, deployment, {"update_pulses": pulses.count})

    def _kept(
        self, todo: Work, matrices: Callable[[], Array], bank: Bank, moment: Moment, plan: Plan
    ) -> tuple[str, int]:
        """The name of the matrices on the chip, written now, or before t = 0, if they are not there yet."""
        stored, transposed = todo.matrix.stored, todo.matrix.transposed
        assert stored is not None
        name = (stored.name, stored.version)
        if name in bank.trained and name not in bank.stored:
            raise ValueError(
                f"{stored.name!r} was trained in place, and others took its crossbars: give the chip more of them"
            )
        if name in bank.stored and bank.stored[name].transposed != transposed and not self.sheet.bidirectional:
            if stored.trained:
                raise ValueError(
                    f"{stored.name!r} is trained in place and read both ways: set bidirectional: true for the chip, or"
                    " train by writing anew (without in_place)"
                )
            name = (f"{stored.name}^T", stored.version)
        if name in bank.stored:
            sheet = bank.stored[name].layers[0].sheet
            if sheet is not todo.sheet and sheet.storage() != todo.sheet.storage():
                raise ValueError(
                    f"{stored.name!r} is stored as another op's layer has it: give layers the name of the tensor"
                )
            return name
        for old in [old for old in bank.stored if old[0] in (stored.name, f"{stored.name}^T") and old[1] != name[1]]:
            bank.release(old)
        if _writes(plan):
            bank.store(name, matrices(), moment.time, 0.0, todo.sheet, transposed)
        else:
            age = self.sheet.device.reference_age if self.sheet.age is None else self.sheet.age
            bank.store(name, matrices(), 0.0, age, todo.sheet, transposed, preloaded=True)
        return name

    def state(self, key: int) -> Bank:
        from hetsim.analog.bank import Bank

        return Bank(self.sheet, self.sheet.programming, self.sheet.crossbars, key)

    def report(self, state: Bank, seconds: float) -> Mapping[str, float]:
        """Wear of the cells, see `Bank.wear`."""
        return state.wear(seconds, self.sheet.rewrite)

    def peaks(self) -> Mapping[str, float]:
        """Every crossbar full and all at work, inputs unsigned; the macros alone, without bus and programming."""
        sheet = self.sheet
        tiling = sheet.tiling(sheet.rows, sheet.columns)
        rows, columns = tiling.height, tiling.width - tiling.units
        full = self.work_type(sheet, Matrix(rows, columns, 1), signed=False)
        interval = sheet.pace(False, tiling.width, sheet.turns(full.tiling))[1]
        rate = sheet.crossbars / sheet.arrays * 2 * rows * columns / interval
        per_op = sum(step.count * step.joules for step in full.reading(1)) / (2 * rows * columns)
        power = sheet.static_power + rate * per_op
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def _calibration(self) -> tuple[Step, ...]:
        """A step that takes nothing until it is due, which only a run knows."""
        return () if self.sheet.compensation is None else (Step("calibrate", 0, 0.0, 0.0, "adc", expected=True),)

    def _resident(self, stored: Tensor, matrix: Matrix, residency: Residency) -> Placement | None:
        """Where this version of the matrix is stored, either way round where the chip reads it both ways."""
        for place in residency.placed:
            same = (place.tensor, place.version) == (stored.name, stored.version)
            if same and (self.sheet.bidirectional or place.transposed == matrix.transposed):
                return place
        return None

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
                bus_step(self.sheet, "load", taken, size),
                Step("pool", op.element_ops, 1 / units.rate, units.energy, "digital"),
                bus_step(self.sheet, "move", made, size),
            ),
            fill=busy + moving,
            interval=max(busy, moving),
            chunks=positions,
            streams=True,
        )


def _has(units: Units | None, operator: str) -> bool:
    """Whether the units compute an operator, written as in ``Relu`` or ``Clip(0,6)``."""
    return units is not None and operator.partition("(")[0] in units.kinds


def _stored(op: Op) -> Matrix | None:
    """The op as products with a stored matrix, or the matrix that it updates."""
    return op.matrix if op.changed is None else imc_update.target(op)


def _writes(plan: Plan) -> bool:
    """Whether the op's matrix is written in the run, when the op starts."""
    return plan.after is not None and plan.deployment is None


def _measured(todo: Work, kept: Stored) -> dict[str, Measured]:
    """The steps of writing what is stored, in as many pulses as it took."""
    steps = todo.write_steps(kept.written.pulses)
    return {step.name: Measured(step.count, step.count * step.joules) for step in steps}


def _deployed(todo: Work, kept: Stored, seconds: float) -> Deployment:
    return Deployment(seconds, spent(todo.write_steps(kept.written.pulses)), kept.written.pulses)


def _count(plan: Plan, name: str) -> float:
    return next((step.count for step in plan.steps if step.name == name), 0.0)
