"""EDF: earliest deadline first [Liu 1973]."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, appended, register


@register
class Edf(Scheduler[SchedulerSheet]):
    """Each op where it is expected to finish first; of ops that wait for a resource the one that is due first goes on.

    Among equals the request of higher priority goes first, then who came first. What runs is not interrupted.
    """

    kind = "edf"

    def rank(self, job: Job) -> tuple[int, int]:
        return job.deadline, -job.priority

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view, self.sheet.objective)
