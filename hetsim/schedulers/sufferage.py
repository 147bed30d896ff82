"""Sufferage: first the op that would lose most by not getting its best component [Maheswaran 1999, sec. 3.3]."""

from __future__ import annotations

from hetsim.schedulers.pool import Bid, PoolScheduler, Row
from hetsim.schedulers.scheduler import FOREVER, register


@register
class Sufferage(PoolScheduler):
    """Of all ops that may come next, the one whose second earliest end is furthest behind its earliest.

    An op that only one component can run loses most. After each op all are judged anew.
    """

    kind = "sufferage"

    def judge(self, row: Row) -> Bid:
        first, ends = min(row.ends), row.ends
        k = ends.index(first)
        if len(ends) == 1:
            return Bid(first - FOREVER, k, (k,))
        others = ends[:k] + ends[k + 1 :]
        second = min(others)
        other = others.index(second)
        return Bid(first - second, k, (k, other + (other >= k)))
