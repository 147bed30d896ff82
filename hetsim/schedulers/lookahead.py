"""Lookahead HEFT: where an op goes is judged by when its consumers could then finish [Bittencourt 2010]."""

from __future__ import annotations

from collections.abc import Sequence

from hetsim.schedulers.insertion import InsertionScheduler, sketch
from hetsim.schedulers.ranking import upward
from hetsim.schedulers.scheduler import Job, TimeSheet, View, register
from hetsim.schedulers.slots import Slots
from hetsim.workload import Graph


@register
class Lookahead(InsertionScheduler[TimeSheet]):
    """Ops in HEFT's order, each where the last of its consumers would finish first, were they placed by HEFT next.

    Of a consumer's inputs only those count that have a place by then. An op costs (components)² x consumers
    trials, so this is for graphs of hundreds of ops.
    """

    kind, sheet_type = "lookahead", TimeSheet

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._children: dict[Graph, list[list[int]]] = {}

    def priorities(self, job: Job, view: View) -> Sequence[float]:
        ranks = upward(job, view)
        self._children[job.graph] = [sorted(each, key=lambda j: (-ranks[j], j)) for each in job.graph.consumers]
        return ranks

    def choose(self, job: Job, op: int, slots: Slots, view: View) -> tuple[int, int]:
        options, holds, durations = view.options(job, op), view.holds(job, op), view.durations(job, op)
        ends, lasts = slots.ends(), []
        for k, end in enumerate(ends):
            timeline, placed = self.timeline.fork(), {op: (options[k], end)}
            timeline.take(holds[k], end - durations[k], end)
            sketch(job, self._children[job.graph][op], placed, timeline, view)
            lasts.append((max(end for _, end in placed.values()), end))
        k = lasts.index(min(lasts))
        return k, ends[k]
