"""Optimal: the shortest schedule there is, found and proved by constraint programming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from hetsim.errors import InputError
from hetsim.schedulers.constraints import Problem, Solution, solve
from hetsim.schedulers.insertion import InsertionScheduler, sketch
from hetsim.schedulers.ranking import by_priority, upward
from hetsim.schedulers.scheduler import Job, TimeSheet, View, register
from hetsim.schedulers.slots import Slots
from hetsim.units import TICK, Time

MOST_PAIRS = 200_000  # of options over the edges of a graph: what a solver can still take in


class OptimalSheet(TimeSheet):
    """``time_limit`` is for each graph, counted in the solver's steps so that every run stops at the same point; a
    machine of our day takes about that long."""

    time_limit: Time = Field(default=10.0, gt=0)


@register
class Optimal(InsertionScheduler[OptimalSheet]):
    """The whole graph at once, by CP-SAT, starting from HEFT's schedule; for graphs of tens of ops.

    What is proved holds for links on which transfers do not wait for each other, and until the last op ends. A
    graph that arrives while others run is planned around them. Needs the extra ``optimise``.
    """

    kind, sheet_type = "optimal", OptimalSheet

    def __init__(self, sheet: OptimalSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._options: Sequence[int] = ()
        self._found: list[Solution] = []
        self._stores = False

    def priorities(self, job: Job, view: View) -> Sequence[float]:
        """The earlier an op starts in the solution, the sooner it is placed."""
        problem, now = self._problem(job, view), view.now
        solution = solve(problem, self._first(job, view), self.sheet.time_limit, self.seed)
        self._options = solution.options
        self._found.append(solution._replace(end=solution.end + now, bound=solution.bound + now))
        return [-start for start in solution.starts]

    def order(self, job: Job, view: View) -> Sequence[int]:
        """Worked out for each job anew: what runs already is different each time."""
        return by_priority(job.graph, self.priorities(job, view))

    def choose(self, job: Job, op: int, slots: Slots, view: View) -> tuple[int, int]:
        return self._options[op], slots.end(self._options[op])

    def report(self) -> Mapping[str, float]:
        """``proved``: every graph's schedule is the shortest; ``lower_bound_s`` of a single graph."""
        proved = not self._stores and all(found.end == found.bound for found in self._found)
        if self._stores or len(self._found) != 1:
            return {"proved": float(proved)}
        return {"proved": float(proved), "lower_bound_s": self._found[0].bound / round(1 / TICK)}

    def remarks(self) -> Sequence[str]:
        if self._stores:
            return ["optimal: nothing is proved, for what ops store changes how long others take"]
        open_ = [s for s in self._found if s.end > s.bound]
        if not open_:
            return ["optimal: proved, if no transfers wait for each other"]
        gap = max((s.end - s.bound) / s.end for s in open_)
        return [f"optimal: {len(open_)} of {len(self._found)} graphs not proved, at most {gap:.1%} too long"]

    def _first(self, job: Job, view: View) -> Solution:
        """HEFT's schedule."""
        placed: dict[int, tuple[str, int]] = {}
        sketch(job, by_priority(job.graph, upward(job, view)), placed, self.timeline.fork(), view)
        options = [view.options(job, op).index(placed[op][0]) for op in range(len(placed))]
        ends = [placed[op][1] - view.now for op in range(len(placed))]
        starts = [end - view.durations(job, op)[options[op]] for op, end in enumerate(ends)]
        return Solution(options, starts, max(ends, default=0), 0)

    def _problem(self, job: Job, view: View) -> Problem:
        graph, now, ops = job.graph, view.now, range(len(job.graph.ops))
        options = [view.options(job, op) for op in ops]
        edges = [(p, i) for i in ops for p in graph.producers[i]]
        if sum(len(options[p]) * len(options[i]) for p, i in edges) > MOST_PAIRS:
            raise InputError.of(f"the scheduler 'optimal' is for small graphs, and {graph.name!r} is not", "use heft")
        offers = [view.offer(job, op, name) for op in ops for name in options[op]]
        self._stores = self._stores or any(offer.plan.after is not None for offer in offers)
        names = sorted({name for offer in offers for name in offer.holds})
        taken = {name: [(begin - now, end - now) for begin, end in self.timeline.taken(name)] for name in names}
        return Problem(
            durations=[view.durations(job, op) for op in ops],
            holds=[view.holds(job, op) for op in ops],
            arrivals=[[at - now for at in view.arrivals(job, op)] for op in ops],
            moves={(p, i): [view.moves(job, p, i, name) for name in options[p]] for p, i in edges},
            taken={name: [(max(begin, 0), end) for begin, end in spans if end > 0] for name, spans in taken.items()},
            capacities={name: view.capacity(name) for name in names},
        )
