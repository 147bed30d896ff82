"""Systolic arrays: matrix engines with one operand at rest in a grid of multipliers, such as the TPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hetsim.hardware.accelerator import Accelerator, AcceleratorSheet, Work
from hetsim.hardware.arithmetic import BYTES, SUM_BYTES
from hetsim.hardware.component import Sheet, Step, register
from hetsim.units import Bytes

if TYPE_CHECKING:
    from hetsim.workload import Matrix, Op


class SystolicSheet(AcceleratorSheet):
    """Datasheet of an array of ``rows`` x ``columns`` multipliers.

    ``stationary`` names the operand at rest. ``double_buffered``: the next tile's weights (or inputs) shift in,
    or the last tile's sums shift out, behind the running tile. ``shifts_out``: the sums of an output-stationary
    array leave through its rows, else over wires of their own as they are done. ``accumulators`` hold partial
    sums below the columns (none given: always enough), ``weight_buffer`` weights that are streamed again.
    """

    kind: Literal["systolic"] = "systolic"
    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    stationary: Literal["weight", "input", "output"] = "weight"
    double_buffered: bool = True
    shifts_out: bool = True
    accumulators: Bytes | None = Field(default=None, gt=0)
    weight_buffer: Bytes = Field(default=0.0, ge=0)

    @property
    def depth(self) -> int | None:
        """Vectors whose sums the accumulators hold at a time; None without a limit."""
        if self.accumulators is None:
            return None
        return max(int(self.accumulators) // (self.columns * SUM_BYTES[self.format]), 1)


@dataclass(frozen=True, slots=True)
class Folding:
    """A product cut to an array's size: ``tiles`` at rest, through each of which go ``passes`` of vectors.

    ``inputs`` and ``weights`` count how often each element of either operand enters the array.
    """

    tiles: int
    passes: tuple[int, ...]
    inputs: int
    weights: int


def folded(sheet: SystolicSheet, matrix: Matrix) -> Folding:
    """Cut M vectors times a matrix of K x N [Samajdar 2020, section III].

    Weights at rest: K on rows, N on columns, M streaming. Inputs at rest: K on rows, M on columns, N streaming.
    Outputs at rest: M on rows, N on columns, K streaming. Where K takes several tiles, their sums wait in the
    accumulators; more vectors than those hold take further passes.
    """
    k, n, m = matrix.rows, matrix.columns, matrix.vectors
    if sheet.stationary == "output":
        deep, wide = -(-m // sheet.rows), -(-n // sheet.columns)
        return Folding(matrix.groups * deep * wide, (k,), wide, deep)
    across, streaming = (n, m) if sheet.stationary == "weight" else (m, n)
    deep, wide = -(-k // sheet.rows), -(-across // sheet.columns)
    passes: tuple[int, ...] = (streaming,)
    if deep > 1 and sheet.depth is not None:
        whole, rest = divmod(streaming, sheet.depth)
        passes = (sheet.depth,) * whole + (rest,) * (rest > 0)
    tiles = matrix.groups * deep * wide
    if sheet.stationary == "weight":
        return Folding(tiles, passes, wide, len(passes))
    return Folding(tiles, passes, len(passes), wide)


def array_cycles(sheet: SystolicSheet, tiles: int, passes: Sequence[int]) -> int:
    """Cycles for streaming each pass's vectors through the tiles, from first operand in to last sum out.

    A tile at rest enters (or its sums leave) row by row, in R cycles. Double buffering hides them behind the
    neighbouring tile, so that tiles follow each other every max(vectors, R) cycles; without it each tile is
    loaded, streamed and drained on its own. The last vector's sum leaves R + C - 2 cycles after it entered, its
    own cycle not counted.
    """
    edge = sheet.rows if sheet.stationary != "output" or sheet.shifts_out else 0
    drain = sheet.rows + sheet.columns - 2
    if not sheet.double_buffered:
        return sum(tiles * (edge + vectors + drain) for vectors in passes)
    beats = sum(tiles * max(vectors, edge) for vectors in passes)
    return edge + beats - max(passes[-1], edge) + passes[-1] + drain


@register
class Systolic(Accelerator[SystolicSheet]):
    """A matrix op is cut into tiles, one operand at rest, through which the other one streams.

    Weights are fetched as they are, without padding; they are fetched again for each time they enter the array
    unless the weight buffer holds those in use [Jouppi 2017, section 4]. Each group of a grouped or depthwise
    convolution is a product of its own; a strided one has fewer vectors.
    """

    kind: ClassVar[str] = "systolic"
    sheet_type: ClassVar[type[Sheet]] = SystolicSheet

    def peaks(self) -> Mapping[str, float]:
        sheet = self.sheet
        rate = 2 * sheet.rows * sheet.columns * sheet.frequency
        reading = sheet.rows * sheet.frequency * BYTES[sheet.format] * sheet.buffer_energy
        power = self.static_power() + rate * sheet.energy + reading + self.memory.peak_power
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def maps(self, op: Op) -> str:
        if op.matrix is None or op.matrix.stored is None:
            return f"has no unit for {op.kind} without constant weights"
        return ""

    def work(self, op: Op) -> Work:
        sheet, item, matrix = self.sheet, BYTES[self.sheet.format], op.matrix
        assert matrix is not None, "only ops that are mapped are planned"
        fold = folded(sheet, matrix)
        cycles = array_cycles(sheet, fold.tiles, fold.passes)
        weights = matrix.groups * matrix.rows * matrix.columns * item
        inputs = matrix.groups * matrix.rows * matrix.vectors * item
        outputs = op.outputs[0].size * item
        spilled = 0.0
        if self.bytes(op) > sheet.buffer:
            spilled = sum(t.size for t in op.moving) * item * fold.inputs + outputs
        each = cycles / sheet.frequency / max(op.macs, 1)
        return Work(
            cycles=cycles,
            tiles=fold.tiles * len(fold.passes),
            weights=weights * (1 if self._kept(matrix) else fold.weights),
            spilled=spilled,
            buffered=inputs * fold.inputs + outputs,
            steps=(Step("matrix_multiply", op.macs, each, 2 * sheet.energy, "compute"),),
        )

    def _kept(self, matrix: Matrix) -> bool:
        """Whether the weights in use, those of a column of tiles, are still in the weight buffer next time."""
        across = matrix.columns if self.sheet.stationary == "input" else min(matrix.columns, self.sheet.columns)
        return matrix.rows * across * BYTES[self.sheet.format] <= self.sheet.weight_buffer
