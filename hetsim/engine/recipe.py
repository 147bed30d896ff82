"""A plan in the engine's terms: integer ticks, resources, energy totals; made once and used for every run of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise
from math import ceil, fsum
from typing import TYPE_CHECKING

from hetsim.hardware.component import Plan, Residency
from hetsim.units import TICK, ticks
from hetsim.workload import Op

if TYPE_CHECKING:
    from hetsim.engine.holds import Hold
    from hetsim.engine.transit import Sending

Need = tuple[int, int, int, int]


class Recipe:
    """A `Plan` converted once per phase, with what all its runs add up to.

    ``marks`` are the chunk counts that the op announces (at most the scenario's number of marks, the last one
    all chunks), ``pace`` the ticks after the end of setup at which an unimpeded run has done them, and ``gaps`` those
    from one to the next.
    ``runs`` counts the runs, so that energy adds up as count x energy whatever their order. ``allowed`` is whether
    the scenario lets the op run there.
    """

    __slots__ = (
        "_needs", "allowed", "component", "crossed", "crossings", "duration", "energy", "fill", "gaps", "holds",
        "index", "joules", "length", "marks", "op", "pace", "places", "plan", "ports", "residency", "runs", "sends",
        "setup", "streams",
    )  # fmt: skip

    def __init__(
        self, op: Op | None, plan: Plan, component: str, index: int, marks: int, rates: Mapping[str, float],
        residency: Residency, allowed: bool = True,
    ) -> None:  # fmt: skip
        self.op, self.plan, self.component, self.index = op, plan, component, index
        self.residency, self.allowed = residency, allowed
        self.holds, self.streams = tuple(sorted(plan.holds)), plan.streams and marks > 0
        self.setup, self.fill = ticks(plan.setup), ticks(plan.fill)
        n = min(max(marks, 1), plan.chunks)
        self.marks = tuple([-(-plan.chunks * m // n) for m in range(1, n + 1)])
        self.pace = tuple([self.after(chunk) for chunk in self.marks])
        self.length = self.pace[-1]
        self.ports = tuple([(name, amount) for name, amount in plan.demands if amount > 0])
        served = max([ticks(amount / rates[name]) for name, amount in self.ports], default=0)
        self.duration = self.setup + max(self.length, served)
        self.energy = self._by_category(plan, component)
        self.joules = fsum(self.energy.values())
        self.runs = 0
        self.gaps = tuple(after - before for before, after in pairwise((0, *self.pace)))
        self.crossings = tuple([name for name, _ in plan.crossings])
        self.crossed = tuple([self._crossed(seconds) for _, seconds in plan.crossings])
        self.places: tuple[Hold, ...] = ()  # the holds themselves, once the engine has looked them up
        self.sends: tuple[Sending, ...] = ()  # what each output takes to be sent, once somebody has asked
        self._needs: dict[Recipe, tuple[Need, ...]] = {}

    def after(self, chunk: int) -> int:
        """Ticks from the end of setup until ``chunk`` chunks are done, rounded once."""
        return ticks(self.plan.fill + self.plan.interval * (chunk - 1))

    def _crossed(self, seconds: float) -> tuple[int, ...]:
        """Ticks that the chunks of each mark take on a lane, rounded down, so that an op that is alone is never late;
        and last those of one chunk, rounded up."""
        each = seconds / self.plan.chunks
        sums = [0, *(int(each * chunk / TICK) for chunk in self.marks)]
        return *(after - before for before, after in pairwise(sums)), ceil(each / TICK)

    def needs(self, producer: Recipe) -> tuple[Need, ...]:
        """What each mark of this op needs of a producer that it is fed by, chunk by chunk.

        For chunk d of C the op needs the share d/C of what the producer makes. A need ``(k, part, whole, early)`` is
        met ``part / whole`` of the way from the producer's mark k - 1 to its mark k, at an even pace; on the way to
        its first mark, where the producer goes at its own pace, it is met ``early`` ticks before that. There are none
        where each mark needs just the producer's mark of the same number.
        """
        needs = self._needs.get(producer)
        if needs is None:
            chunks = tuple(-(-producer.plan.chunks * mark // self.plan.chunks) for mark in self.marks)
            plain = chunks == producer.marks
            needs = self._needs[producer] = () if plain else tuple(self._need(producer, chunk) for chunk in chunks)
        return needs

    @staticmethod
    def _need(producer: Recipe, chunk: int) -> Need:
        k = bisect_left(producer.marks, chunk)
        if k == 0:
            return 0, 0, 1, producer.pace[0] - producer.after(chunk)
        before = producer.marks[k - 1]
        return k, chunk - before, producer.marks[k] - before, 0

    @staticmethod
    def _by_category(plan: Plan, component: str) -> dict[tuple[str, str], float]:
        totals: dict[tuple[str, str], float] = {}
        for step in plan.steps:
            place = (step.component or component, step.category)
            totals[place] = totals.get(place, 0.0) + step.count * step.joules
        return totals
