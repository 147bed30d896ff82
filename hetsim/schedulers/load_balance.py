"""Load balance: a pipeline goes at the pace of its busiest component, so that one is kept as short as can be."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from hetsim.schedulers.ranking import critical_path, downward, upward
from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, estimate, register
from hetsim.workload import Graph


@register
class LoadBalance(Scheduler[TimeSheet]):
    """Every request's ops go to the same components: stored weights stay, and requests follow each other in a pipeline.

    Ops are dealt in order of falling mean duration [Graham 1969], those of the longest path first, each to the
    component that is then least loaded; equals to the one that runs it faster. Loads of several graphs add up. An
    op is served when it is ready and its component is free.
    """

    kind, sheet_type = "load_balance", TimeSheet

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._load: dict[str, int] = {}
        self._places: dict[Graph, list[str]] = {}

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        places = self._places.get(job.graph)
        if places is None:
            places = self._places[job.graph] = self._dealt(job, view)
        for op, component in enumerate(places):
            yield estimate(job, op, component, view)

    def _dealt(self, job: Job, view: View) -> list[str]:
        """The component of each op."""
        size = len(job.graph.ops)
        durations = [view.durations(job, op) for op in range(size)]
        lengths = [up + down for up, down in zip(upward(job, view), downward(job, view), strict=True)]
        longest = set(critical_path(job.graph, lengths)) if size else set()
        places = [""] * size
        for op in sorted(range(size), key=lambda op: (op not in longest, -mean(durations[op]), op)):
            loads = [
                (self._load.get(name, 0) + duration, duration)
                for name, duration in zip(view.options(job, op), durations[op], strict=True)
            ]
            k = loads.index(min(loads))
            places[op] = view.options(job, op)[k]
            self._load[places[op]] = loads[k][0]
        return places

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        raise AssertionError("every op is placed when its graph arrives")
