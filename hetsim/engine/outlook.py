"""What a scheduler may know: the plans, and when things are expected, with every decision so far applied."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter

from hetsim.engine.job import Job
from hetsim.engine.lanes import Roads
from hetsim.engine.memo import Memo
from hetsim.engine.menus import Menus
from hetsim.engine.recipe import Recipe
from hetsim.engine.transit import Transit
from hetsim.errors import InputError
from hetsim.hardware.component import Residency
from hetsim.schedulers.scheduler import Offer
from hetsim.system import System
from hetsim.units import ticks
from hetsim.workload import Op, Tensor

Input = tuple[str, int, int]  # where it is, from when on, and its bytes
Frees = Callable[[Mapping[str, int]], Sequence[int]]  # picks those of each option out of when all resources are free
_NONE: frozenset[int] = frozenset()


class Outlook:
    """The scheduler's `View`. It plans against the residency that all decisions taken so far will leave.

    An op's expected end is replaced by the real one as soon as that is known, and a resource with nothing left
    to start is expected free when its last op really ends.
    """

    def __init__(self, system: System, roads: Roads, marks: int, options: Mapping[Op, Sequence[str]]) -> None:
        self.now, self._parts, self._host = 0, system.components, str(system.host)
        self._system, self._roads, self._marks, self._options = system, roads, marks, options
        self.components = tuple(system.components)
        self.index = {name: i for i, name in enumerate(system.components)}
        self._capacities = {h: n for c in system.components.values() for h, n in c.capacities().items() if n > 1}
        self._rates = {p: r for c in system.components.values() for p, r in c.ports().items()}
        self.planned = {name: c.residency() for name, c in system.components.items()}
        self._interned = {r: r for r in self.planned.values()}
        self.planned = {name: self.intern(r) for name, r in self.planned.items()}
        self._recipes: dict[str, dict[Op, Recipe]] = {name: {} for name in system.components}
        self._older: dict[tuple[Op, str, Residency], Recipe] = {}
        self._transit = Transit(system)
        self._menus = Menus(options, self.index)
        self._own: Memo[Op, list[float]] = Memo(self._joules)
        self._quotes: Memo[Op, tuple[list[int], list[tuple[str, ...]], Frees | None]] = Memo(self._quote)
        self._orders: Memo[Op, list[int]] = Memo(
            lambda op: sorted(range(len(self._menus[op])), key=self._quotes[op][0].__getitem__)
        )
        self._free: dict[str, int] = {}  # resources with one place
        self._homes: dict[tuple[str, int], tuple[str, str]] = {}  # trained tensor -> component, and the op that said so
        self._places: dict[str, list[int]] = {}  # the others: a heap of ends
        self._pending: dict[str, int] = {}
        self._given: dict[str, int] = {}  # resource -> ops placed there that have not ended, kept for late policies
        self._full: set[str] = set()  # resources to which no more could be given

    # --- what a scheduler asks ---

    def options(self, job: Job, op: int) -> Sequence[str]:
        return self._options[job.graph.ops[op]]

    def durations(self, job: Job, op: int) -> Sequence[int]:
        return self._quotes[job.graph.ops[op]][0]

    def shortest(self, job: Job, op: int) -> Sequence[int]:
        return self._orders[job.graph.ops[op]]

    def holds(self, job: Job, op: int) -> Sequence[tuple[str, ...]]:
        return self._quotes[job.graph.ops[op]][1]

    def arrivals(self, job: Job, op: int) -> list[int]:
        """Most components are reached from most sources in the same time: only the others are looked at one by one."""
        menu, transit = self._menus[job.graph.ops[op]], self._transit
        first = self.now if self.now > job.ready[op] else job.ready[op]
        common, special, ways = first, _NONE, []
        for source, at, size in self._inputs(job, op):
            times = transit.times[size]
            kind, others = transit.usual[source]
            special |= others
            ways.append((at, times, transit.routes[source]))
            at += times[kind]
            if at > common:
                common = at
        found, turns = [common] * len(menu), menu.turns
        for c in special:
            if c in turns:
                latest = first
                for at, times, routes in ways:
                    at += times[routes[c]]
                    if at > latest:
                        latest = at
                found[turns[c]] = latest
        return found

    def starts(self, job: Job, op: int, arrivals: Sequence[int] | None = None) -> list[int]:
        arrivals = self.arrivals(job, op) if arrivals is None else arrivals
        _, holds, frees = self._quotes[job.graph.ops[op]]
        if frees is not None:
            return [at if at > free else free for at, free in zip(arrivals, frees(self._free), strict=True)]
        return [max(at, *[self.free(name) for name in names]) for at, names in zip(arrivals, holds, strict=True)]

    def moves(self, job: Job, producer: int, consumer: int, source: str) -> Sequence[int]:
        routes, total = self._transit.routes[source], [0] * len(menu := self._menus[job.graph.ops[consumer]].numbers)
        sizes = self.offer(job, producer, source).plan.output_bytes
        for p, k, _ in job.graph.edges[consumer]:
            if p == producer:
                times = self._transit.times[sizes[k]]
                total = [x + times[routes[c]] for x, c in zip(total, menu, strict=True)]
        return total

    def mean_move(self, job: Job, producer: int, consumer: int) -> float:
        ways = self._transit.ways(self._menus[job.graph.ops[producer]], self._menus[job.graph.ops[consumer]])
        sizes = [t.nbytes for p, _, t in job.graph.edges[consumer] if p == producer]
        moves = [self._transit.times[size] for size in sizes]
        total = sum([count * times[kind] for times in moves for kind, count in ways])
        return total / sum([count for _, count in ways]) if ways else 0.0

    def offer(self, job: Job, op: int, component: str) -> Recipe:
        recipe = self._recipes[component].get(job.graph.ops[op])
        if recipe is not None and recipe.residency is self.planned[component]:
            return recipe
        return self.recipe(job.graph.ops[op], component, self.planned[component])

    def arrival(self, job: Job, op: int, component: str) -> int:
        first = self.now if self.now > job.ready[op] else job.ready[op]
        return self._latest(self._inputs(job, op), self.index[component], first)

    def joules(self, job: Job, op: int, offer: Offer) -> float:
        moved = 0.0
        for source, _, size in self._inputs(job, op):
            moved += sum(hop.joules for hop in self._roads.passage(source, offer.component, size) or ())
        return offer.joules + moved

    def energies(self, job: Job, op: int) -> list[float]:
        menu, transit = self._menus[job.graph.ops[op]], self._transit
        own, common, special, ways = self._own[job.graph.ops[op]], 0.0, _NONE, []
        for source, _, size in self._inputs(job, op):  # most components are reached from most sources in the same way
            kind, others = transit.usual[source]
            joules = transit.joules[size]
            common += joules[kind]
            special |= others
            ways.append((joules, transit.routes[source]))
        total = [x + common for x in own]
        turns = menu.turns
        for c in special:
            if c in turns:
                moved = 0.0
                for joules, routes in ways:
                    moved += joules[routes[c]]
                total[turns[c]] = own[turns[c]] + moved
        return total

    def free(self, hold: str) -> int:
        if hold not in self._capacities:
            free = self._free.get(hold, 0)
            return free if free > self.now else self.now
        places = self._places.get(hold, [])
        return self.now if len(places) < self.capacity(hold) else max(self.now, places[0])

    def capacity(self, hold: str) -> int:
        return self._capacities.get(hold, 1)

    def idle(self, holds: Sequence[str]) -> bool:
        return self._full.isdisjoint(holds)

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
            recipe = Recipe(op, plan, component, self.index[component], self._marks, self._rates, residency, allowed)
            self._older[place] = recipe
        self._recipes[component][op] = recipe
        return recipe

    def recipes(self) -> list[tuple[Op, Recipe]]:
        """Every recipe made, with its op, in order of making."""
        return [(op, recipe) for (op, _, _), recipe in self._older.items()]

    def accept(self, job: Job, op: int, recipe: Recipe, end: int) -> Recipe:
        """Apply a decision: later plans see what it stores, later estimates the places it takes until ``end``."""
        component = recipe.component
        if job.shape.trained:
            for tensor in job.shape.trained.get(op, ()):
                self._settle(tensor, component, job.graph.ops[op].name)
        if recipe.residency is not self.planned[component]:
            recipe = self.recipe(job.graph.ops[op], component, self.planned[component])
        if recipe.plan.after is not None:
            self.planned[component] = self.intern(recipe.plan.after)
            self._quotes.clear()
            self._orders.clear()
            self._own.clear()
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

    def give(self, holds: Sequence[str], count: int = 1) -> None:
        """An op has been placed on resources, or (-1) has ended there."""
        for hold in holds:
            given = self._given[hold] = self._given.get(hold, 0) + count
            if given < self.capacity(hold):
                self._full.discard(hold)
            else:
                self._full.add(hold)

    def intern(self, residency: Residency) -> Residency:
        """The one object that stands for all equal residencies, so that memos may compare by identity."""
        return self._interned.setdefault(residency, residency)

    def _settle(self, tensor: Tensor, component: str, op: str) -> None:
        """A tensor that is changed in place lives where it was first used; InputError for use anywhere else."""
        home, first = self._homes.setdefault((tensor.name, tensor.version), (component, op))
        if home != component:
            raise InputError.of(
                f"op {op!r} on {component!r} uses {tensor.name!r}, which is trained in place on {home!r}, "
                f"where op {first!r} is",
                "pin all ops that use it to one component",
            )

    def _quote(self, op: Op) -> tuple[list[int], list[tuple[str, ...]], Frees | None]:
        """Durations and holds of the op on each of its options; and when they are free, if each is one, for one op."""
        durations, holds = [], []
        for name in self._options[op]:
            residency = self.planned[name]
            quote = self._parts[name].quote(op, residency)
            if quote is None:
                recipe = self.recipe(op, name, residency)
                durations.append(recipe.duration)
                holds.append(recipe.holds)
            else:  # the plan is made when the op is placed there
                holds.append(quote[0])
                durations.append(ticks(quote[1]))
        single = [names[0] for names in holds if len(names) == 1 and names[0] not in self._capacities]
        for name in single:
            self._free.setdefault(name, 0)
        if len(single) < len(holds):
            return durations, holds, None
        # one name alone would be picked as no sequence
        return durations, holds, itemgetter(*single) if len(single) > 1 else lambda free: [free[single[0]]]

    def _joules(self, op: Op) -> list[float]:
        """Energy of the op on each of its options."""
        return [self.recipe(op, name, self.planned[name]).joules for name in self._options[op]]

    # --- how far it is ---

    def _inputs(self, job: Job, op: int) -> list[Input]:
        """Where each input of the op that has a place is from when on, and its bytes."""
        found: list[Input] = []
        placed, shape = job.placed, job.shape
        for p, t in shape.inputs[op]:
            if p < 0:
                found.append((self._host, job.arrival, shape.tensors[t].nbytes))
            elif (source := placed[p]) is not None:
                found.append((source, job.ends[p], job.recipes[p].plan.output_bytes[shape.position[t]]))
        return found

    def _latest(self, inputs: Iterable[Input], component: int, latest: int) -> int:
        """When all inputs are at a component, not before ``latest``."""
        routes, times = self._transit.routes, self._transit.times
        for source, at, size in inputs:
            kind = routes[source][component]
            at += times[size][kind]
            if at > latest:
                latest = at
        return latest
