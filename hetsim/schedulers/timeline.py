"""Timelines: when resources are free between the ops that are already planned on them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from hetsim.schedulers.scheduler import FOREVER


class Gaps:
    """The free intervals of one place of a resource, in order of time."""

    __slots__ = ("ends", "starts")

    def __init__(self, starts: Sequence[int] = (0,), ends: Sequence[int] = (FOREVER,)) -> None:
        self.starts, self.ends = list(starts), list(ends)

    def copy(self) -> Gaps:
        """The same intervals, to be taken without taking these."""
        return Gaps(self.starts, self.ends)

    def find(self, ready: int, length: int) -> int:
        """The earliest start, not before ``ready``, of a free interval of this length, of a tick at least."""
        starts, ends = self.starts, self.ends
        if ready >= starts[-1]:
            return ready
        length = length or 1
        i = bisect_left(ends, ready + length)
        while True:
            start = starts[i] if starts[i] > ready else ready
            if start + length <= ends[i]:
                return start
            i += 1

    def take(self, start: int, end: int) -> None:
        """Occupy an interval that is free; an op that takes no time parts the interval in which it lies."""
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


class Timeline:
    """The free intervals of every resource. It has to `begin` before anything is asked of it."""

    __slots__ = ("_capacity", "_gaps", "_shared", "_single")
    _capacity: Callable[[str], int]

    def __init__(self) -> None:
        self._gaps: dict[str, list[Gaps]] = {}
        self._single: dict[tuple[str, ...], Gaps] = {}  # those of offers that hold one resource with one place
        self._shared: set[str] = set()

    def begin(self, now: int, capacity: Callable[[str], int]) -> None:
        """Drop what lies in the past; ``capacity`` says how many places a resource has."""
        self._capacity = capacity
        for places in self._gaps.values():
            for place in places:
                if place.ends[0] < now:
                    place.forget(now)

    def fork(self) -> Timeline:
        """A copy to try things on; a resource is copied when something on it is taken."""
        other = Timeline()
        other._capacity = self._capacity
        other._gaps, other._single, other._shared = dict(self._gaps), dict(self._single), set(self._gaps)
        return other

    def earliest(self, holds: tuple[str, ...], ready: int, length: int) -> int:
        """The earliest start, not before ``ready``, at which every resource has a place for so long."""
        gaps = self._single.get(holds)
        if gaps is not None:
            return ready if ready >= gaps.starts[-1] else gaps.find(ready, length)
        start, settled = ready, False
        while not settled:
            found = start
            for hold in holds:
                places = self._gaps.get(hold) or self._places(hold)
                if len(places) == 1:
                    found = places[0].find(found, length)
                else:
                    found = min([place.find(found, length) for place in places])
            settled, start = found == start, found
        return start

    def starts(self, holds: Sequence[tuple[str, ...]], readies: Sequence[int], lengths: Sequence[int]) -> list[int]:
        """`earliest` for each of several offers."""
        single, found = self._single, []
        for names, ready, length in zip(holds, readies, lengths, strict=True):
            gaps = single.get(names)
            if gaps is None:
                found.append(self.earliest(names, ready, length))
            else:
                found.append(ready if ready >= gaps.starts[-1] else gaps.find(ready, length))
        return found

    def taken(self, hold: str) -> list[tuple[int, int]]:
        """When places of a resource are taken."""
        found: list[tuple[int, int]] = []
        for place in self._gaps.get(hold, ()):
            found += zip([0, *place.ends[:-1]], place.starts, strict=True)
        return [(begin, end) for begin, end in found if begin < end]

    def take(self, holds: tuple[str, ...], start: int, end: int) -> None:
        """Occupy a place of each resource, which is free."""
        gaps = self._single.get(holds)
        if gaps is not None and not self._shared:
            gaps.take(start, end)
            return
        for hold in holds:
            places = self._gaps.get(hold) or self._places(hold)
            if self._shared and hold in self._shared:
                places = self._keep(hold, [place.copy() for place in places])
                self._shared.remove(hold)
            free = places[0]
            if len(places) > 1:
                free = next(place for place in places if place.find(start, end - start) == start)
            free.take(start, end)

    def _places(self, hold: str) -> list[Gaps]:
        return self._keep(hold, [Gaps() for _ in range(self._capacity(hold))])

    def _keep(self, hold: str, places: list[Gaps]) -> list[Gaps]:
        self._gaps[hold] = places
        if len(places) == 1:
            self._single[hold,] = places[0]
        return places
