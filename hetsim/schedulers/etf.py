"""ETF: earliest task first [Hwang 1989]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hetsim.schedulers.pool import Bid, PoolScheduler, Row
from hetsim.schedulers.ranking import levels, mean_durations
from hetsim.schedulers.scheduler import Decision, Job, TimeSheet, View, register
from hetsim.workload import Graph


@register
class Etf(PoolScheduler):
    """Of all ops that may come next, on all components, the one that can start first.

    Of ops that can start at the same time the one of the highest static level (mean durations to the end of the
    graph, without moving data), and of the components where it can the one that ends it first.
    """

    kind = "etf"

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._known: dict[Graph, Sequence[float]] = {}
        self._levels: Sequence[float] = ()

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        if job.graph not in self._known:
            self._known[job.graph] = levels(job.graph, mean_durations(job, view))
        self._levels = self._known[job.graph]
        return super().arrived(job, view)

    def judge(self, row: Row) -> Bid:
        first = min(row.starts)
        k = row.starts.index(first)
        if row.starts.count(first) > 1:
            k = min((row.durations[k], k) for k, start in enumerate(row.starts) if start == first)[1]
        return Bid((first, -self._levels[row.op]), k, (k,))
