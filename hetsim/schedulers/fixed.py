"""Fixed schedules: where each op goes and which comes first is known before the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hetsim.schedulers.scheduler import FOREVER, Decision, Job, Scheduler, SchedulerSheet, View, estimate
from hetsim.schedulers.trials import Places
from hetsim.workload import Graph


class Fixed(Scheduler[SchedulerSheet]):
    """Appends every op where it is told to, in the order that it is told; the engine keeps to it on every resource."""

    kind = "fixed"

    def __init__(self, places: Mapping[Graph, Places]) -> None:
        super().__init__(SchedulerSheet(kind=self.kind))
        self._places = places

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        return appended_in_order(job, self._places[job.graph], view)

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        raise AssertionError("every op is placed when its graph arrives")


def appended_in_order(job: Job, places: Places, view: View) -> Iterator[Decision]:
    """Each op in order, behind all that is on its component by then."""
    for op in places.order:
        decision = estimate(job, op, places.components[op], view)
        yield decision._replace(ordered=decision.start < FOREVER)


class Assigned(Scheduler[SchedulerSheet]):
    """Every op goes to the component that it is assigned to by name; of those that wait the first comes first."""

    kind = "assigned"

    def __init__(self, places: Mapping[str, str]) -> None:
        super().__init__(SchedulerSheet(kind=self.kind))
        self._places = places

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return estimate(job, op, self._places[job.graph.ops[op].name], view)
