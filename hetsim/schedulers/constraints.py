"""Constraints: a graph's scheduling problem as a constraint program, for OR-Tools' CP-SAT."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hetsim.errors import InputError
from hetsim.schedulers.scheduler import FOREVER

SLOWNESS = 4.0  # seconds, at most, that a unit of CP-SAT's deterministic time took on the machines tried


class Problem(NamedTuple):
    """What there is to schedule, in ticks from now on.

    Of op i on its option k: ``durations[i][k]``, ``holds[i][k]`` the resources it takes, ``arrivals[i][k]`` when what
    is placed already is there; ``moves[p, i][a][k]`` is the time for moving what i reads of p from option a of p.
    ``taken`` lists when places of a resource are taken already, ``capacities`` how many it has.
    """

    durations: Sequence[Sequence[int]]
    holds: Sequence[Sequence[tuple[str, ...]]]
    arrivals: Sequence[Sequence[int]]
    moves: Mapping[tuple[int, int], Sequence[Sequence[int]]]
    taken: Mapping[str, Sequence[tuple[int, int]]]
    capacities: Mapping[str, int]


class Solution(NamedTuple):
    """Each op's option and start, when the last op ends, and a bound before which it cannot end."""

    options: Sequence[int]
    starts: Sequence[int]
    end: int
    bound: int


def solve(problem: Problem, first: Solution, limit: float, seed: int) -> Solution:
    """The best solution found within ``limit`` seconds, no worse than ``first``; its bound is its end when proved.

    The limit is counted in the solver's own steps, on one thread, so that it always finds the same.
    """
    cp = _solver()
    if first.end >= FOREVER:  # there is no way for some data: the engine says so
        return first
    unit = _unit(problem, first)
    model, program = cp.CpModel(), _Program(problem, first.end // unit, unit)
    program.state(model)
    for op, (option, start) in enumerate(zip(first.options, first.starts, strict=True)):
        program.hint(model, op, option, start // unit)
    solver = cp.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed % 2**31
    solver.parameters.max_deterministic_time = limit / SLOWNESS
    solver.parameters.linearization_level = 0
    status = solver.solve(model)
    if status not in (cp.OPTIMAL, cp.FEASIBLE):
        return first
    options = [next(k for k, x in enumerate(each) if solver.value(x)) for each in program.chosen]
    starts = [solver.value(start) * unit for start in program.starts]
    end, bound = round(solver.objective_value), math.ceil(solver.best_objective_bound)
    return Solution(options, starts, end * unit, bound * unit)


class _Program:
    """The variables of a problem, in units of so many ticks: where each op goes, and when it starts."""

    def __init__(self, problem: Problem, horizon: int, unit: int) -> None:
        self._problem, self._horizon, self._unit = problem, horizon, unit
        self.chosen: list[list[Any]] = []
        self.starts: list[Any] = []

    def state(self, model: Any) -> None:
        """Add everything to a model."""
        problem, unit = self._problem, self._unit
        last = model.new_int_var(0, self._horizon, "end")
        users: dict[str, list[Any]] = {name: [] for each in problem.holds for names in each for name in names}
        for op, durations in enumerate(problem.durations):
            start = model.new_int_var(0, self._horizon, f"start {op}")
            chosen = [model.new_bool_var(f"op {op} on {k}") for k in range(len(durations))]
            model.add_exactly_one(chosen)
            for k, (duration, x) in enumerate(zip(durations, chosen, strict=True)):
                if problem.arrivals[op][k] >= FOREVER:
                    model.add(x == 0)
                    continue
                model.add(start >= problem.arrivals[op][k] // unit).only_enforce_if(x)
                model.add(start + duration // unit <= last).only_enforce_if(x)
                interval = model.new_optional_fixed_size_interval_var(start, duration // unit, x, f"{op} on {k}")
                for name in problem.holds[op][k]:
                    users[name].append((interval, duration // unit, x))
            self.chosen.append(chosen)
            self.starts.append(start)
        self._order(model)
        for name, uses in users.items():
            self._share(model, name, uses, last)
        model.minimize(last)

    def _order(self, model: Any) -> None:
        """No op starts before its inputs are there."""
        unit = self._unit
        for (p, i), table in self._problem.moves.items():
            for a, (row, source) in enumerate(zip(table, self.chosen[p], strict=True)):
                done = self.starts[p] + self._problem.durations[p][a] // unit
                for move, target in zip(row, self.chosen[i], strict=True):
                    if move < FOREVER:
                        model.add(self.starts[i] >= done + move // unit).only_enforce_if(source, target)
                    else:
                        model.add_bool_or(~source, ~target)

    def _share(self, model: Any, name: str, uses: Sequence[Any], last: Any) -> None:
        """No resource is taken more often than it has places; nor, which follows, for longer than there is time."""
        taken = [(begin // self._unit, (end - begin) // self._unit) for begin, end in self._problem.taken[name]]
        fixed = [model.new_fixed_size_interval_var(begin, length, f"{name} {begin}") for begin, length in taken]
        intervals, capacity = [interval for interval, _, _ in uses] + fixed, self._problem.capacities[name]
        if capacity == 1:
            model.add_no_overlap(intervals)
        else:
            model.add_cumulative(intervals, [1] * len(intervals), capacity)
        model.add(sum(duration * x for _, duration, x in uses) <= capacity * last)

    def hint(self, model: Any, op: int, option: int, start: int) -> None:
        """Where the search begins."""
        model.add_hint(self.starts[op], start)
        for k, x in enumerate(self.chosen[op]):
            model.add_hint(x, int(k == option))


def _unit(problem: Problem, first: Solution) -> int:
    """The largest unit of time of which everything is a whole multiple: small numbers are solved faster."""
    times = [t for each in (*problem.durations, *problem.arrivals) for t in each if t < FOREVER]
    times += [t for table in problem.moves.values() for row in table for t in row if t < FOREVER]
    times += [t for spans in problem.taken.values() for span in spans for t in span]
    return math.gcd(*times, *first.starts, first.end) or 1


def _solver() -> Any:
    try:
        return importlib.import_module("ortools.sat.python.cp_model")
    except ImportError:
        raise InputError.of(
            "the scheduler 'optimal' needs OR-Tools, which is not installed", 'pip install "hetsim[optimise]"'
        ) from None
