"""Chance: each op goes to any component that may run it, whatever it costs."""

from __future__ import annotations

from hetsim.keys import key
from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, estimate, register


@register
class Random(Scheduler[TimeSheet]):
    """The scenario's seed, the request and the op's name decide: a yardstick, not a policy."""

    kind, sheet_type = "random", TimeSheet

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        options = view.options(job, op)
        drawn = key(self.seed, "random", job.request, job.graph.ops[op].name) % len(options)
        return estimate(job, op, options[drawn], view)._replace(ordered=True)
