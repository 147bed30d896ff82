"""Programming: how long write-verify takes for whole tiles, expected and as it turned out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hetsim.analog.device import Facts, Write
from hetsim.units import Power

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """What storing matrices took: seconds, and write pulses of all cells together."""

    seconds: float
    pulses: float


class Programming(Facts):
    """How many cells are written side by side: ``cells`` of a row (default: all of it) in each of ``crossbars``.

    They get pulses until the slowest is accepted; then come the next cells, row after row. ``power`` is what all
    pulses at one time may take: fewer cells are then written side by side, at least one.
    """

    cells: int | None = Field(default=None, ge=1)
    crossbars: int = Field(default=1, ge=1)
    power: Power | None = Field(default=None, gt=0)

    def at_once(self, columns: int, write: Write) -> int:
        """Cells of a row of so many that are written side by side."""
        cells = min(self.cells or columns, columns)
        if self.power is None or write.energy == 0:
            return cells
        allowed = self.power / self.crossbars / (write.energy / write.time)
        return max(1, min(cells, int(allowed * (1 + 1e-12))))

    def expected(self, tiles: Iterable[tuple[int, int]], write: Write) -> float:
        """Expected seconds for tiles of (rows, columns) cells."""
        return self.seconds((rows * self._row(columns, write) for rows, columns in tiles), write)

    def taken(self, pulses: Array, write: Write) -> float:
        """Seconds for cells that took so many ``pulses`` [tiles, rows, columns], 0 where there is no cell."""
        return self.seconds([self.rounds(tile, write) for tile in pulses], write)

    def rounds(self, pulses: Array, write: Write) -> float:
        """Rounds of a pulse and a verify read for the cells of one tile, [rows, columns]; see `taken`."""
        import numpy as np

        starts = np.arange(0, pulses.shape[1], self.at_once(pulses.shape[1], write))
        rounds = np.maximum.reduceat(pulses, starts, axis=1)
        return float(rounds.sum(dtype=np.float64) + _finishes(write) * np.count_nonzero(rounds))

    def _row(self, columns: int, write: Write) -> float:
        """Expected rounds for a row."""
        whole, rest = divmod(columns, self.at_once(columns, write))
        groups = whole + (rest > 0)
        return whole * write.rounds(self.at_once(columns, write)) + write.rounds(rest) + groups * _finishes(write)

    def seconds(self, rounds: Iterable[float], write: Write) -> float:
        """Seconds for tiles that take so many rounds: crossbars written side by side wait for the slowest of them."""
        each = list(rounds)
        groups = [each[i : i + self.crossbars] for i in range(0, len(each), self.crossbars)]
        return sum(map(max, groups)) * (write.time + write.verify)


def _finishes(write: Write) -> float:
    """What follows when a group of cells is done, in rounds of a pulse and a verify read."""
    return write.finish[0] / (write.time + write.verify)
