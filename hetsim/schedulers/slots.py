"""Slots: where an op fits in between the ops that are planned already, on each of its options."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

from hetsim.schedulers.scheduler import FOREVER, Job, View
from hetsim.schedulers.spread import Spread
from hetsim.schedulers.timeline import Timeline

UNKNOWN = FOREVER << 62  # later than any end, even of what waits for several that never come


class Slots:
    """The earliest slot of an op on each of its options, where its inputs are at ``arrivals``.

    The timeline is asked for a slot when the policy asks for it.
    """

    __slots__ = ("_arrivals", "_durations", "_holds", "_timeline", "shortest")

    def __init__(self, timeline: Timeline, job: Job, op: int, arrivals: Spread, view: View) -> None:
        self._timeline, self._arrivals = timeline, arrivals
        self._holds, self._durations = view.holds(job, op), view.durations(job, op)
        self.shortest = view.shortest(job, op)

    def end(self, k: int) -> int:
        """When the op would end on its option k."""
        duration = self._durations[k]
        return self._timeline.earliest(self._holds[k], self._arrivals.at(k), duration) + duration

    def ends(self) -> list[int]:
        """When the op would end on each of its options."""
        starts = self._timeline.starts(self._holds, self._arrivals.listed(), self._durations)
        return list(map(add, starts, self._durations))

    def soonest(self, among: Sequence[int] | None = None) -> tuple[int, int]:
        """The option on which the op would end first, of equals the first; and that end.

        It may be one ``among`` some, in order of durations. Only those are looked up that would end no later than the
        best found so far if they were free when the inputs are there.
        """
        earliest, holds, arrivals, durations = self._timeline.earliest, self._holds, self._arrivals, self._durations
        usual, others = arrivals.usual, arrivals.others
        best, first = -1, UNKNOWN
        for k in self.shortest if among is None else among:
            duration = durations[k]
            if usual + duration > first:
                break
            if k not in others:
                end = earliest(holds[k], usual, duration) + duration
                if end < first or (end == first and k < best):
                    best, first = k, end
        for k, ready in others.items():
            duration = durations[k]
            if ready + duration <= first and (among is None or k in among):
                end = earliest(holds[k], ready, duration) + duration
                if end < first or (end == first and k < best):
                    best, first = k, end
        return best, first
