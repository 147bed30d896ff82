"""Max-min: long ops first, each where it ends first [Ibarra 1977, alg. E; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.pool import Pool, PoolScheduler
from hetsim.schedulers.scheduler import register


@register
class MaxMin(PoolScheduler):
    """Of all ops that may come next, the one with the greatest earliest end, where it has it."""

    kind = "max_min"

    def pick(self, pool: Pool) -> tuple[int, int]:
        ends = pool.ends
        row = int(ends.min(axis=1).argmax())
        return row, int(ends[row].argmin())
