"""Systolic arrays: integer matrix engines with stationary weights, such as the TPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Sheet, Step, register
from hetsim.hardware.memory import Attached, OwnOrNamed
from hetsim.units import Bytes, EnergyPerByte, EnergyPerOp, Frequency, Time

if TYPE_CHECKING:
    from hetsim.workload import Array, Matrix, Op

SUM_BYTES = 4  # of an accumulator
MOST_ROWS = (2**31 - 1) // 127**2  # products of two int8 codes that an int32 sum holds for certain
VECTOR_KINDS = frozenset((
    "Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "Add", "Sub", "Mul", "Sum", "Max", "Min",
    "BatchNormalization", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool",
    "ReduceMean", "ReduceMax", "ReduceSum", "Concat", "Pad", "Transpose", "Slice", "Split",
))  # fmt: skip
SELECTING = frozenset(("Relu", "MaxPool", "GlobalMaxPool", "ReduceMax", "Transpose", "Slice", "Split"))


class SystolicSheet(Sheet):
    """Datasheet of a weight-stationary array: ``rows`` (inputs) x ``columns`` (outputs) int8 multipliers.

    ``double_buffered`` weights shift in behind the running tile. ``accumulators`` hold the sums of a column
    pass, ``buffer`` (unified buffer) inputs and outputs. ``lanes`` is how many element-wise operations the
    activation unit does a cycle. ``memory`` holds the weights. ``launch`` is the host's overhead for an op.
    ``energy`` is that of an operation (half a MAC) in the array, ``vector_energy`` of one in the activation
    unit, ``buffer_energy`` of a byte in or out of the buffer.
    """

    kind: Literal["systolic"] = "systolic"
    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    frequency: Frequency = Field(gt=0)
    double_buffered: bool = True
    accumulators: Bytes = Field(gt=0)
    buffer: Bytes = Field(gt=0)
    lanes: int = Field(gt=0)
    launch: Time = Field(default=0.0, ge=0)
    memory: OwnOrNamed
    energy: EnergyPerOp = Field(ge=0)
    vector_energy: EnergyPerOp = Field(ge=0)
    buffer_energy: EnergyPerByte = Field(ge=0)

    @property
    def depth(self) -> int:
        """Input vectors whose sums the accumulators hold at a time."""
        return max(int(self.accumulators) // (self.columns * SUM_BYTES), 1)


@register
class Systolic(Component[SystolicSheet]):
    """A matrix op is cut into tiles of rows x columns weights, through which all input vectors stream.

    Its time is the longer of the array's cycles and of fetching the weights, as in [Jouppi 2017, section 4];
    weights are fetched as they are, without padding. Fused and element-wise work is done by the activation
    unit, behind the array and at the same time. Inputs and outputs stay in the buffer, one byte an element.
    """

    kind: ClassVar[str] = "systolic"
    sheet_type: ClassVar[type[Sheet]] = SystolicSheet

    def __init__(self, name: str, sheet: SystolicSheet) -> None:
        super().__init__(name, sheet)
        self.memory = Attached(name, sheet.memory)

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Find the memory that the datasheet names."""
        self.memory.bind(others)

    def static_power(self) -> float:
        return self.sheet.static_power + self.memory.standby

    def peaks(self) -> Mapping[str, float]:
        sheet = self.sheet
        rate = 2 * sheet.rows * sheet.columns * sheet.frequency
        reading = sheet.rows * sheet.frequency * sheet.buffer_energy
        power = self.static_power() + rate * sheet.energy + reading + self.memory.peak_power
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def supports(self, op: Op) -> str:
        if op.cost is not None:
            return f"runs tensor operations, not a {op.kind}"
        if op.exact or any(t.dtype == "float64" for t in (*op.outputs, *op.moving, *op.constants)):
            return "computes in int8, and the op is float64 or must be exact"
        if op.matrix is None or op.matrix.stored is None:
            if op.kind not in VECTOR_KINDS:
                return f"has no unit for {op.kind} without constant weights"
        elif op.matrix.rows > MOST_ROWS:
            return f"sums of {op.matrix.rows} products overflow its int32 accumulators"
        needed = sum(t.size for t in (*op.moving, *op.outputs))
        if needed > self.sheet.buffer:
            return f"inputs and outputs of {needed} B exceed its buffer of {self.sheet.buffer:.0f} B"
        return ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        sheet = self.sheet
        moved = sum(t.size for t in op.moving) + sum(t.size for t in op.outputs)
        vector = -(-max(op.element_ops, op.outputs[0].size) // sheet.lanes)
        cycles = weights = 0
        if op.matrix is not None and op.matrix.stored is not None:
            cycles, weights, moved = self._streamed(op.matrix, op.outputs[0].size)
        array = cycles / sheet.frequency
        steps = (
            Step("launch", 1, sheet.launch, 0.0, "compute"),
            self.memory.step("load_weights", weights),
            Step(
                "matrix_multiply",
                op.macs,
                cycles / sheet.frequency / max(op.macs, 1),
                2 * sheet.energy,
                "compute",
            ),
            Step("activate", op.element_ops, 1 / sheet.frequency / sheet.lanes, sheet.vector_energy, "compute"),
            Step("buffer", moved, 0.0, sheet.buffer_energy, "buffer"),
        )
        fetching = weights / self.memory.sheet.rate
        computing = max(array, vector / sheet.frequency)
        return Plan(
            holds=(f"{self.name}.array",),
            output_bytes=tuple(t.size for t in op.outputs),
            steps=tuple(step for step in steps if step.count),
            setup=sheet.launch,
            fill=computing if self.memory.shared else max(computing, fetching),
            demands=((self.memory.port, float(weights)),) if self.memory.shared and weights else (),
        )

    def _streamed(self, matrix: Matrix, outputs: int) -> tuple[int, int, int]:
        """Array cycles, bytes of weights fetched, bytes in and out of the buffer."""
        sheet = self.sheet
        deep = -(-matrix.rows // sheet.rows)
        wide = -(-matrix.columns // sheet.columns)
        passes = [matrix.vectors]  # sums of a single row of tiles leave at once; more have to wait for each other
        if deep > 1:
            whole, rest = divmod(matrix.vectors, sheet.depth)
            passes = [sheet.depth] * whole + [rest] * (rest > 0)
        tiles = matrix.groups * deep * wide
        weights = matrix.groups * matrix.rows * matrix.columns * len(passes)
        reads = matrix.groups * matrix.rows * matrix.vectors * wide
        return array_cycles(sheet, tiles, passes), weights, reads + outputs

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """Int8 codes of all that goes in or out; products are summed exactly in int32.

        Inputs and outputs have one scale a tensor, from their own largest magnitude, weights one a column;
        bias and activation are applied to the scaled sums.
        """
        from hetsim.formats import integer_product, quantised
        from hetsim.numerics import finish, lift, lower, run

        def stored(x: Array) -> Array:
            if x.dtype.kind != "f":
                return x
            codes, scale = quantised(x)
            return codes.astype(scale.dtype) * scale

        if op.matrix is None or op.matrix.stored is None:
            values = [
                x if x is None or t is None or t.constant else stored(x) for x, t in zip(inputs, op.inputs, strict=True)
            ]
            made = run(op, values, moment.threads)  # what only selects among codes needs no new ones
            return Outcome(made if op.kind in SELECTING else tuple(stored(y) for y in made))
        x, w = lower(op, inputs)
        x_codes, x_scale = quantised(x)
        w_codes, w_scale = quantised(w, axis=-2)
        sums = integer_product(x_codes, w_codes) * (x_scale * w_scale).astype("float64")  # all 32 bits count
        return Outcome((stored(finish(op, lift(op, sums), inputs)),))


def array_cycles(sheet: SystolicSheet, tiles: int, passes: Sequence[int]) -> int:
    """Cycles for streaming each pass's vectors through the tiles, from first weight in to last sum out.

    A tile's weights enter row by row, in R cycles. One that is running hides the next one's loading, so that
    tiles follow each other every max(vectors, R) cycles; without double buffering each tile is loaded,
    streamed and drained on its own. The last vector's sum leaves R + C - 2 cycles after it entered, its own
    cycle not counted.
    """
    rows, drain = sheet.rows, sheet.rows + sheet.columns - 2
    if not sheet.double_buffered:
        return sum(tiles * (rows + vectors + drain) for vectors in passes)
    beats = sum(tiles * max(vectors, rows) for vectors in passes)
    return rows + beats - max(passes[-1], rows) + passes[-1] + drain
