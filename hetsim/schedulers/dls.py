"""DLS: dynamic level scheduling [Sih 1993]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from hetsim.schedulers.pool import Bid, PoolScheduler, Row
from hetsim.schedulers.ranking import levels
from hetsim.schedulers.scheduler import Decision, Job, TimeSheet, View, register
from hetsim.workload import Graph


@register
class Dls(PoolScheduler):
    """Of all ops that may come next, on all components, the pair of the highest dynamic level.

    That is the op's static level (median durations to the end of the graph, without moving data), less its start
    on the component, plus what the component saves against the op's median duration.
    """

    kind = "dls"

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._known: dict[Graph, Sequence[float]] = {}
        self._base: Sequence[float] = ()

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        if job.graph not in self._known:
            medians = [float(median(view.durations(job, i))) for i in range(len(job.graph.ops))]
            both = zip(levels(job.graph, medians), medians, strict=True)
            self._known[job.graph] = [level + own for level, own in both]
        self._base = self._known[job.graph]
        return super().arrived(job, view)

    def judge(self, row: Row) -> Bid:
        end = min(row.ends)
        k = row.ends.index(end)
        return Bid(end - self._base[row.op], k, (k,))
