"""ETF: earliest task first [Hwang 1989]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hetsim.schedulers.pool import Pool, PoolScheduler
from hetsim.schedulers.ranking import levels, mean_durations
from hetsim.schedulers.scheduler import Decision, Job, View, register


@register
class Etf(PoolScheduler):
    """Of all ops that may come next, on all components, the one that can start first.

    Of ops that can start at the same time the one of the highest static level (mean durations to the end of the
    graph, without moving data), and of the components where it can the one that ends it first.
    """

    kind = "etf"
    _levels: Sequence[float]

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        self._levels = levels(job.graph, mean_durations(job, view))
        return super().arrived(job, view)

    def pick(self, pool: Pool) -> tuple[int, int]:
        import numpy as np

        starts = pool.starts
        first = starts.min(axis=1)
        rows = np.flatnonzero(first == first.min()).tolist()
        row = max(rows, key=lambda r: self._levels[pool.ops[r]])
        taken = np.where(starts[row] == first[row], pool.durations[row], np.iinfo(np.int64).max)
        return row, int(taken.argmin())
