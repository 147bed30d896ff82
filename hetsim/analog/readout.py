"""Readout: vectors through the converters of a crossbar, in pieces that any number of threads may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.drive import Codes, Drive, Single, Vectors, drive
from hetsim.analog.lines import BLOCK, DEPTH, GROUP, LANES, LINE, Layout, Lines, Room, aligned
from hetsim.analog.macro import MacroSheet
from hetsim.analog.noise import Sinh
from hetsim.analog.threads import shared_out
from hetsim.keys import key as derive

Piece = tuple[slice, NDArray[np.int64]]  # vectors, and blocks of columns
Wanted = tuple[tuple[tuple[int, ...], Any], ...]  # shapes and types of scratch arrays
_SLOTS = 1 << 11  # bit planes of all vectors whose sums are kept together
_BYTES = 1 << 22  # memory for the places of their partial sums, and for the codes of a piece
_VALUES = 1 << 17  # numbers that are multiplied while they are in the cache
_BLOCKS = 4  # blocks of columns of a piece when there are too few vectors to share out
_WORK = 1 << 26  # rows times lines times planes of all vectors of a piece that is worth a call
_ALONE = 1 << 21  # the same, below which threads are not worth starting

_FEW = 10  # rows of a tile of whose bits all patterns may have their sums in a table
_OFTEN = 4  # bit planes for each of those patterns that are worth the table

_ROOM = Room()


@dataclass(frozen=True, slots=True)
class Readout:
    """What came out: ``values`` float32 [M, N]; ``driven`` [K] integrations of each word line, in units of one at
    full voltage; ``saved`` siemens by which floating lines lowered dissipation; conversions that ``clipped``."""

    values: Single
    driven: NDArray[np.float64]
    saved: float
    clipped: int


class Course(NamedTuple):
    """What every read of inputs with, or without, signs does: their magnitude ``bits``, the ``drive`` of its passes,
    what a row driven in full counts in each of them (``full`` [passes, 1]), and ``steps``, the sums of rows that a
    vector takes: one for each bit plane, or for each pass of voltage levels."""

    bits: int
    drive: Drive
    full: NDArray[np.float64]
    steps: int


@dataclass(frozen=True, slots=True)
class Readers:
    """The converters of a matrix: its datasheet, layout and lines, the weight of one code unit, and the law of cells
    that are driven with voltages at which their current is not G V."""

    sheet: MacroSheet
    layout: Layout
    lines: Lines
    scale: float
    bent: Sinh | None = None
    courses: dict[bool, Course] = field(default_factory=dict)
    parts: dict[tuple[int, int], list[Piece]] = field(default_factory=dict)
    wants: dict[tuple[int, int], tuple[tuple[int, int], Wanted]] = field(default_factory=dict)

    def read(self, inputs: Vectors, signed: bool, key: int, first: int, lasting: int | None = None) -> Readout:
        """Read the products of M vectors. Pieces do not depend on threads, and are added up in order.

        ``key`` decides the noise of samples, ``lasting`` (default: made from it) that which stays for a product: reads
        that are parts of one product share it.
        """
        from hetsim.analog import kernels

        course, (count, rows) = self._course(signed), inputs.shape
        read: Callable[..., tuple[int, float]] = self._read
        if self._drawn or self._bowed:
            read = partial(self._one_by_one, np.uint64(derive(key, "lasting") if lasting is None else lasting))
        values = np.empty((count, self.layout.tiling.columns), np.float32)

        def piece(part: Piece) -> tuple[NDArray[Any], float, int]:
            vectors, blocks = part
            codes, scale, across = inputs.codes(vectors, course.bits)
            weight, place = scale * np.float64(self.scale), (np.uint64(key), first + vectors.start)
            clipped, saved = read(codes, across, course.drive, blocks, weight, *place, values[vectors])
            driven: NDArray[Any] = np.zeros((len(course.full), rows), np.int64)
            if blocks[0, 0] == 0:  # one of the pieces that share these vectors
                if self.bent is not None:
                    driven = self._powers(codes.T if across else codes, course.drive)
                else:
                    kernels.count(codes, across, course.drive.passes, self._amplitude, driven)
            return driven, saved, clipped

        work = count * course.steps * rows * self.layout.count * self.layout.width
        if (parts := self.parts.get((count, course.steps))) is None:
            parts = self.parts[count, course.steps] = self._pieces(count, course.steps)
        driven, saved, clipped = zip(*shared_out(piece, parts, threads=work > _ALONE), strict=True)
        integrations = sum(driven[1:], start=driven[0]) / course.full
        return Readout(values, np.add.reduce(integrations), sum(saved), sum(clipped))

    @property
    def _amplitude(self) -> bool:
        """Whether inputs are voltage levels."""
        return self.sheet.dac.encoding == "amplitude"

    def _course(self, signed: bool) -> Course:
        if signed not in self.courses:
            sheet, bits, passes = self.sheet, self.sheet.magnitude_bits(signed), self.sheet.passes(signed)
            drives = drive(passes, bits, sheet.adc.codes(sheet.signed_codes))
            full = np.array([[float(p.top) ** 2 if self._amplitude else 1.0] for p in passes])
            self.courses[signed] = Course(bits, drives, full, len(passes) if self._amplitude else drives.planes)
        return self.courses[signed]

    def _read(self, *arguments: Any) -> tuple[int, float]:
        return (self._levels if self._amplitude else self._pulses)(*arguments)

    def _one_by_one(
        self, lasting: Any, codes: Codes, across: bool, drives: Drive, blocks: NDArray[np.int64], scale: Any, key: Any,
        first: int, out: Single,
    ) -> tuple[int, float]:  # fmt: skip
        """Vectors through cells that have, each time, the noise of one product, from drivers of any law."""
        from hetsim.analog import kernels

        lines, part = self.lines, slice(blocks[0, 1], blocks[-1, 1:].sum())
        if self._drawn:
            lines = lines._replace(signals=aligned(lines.signals.shape, np.float32))
        clipped, saved, some = 0, 0.0, np.empty((1, out.shape[1]), np.float32)
        keys = [key] if not self._bowed else [np.uint64(derive(int(key), "pass", i)) for i in range(len(drives.passes))]
        out[:, part] = 0
        for m in range(len(scale)):
            if self._drawn:
                kernels.draw_cells(self.lines, blocks, lasting, first + m, lines.signals)
            one = np.ascontiguousarray(codes[:, m : m + 1] if across else codes[m : m + 1])
            for i, own in enumerate(keys):
                step = drives.alone(i) if self._bowed else drives
                seen = replace(self, lines=self._driven(lines, one, step, blocks) if self._bowed else lines)
                found = seen._read(one, across, step, blocks, scale[m : m + 1], own, first + m, some)
                clipped, saved = clipped + found[0], saved + found[1]
                out[m, part] += some[0, part]
        return clipped, saved

    @property
    def _drawn(self) -> bool:
        """Whether cells have noise that lasts for a product."""
        return bool(self.lines.cells.shape[2])

    @property
    def _bowed(self) -> bool:
        """Whether what a row adds is not in proportion to its input."""
        return self.bent is not None or bool(self.lines.bows.shape[2])

    def _driven(self, lines: Lines, codes: Codes, step: Drive, blocks: NDArray[np.int64]) -> Lines:
        """``lines`` as rows add to them for each input unit when they are driven by one vector in one pass."""
        tiling, part = self.layout.tiling, slice(blocks[0, 0], blocks[-1, 0] + 1)
        share = np.zeros((tiling.down, self.layout.rows))
        for r, rows in enumerate(np.split(step.levels(codes.ravel()), np.cumsum(tiling.heights())[:-1])):
            share[r, : len(rows)] = rows
        factor = self._bending(share).astype(np.float32)[:, None, :, None]
        signals, spread = (aligned(rows.shape, np.float32) for rows in (lines.signals, lines.variances))
        np.multiply(lines.signals[:, part], factor, out=signals[:, part])
        if spread.shape[2] > 0:
            np.multiply(lines.variances[:, part], factor**2, out=spread[:, part])
        if lines.bows.shape[2] > 0:
            signals[:, part] += lines.bows[:, part] * (4 * (1 - share)).astype(np.float32)[:, None, :, None]
        return lines._replace(signals=signals, variances=spread)

    def _bending(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The current of cells at shares of the full voltage, as a ratio to that by Ohm's law."""
        if self.bent is None:
            return np.ones_like(share)
        full, share = self.sheet.read_voltage, np.maximum(share, 2.0**-20)  # nothing is driven by none
        return np.asarray(self.bent.current(np.ones_like(share), share * full, full) / (share * full))

    def _powers(self, codes: Codes, drives: Drive) -> NDArray[np.float64]:
        """As `kernels.count` does, with the power of cells whose current bends: [passes, K]."""
        counts = []
        for i, step in enumerate(drives.passes):
            share = drives.alone(i).levels(codes)
            share = np.where(codes * step["sign"] >= 0, share, 0.0)  # two signs: each in passes of its own
            counts.append((share**2 * self._bending(share)).sum(axis=0) * float(step["top"]) ** 2)
        return np.array(counts)

    def _pulses(
        self, codes: Codes, across: bool, drives: Drive, blocks: NDArray[np.int64], scale: Any, key: Any, first: int,
        out: Single,
    ) -> tuple[int, float]:  # fmt: skip
        from hetsim.analog import kernels

        planes, vectors, height = drives.planes, len(scale), self.layout.tiling.height
        if self._few(drives, vectors):
            return self._patterns(codes, across, drives, blocks, scale, key, first, out)
        if (planned := self.wants.get((planes, vectors))) is None:
            planned = self.wants[planes, vectors] = self._wanted(planes, vectors)
        order, room = planned[0], _ROOM.lent(*planned[1])
        return kernels.read_pulses(
            codes, across, height, order, self.lines, drives, blocks, scale, key, first, room, out
        )

    def _wanted(self, planes: int, vectors: int) -> tuple[tuple[int, int], Wanted]:
        """How many vectors of so many stand side by side in a read of pulses and the slots that these take, and the
        scratch arrays of the read."""
        from hetsim.analog import kernels

        layout, (signal, spread) = self.layout, self.lines[:2]
        deep = min(self._deep(planes), vectors)  # vectors that are read at a time
        apart = min(kernels.SLOTS, 1 << (deep - 1).bit_length())
        each = -(-planes * apart // kernels.SLOTS)  # sets of so many vectors
        sets = -(-deep // apart) * each
        noisy, table, total = spread.shape[2] > 0, (DEPTH, 1 << GROUP), sets * kernels.SLOTS
        lanes, wide = LINE // signal.itemsize, LINE // spread.itemsize
        return (apart, each * kernels.SLOTS), (
            ((layout.tiling.down, sets, layout.rows // GROUP, kernels.SLOTS), np.uint16),
            ((*table, lanes), signal.dtype), ((total, lanes), signal.dtype),
            ((*table, wide if noisy else 0), spread.dtype), ((total * noisy, wide), spread.dtype),
            ((deep, layout.width), np.float64), ((deep,), np.uint64), ((vectors,), np.int64),
        )  # fmt: skip

    def _few(self, drives: Drive, vectors: int) -> bool:
        """Whether a table of the sums of all patterns of rows that one bit plane may show is worth its making."""
        tiling, lines = self.layout.tiling, self.lines
        few = tiling.down == 1 and tiling.rows <= _FEW and vectors * drives.planes > _OFTEN << tiling.rows
        return few and drives.serial and not drives.long and not lines.power.shape[2] and not lines.bow.shape[2]

    def _patterns(
        self, codes: Codes, across: bool, drives: Drive, blocks: NDArray[np.int64], scale: Any, key: Any, first: int,
        out: Single,
    ) -> tuple[int, float]:  # fmt: skip
        from hetsim.analog import kernels

        layout, (signal, spread) = self.layout, self.lines[:2]
        slots, deep = kernels.SLOTS, min(self._deep(drives.planes), -(-len(scale) // LANES) * LANES)
        count, sets, groups = max(slots, 1 << layout.tiling.rows), deep // slots * drives.planes, layout.rows // GROUP
        lanes, wide, strips = LINE // signal.itemsize, LINE // spread.itemsize, layout.width // LANES
        noisy, table = spread.shape[2] > 0, (DEPTH, 1 << GROUP)
        room = _ROOM.lent(
            ((count // slots, groups, slots), np.uint16), ((1, sets, groups, slots), np.uint16),
            ((sets, slots), np.uint16), ((*table, lanes), signal.dtype),
            ((layout.width // lanes, count, lanes), signal.dtype), ((*table, wide if noisy else 0), spread.dtype),
            ((layout.width // wide * noisy, count, wide), spread.dtype),
            ((strips * (not noisy), count, LANES), np.float32), ((strips * (not noisy), count), np.int64),
            ((deep, layout.width), np.float64), ((deep,), np.uint64), ((len(scale),), np.int64),
        )  # fmt: skip
        return kernels.read_patterns(
            codes, across, layout.tiling.height, self.lines, drives, blocks, scale, key, first, room, out
        )

    def _levels(
        self, codes: Codes, across: bool, drives: Drive, blocks: NDArray[np.int64], scale: Any, key: Any, first: int,
        out: Single,
    ) -> tuple[int, float]:  # fmt: skip
        from hetsim.analog import kernels

        layout, lines, (passes, rows) = self.layout, self.lines, (len(drives.passes), self.layout.tiling.rows)
        panel = kernels.PANEL
        deep = min(self._deep(passes), -(-len(scale) // panel) * panel)
        noisy, wide = lines.variances.shape[2] > 0, kernels.WIDE and layout.width == BLOCK
        sums = (panel, BLOCK if wide else LANES)  # lines that are multiplied at a time

        def applied(rows_of: NDArray[Any], wanted: bool) -> Any:
            each = 2 if rows_of.dtype == np.int16 else 1
            half = -(-rows // each)  # rows of values have room for a strip
            shape = (half, max(deep, LANES), each) if across else (deep, max(half, LANES // each), each)
            kind: Any = np.float32 if each == 1 else np.int32
            return ((passes * wanted, *shape), rows_of.dtype), ((passes * wanted, *sums), kind)

        (values, added), (squares, spreads) = applied(lines.signals, True), applied(lines.variances, noisy)
        output = (deep, layout.width), np.float64
        room = _ROOM.lent(values, squares, added, spreads, output, ((deep,), np.uint64))
        height = layout.tiling.height
        return kernels.read_levels(codes, across, height, lines, drives, blocks, scale, key, first, room, out)

    def _deep(self, steps: int) -> int:
        """Vectors that are read at a time: what they apply, or their sums, stays in the cache."""
        from hetsim.analog import kernels

        tiling = self.layout.tiling
        if self._amplitude:
            panel = kernels.PANEL
            return panel * max(1, min(BLOCK // 4, _VALUES // (tiling.rows * steps * panel)))
        size = 2 * steps * self.layout.rows // GROUP * tiling.down
        return max(LANES, min(_SLOTS // steps, _BYTES // size) // LANES * LANES)

    def _pieces(self, vectors: int, steps: int) -> list[Piece]:
        """Parts of the batch, about as large as each other, and of the columns when there are few vectors."""
        blocks, rows, deep = self.layout.blocks, self.layout.tiling.rows, self._deep(steps)
        work = steps * rows * self.layout.count * self.layout.width
        count = -(-vectors // max(deep, min(_WORK // work, _BYTES // (2 * rows))))
        height = -(-vectors // (count * deep)) * deep
        wide = len(blocks) if count > 1 else _BLOCKS
        return [
            (slice(begin, min(begin + height, vectors)), blocks[b : b + wide])
            for begin in range(0, vectors, height)
            for b in range(0, len(blocks), wide)
        ]
