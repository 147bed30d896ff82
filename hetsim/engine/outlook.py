"""What a scheduler may know: the plans, and when things are expected, with every decision so far applied."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from hetsim.engine.job import Job
from hetsim.engine.lanes import Roads
from hetsim.engine.recipe import Recipe
from hetsim.hardware.component import Residency
from hetsim.schedulers.scheduler import Offer
from hetsim.system import System
from hetsim.workload import Op

FOREVER = 1 << 62


class Outlook:
    """The scheduler's `View`. It plans against the residency that all decisions taken so far will leave.

    An op's expected end is replaced by the real one as soon as that is known, and a resource with nothing left
    to start is expected free when its last op really ends.
    """

    def __init__(self, system: System, roads: Roads, marks: int, options: Mapping[Op, Sequence[str]]) -> None:
        self.now = 0
        self._system, self._roads, self._marks, self._options = system, roads, marks, options
        self.index = {name: i for i, name in enumerate(system.components)}
        self._capacities = {
            h: n for c in system.components.values() for h, n in c.capacities().items() if n > 1
        }
        self._rates = {p: r for c in system.components.values() for p, r in c.ports().items()}
        self.planned = {name: c.residency() for name, c in system.components.items()}
        self._interned = {r: r for r in self.planned.values()}
        self.planned = {name: self.intern(r) for name, r in self.planned.items()}
        self._recipes: dict[str, dict[Op, Recipe]] = {name: {} for name in system.components}
        self._older: dict[tuple[Op, str, Residency], Recipe] = {}
        self._free: dict[str, int] = {}  # resources with one place
        self._places: dict[str, list[int]] = {}  # the others: a heap of ends
        self._pending: dict[str, int] = {}

    # --- what a scheduler asks ---

    def options(self, job: Job, op: int) -> Sequence[str]:
        return self._options[job.graph.ops[op]]

    def offer(self, job: Job, op: int, component: str) -> Recipe:
        return self.recipe(job.graph.ops[op], component, self.planned[component])

    def joules(self, job: Job, op: int, offer: Offer) -> float:
        moved = 0.0
        for p, t in job.shape.inputs[op]:
            source = self._system.host if p < 0 else job.placed[p]
            size = (
                job.shape.tensors[t].nbytes
                if p < 0
                else job.recipes[p].plan.output_bytes[job.shape.position[t]]
            )
            passage = self._roads.passage(str(source), offer.component, size)
            moved += sum(hop.joules for hop in passage[0]) if passage else 0.0
        return offer.joules + moved

    def arrival(self, job: Job, op: int, component: str) -> int:
        latest = self.now if self.now > job.ready[op] else job.ready[op]
        placed, shape = job.placed, job.shape
        for p, t in shape.inputs[op]:
            if p < 0:
                source, at, size = self._system.host, job.arrival, shape.tensors[t].nbytes
            else:
                source, at = placed[p], job.ends[p]
                size = job.recipes[p].plan.output_bytes[shape.position[t]]
            if source != component:
                at += self._crossing(size, str(source), component)
            if at > latest:
                latest = at
        return latest

    def edge(self, job: Job, producer: int, consumer: int, source: str, target: str) -> int:
        edges = job.graph.edges[consumer]
        return sum(self._crossing(t.nbytes, source, target) for p, _, t in edges if p == producer)

    def free(self, hold: str) -> int:
        if self.capacity(hold) == 1:
            return max(self.now, self._free.get(hold, 0))
        places = self._places.get(hold, [])
        return self.now if len(places) < self.capacity(hold) else max(self.now, places[0])

    def capacity(self, hold: str) -> int:
        return self._capacities.get(hold, 1)

    # --- what the engine asks and tells ---

    def recipe(self, op: Op, component: str, residency: Residency) -> Recipe:
        """The plan of the op on the component, memoised until residency changes."""
        recipe = self._recipes[component].get(op)
        if recipe is not None and recipe.residency is residency:
            return recipe
        place = (op, component, residency)
        recipe = self._older.get(place)
        if recipe is None:
            plan = self._system.components[component].plan(op, residency)
            allowed = component in self._options[op]
            recipe = Recipe(
                op, plan, component, self.index[component], self._marks, self._rates, residency, allowed
            )
            self._older[place] = recipe
        self._recipes[component][op] = recipe
        return recipe

    def recipes(self) -> list[tuple[Op, Recipe]]:
        """Every recipe made, with its op, in order of making."""
        return [(op, recipe) for (op, _, _), recipe in self._older.items()]

    def accept(self, job: Job, op: int, recipe: Recipe, end: int) -> Recipe:
        """Apply a decision: later plans see what it stores, later estimates the places it takes until ``end``."""
        component = recipe.component
        if recipe.residency is not self.planned[component]:
            recipe = self.recipe(job.graph.ops[op], component, self.planned[component])
        if recipe.plan.after is not None:
            self.planned[component] = self.intern(recipe.plan.after)
        job.placed[op], job.recipes[op], job.ends[op] = component, recipe, end
        pending = self._pending
        for hold in recipe.holds:
            if hold not in self._capacities:
                pending[hold] = pending.get(hold, 0) + 1
                self._free[hold] = end
                continue
            places = self._places.setdefault(hold, [])
            if len(places) < self.capacity(hold):
                heapq.heappush(places, end)
            else:
                heapq.heapreplace(places, end)
        return recipe

    def started(self, recipe: Recipe, end: int) -> None:
        """An op has started and will end at ``end``: the truth, if nothing else is placed there."""
        pending = self._pending
        for hold in recipe.holds:
            if hold not in self._capacities:
                left = pending[hold] = pending.get(hold, 1) - 1
                if left <= 0:
                    self._free[hold] = end

    def intern(self, residency: Residency) -> Residency:
        """The one object that stands for all equal residencies, so that memos may compare by identity."""
        return self._interned.setdefault(residency, residency)

    def _crossing(self, size: int, source: str, target: str) -> int:
        """Ticks from one component to another when nothing contends; forever when there is no way."""
        passages = self._roads.passages
        passage = passages.get((source, target, size)) or self._roads.passage(source, target, size)
        return FOREVER if passage is None else passage[1]
