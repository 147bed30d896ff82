"""What a scheduler may know: the plans, and when things are expected, with every decision so far applied."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter

from hetsim.engine.job import Job
from hetsim.engine.memo import Memo
from hetsim.engine.menus import Menus
from hetsim.engine.recipe import Recipe
from hetsim.engine.transit import Sending, Transit
from hetsim.errors import InputError
from hetsim.hardware.component import Residency
from hetsim.schedulers.scheduler import Offer
from hetsim.schedulers.spread import Spread
from hetsim.system import System
from hetsim.units import ticks
from hetsim.workload import Op, Tensor

Input = tuple[int, Sending]  # from when on it is there, and what it takes to send it
Frees = Callable[[Mapping[str, int]], Sequence[int]]  # picks those of each option out of when all resources are free


class Outlook:
    """The scheduler's `View`. It plans against the residency that all decisions taken so far will leave.

    An op's expected end is replaced by the real one as soon as that is known, and a resource with nothing left
    to start is expected free when its last op really ends.
    """

    def __init__(self, system: System, marks: int, options: Mapping[Op, Sequence[str]]) -> None:
        self.now, self._parts, self._host = 0, system.components, str(system.host)
        self._system, self._marks, self._options = system, marks, options
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

    def arrivals(self, job: Job, op: int) -> Spread:
        first = self.now if self.now > job.ready[op] else job.ready[op]
        usual, before, turns, inputs = first, first, self._menus[job.graph.ops[op]].turns, self._inputs(job, op)
        last: Mapping[int, int] | None = None
        others: dict[int, int] = {}
        for at, (_, _, took, apart) in inputs:
            at += took
            if at > usual:
                usual, before, last = at, usual, apart
            elif at > before:
                before = at
        for made, (_, _, _, apart) in inputs:
            rest = before if apart is last else usual  # when the other inputs are there
            for c, took in apart.items():
                if c in turns:
                    k, at = turns[c], made + took
                    if k in others:  # apart for several inputs
                        others[k] = self._latest(inputs, c, first)
                    else:
                        others[k] = at if at > rest else rest
        return Spread(usual, others, len(turns))

    def starts(self, job: Job, op: int, arrivals: Spread | None = None) -> list[int]:
        arrivals = self.arrivals(job, op) if arrivals is None else arrivals
        _, holds, frees = self._quotes[job.graph.ops[op]]
        if frees is None:
            return [max(at, *[self.free(name) for name in names]) for at, names in zip(arrivals, holds, strict=True)]
        usual, free = arrivals.usual, frees(self._free)
        found = [usual if usual > at else at for at in free]
        for k, at in arrivals.others.items():
            found[k] = at if at > free[k] else free[k]
        return found

    def moves(self, job: Job, producer: int, consumer: int, source: str) -> Spread:
        turns, sends = self._menus[job.graph.ops[consumer]].turns, self._sends(self.offer(job, producer, source))
        sent = [sends[k] for p, k, _ in job.graph.edges[consumer] if p == producer]
        others = {turns[c]: sum([s.apart[c] for s in sent]) for c in sent[0].apart if c in turns}
        return Spread(sum([s.ticks for s in sent]), others, len(turns))

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
        c, charges = self.index[offer.component], self._transit.charges
        ways = [charges[sending.source, sending.size] for _, sending in self._inputs(job, op)]
        return offer.joules + sum([apart.get(c, joules) for joules, apart in ways])

    def energies(self, job: Job, op: int) -> list[float]:
        turns, own, charges = self._menus[job.graph.ops[op]].turns, self._own[job.graph.ops[op]], self._transit.charges
        ways = [charges[source, size] for _, (source, size, _, _) in self._inputs(job, op)]
        usual = sum([joules for joules, _ in ways])
        total = [x + usual for x in own]
        others: dict[int, float] = {}
        for _, apart in ways:
            for c in apart:
                if c in turns and turns[c] not in others:
                    moved = 0.0
                    for joules, elsewhere in ways:
                        moved += elsewhere.get(c, joules)
                    others[turns[c]] = moved
        for k, moved in others.items():
            total[k] = own[k] + moved
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
        """From when on each input of the op is there, of those that have a place, and what it takes to send it."""
        found: list[Input] = []
        recipes, shape = job.recipes, job.shape
        for p, t in shape.inputs[op]:
            if p < 0:
                found.append((job.arrival, self._transit.sendings[self._host, shape.tensors[t].nbytes]))
            elif (recipe := recipes[p]) is not None:
                found.append((job.ends[p], (recipe.sends or self._sends(recipe))[shape.position[t]]))
        return found

    def _sends(self, recipe: Recipe) -> tuple[Sending, ...]:
        """What it takes to send each output of an op."""
        if not recipe.sends:
            sendings = self._transit.sendings
            recipe.sends = tuple([sendings[recipe.component, size] for size in recipe.plan.output_bytes])
        return recipe.sends

    @staticmethod
    def _latest(inputs: Iterable[Input], component: int, latest: int) -> int:
        """When all inputs are at a component, not before ``latest``."""
        for at, (_, _, took, apart) in inputs:
            at += apart.get(component, took)
            if at > latest:
                latest = at
        return latest
