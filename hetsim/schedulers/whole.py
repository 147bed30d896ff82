"""Whole: a graph stays on one component, as an inference server deals requests to its accelerators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, appended, estimate, register
from hetsim.workload import Graph

Quotes = tuple[list[Sequence[int]], list[Sequence[tuple[str, ...]]]]


class Load(NamedTuple):
    """All ops of a graph on one component: their ticks together, and the resources that they queue for."""

    ticks: int
    holds: frozenset[str]


@register
class Whole(Scheduler[SchedulerSheet]):
    """All ops of a graph go where the last of them is expected to end first, among components that run them all.

    An op that no such component may run, or all of them where there is none, is placed greedily.
    """

    kind = "whole"

    def __init__(self, sheet: SchedulerSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._loads: dict[Graph, tuple[Quotes, Mapping[str, Load]]] = {}

    def arrived(self, job: Job, view: View) -> Iterable[Decision]:
        loads = self._load(job, view)
        if loads:
            begins = {name: max(map(view.free, load.holds), default=view.now) for name, load in loads.items()}
            best = min(loads, key=lambda name: begins[name] + loads[name].ticks)
            yield from (estimate(job, op, best, view) for op in range(len(job.graph.ops)))

    def _load(self, job: Job, view: View) -> Mapping[str, Load]:
        """What the graph is to each component that runs all of it; anew when what an op takes has changed."""
        ops = range(len(job.graph.ops))
        quotes = [view.durations(job, op) for op in ops], [view.holds(job, op) for op in ops]
        known = self._loads.get(job.graph)
        if known is None or known[0] != quotes:
            loads: dict[str, Load] = {name: Load(0, frozenset()) for name in (view.options(job, 0) if ops else ())}
            for op, durations, holds in zip(ops, *quotes, strict=True):
                loads = {
                    name: Load(loads[name].ticks + duration, loads[name].holds.union(names))
                    for name, duration, names in zip(view.options(job, op), durations, holds, strict=True)
                    if name in loads
                }
            known = self._loads[job.graph] = quotes, loads
        return known[1]

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view, self.sheet.objective)
