"""Whole: a graph stays on one component, as an inference server deals requests to its accelerators."""

from __future__ import annotations

from collections.abc import Iterable

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, appended, estimate, register


@register
class Whole(Scheduler[SchedulerSheet]):
    """All ops of a graph go where the last of them is expected to end first, among components that run them all.

    An op that no such component may run, or all of them where there is none, is placed greedily.
    """

    kind = "whole"

    def arrived(self, job: Job, view: View) -> Iterable[Decision]:
        ops = range(len(job.graph.ops))
        able = dict.fromkeys(view.options(job, 0) if ops else ())
        for op in ops:
            able = {name: None for name in view.options(job, op) if name in able}
        if able:
            best = min(able, key=self._ends(job, able, view).__getitem__)
            yield from (estimate(job, op, best, view) for op in ops)

    def _ends(self, job: Job, able: Iterable[str], view: View) -> dict[str, int]:
        """When each component would be done with the graph, op after op."""
        spent, queues = dict.fromkeys(able, 0), {name: set[str]() for name in able}
        for op in range(len(job.graph.ops)):
            bids = zip(view.options(job, op), view.durations(job, op), view.holds(job, op), strict=True)
            for name, duration, holds in bids:
                if name in spent:
                    spent[name] += duration
                    queues[name].update(holds)
        return {name: max(map(view.free, queues[name]), default=view.now) + spent[name] for name in spent}

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view, self.sheet.objective)
