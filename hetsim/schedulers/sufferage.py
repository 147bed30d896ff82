"""Sufferage: first the op that would lose most by not getting its best component [Maheswaran 1999, sec. 3.3]."""

from __future__ import annotations

from hetsim.schedulers.pool import Pool, PoolScheduler
from hetsim.schedulers.scheduler import register


@register
class Sufferage(PoolScheduler):
    """Of all ops that may come next, the one whose second earliest end is furthest behind its earliest.

    An op that only one component can run loses most. After each op all are judged anew.
    """

    kind = "sufferage"

    def pick(self, pool: Pool) -> tuple[int, int]:
        import numpy as np

        ends = pool.ends
        second = np.partition(ends, 1, axis=1)[:, 1] if ends.shape[1] > 1 else ends[:, 0]
        row = int((second - ends.min(axis=1)).argmax())
        return row, int(ends[row].argmin())
