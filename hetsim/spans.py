"""What happened in a run, as columns: op runs, transfers, requests and graph runs, in ticks (picoseconds)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[Any]]

TICKS_PER_SECOND = 1e12

SPANS = {
    "run": "q", "request": "q", "call": "q", "graph": "q", "op": "q", "component": "q",
    "ready": "q", "start": "q", "end": "q", "joules": "d",
}  # fmt: skip
TRANSFERS = {
    "run": "q", "request": "q", "tensor": "q", "link": "q", "source": "q", "target": "q",
    "asked": "q", "start": "q", "end": "q", "size": "q", "joules": "d",
}  # fmt: skip
REQUESTS = {"request": "q", "arrival": "q", "start": "q", "end": "q"}
CALLS = {"run": "q", "request": "q", "call": "q", "graph": "q", "start": "q", "end": "q", "joules": "d"}


class Columns:
    """Growable typed columns of equal length: ``Columns(start="q", joules="d")``; type codes as in `array`.

    The columns are plain arrays, so that a caller may hold on to their ``append``; ``len`` counts rows.
    """

    __slots__ = ("_columns",)

    def __init__(self, **codes: str) -> None:
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in codes.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> array[Any]:
        return self._columns[name]

    def __len__(self) -> int:
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of unequal lengths: { {n: len(c) for n, c in self._columns.items()} }")
        return lengths.pop() if lengths else 0

    def numpy(self, name: str) -> Numbers:
        """A copy of the column as a NumPy array (int64 or float64); the column may go on growing."""
        import numpy as np

        column = self._columns[name]
        return np.array(column, dtype=np.dtype(column.typecode))


@dataclass(frozen=True, slots=True)
class GraphShape:
    """A graph's name, its ops' names in order, and its dependences as (producer, consumer) positions."""

    name: str
    ops: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Trace:
    """Everything that happened, in ticks (picoseconds), bytes and joules without static power.

    ``spans`` has a row an op run, in order of end; ``transfers`` a row a hop over a link, whose ``end``
    includes latency; ``requests`` a row a request, in order of completion; ``calls`` a row a graph run. Their
    integers index ``components``, ``links``, ``graphs`` and ``tensors``. ``energy`` is by (component or link,
    category), static power included under ``static``. ``tenants`` are the workloads that shared the system, if several:
    request r is that of tenant r modulo their number. ``end`` is the makespan.
    """

    components: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    graphs: list[GraphShape] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    spans: Columns = field(default_factory=lambda: Columns(**SPANS))
    transfers: Columns = field(default_factory=lambda: Columns(**TRANSFERS))
    requests: Columns = field(default_factory=lambda: Columns(**REQUESTS))
    calls: Columns = field(default_factory=lambda: Columns(**CALLS))
    energy: dict[tuple[str, str], float] = field(default_factory=dict)
    tenants: list[str] = field(default_factory=list)
    end: int = 0

    @property
    def seconds(self) -> float:
        """The makespan in seconds."""
        return self.end / TICKS_PER_SECOND

    def static_power(self, place: str) -> float:
        """Static power of a component or link in watts, from its static energy over the run."""
        return self.energy.get((place, "static"), 0.0) / self.seconds if self.end else 0.0


def lanes(start: Sequence[int], end: Sequence[int]) -> list[int]:
    """For each interval the lowest lane that is free, so that none overlap.

    Intervals are dealt in order of start, and may begin where the one before ends; as many lanes are used as
    intervals overlap at most.
    """
    import heapq

    free: list[int] = []
    busy: list[tuple[int, int]] = []
    dealt = [0] * len(start)
    for i in sorted(range(len(start)), key=lambda k: (start[k], end[k], k)):
        while busy and busy[0][0] <= start[i]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        dealt[i] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end[i], dealt[i]))
    return dealt
