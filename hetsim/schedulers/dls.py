"""DLS: dynamic level scheduling [Sih 1993]."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, Any

from hetsim.schedulers.pool import Pool, PoolScheduler
from hetsim.schedulers.ranking import levels
from hetsim.schedulers.scheduler import Decision, Job, View, register

if TYPE_CHECKING:
    import numpy as np


@register
class Dls(PoolScheduler):
    """Of all ops that may come next, on all components, the pair of the highest dynamic level.

    That is the op's static level (median durations to the end of the graph, without moving data), less its start
    on the component, plus what the component saves against the op's median duration.
    """

    kind = "dls"
    _base: np.ndarray[Any, np.dtype[np.float64]]

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        import numpy as np

        medians = [float(median(view.durations(job, i))) for i in range(len(job.graph.ops))]
        self._base = np.array(levels(job.graph, medians)) + medians
        return super().arrived(job, view)

    def pick(self, pool: Pool) -> tuple[int, int]:
        marks = self._base[pool.ops, None] - pool.ends
        row, column = divmod(int(marks.argmax()), marks.shape[1])
        return row, column
