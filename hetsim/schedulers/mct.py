"""MCT: minimum completion time [Armstrong 1998; Braun 2001]."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, appended, register


@register
class Mct(Scheduler[TimeSheet]):
    """Op by op in the graph's order, each where it ends first; a component runs its ops in that order."""

    kind, sheet_type = "mct", TimeSheet

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view)._replace(ordered=True)
