"""OLB: opportunistic load balancing [Armstrong 1998; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, register


@register
class Olb(Scheduler[TimeSheet]):
    """Op by op in the graph's order, each where it can start first, however long it takes there."""

    kind, sheet_type = "olb", TimeSheet

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        starts = view.starts(job, op)
        k = starts.index(min(starts))
        offer = view.offer(job, op, view.options(job, op)[k])
        return Decision(op, offer, starts[k], starts[k] + offer.duration, True)
