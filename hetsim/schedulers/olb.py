"""OLB: opportunistic load balancing [Armstrong 1998; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, estimate, register


@register
class Olb(Scheduler[TimeSheet]):
    """Op by op in the graph's order, each where it can start first, however long it takes there."""

    kind, sheet_type = "olb", TimeSheet

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        starts = view.starts(job, op)
        component = view.options(job, op)[starts.index(min(starts))]
        return estimate(job, op, component, view)._replace(ordered=True)
