"""Energy: the least energy that still meets a deadline."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from hetsim.schedulers.insertion import InsertionScheduler
from hetsim.schedulers.ranking import mean_durations, upward
from hetsim.schedulers.scheduler import FOREVER, Job, SchedulerSheet, View, register
from hetsim.schedulers.slots import Slots
from hetsim.units import Time, ticks
from hetsim.workload import Graph


class EnergySheet(SchedulerSheet):
    """``deadline`` is how long after its arrival a graph has to be done (default: that of its request in ``traffic``);
    without one only energy counts."""

    objective: Literal["energy"] = "energy"
    deadline: Time | None = Field(default=None, gt=0)


@register
class Energy(InsertionScheduler[EnergySheet]):
    """HEFT's order; each op goes where it takes the least energy, of its options that leave time for what follows.

    What follows an op takes its upward rank less its own mean duration. Where no option leaves that much time, the
    op goes where it finishes first. Static power is not counted, though a longer run pays more of it.
    """

    kind, sheet_type = "energy", EnergySheet

    def __init__(self, sheet: EnergySheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._rests: dict[Graph, list[float]] = {}

    def priorities(self, job: Job, view: View) -> Sequence[float]:
        ranks = upward(job, view)
        own = mean_durations(job, view)
        self._rests[job.graph] = [rank - duration for rank, duration in zip(ranks, own, strict=True)]
        return ranks

    def choose(self, job: Job, op: int, slots: Slots, view: View) -> tuple[int, int]:
        due = job.deadline if self.sheet.deadline is None else view.now + ticks(self.sheet.deadline)
        latest = FOREVER - 1.0 if due >= FOREVER else due - self._rests[job.graph][op]
        joules = view.energies(job, op)
        left = sorted(slots.shortest, key=joules.__getitem__)
        while left:
            equals = bisect_right(left, joules[left[0]], key=joules.__getitem__)
            k, end = slots.soonest(left[:equals])
            if end <= latest:
                return k, end
            left = left[equals:]
        return slots.soonest()
