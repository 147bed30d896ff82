"""Readout: vectors through the converters of a crossbar, in pieces that any number of threads may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.drive import Codes, Drive, Single, Vectors, drive
from hetsim.analog.lines import BLOCK, GROUP, LANES, LINE, Layout, Lines, aligned
from hetsim.analog.macro import MacroSheet

T = TypeVar("T")
R = TypeVar("R")

_SLOTS = 1 << 12  # bit planes of all vectors of a piece
_BYTES = 1 << 22  # memory for the places of their partial sums
_VALUES = 1 << 17  # numbers that are multiplied while they are in the cache
_BLOCKS = 4  # blocks of columns of a piece when there are too few vectors to share out
_ALONE = 1 << 21  # rows times lines times planes below which threads are not worth starting


@dataclass(frozen=True, slots=True)
class Readout:
    """What came out: ``values`` float32 [M, N]; ``driven`` [K] integrations of each word line, in units of one at
    full voltage; ``saved`` siemens by which floating lines lowered dissipation; conversions that ``clipped``."""

    values: Single
    driven: NDArray[np.float64]
    saved: float
    clipped: int


@dataclass(frozen=True, slots=True)
class Readers:
    """The converters of a matrix: its datasheet, layout and lines, and the weight of one code unit."""

    sheet: MacroSheet
    layout: Layout
    lines: Lines
    scale: float

    def read(self, inputs: Vectors, signed: bool, key: int, first: int) -> Readout:
        """Read the products of M vectors. Pieces do not depend on threads, and are added up in order."""
        from hetsim.analog import kernels

        sheet, (count, rows) = self.sheet, inputs.shape
        bits, passes = sheet.magnitude_bits(signed), sheet.passes(signed)
        amplitude = sheet.dac.encoding == "amplitude"
        drives = drive(passes, bits, sheet.adc.codes(sheet.signed_codes))
        read = self._levels if amplitude else self._pulses
        values = np.empty((count, self.layout.tiling.columns), np.float32)

        def piece(part: tuple[slice, NDArray[np.int64]]) -> tuple[NDArray[np.int64], float, int]:
            vectors, blocks = part
            codes, scale, across = inputs.codes(vectors, bits)
            weight, place = scale * np.float64(self.scale), (np.uint64(key), first + vectors.start)
            clipped, saved = read(codes, across, drives, blocks, weight, *place, values[vectors])
            driven = np.zeros((len(passes), rows), np.int64)
            if blocks[0, 0] == 0:  # one of the pieces that share these vectors
                kernels.count(codes, across, drives.passes, amplitude, driven)
            return driven, saved, clipped

        work = count * drives.planes * rows * self.layout.count * self.layout.width
        parts = self._pieces(count, drives.planes)
        driven, saved, clipped = zip(*shared_out(piece, parts, threads=work > _ALONE), strict=True)
        full = np.array([float(p.top) ** 2 if amplitude else 1.0 for p in passes])
        return Readout(values, (np.sum(driven, axis=0) / full[:, None]).sum(axis=0), sum(saved), sum(clipped))

    def _pulses(
        self, codes: Codes, across: bool, drives: Drive, blocks: NDArray[np.int64], scale: Any, key: Any, first: int,
        out: Single,
    ) -> tuple[int, float]:  # fmt: skip
        from hetsim.analog import kernels

        layout, tiling, lines = self.layout, self.layout.tiling, self.lines
        apart = min(kernels.SLOTS, 1 << (len(scale) - 1).bit_length())  # vectors whose slots stand side by side
        bits = drives.bits(apart, kernels.SLOTS)
        sets = -(-len(scale) // apart) * len(bits) // kernels.SLOTS
        slots = aligned((tiling.down, sets, layout.rows // GROUP, kernels.SLOTS), np.uint16)
        kernels.pack(codes, across, tiling.height, apart, bits, slots)
        noisy = lines.variances.shape[2] > 0
        table, total = (kernels.DEPTH, 1 << GROUP), sets * kernels.SLOTS
        signal, spread = lines.signals, lines.variances
        lanes, wide = LINE // signal.itemsize, LINE // spread.itemsize
        room = (
            aligned((*table, lanes), signal.dtype), aligned((total, lanes), signal.dtype),
            aligned((*table, wide if noisy else 0), spread.dtype), aligned((total * noisy, wide), spread.dtype),
            np.empty((len(scale), layout.width)), np.empty(len(scale), np.uint64),
        )  # fmt: skip
        heights, order = np.array(tiling.heights()), (apart, len(bits))
        return kernels.read_pulses(slots, order, heights, lines, drives, blocks, scale, key, first, room, out)

    def _levels(
        self, codes: Codes, across: bool, drives: Drive, blocks: NDArray[np.int64], scale: Any, key: Any, first: int,
        out: Single,
    ) -> tuple[int, float]:  # fmt: skip
        from hetsim.analog import kernels

        layout, lines, (passes, rows) = self.layout, self.lines, (len(drives.passes), self.layout.tiling.rows)
        panel = kernels.PANEL
        deep = panel * max(1, min(-(-len(scale) // panel), BLOCK // 4, _VALUES // (rows * passes * panel)))
        noisy, sums = lines.variances.shape[2] > 0, (panel, layout.width)

        def applied(rows_of: NDArray[Any], wanted: bool) -> tuple[NDArray[Any], NDArray[Any]]:
            each = 2 if rows_of.dtype == np.int16 else 1
            half = -(-rows // each)
            shape = (passes * wanted, half, deep, each) if across else (passes * wanted, deep, half, each)
            kind: Any = np.float32 if each == 1 else np.int32
            return aligned(shape, rows_of.dtype), aligned((passes * wanted, *sums), kind)

        (values, added), (squares, spreads) = applied(lines.signals, True), applied(lines.variances, noisy)
        room = (
            values, squares, added, spreads,
            np.empty((deep, layout.width)), np.empty(deep, np.uint64),
        )  # fmt: skip
        height = layout.tiling.height
        return kernels.read_levels(codes, across, height, lines, drives, blocks, scale, key, first, room, out)

    def _pieces(self, vectors: int, planes: int) -> list[tuple[slice, NDArray[np.int64]]]:
        """Parts of the batch, and of the columns when there are few vectors."""
        size = 2 * planes * self.layout.rows // GROUP * self.layout.tiling.down
        height = max(LANES, min(_SLOTS // planes, _BYTES // size))
        blocks = self.layout.blocks()
        wide = len(blocks) if vectors > height else _BLOCKS
        return [
            (slice(begin, min(begin + height, vectors)), blocks[b : b + wide])
            for begin in range(0, vectors, height)
            for b in range(0, len(blocks), wide)
        ]


def shared_out(function: Callable[[T], R], parts: Sequence[T], threads: bool) -> list[R]:
    """Results in order, computed by as many threads as Numba is set to use: compiled code lets go of the lock.

    Plain threads, not Numba's: its parallel loops fight with those of BLAS, and a process that ran one cannot fork.
    """
    from hetsim.analog import kernels

    count = min(len(parts), kernels.threads()) if threads else 1
    if count < 2:
        return [function(part) for part in parts]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, parts))
