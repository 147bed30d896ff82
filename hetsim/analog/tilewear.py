"""Wear of a tile: the write pulses that its cells have had, and what the same writes would usually take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.unsignedinteger[Any]]
Shape = tuple[int, int]


class TileWear:
    """``pulses`` [rows, columns] of each cell of a crossbar so far.

    Writes that drew their pulses are kept as rectangles of cells with a mean, which takes no memory.
    """

    def __init__(self, shape: Shape) -> None:
        self.pulses: Counts = np.zeros(shape, np.uint16)
        self._writes: list[tuple[Shape, float, bool]] = []
        self._others: dict[bool, NDArray[np.float32]] = {}

    def add(self, new: Counts, mean: float | None, preloaded: bool) -> None:
        """Count pulses [r, c] of the first rows and columns; ``mean`` is what each of these cells usually takes for
        such a write, None where the pulses are what it takes. ``preloaded``: before the run."""
        rows, columns = new.shape
        most = int(self.pulses.max(initial=0)) + int(new.max(initial=0))
        if most > np.iinfo(self.pulses.dtype).max:
            self.pulses = self.pulses.astype(np.uint32)
        inside = self.pulses[:rows, :columns]
        np.add(inside, new, out=inside, casting="same_kind")
        if mean is not None:
            self._writes.append(((rows, columns), mean, preloaded))
            return
        others = self._others.setdefault(preloaded, np.zeros(self.pulses.shape, np.float32))
        others[:rows, :columns] += new

    def usual(self, everything: bool) -> NDArray[np.float32]:
        """What the cells usually take for all their writes, float32 [rows, columns], or for those of the run alone."""
        found = np.zeros(self.pulses.shape, np.float32)
        for (rows, columns), mean, preloaded in self._writes:
            if everything or not preloaded:
                found[:rows, :columns] += np.float32(mean)
        for preloaded, others in self._others.items():
            if everything or not preloaded:
                found += others
        return found
