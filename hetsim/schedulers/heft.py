"""HEFT: heterogeneous earliest finish time, the yardstick of static list scheduling [Topcuoglu 2002]."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, cheapest, register
from hetsim.workload import Graph

FOREVER = 1 << 62


class Gaps:
    """The free intervals of one place of a resource, in order of time."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts, self.ends = [0], [FOREVER]

    def find(self, ready: int, length: int) -> int:
        """The earliest start, not before ``ready``, of a free interval of this length."""
        starts, ends = self.starts, self.ends
        if ready >= starts[-1]:
            return ready
        i = bisect_left(ends, ready + length)
        while True:
            start = starts[i] if starts[i] > ready else ready
            if start + length <= ends[i]:
                return start
            i += 1

    def take(self, start: int, end: int) -> None:
        """Occupy an interval that is free."""
        if end == start:
            return
        starts, ends = self.starts, self.ends
        i = len(ends) - 1 if start >= starts[-1] else bisect_left(ends, end)
        left, right = starts[i], ends[i]
        if end < right:
            starts[i] = end
            if left < start:
                starts.insert(i, left)
                ends.insert(i, start)
        elif left < start:
            ends[i] = start
        else:
            del starts[i], ends[i]

    def forget(self, now: int) -> None:
        """Drop what lies in the past."""
        i = bisect_left(self.ends, now)
        del self.starts[:i], self.ends[:i]


@register
class Heft(Scheduler[SchedulerSheet]):
    """Ops in order of upward rank, each inserted where it finishes first on the component that finishes it first.

    The rank of an op is its mean duration over the components that may run it, plus the largest, over its
    consumers, of the mean time to move the data between two different components and the consumer's rank.
    Ties are broken by the graph's order. The order of starts on each resource is kept by the engine.
    """

    kind = "heft"

    def __init__(self, sheet: SchedulerSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._gaps: dict[str, list[Gaps]] = {}
        self._orders: dict[Graph, tuple[int, ...]] = {}

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        now = view.now
        for places in self._gaps.values():
            for place in places:
                if place.ends[0] < now:
                    place.forget(now)
        order = self._orders.get(job.graph)
        if order is None:
            order = self._orders[job.graph] = self._ranked(job, view)
        for op in order:
            options = view.options(job, op)
            best = self._inserted(job, op, options[0], view)
            if len(options) > 1:
                others = [self._inserted(job, op, name, view) for name in options[1:]]
                best = cheapest([best, *others], job, view, self.sheet.objective)
            if best.ordered:
                self._occupy(best)
            yield best

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        raise AssertionError("HEFT places every op when its graph arrives")

    def _ranked(self, job: Job, view: View) -> tuple[int, ...]:
        """Ops by falling upward rank. A consumer never has a higher rank than its producer."""
        graph = job.graph
        options = [view.options(job, i) for i in range(len(graph.ops))]
        ranks = [0.0] * len(graph.ops)
        for i in reversed(range(len(graph.ops))):
            durations = [view.offer(job, i, name).duration for name in options[i]]
            tail = 0.0
            for j in graph.consumers[i]:
                pairs = [(a, b) for a in options[i] for b in options[j] if a != b]
                moves = [view.edge(job, i, j, a, b) for a, b in pairs]
                moves = [m for m in moves if m < FOREVER]
                tail = max(tail, ranks[j] + (sum(moves) / len(moves) if moves else 0.0))
            ranks[i] = sum(durations) / len(durations) + tail
        return tuple(sorted(range(len(graph.ops)), key=lambda i: (-ranks[i], i)))

    def _places(self, hold: str, view: View) -> list[Gaps]:
        self._gaps[hold] = [Gaps() for _ in range(view.capacity(hold))]
        return self._gaps[hold]

    def _inserted(self, job: Job, op: int, component: str, view: View) -> Decision:
        """The op in the first interval in which every resource that it holds has a place."""
        offer = view.offer(job, op, component)
        length, start = offer.duration, view.arrival(job, op, component)
        if start >= FOREVER:  # no way there: the engine says so if nothing better is found
            return Decision(op, offer, start, start + length)
        holds = offer.holds
        if len(holds) == 1:
            start = self._earliest(holds[0], start, length, view)
            return Decision(op, offer, start, start + length, True)
        settled = False
        while not settled:
            found = start
            for hold in holds:
                found = self._earliest(hold, found, length, view)
            settled, start = found == start, found
        return Decision(op, offer, start, start + length, True)

    def _earliest(self, hold: str, ready: int, length: int, view: View) -> int:
        places = self._gaps.get(hold) or self._places(hold, view)
        if len(places) == 1:
            return places[0].find(ready, length)
        return min([place.find(ready, length) for place in places])

    def _occupy(self, decision: Decision) -> None:
        _, offer, start, end, _ = decision
        for hold in offer.holds:
            places = self._gaps[hold]
            free = places[0]
            if len(places) > 1:
                free = next(place for place in places if place.find(start, end - start) == start)
            free.take(start, end)
