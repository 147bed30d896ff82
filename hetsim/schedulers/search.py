"""Search: a schedule is changed a little at a time, and the simulator says whether it has become better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp
from random import Random

from pydantic import Field, StrictInt

from hetsim.keys import key
from hetsim.schedulers.delegation import Delegation, DelegationSheet
from hetsim.schedulers.fixed import appended_in_order
from hetsim.schedulers.objective import AnyGoal, Figures, Goal
from hetsim.schedulers.scheduler import Decision, Job, View, register
from hetsim.schedulers.trials import Places, Trials
from hetsim.workload import Graph

State = dict[Graph, Places]
HEAT = 0.02  # of the start's objective: by so much a step may be worse at first and be kept in one case of three


class SearchSheet(DelegationSheet):
    """``policy`` makes the schedule to start from; ``trials`` are simulated, each of the first ``requests`` requests
    (default: all). What is looked for may be any figure of the run, or several with weights, within bounds."""

    objective: AnyGoal = Goal(minimise="makespan")  # type: ignore[assignment]  # of a whole run
    trials: StrictInt = Field(default=200, ge=1)
    requests: StrictInt | None = Field(default=None, ge=1)


@register
class Search(Delegation[SearchSheet]):
    """Simulated annealing [Kirkpatrick 1983] from another policy's schedule, judged by simulating the scenario itself.

    A step moves an op to another component, or to another turn; a worse schedule is kept now and then, ever more
    seldom, and in the end the best is taken, if it is better than the other policy itself. Every request is placed
    alike. Nothing is left out that the engine knows of, such as links on which transfers wait, or streaming. Chance
    comes from the seed.
    """

    kind, sheet_type, prepares = "search", SearchSheet, True

    def __init__(self, sheet: SearchSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._found: State = {}
        self._start: Figures = {}
        self._best: Figures = {}

    def prepare(self, trials: Trials) -> None:
        goal, draw, count = self.sheet.objective, Random(key(self.seed, "search")), self.sheet.trials
        requests, numbers = self.sheet.requests, "accuracy" in goal.figures
        self._start, here = trials.of(self.policy, requests=requests, numbers=numbers)
        best, self._best = goal.score(self._start, self._start), self._start
        at = goal.score(trials.placed(here, requests=requests, numbers=numbers), self._start)
        movable = [(graph, op) for graph in here for op in range(len(graph.ops))]
        for trial in range(count):
            graph, op = movable[draw.randrange(len(movable))]
            near = {**here, graph: _step(graph, op, here[graph], trials.options(graph, op), draw)}
            figures = trials.placed(near, requests=requests, numbers=numbers)
            score = goal.score(figures, self._start)
            if _accepted(score, at, HEAT * (1 - trial / count), draw):
                here, at = near, score
            if score < best:
                self._found, best, self._best = near, score, figures
        self.policy = type(self.policy)(self.policy.sheet, self.seed)  # for graphs that no trial has run

    def arrived(self, job: Job, view: View) -> Iterable[Decision]:
        places = self._found.get(job.graph)
        return super().arrived(job, view) if places is None else appended_in_order(job, places, view)

    def report(self) -> Mapping[str, float]:
        names = [name for name in self.sheet.objective.figures if name in self._best]
        return {f"{when}_{name}": run[name] for name in names for when, run in self._runs().items()}

    def remarks(self) -> Sequence[str]:
        if not self._best:
            return []
        told = ", ".join(f"{n} {self._start[n]:.4g} to {self._best[n]:.4g}" for n in self.sheet.objective.figures)
        return [f"search: {told} in {self.sheet.trials} trials from {self.sheet.policy}"]

    def _runs(self) -> Mapping[str, Figures]:
        return {"start": self._start, "found": self._best}


def _accepted(score: tuple[float, float], at: tuple[float, float], heat: float, draw: Random) -> bool:
    """Whether to go on from a schedule: always when it is no worse, else by chance. A bound is never given up."""
    if score <= at:
        return True
    return score[0] <= at[0] and draw.random() < exp((at[1] - score[1]) / heat)


def _step(graph: Graph, op: int, places: Places, options: Sequence[str], draw: Random) -> Places:
    """The op on another component, or at another turn that its producers and consumers allow."""
    order = list(places.order)
    others = [name for name in options if name != places.components[op]]
    if others and draw.random() < 0.5:
        components = list(places.components)
        components[op] = others[draw.randrange(len(others))]
        return Places(components, order)
    order.remove(op)
    turn = {other: number for number, other in enumerate(order)}
    first = max([turn[p] + 1 for p in graph.producers[op]], default=0)
    last = min([turn[c] for c in graph.consumers[op]], default=len(order))
    order.insert(draw.randint(first, last), op)
    return Places(places.components, order)
