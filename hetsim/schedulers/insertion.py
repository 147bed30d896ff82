"""Insertion scheduling: ops in order of a priority, each put into a gap between those placed before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from hetsim.schedulers.ranking import by_priority
from hetsim.schedulers.scheduler import FOREVER, Decision, Job, Scheduler, SchedulerSheet, View, cheapest
from hetsim.schedulers.slots import Slots
from hetsim.schedulers.timeline import Timeline
from hetsim.workload import Graph

T = TypeVar("T", bound=SchedulerSheet)


class InsertionScheduler(Scheduler[T]):
    """Places the whole graph when it arrives. The order of starts on each resource is kept by the engine.

    A subclass says what is urgent (`priorities`) and where an op goes (`choose`: where it finishes first). Ops of
    equal priority come in the graph's order. Priorities are worked out once a graph.
    """

    def __init__(self, sheet: T, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self.timeline = Timeline()
        self._orders: dict[Graph, Sequence[int]] = {}

    @abstractmethod
    def priorities(self, job: Job, view: View) -> Sequence[float]:
        """The priority of each op, highest first."""

    def choose(self, job: Job, op: int, slots: Slots, view: View) -> tuple[int, int]:
        """Which of its options the op goes to, and when it ends there."""
        if self.sheet.objective == "makespan":
            return slots.soonest()
        ends = slots.ends()
        k = cheapest(job, op, ends, view, self.sheet.objective)
        return k, ends[k]

    def order(self, job: Job, view: View) -> Sequence[int]:
        """The ops in order of priority, each after its producers."""
        found = self._orders.get(job.graph)
        if found is None:
            found = self._orders[job.graph] = by_priority(job.graph, self.priorities(job, view))
        return found

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        timeline = self.timeline
        timeline.begin(view.now, view.capacity)
        for op in self.order(job, view):
            options = view.options(job, op)
            if len(options) == 1:
                offer = view.offer(job, op, options[0])
                end = timeline.earliest(offer.holds, view.arrival(job, op, options[0]), offer.duration) + offer.duration
            else:
                slots = Slots(timeline, job, op, view.arrivals(job, op), view)
                k, end = self.choose(job, op, slots, view)
                offer = view.offer(job, op, options[k])
            start = end - offer.duration
            reachable = end < FOREVER  # else there is no way to it: the engine says so
            if reachable:
                timeline.take(offer.holds, start, end)
            yield Decision(op, offer, start, end, reachable)

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        raise AssertionError("every op is placed when its graph arrives")


def sketch(job: Job, ops: Iterable[int], placed: dict[int, tuple[str, int]], timeline: Timeline, view: View) -> None:
    """Put ops where they would finish first on a trial timeline.

    ``placed`` gives the component and the end of ops that have a place in the trial only; the ops are added to it.
    """
    for op in ops:
        ready = view.arrivals(job, op)
        for p in job.graph.producers[op]:
            if p in placed:
                source, end = placed[p]
                ready = ready.raised(view.moves(job, p, op, source), end)
        k, end = Slots(timeline, job, op, ready, view).soonest()
        timeline.take(view.holds(job, op)[k], end - view.durations(job, op)[k], end)
        placed[op] = view.options(job, op)[k], end
