"""The optimum, from CP-SAT and from trying everything: `optimal` finds it, and says so only when it is proved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pytest

import hetsim
from hetsim.engine.run import Run
from hetsim.units import quantity, ticks
from tests.taskgraphs import Tasks, gaussian_elimination, layered, names, scenario, weighted

pytest.importorskip("ortools", reason="the extra `optimise` is not installed")


def solved(tasks: Tasks, processors: int, limit: str = "10 s") -> hetsim.Result:
    return hetsim.simulate(hetsim.load(scenario(tasks, processors, "optimal", time_limit=limit)))


def orders(tasks: Tasks, done: Sequence[str] = ()) -> Iterator[Sequence[str]]:
    """Every order in which all tasks come after those they read from."""
    if len(done) == len(tasks):
        yield done
    for name, task in tasks.items():
        if name not in done and all(producer in done for producer in task["after"]):
            yield from orders(tasks, (*done, name))


def shortest(tasks: Tasks, processors: int) -> int:
    """The least makespan in ticks, of all orders and all places."""
    costs = {name: {p: ticks(quantity(c, "s")) for p, c in task["cost"].items()} for name, task in tasks.items()}
    sent = {n: {p: ticks(quantity(s, "B") / 1e9) for p, s in task["after"].items()} for n, task in tasks.items()}
    places = [dict(zip(tasks, where, strict=True)) for where in itertools.product(names(processors), repeat=len(tasks))]
    return min(last(order, where, costs, sent) for order in orders(tasks) for where in places)


def last(
    order: Sequence[str], where: Mapping[str, str], costs: Mapping[str, Mapping[str, int]],
    sent: Mapping[str, Mapping[str, int]],
) -> int:  # fmt: skip
    """When the last task ends, if each starts as soon as it can in this order."""
    free, ends = dict.fromkeys(where.values(), 0), dict[str, int]()
    for name in order:
        part = where[name]
        arrived = [ends[p] + (move if where[p] != part else 0) for p, move in sent[name].items()]
        ends[name] = free[part] = max([free[part], *arrived]) + costs[name][part]
    return max(ends.values())


@pytest.mark.parametrize("seed", range(6))
def test_optimal_is_the_best_of_all_schedules(seed: int) -> None:
    shape = gaussian_elimination(3) if seed == 0 else layered(6, seed, degree=2)
    tasks = weighted(shape, 2, ccr=[0.1, 1.0, 3.0][seed % 3], seed=seed)
    document = solved(tasks, 2).document
    assert document["metrics"]["scheduler.proved"] == 1
    assert ticks(document["makespan_s"]) == shortest(tasks, 2)


def test_the_graph_of_the_heft_paper() -> None:
    document = hetsim.simulate(hetsim.load("heft_textbook", ["scheduler={kind: optimal}", "expect=[]"])).document
    assert document["makespan_s"] == 73
    assert document["metrics"] == {"scheduler.proved": 1, "scheduler.lower_bound_s": 73}
    assert "optimal: proved, if no transfers wait for each other" in document["notes"]


def test_without_time_to_prove_it_is_heft_or_better_and_says_so() -> None:
    tasks = weighted(layered(40, seed=2, fat=0.7), 3, ccr=2.0, seed=2)
    heft = hetsim.simulate(hetsim.load(scenario(tasks, 3, "heft"))).document["makespan_s"]
    document = solved(tasks, 3, limit="0.2 s").document
    bound = document["metrics"]["scheduler.lower_bound_s"]
    assert document["metrics"]["scheduler.proved"] == 0
    assert bound < document["makespan_s"] <= heft
    told = f"optimal: 1 of 1 graphs not proved, at most {1 - bound / document['makespan_s']:.1%} too long"
    assert told in document["notes"]


def test_the_limit_does_not_make_it_a_matter_of_luck() -> None:
    tasks = weighted(layered(30, seed=5), 4, ccr=1.0, seed=5)
    first, second = (solved(tasks, 4, limit="0.5 s") for _ in range(2))
    assert first.trace.spans["start"] == second.trace.spans["start"]
    assert first.trace.spans["component"] == second.trace.spans["component"]
    assert first.document["metrics"] == second.document["metrics"]


def test_a_second_graph_is_planned_around_the_first() -> None:
    tasks = weighted(layered(8, seed=3), 2, ccr=0.5, seed=3)
    raw = {**scenario(tasks, 2, "optimal"), "traffic": {"kind": "trace", "times": ["0 s", "20 us", "30 us"]}}
    run = Run(hetsim.load(raw))
    run.go()
    requests, found = run.meter.trace.requests, run.scheduler._found  # type: ignore[attr-defined]
    ends = [end for _, end in sorted(zip(requests["request"], requests["end"], strict=True))]
    assert [solution.end for solution in found] == ends  # as planned, with what was taken already
    assert ends[0] == shortest(tasks, 2)
    assert run.scheduler.report() == {"proved": 1}  # no bound: it would be on what is left to decide
