"""Priority: urgent requests first."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, appended, register


@register
class Priority(Scheduler[SchedulerSheet]):
    """Each op where it is expected to finish first; of ops that wait the one of the highest priority goes on.

    Among equals the request that is due first goes first, then who came first. What runs is not interrupted.
    """

    kind = "priority"

    def rank(self, job: Job) -> tuple[int, int]:
        return -job.priority, job.deadline

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view, self.sheet.objective)
