"""A plan in the engine's terms: integer ticks, resources, energy totals; made once and used for every run of it."""

from __future__ import annotations

from math import fsum

from hetsim.hardware.component import Plan, Residency
from hetsim.units import ticks


class Recipe:
    """A `Plan` converted once per phase, with what all its runs add up to.

    ``marks`` are the chunk counts that the op announces (at most the scenario's number of marks, the last one
    all chunks) and ``pace`` the ticks after the end of setup at which an unimpeded run has done them.
    ``runs`` counts the runs, so that energy adds up as count x energy whatever their order.
    """

    __slots__ = (
        "component", "duration", "energy", "fill", "holds", "index", "interval", "joules", "length", "marks", "pace",
        "plan", "ports", "residency", "runs", "setup", "streams",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        component: str,
        index: int,
        marks: int,
        rates: dict[str, float],
        residency: Residency,
    ) -> None:
        self.plan, self.component, self.index, self.residency = plan, component, index, residency
        self.holds, self.streams = tuple(sorted(plan.holds)), plan.streams and marks > 0
        self.setup, self.fill = ticks(plan.setup), ticks(plan.fill)
        n = min(max(marks, 1), plan.chunks)
        self.marks = tuple(-(-plan.chunks * m // n) for m in range(1, n + 1))
        self.pace = tuple(self.after(chunk) for chunk in self.marks)
        self.length = self.pace[-1]
        self.ports = tuple((name, amount) for name, amount in plan.demands if amount > 0)
        served = max((ticks(amount / rates[name]) for name, amount in self.ports), default=0)
        self.duration = self.setup + max(self.length, served)
        self.energy = self._by_category(plan, component)
        self.joules = fsum(self.energy.values())
        self.runs = 0

    def after(self, chunk: int) -> int:
        """Ticks from the end of setup until ``chunk`` chunks are done, rounded once."""
        return ticks(self.plan.fill + self.plan.interval * (chunk - 1))

    @staticmethod
    def _by_category(plan: Plan, component: str) -> dict[tuple[str, str], float]:
        totals: dict[tuple[str, str], float] = {}
        for step in plan.steps:
            place = (step.component or component, step.category)
            totals[place] = totals.get(place, 0.0) + step.count * step.joules
        return totals
