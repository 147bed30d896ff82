"""Max-min: long ops first, each where it ends first [Ibarra 1977, alg. E; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.pool import Bid, PoolScheduler, Row
from hetsim.schedulers.scheduler import register


@register
class MaxMin(PoolScheduler):
    """Of all ops that may come next, the one with the greatest earliest end, where it has it."""

    kind = "max_min"

    def judge(self, row: Row) -> Bid:
        end = min(row.ends)
        k = row.ends.index(end)
        return Bid(-end, k, (k,))
