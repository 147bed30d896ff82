"""Round robin: ops are dealt to the components in turn, whatever it costs."""

from __future__ import annotations

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, estimate, register


@register
class RoundRobin(Scheduler[SchedulerSheet]):
    """The next op goes to the next of the components that may run it: a yardstick, not a good policy."""

    kind = "round_robin"

    def __init__(self, sheet: SchedulerSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._turn = 0

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        options = view.options(job, op)
        component = options[self._turn % len(options)]
        self._turn += 1
        return estimate(job, op, component, view)
