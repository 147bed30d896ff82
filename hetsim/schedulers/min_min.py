"""Min-min: short ops first, each where it ends first [Ibarra 1977, alg. D; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.pool import Bid, PoolScheduler, Row
from hetsim.schedulers.scheduler import register


@register
class MinMin(PoolScheduler):
    """Of all ops that may come next, the one with the least earliest end, where it has it."""

    kind = "min_min"

    def judge(self, row: Row) -> Bid:
        end = min(row.ends)
        k = row.ends.index(end)
        return Bid(end, k, (k,))
