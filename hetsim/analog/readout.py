"""Readout: vectors through the converters of a crossbar, in pieces that any number of threads may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.converter import Pass
from hetsim.analog.drive import Codes, Single, drive, integrations, quantised
from hetsim.analog.lines import Layout, Lines
from hetsim.analog.macro import MacroSheet

T = TypeVar("T")
R = TypeVar("R")

_VECTORS = 2048  # vectors of a piece, fewer where their bits would take more memory than this
_BYTES = 1 << 22
_BLOCKS = 4  # blocks of columns of a piece when there are too few vectors to share out
_ALONE = 1 << 21  # table rows times lines below which threads are not worth starting


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

    def read(self, inputs: Single, signed: bool, key: int, first: int, unit: float | None = None) -> Readout:
        """Read the products of ``inputs`` [M, K]: numbers, or codes that are worth ``unit`` each. Pieces do not depend
        on threads, and are added up in order."""
        from hetsim.analog import kernels

        bits, passes = self.sheet.magnitude_bits(signed), self.sheet.passes(signed)
        amplitude = self.sheet.dac.encoding == "amplitude"
        drives = drive(passes, bits, amplitude, self.sheet.adc.codes(self.sheet.signed_codes))
        values = np.empty((len(inputs), self.layout.tiling.columns), np.float32)

        def piece(part: tuple[slice, NDArray[np.int64]]) -> tuple[NDArray[np.float64], float, int]:
            vectors, blocks = part
            codes, scale = quantised(inputs[vectors], bits, unit)
            nibbles = self._packed(codes, passes, bits, squared=False)
            squares = self._packed(codes, passes, bits, squared=True) if amplitude else nibbles
            weight, start = scale * np.float64(self.scale), first + vectors.start
            clipped, saved = kernels.read(
                nibbles, squares, self.lines, drives, blocks, weight, np.uint64(key), start, values[vectors]
            )
            whole = blocks[0, 0] == 0  # one of the pieces that share these vectors
            driven = integrations(codes, passes, amplitude) if whole else np.zeros(codes.shape[1])
            return driven, saved, clipped

        planes = bits * (1 if all(p.sign > 0 for p in passes) else 2)
        size = planes * self.layout.groups * self.layout.tiling.down
        work = len(inputs) * size * self.layout.count * self.layout.width
        driven, saved, clipped = zip(
            *shared_out(piece, self._pieces(len(inputs), size), threads=work > _ALONE), strict=True
        )
        return Readout(values, np.sum(driven, axis=0), sum(saved), sum(clipped))

    def _packed(self, codes: Codes, passes: Sequence[Pass], bits: int, squared: bool) -> NDArray[np.uint8]:
        """Bits of the codes, or with ``squared`` of the squares of what each pass applies, those of negative
        inputs, if there may be any, behind the others: uint8 [tiles down, M x planes, groups]."""
        from hetsim.analog import kernels

        tiling, signs = self.layout.tiling, 1 if all(p.sign > 0 for p in passes) else 2
        planes = bits * (1 + squared)
        nibbles = np.empty((tiling.down, len(codes) * signs * planes, self.layout.groups), np.uint8)
        for s in range(signs):
            values = codes.astype(np.int32) * np.int32((1, -1)[s])
            if not squared:
                kernels.pack(values, tiling.height, s * planes, planes, nibbles)
                continue
            for first, top in dict.fromkeys((p.first, p.top) for p in passes):
                part = (np.maximum(values, 0) >> first) & np.int32(top)
                kernels.pack(part * part, tiling.height, s * planes + 2 * first, 2 * top.bit_length(), nibbles)
        return nibbles

    def _pieces(self, vectors: int, size: int) -> list[tuple[slice, NDArray[np.int64]]]:
        """Parts of the batch, whose vectors take ``size`` bytes each, and of the columns when there are few vectors."""
        height = min(_VECTORS, max(64, _BYTES // size))
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
