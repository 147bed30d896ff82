"""MET: minimum execution time [Armstrong 1998; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, estimate, register


@register
class Met(Scheduler[TimeSheet]):
    """Op by op in the graph's order, each where it takes the least time, however busy that component is."""

    kind, sheet_type = "met", TimeSheet

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        durations = view.durations(job, op)
        component = view.options(job, op)[durations.index(min(durations))]
        return estimate(job, op, component, view)._replace(ordered=True)
