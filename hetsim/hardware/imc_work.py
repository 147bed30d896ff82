"""What an op on a stored matrix takes on an in-memory computing chip: tiles, steps, pace, and writing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from hetsim.hardware.component import Step
from hetsim.hardware.imc_sheet import OUTPUT_BYTES, ImcSheet
from hetsim.hardware.writing import write_steps

if TYPE_CHECKING:
    from hetsim.analog.mapping import Tiling
    from hetsim.workload import Matrix, Op, Tensor


@dataclass(frozen=True)
class Work:
    """``matrix`` read on a chip whose ``sheet`` is as the op's layer has it; ``turned``, from its columns.

    ``biased`` and ``activated`` are additions and activations behind the product.
    """

    sheet: ImcSheet
    matrix: Matrix
    signed: bool
    biased: bool = False
    activated: bool = False
    turned: bool = False

    @cached_property
    def tiling(self) -> Tiling:
        """The tiles of the matrix as it is stored."""
        rows, columns = self.matrix.rows, self.matrix.columns
        return self.sheet.tiling(columns, rows) if self.turned else self.sheet.tiling(rows, columns)

    @property
    def arrays(self) -> int:
        """Times that the matrix is stored, in full or as what others lack."""
        return self.sheet.arrays * self.sheet.replicas

    @property
    def slots(self) -> int:
        """Crossbars that it takes."""
        return self.matrix.groups * self.tiling.tiles * self.arrays

    @property
    def partial_sums(self) -> int:
        """Partial sums that are added up for an output."""
        return (self.tiling.across if self.turned else self.tiling.down) * self.sheet.arrays

    def pace(self) -> tuple[float, float]:
        """Seconds from the first input to the first vector's outputs, and from one vector's to the next's.

        Inputs and outputs share the bus; conversion, partial sums and activation are stages of their own. Replicas
        take turns with the vectors.
        """
        sheet, outputs = self.sheet, self.matrix.groups * self.matrix.columns
        load, move = self.carried()
        turns = sheet.turns(self.tiling, self.turned)
        fullest = sheet.reading(self.tiling, self.turned).widest
        latency, interval = sheet.pace(self.signed, fullest, turns, self.turned)
        add = sheet.digital.time * (self.partial_sums - 1 + self.biased + (sheet.mapping == "offset"))
        units = sheet.activation
        activate = outputs / (units.rate * units.count) if units and self.activated else 0.0
        return load + latency + add + activate + move, max(load + move, interval / sheet.replicas, add, activate)

    def carried(self) -> tuple[float, float]:
        """Seconds on the bus for the inputs of a vector, and for its outputs."""
        sheet, matrix = self.sheet, self.matrix
        load = matrix.groups * matrix.rows * sheet.input_bits / 8 / sheet.bus.bandwidth
        return load, matrix.groups * matrix.columns * OUTPUT_BYTES[sheet.output] / sheet.bus.bandwidth

    def steps(self) -> tuple[Step, ...]:
        """Instructions of the op, from its inputs to its outputs."""
        sheet, matrix = self.sheet, self.matrix
        products = matrix.vectors * matrix.groups
        outputs = products * matrix.columns
        units = sheet.activation
        activate = () if units is None else (Step("activate", outputs, 1 / units.rate, units.energy, "digital"),)
        additions = outputs * (self.partial_sums - 1 + self.biased) + self._offset(products)
        time = sheet.digital.time / matrix.columns
        return (
            bus_step(sheet, "load", products * matrix.rows, sheet.input_bits / 8),
            *self.reading(products),
            Step("accumulate", additions, time, sheet.digital.accumulate, "digital"),
            *(activate if self.activated else ()),
            bus_step(sheet, "move", outputs, OUTPUT_BYTES[sheet.output]),
        )

    def reading(self, products: int) -> tuple[Step, ...]:
        """Drive, integrate, sample, convert, shift and add, check, for so many products with the tiled matrix."""
        sheet, tiling, passes = self.sheet, self.tiling, self.sheet.passes(self.signed)
        products *= sheet.arrays
        pulses, integrations = sum(p.pulses for p in passes), sum(p.integrations for p in passes)
        step = tiling.footprint
        driven = tiling.rows * tiling.across * step.height
        if self.turned:
            driven = tiling.columns * tiling.down * step.width
        reads = products * tiling.tiles * integrations * sheet.turns(tiling, self.turned)
        array = products * sheet.dissipation(tiling, self.signed) / reads
        sample = sheet.sample + sheet.integrate * integrations / pulses
        conversions = products * sheet.conversions(tiling, self.signed, self.turned)
        adc, digital = sheet.adc, sheet.digital
        checks = conversions / sheet.lines if sheet.an_code else 0
        check = digital.shift_add if digital.check is None else digital.check
        return (
            Step("drive", products * driven * pulses, 0.0, sheet.dac.energy, "dac"),
            Step("integrate", reads, sheet.integration_time, array, "array", expected=True),
            Step("sample", conversions // len(passes) * pulses, 0.0, sample, "adc"),
            Step("convert", conversions, adc.time, adc.energy, "adc"),
            Step("shift-add", conversions, 0.0, digital.shift_add, "digital"),
            Step("check", checks, 0.0, check, "digital"),
        )

    def writing(self) -> tuple[float, float]:
        """Expected seconds and pulses of writing the matrix."""
        sheet, write = self.sheet, self.sheet.device.write
        seconds = sheet.programming.expected(self._shapes() * self.arrays, write)
        return seconds + self.read_back()[0], self._cells * self.arrays * write.pulses

    def read_back(self) -> tuple[float, float]:
        """Seconds and cells of reading back every array to which another one is fitted."""
        sheet, count = self.sheet, self.sheet.replicas * (self.sheet.arrays - 1)
        if not count:
            return 0.0, 0
        once = sheet.device.write.model_copy(update={"pulses": 1.0, "time": 0.0})  # a verify read, row by row
        return sheet.programming.expected(self._shapes() * count, once), self._cells * count

    def write_steps(self, pulses: float) -> tuple[Step, ...]:
        """Instructions of writing it in so many pulses."""
        write, adc = self.sheet.device.write, self.sheet.adc
        cells = self.read_back()[1]
        again = (Step("read-back", cells, write.verify, adc.energy, "program"),) if cells else ()
        return (*write_steps(write, pulses, self._cells * self.arrays, adc.energy), *again)

    def _offset(self, products: int) -> int:
        """Additions that take an offset off every output: from a unit column, or from the sum of the inputs."""
        if self.sheet.mapping != "offset":
            return 0
        summed = 0 if self.sheet.subtraction == "unit" and not self.turned else products * self.matrix.rows
        return summed + products * self.matrix.columns * self.sheet.arrays

    @property
    def _cells(self) -> int:
        return self.sheet.scheme.cells * self.matrix.groups * self.tiling.rows * self.tiling.columns

    def _shapes(self) -> list[tuple[int, int]]:
        return self.tiling.shapes() * self.matrix.groups


def work(sheet: ImcSheet, op: Op, matrix: Matrix, stored: Tensor, kind: type[Work] = Work) -> Work:
    """The work of an op on a matrix that is stored as it uses it, of a ``kind``."""
    own = sheet.layer(op.name, stored.name).replicated(matrix.copies)
    biased = len(op.inputs) > 2 and op.inputs[2] is not None
    moving = next(t for t in op.inputs[:2] if t is not None and t is not stored)
    signed = not (moving.nonnegative or moving.dtype.startswith("uint"))
    return kind(own, matrix, signed, biased, op.activation is not None)


def turned(work: Work) -> Work:
    """The same, read from the columns of what is stored."""
    return replace(work, turned=True)


def bus_step(sheet: ImcSheet, name: str, values: int, size: float) -> Step:
    """So many values of a size in bytes over the tile bus."""
    return Step(name, values, size / sheet.bus.bandwidth, size * sheet.bus.energy, "buffer")
