"""Sensed lines: conductances laid out in blocks as the compiled read wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.mapping import Tiling

BLOCK = 64  # lines that are read together: their partial sums stay in the cache


class Lines(NamedTuple):
    """The lines of all tiles in blocks of B, ``blocks`` of them side by side.

    ``tables`` float32 [tiles down, blocks, groups, 16, B]: the sum of any subset of four rows' signals, in units of
    one input unit; ``variances`` likewise for the noise of one read, without groups when there is none;
    ``inverse_lsb`` float32 and ``gain`` float64 [tiles down, blocks, B]: codes per unit of signal, and output per
    code; ``power`` float64 likewise: weight of squared signals, without lines when they are not wanted; ``shares``
    float64 [L]: what each of the L lines of an output, which stand B/L apart, counts in it. ``offset`` and ``bow``
    float32 [tiles down, blocks, B]: errors of the converters in codes, without lines when there are none.
    """

    tables: NDArray[np.float32]
    variances: NDArray[np.float32]
    inverse_lsb: NDArray[np.float32]
    gain: NDArray[np.float64]
    power: NDArray[np.float64]
    shares: NDArray[np.float64]
    offset: NDArray[np.float32]
    bow: NDArray[np.float32]


class Layout:
    """Where the lines of a tiled matrix stand: blocks of at most `BLOCK`, the L lines of an output in one block.

    Blocks run over the edges of tiles side by side: their lines are read alike.
    """

    def __init__(self, tiling: Tiling, shares: Sequence[float]) -> None:
        self.tiling, self.shares = tiling, np.array(shares)
        lines = len(shares)
        self.count = -(-tiling.columns * lines // BLOCK)
        align = max(1, 16 // lines)
        align += align * lines % 2  # blocks are of even width
        self.apart = -(-tiling.columns // (self.count * align)) * align  # outputs of a block, padded
        self.width = self.apart * lines
        self.groups = -(-tiling.tallest // 16) * 4  # groups of four rows, padded to a multiple of four

    def blocks(self) -> NDArray[np.int64]:
        """Number, first output and number of outputs of each block: int64 [blocks, 3]."""
        starts = [min(b * self.apart, self.tiling.columns) for b in range(self.count + 1)]
        return np.array([(b, starts[b], starts[b + 1] - starts[b]) for b in range(self.count)], np.int64)

    def columns(self, values: NDArray[Any]) -> NDArray[Any]:
        """Figures of each line at each tile down, [tiles down, L, columns], as [tiles down, blocks, B]."""
        placed = np.zeros((len(values), self.count, len(self.shares), self.apart), values.dtype)
        for block, start, count in self.blocks():
            placed[:, block, :, :count] = values[:, :, start : start + count]
        return placed.reshape(len(values), self.count, self.width)

    def tables(self, lines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Signals of each row in each line, [L, rows, columns], as `Lines.tables`."""
        tiling = self.tiling
        tables = _aligned((tiling.down, self.count, self.groups, 16, self.width))
        tables[...] = 0
        split = tables.reshape(*tables.shape[:4], len(self.shares), self.apart)
        for r, height in enumerate(tiling.heights()):
            top = r * tiling.height
            for block, start, count in self.blocks():
                part = lines[:, top : top + height, start : start + count].transpose(1, 0, 2)
                for k in range(4):
                    rows = part[k::4]
                    split[r, block, : len(rows), 1 << k, :, :count] = rows
        for k in range(1, 4):
            low, one = 1 << k, tables[:, :, :, 1 << k, None]
            tables[:, :, :, low + 1 : 2 * low] = tables[:, :, :, 1:low] + one
        return tables


def _aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array that starts on a cache line: rows that straddle two lines take twice as long to add."""
    size = int(np.prod(shape)) * 4
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(np.float32).reshape(shape)
