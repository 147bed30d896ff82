"""Programming: how long write-verify takes for whole tiles, expected and as it turned out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hetsim.analog.device import Facts, Write

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class Programming(Facts):
    """How many cells are written side by side: ``cells`` of a row (default: all of it) in each of ``crossbars``.

    They get pulses until the slowest is accepted; then come the next cells, row after row.
    """

    cells: int | None = Field(default=None, ge=1)
    crossbars: int = Field(default=1, ge=1)

    def expected(self, tiles: Iterable[tuple[int, int]], write: Write) -> float:
        """Expected seconds for tiles of (rows, columns) cells."""
        return self._seconds((rows * self._rounds(columns, write) for rows, columns in tiles), write)

    def taken(self, pulses: Array, write: Write) -> float:
        """Seconds for cells that took so many ``pulses`` [tiles, rows, columns], 0 where there is no cell."""
        import numpy as np

        cells = self.cells or pulses.shape[2]
        starts = np.arange(0, pulses.shape[2], cells)
        rounds = np.maximum.reduceat(pulses, starts, axis=2).sum(axis=(1, 2), dtype=np.float64)
        return self._seconds(rounds.tolist(), write)

    def _rounds(self, columns: int, write: Write) -> float:
        """Expected rounds for a row."""
        whole, rest = divmod(columns, self.cells or columns)
        return whole * write.rounds(self.cells or columns) + write.rounds(rest)

    def _seconds(self, rounds: Iterable[float], write: Write) -> float:
        """Crossbars written side by side wait for the slowest of them."""
        each = list(rounds)
        groups = [each[i : i + self.crossbars] for i in range(0, len(each), self.crossbars)]
        return sum(map(max, groups)) * (write.time + write.verify)
