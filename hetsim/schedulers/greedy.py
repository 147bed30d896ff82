"""Greedy: each op, as soon as its producers are placed, goes where it is expected to finish first."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, appended, register


@register
class Greedy(Scheduler[SchedulerSheet]):
    """Earliest finish time (or least energy), op by op in the graph's order; appended, never inserted."""

    kind = "greedy"

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view, self.sheet.objective)
