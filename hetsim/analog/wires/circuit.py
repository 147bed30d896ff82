"""A crossbar as a circuit: Kirchhoff's laws of its cells and wires, solved exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog.wires.sheet import Place, Wires

Doubles = NDArray[np.float64]
Sensing = Literal["current", "voltage"]

TOLERANCE = 1e-11  # of the voltages that wires add, relative and in the energy norm
ITERATIONS = 10_000


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A crossbar with given voltages at its word lines' drivers.

    ``outputs`` [columns]: amperes into the sense amplifiers or, sensing voltage, volts that they see.
    ``cell_voltages`` [rows, columns]: from word to bit line across each cell without its transistor;
    ``cell_currents`` likewise. ``power``: watts from all drivers, dissipated in cells, transistors and wires.
    """

    outputs: Doubles
    cell_voltages: Doubles
    cell_currents: Doubles
    power: float


@dataclass(frozen=True, slots=True)
class States:
    """What n states of a circuit come to.

    Currents from word to bit line, summed over the cells of each of the ``rows`` [rows, n] and ``columns``
    [columns, n]; ``squares`` [rows, n] of the voltages over cells and transistors, summed by row with given weights;
    voltages [columns, n] of the bit lines' ``last`` nodes above their ends.
    """

    rows: Doubles
    columns: Doubles
    squares: Doubles
    last: Doubles


class Circuit:
    """The linear circuit of a crossbar, ready to be solved for any voltages.

    ``conductances`` [rows, columns] in siemens are those of cells without their access transistors. ``size`` is that
    of the whole crossbar where cells in its first rows and columns alone are in use (default: all are). ``sensing``
    is of the current into ground or of the voltage of open ends. Raises ValueError for conductances that are
    negative or not finite, and for open segments where there is no wire.
    """

    def __init__(
        self, conductances: ArrayLike, wires: Wires, sensing: Sensing = "current", size: tuple[int, int] | None = None
    ) -> None:
        from hetsim.analog.wires import kernels

        cells = _checked(conductances)
        rows, columns = cells.shape
        tall, wide = size or cells.shape
        if tall < rows or wide < columns:
            raise ValueError(f"{rows} x {columns} cells do not fit a crossbar of {tall} x {wide}")
        if misfit := wires.misfit(tall, wide):
            raise ValueError(misfit)
        self.sensing = sensing
        self.passing: Doubles = 1 / (1 + wires.access * cells)  # a cell's share of the voltage over it and transistor
        self.cells = cells * self.passing
        source, sense = wires.source, wires.sense if sensing == "current" else np.inf
        behind = source if wires.drive == "two_sided" else np.inf
        before = sense if wires.sensing == "two_sided" else np.inf
        # cells out of use carry no current: they only lengthen the lines
        word = _segments(columns, wires.word_line, source, behind + (wide - columns) * wires.word_line)
        bit = _segments(rows, wires.bit_line, before, sense + (tall - rows) * wires.bit_line)
        cut = _places(wires.open_word_lines, columns)
        split = _places(wires.open_bit_lines, rows)
        words = np.empty((2, -(-rows // kernels.LANES), columns, kernels.LANES))
        bits = np.empty((2, rows, columns))
        kernels.factor_words(self.cells, word, cut, words[0], words[1])
        kernels.factor(self.cells, bit, split, 0, bits[0], bits[1])
        self._factors = (self.cells, words[0], words[1], bits[0], bits[1])

    def operate(self, voltages: ArrayLike) -> OperatingPoint:
        """The operating point at ``voltages`` [rows], of either sign, at the drivers.

        Raises ValueError for voltages that are not finite.
        """
        ends = drivers(voltages, len(self.cells))
        currents, across, last = self.settle(self.cells * ends[:, None])
        across += ends[:, None]
        outputs = currents.sum(axis=0) if self.sensing == "current" else last
        return OperatingPoint(outputs, across * self.passing, currents, float(ends @ currents.sum(axis=1)))

    def settle(self, sources: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """All ends at ground, and ``sources`` [rows, columns] amperes through cells besides what voltages drive.

        Returns the currents of cells, which take the place of ``sources``, the voltages from word to bit line, both
        [rows, columns], and the voltages of the bit lines' last nodes [columns].
        """
        from hetsim.analog.wires import kernels

        work = np.empty((5, *self.cells.shape))
        _solved(kernels.solve(self._factors, sources, TOLERANCE, ITERATIONS, work))
        last = work[0, -1].copy()
        across: Doubles = np.subtract(work[1], work[0], out=work[1])
        return sources, across, last

    def drive(self, voltages: ArrayLike) -> tuple[Doubles, Doubles]:
        """Outputs [vectors, columns] and watts [vectors] for ``voltages`` [vectors, rows] at the drivers.

        Raises ValueError for voltages that are not finite.
        """
        ends = np.asarray(voltages, np.float64)
        if ends.ndim != 2 or ends.shape[1] != len(self.cells) or not np.isfinite(ends).all():
            raise ValueError(f"finite voltages [vectors, {len(self.cells)}] are expected, found shape {ends.shape}")
        outputs, power = np.empty((len(ends), self.cells.shape[1])), np.empty(len(ends))
        for lanes, state in self.states(words=ends.T):
            outputs[lanes] = (state.columns if self.sensing == "current" else state.last).T
            power[lanes] = (ends.T[:, lanes] * state.rows).sum(axis=0)
        return outputs, power

    def states(
        self,
        words: Doubles | None = None,
        bits: Doubles | None = None,
        pushed: Doubles | None = None,
        weights: Doubles | None = None,
    ) -> Iterator[tuple[slice, States]]:
        """Solve for n states of the lines' ends, a few at a time: which of them, and what they come to.

        ``words`` [rows, n] and ``bits`` [columns, n]: volts at the ends of lines; ``pushed`` [columns, n]: amperes
        into the bit lines' last nodes; what is left out is zero. ``weights`` [rows, columns]: see `States`.
        """
        from hetsim.analog.wires import kernels

        (rows, columns), width = self.cells.shape, kernels.LANES
        weights = np.zeros_like(self.cells) if weights is None else np.ascontiguousarray(weights, np.float64)
        work = np.empty((5, rows, columns, width))
        given = ((words, rows), (bits, columns), (pushed, columns))
        count = next(values.shape[1] for values, _ in given if values is not None)
        for begin in range(0, count, width):
            lanes = slice(begin, min(begin + width, count))
            ports = tuple(_padded(values, height, lanes, width) for values, height in given)
            sums = (np.empty((rows, width)), np.empty((columns, width)), np.empty((rows, width)))
            _solved(kernels.solve_lanes(self._factors, ports, weights, TOLERANCE, ITERATIONS, work, sums))
            yield lanes, States(*(part[:, : lanes.stop - begin] for part in (*sums, work[0, -1])))


def drivers(voltages: ArrayLike, rows: int) -> Doubles:
    """Voltages at the drivers of ``rows`` word lines. Raises ValueError if they are not so many finite numbers."""
    ends = np.asarray(voltages, np.float64)
    if ends.shape != (rows,) or not np.isfinite(ends).all():
        raise ValueError(f"{rows} finite voltages are expected, found shape {ends.shape}")
    return ends


def _checked(conductances: ArrayLike) -> Doubles:
    cells = np.array(conductances, np.float64, order="C")
    if cells.ndim != 2 or 0 in cells.shape:
        raise ValueError(f"conductances must be a matrix [rows, columns], found shape {cells.shape}")
    if not (cells.min() >= 0 and cells.max() < np.inf):
        i, j = np.argwhere(~((cells >= 0) & (cells < np.inf)))[0]
        raise ValueError(f"conductances must be finite and not negative, found {cells[i, j]} S in cell ({i}, {j})")
    return cells


def _solved(iterations: int) -> None:
    if iterations < 0:
        raise ArithmeticError(
            f"the crossbar's circuit was not solved in {ITERATIONS} iterations: its wires resist so much more than "
            "its cells that hardly any current arrives"
        )


def _segments(cells: int, pitch: float, before: float, behind: float) -> Doubles:
    ohms = np.full(cells + 1, pitch)
    ohms[0], ohms[-1] = before, behind
    return ohms


def _places(places: tuple[Place, ...], used: int) -> NDArray[np.int64]:
    """Lines and segments that are open: one among cells out of use cuts what lies beyond those in use."""
    return np.array([(line, min(segment, used)) for line, segment in places], np.int64).reshape(-1, 2)


def _padded(values: Doubles | None, height: int, lanes: slice, width: int) -> Doubles:
    port = np.zeros((height, width))
    if values is not None:
        port[:, : lanes.stop - lanes.start] = values[:, lanes]
    return port
