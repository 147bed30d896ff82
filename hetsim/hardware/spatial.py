"""Spatial arrays with row-stationary dataflow, such as Eyeriss: rows of a convolution on a grid of small cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from hetsim.hardware.accelerator import Accelerator, AcceleratorSheet, Work
from hetsim.hardware.arithmetic import BYTES, Format
from hetsim.hardware.component import Measured, Moment, Outcome, Plan, Sheet, Step, register
from hetsim.units import Energy, Ratio

if TYPE_CHECKING:
    from hetsim.workload import Array, Op

Share = Annotated[Ratio, Field(ge=0, le=1)]


class SpatialSheet(AcceleratorSheet):
    """Datasheet of an array of ``rows`` x ``columns`` processing elements (PEs).

    ``input_words`` is the size of a PE's scratchpad for inputs. ``cycle_energy`` is drawn in each cycle in which
    the array works, whatever it computes (clock tree, control), ``energy`` by each operation on an input that is
    not zero: multiplications by zero are gated, they take their time but no energy. ``zeros`` gives the share of
    zero inputs by name of op (or pattern), which counts when no numbers are computed. ``run_length`` encodes the
    zeros of inputs on their way from the memory.
    """

    kind: Literal["spatial"] = "spatial"
    format: Format = "int16"
    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    input_words: int = Field(gt=0)
    cycle_energy: Energy = Field(ge=0)
    zeros: Mapping[str, Share] = {}
    run_length: bool = False


@dataclass(frozen=True, slots=True)
class Convolution:
    """Sizes of one group: ``images`` of ``channels``, ``filters`` of ``height`` x ``width``, ``lines`` x ``places``
    of output."""

    images: int
    groups: int
    filters: int
    channels: int
    height: int
    width: int
    lines: int
    places: int

    @classmethod
    def of(cls, op: Op) -> Convolution:
        """A convolution as it is, a dense layer as one of 1 x 1 on images of one pixel."""
        matrix = op.matrix
        assert matrix is not None
        if op.kind != "Conv":
            return cls(matrix.vectors, 1, matrix.columns, matrix.rows, 1, 1, 1, 1)
        kernel, output = op.constants[0].shape, op.outputs[0].shape
        height, width = kernel[2:] if len(kernel) == 4 else (1, kernel[2])
        lines, places = output[2:] if len(output) == 4 else (1, output[2])
        return cls(output[0], matrix.groups, matrix.columns, kernel[1], height, width, lines, places)


@dataclass(frozen=True, slots=True)
class RowStationary:
    """How a convolution lies on the array [Chen 2017, section IV].

    A PE slides one row of a filter along one row of an image; ``height`` PEs in a column add up one line of
    output, and ``strip`` columns, diagonal by diagonal, make as many lines. Such a set is folded into the bands of
    ``height`` rows that fit on the array; ``sets`` of them work at once, on different filters, channels or images.
    Filters higher than the array are cut into ``folds``, outputs of more lines than fit into ``strips``.
    """

    height: int
    folds: int
    strip: int
    strips: int
    sets: int

    @property
    def active(self) -> int:
        """PEs at work while a full strip is."""
        return self.height * self.strip * self.sets


def laid(sheet: SpatialSheet, shape: Convolution) -> RowStationary:
    """The mapping with most PEs at work."""
    folds = -(-shape.height // sheet.rows)
    height = -(-shape.height // folds)
    slots = sheet.rows // height * sheet.columns
    strip = min(shape.lines, slots)
    return RowStationary(height, folds, strip, -(-shape.lines // strip), slots // strip)


def array_cycles(sheet: SpatialSheet, shape: Convolution) -> int:
    """Cycles in which the array makes all outputs.

    For each output a PE takes a cycle for each of its multiplications and one more for each sum that it gets from
    the PE below, since that goes through the same adder [Chen 2017, figure 13]; it does so once for the channels
    that its input scratchpad holds together.
    """
    lay = laid(sheet, shape)
    held = min(max(sheet.input_words // shape.width, 1), shape.channels)
    each = shape.channels * shape.width + -(-shape.channels // held)
    jobs = shape.images * shape.groups * shape.filters * lay.strips * lay.folds
    return -(-jobs // lay.sets) * shape.places * each


@register
class Spatial(Accelerator[SpatialSheet]):
    """Convolutions and dense layers, row by row; pooling compares on all PEs."""

    kind: ClassVar[str] = "spatial"
    sheet_type: ClassVar[type[Sheet]] = SpatialSheet

    def peaks(self) -> Mapping[str, float]:
        sheet = self.sheet
        rate = 2 * sheet.rows * sheet.columns * sheet.frequency
        power = self.static_power() + rate * sheet.energy + sheet.frequency * sheet.cycle_energy
        power += self.memory.peak_power
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def maps(self, op: Op) -> str:
        if op.matrix is None or op.matrix.stored is None:
            return f"has no unit for {op.kind} without constant weights"
        if op.kind == "Conv" and len(op.outputs[0].shape) > 4:
            return "convolves in one or two dimensions only"
        return ""

    def work(self, op: Op) -> Work:
        sheet, shape, item = self.sheet, Convolution.of(op), BYTES[self.sheet.format]
        cycles = array_cycles(sheet, shape)
        zeros = next((share for pattern, share in sheet.zeros.items() if fnmatchcase(op.name, pattern)), 0.0)
        weights, images, outputs = self._traffic(op, shape, zeros)
        multiplying = 1 / sheet.frequency / laid(sheet, shape).active
        steps = (
            Step("multiply", op.macs * (1 - zeros), multiplying, 2 * sheet.energy, "compute", expected=True),
            Step("gated_multiply", op.macs * zeros, multiplying, 0.0, "compute", expected=True),
            Step("clock", cycles, 1 / sheet.frequency, sheet.cycle_energy, "digital"),
        )
        buffered = sum(t.size for t in (*op.moving, *op.outputs)) * item
        return Work(cycles, laid(sheet, shape).strips * shape.images, weights, images + outputs, buffered, steps)

    def _traffic(self, op: Op, shape: Convolution, zeros: float) -> tuple[float, float, float]:
        """Bytes of weights, inputs and outputs through the memory, in the order of loops that moves least.

        The buffer holds the partial sums of ``m`` filters for ``n`` images: weights are fetched once for every n
        images and strip of lines, inputs once for every m filters; lines that two strips share, twice. Where all
        inputs and outputs fit into the buffer they stay there.
        """
        sheet, item, lay = self.sheet, BYTES[self.sheet.format], laid(self.sheet, shape)
        weights = float(op.constants[0].size * item)
        inputs, outputs = float(sum(t.size for t in op.moving) * item), float(op.outputs[0].size * item)
        if inputs + outputs <= sheet.buffer:
            return weights, 0.0, 0.0
        inputs *= _encoded(zeros, item) if sheet.run_length else 1.0
        stride = op.attributes.get("strides", (1,))[0]
        inputs *= 1 + (lay.strips - 1) * max(shape.height - stride, 0) / max(stride * shape.lines, 1)
        line = lay.strip * shape.places * item
        choices = []
        for n in range(1, shape.images + 1):
            m = min(int(sheet.buffer // (n * line)), shape.filters)
            if m:
                rounds = -(-shape.images // n) * lay.strips
                choices.append((weights * rounds, inputs * -(-shape.filters // m), outputs))
        return min(choices, key=sum, default=(weights * shape.images * lay.strips, inputs * shape.filters, outputs))

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """Numbers in the part's format; the zeros among the inputs of the multiplications are counted."""
        outcome = super().compute(op, inputs, state, moment, plan)
        if op.matrix is None or op.matrix.stored is None:
            return outcome
        from hetsim.numerics import lower

        x, _ = lower(op, inputs)
        zero = op.macs * float((x == 0).mean())
        joules = (op.macs - zero) * 2 * self.sheet.energy
        steps = {"multiply": Measured(op.macs - zero, joules), "gated_multiply": Measured(zero, 0.0)}
        return Outcome(outcome.outputs, steps, counts={"multiplications": op.macs, "gated": zero})


def _encoded(zeros: float, item: int) -> float:
    """Size of run-length encoded words, against their size as they are; never more than that.

    A word of 64 bits holds three pairs of a run of zeros and the word behind it [Chen 2017, section III].
    """
    return min((1 - zeros) * 64 / 3 / (8 * item), 1.0)
