"""CPOP: the critical path stays on one processor [Topcuoglu 2002, sec. 4.2]."""

from __future__ import annotations

from collections.abc import Sequence

from hetsim.schedulers.insertion import InsertionScheduler
from hetsim.schedulers.ranking import critical_path, downward, upward
from hetsim.schedulers.scheduler import Job, TimeSheet, View, register
from hetsim.schedulers.slots import Slots
from hetsim.workload import Graph


@register
class Cpop(InsertionScheduler[TimeSheet]):
    """Ops of the critical path all go to the component that runs that path fastest, others where they finish first.

    Ops come in order of the length of the longest path through them. Where no component runs the whole critical
    path, it is the one that runs most of it.
    """

    kind, sheet_type = "cpop", TimeSheet

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._paths: dict[Graph, tuple[set[int], str]] = {}

    def priorities(self, job: Job, view: View) -> Sequence[float]:
        ranks = [up + down for up, down in zip(upward(job, view), downward(job, view), strict=True)]
        path = critical_path(job.graph, ranks)
        self._paths[job.graph] = set(path), _fastest(job, path, view)
        return ranks

    def choose(self, job: Job, op: int, slots: Slots, view: View) -> tuple[int, int]:
        path, component = self._paths[job.graph]
        options = view.options(job, op)
        if op in path and component in options:
            k = options.index(component)
            return k, slots.end(k)
        return super().choose(job, op, slots, view)


def _fastest(job: Job, path: Sequence[int], view: View) -> str:
    """The component that runs most of the path's ops, of those the one that takes the least time for them."""
    spent: dict[str, tuple[int, int]] = {}
    for op in path:
        for name, duration in zip(view.options(job, op), view.durations(job, op), strict=True):
            count, ticks = spent.get(name, (0, 0))
            spent[name] = count - 1, ticks + duration
    return min(spent, key=lambda name: spent[name])
