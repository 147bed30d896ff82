"""The parts that policies are made of, and what each policy prefers, on graphs that fit in a head."""

from __future__ import annotations

import random
import sys
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

import hetsim
from hetsim.engine.job import Job, Shape
from hetsim.engine.run import Run
from hetsim.engine.transit import Transit
from hetsim.errors import InputError
from hetsim.hardware.component import Residency
from hetsim.schedulers.ranking import by_priority
from hetsim.schedulers.scheduler import FOREVER, TimeSheet, scheduler_kinds
from hetsim.schedulers.slots import Slots
from hetsim.schedulers.spread import Spread
from hetsim.schedulers.timeline import Gaps, Timeline
from hetsim.units import quantity, ticks
from hetsim.workload import Cost, Graph, Op, Tensor
from tests.taskgraphs import Tasks, fft, gaussian_elimination, layered, montage, names, scenario, weighted

# --- timelines ---


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), max_size=25))
def test_gaps_find_the_earliest_place(asked: list[tuple[int, int]]) -> None:
    """Against a list of ticks that are taken; ops that take no time take a tick's beginning."""
    gaps, taken, parted = Gaps(), set[int](), set[int]()
    for ready, length in asked:
        free = (t for t in range(ready, 1000) if not taken & set(range(t, t + max(length, 1))))
        expected = next(t for t in free if not parted & set(range(t + 1, t + length)))
        found = gaps.find(ready, length)
        assert found == expected
        gaps.take(found, found + length)
        taken |= set(range(found, found + length))
        parted |= {found} if not length else set()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), max_size=25), st.integers(0, 50))
def test_what_is_past_is_forgotten_and_nothing_else(asked: list[tuple[int, int]], now: int) -> None:
    gaps = Gaps()
    for ready, length in asked:
        start = gaps.find(ready, length)
        gaps.take(start, start + length)
    other = gaps.copy()
    other.forget(now)
    for ready in range(now, now + 30):
        assert other.find(ready, 3) == gaps.find(ready, 3)


def timeline(**capacities: int) -> Timeline:
    found = Timeline()
    found.begin(0, lambda hold: capacities.get(hold, 1))
    return found


def test_a_resource_with_two_places_takes_two_ops_at_once() -> None:
    line = timeline(dma=2)
    for start in (0, 0, 5):
        assert line.earliest(("dma",), 0, 5) == start
        line.take(("dma",), start, start + 5)
    assert line.taken("dma") == [(0, 10), (0, 5)]


def test_an_op_waits_until_all_its_resources_are_free() -> None:
    line = timeline()
    line.take(("a",), 0, 4)
    line.take(("b",), 5, 9)
    assert line.earliest(("a", "b"), 0, 1) == 4
    assert line.earliest(("a", "b"), 0, 2) == 9
    assert line.starts([("a",), ("b",), ("a", "b")], [0, 0, 0], [2, 2, 2]) == [4, 0, 9]


def test_what_is_tried_on_a_fork_leaves_the_rest_alone() -> None:
    line = timeline()
    line.take(("a",), 0, 4)
    fork = line.fork()
    fork.take(("a",), 4, 6)
    fork.take(("b",), 0, 1)
    assert (line.earliest(("a",), 0, 1), fork.earliest(("a",), 0, 1)) == (4, 6)
    assert (line.earliest(("b",), 0, 1), fork.earliest(("b",), 0, 1)) == (0, 1)
    line.take(("a",), 6, 8)
    assert fork.earliest(("a",), 6, 1) == 6


# --- ranks ---


def graph(reads: dict[str, str]) -> Graph:
    """Ops named by a letter, and the letters they read from."""
    ops = [
        Op(name, "Task", tuple(Tensor(f"{p}>{name}", (1,)) for p in before),
           tuple(Tensor(f"{name}>{c}", (1,)) for c, others in reads.items() if name in others))
        for name, before in reads.items()
    ]  # fmt: skip
    return Graph("letters", ops)


def test_no_priority_puts_an_op_before_its_producers() -> None:
    letters = graph({"a": "", "b": "", "c": "a", "d": "bc"})
    names = [op.name for op in letters.ops]
    rank = {"a": 1.0, "b": 2.0, "c": 9.0, "d": 10.0}
    assert [names[i] for i in by_priority(letters, [rank[name] for name in names])] == ["b", "a", "c", "d"]
    assert by_priority(letters, [0.0] * 4) == (0, 1, 2, 3)


# --- what policies prefer ---


def tasks(**costs: str) -> Tasks:
    """Tasks by their seconds on P1, P2, …; none of them reads from another."""
    return {
        name: {"cost": {f"P{k}": f"{seconds} s" for k, seconds in enumerate(text.split(), 1)}, "after": {}}
        for name, text in costs.items()
    }


def placed(kind: str, graph: Tasks, parts: int = 2, **settings: Any) -> dict[str, tuple[str, float]]:
    """Where each task ran and from when on."""
    result = hetsim.simulate(hetsim.load(scenario(graph, parts, kind, **settings)))
    names, spans = result.trace.graphs[0].ops, result.trace.spans
    rows = zip(spans["op"], spans["component"], spans["start"], strict=True)
    return {names[op]: (result.trace.components[c], start * 1e-12) for op, c, start in rows}


FAST_AND_SLOW = tasks(a="2 5", b="2 5", c="2 5")


def test_met_queues_at_the_fastest() -> None:
    assert placed("met", FAST_AND_SLOW) == {"a": ("P1", 0), "b": ("P1", 2), "c": ("P1", 4)}


def test_olb_takes_who_is_free() -> None:
    assert placed("olb", FAST_AND_SLOW) == {"a": ("P1", 0), "b": ("P2", 0), "c": ("P1", 2)}


@pytest.mark.parametrize("kind", ["mct", "greedy"])
def test_mct_weighs_both(kind: str) -> None:
    assert placed(kind, FAST_AND_SLOW) == {"a": ("P1", 0), "b": ("P1", 2), "c": ("P2", 0)}


MIXED = tasks(long="9 10", short="2 3", middle="4 5")


def test_min_min_begins_with_the_short_ones() -> None:
    assert placed("min_min", MIXED) == {"short": ("P1", 0), "middle": ("P2", 0), "long": ("P1", 2)}


def test_max_min_begins_with_the_long_ones() -> None:
    assert placed("max_min", MIXED) == {"long": ("P1", 0), "middle": ("P2", 0), "short": ("P2", 5)}


def test_sufferage_begins_with_who_loses_most() -> None:
    choosy = tasks(easy="4 5", hard="4 30", only="6")
    choosy["only"]["cost"] = {"P2": "6 s"}
    assert placed("sufferage", choosy) == {"only": ("P2", 0), "hard": ("P1", 0), "easy": ("P1", 4)}


def test_etf_takes_the_op_of_the_highest_level_among_those_that_can_start() -> None:
    chain = tasks(x="3 4", y="3 4", z="3 4")
    chain["after_y"] = {"cost": {"P1": "5 s", "P2": "5 s"}, "after": {"y": "0 B"}}
    found = placed("etf", chain)
    assert found["y"] == ("P1", 0) and found["x"] == ("P2", 0)


def test_dls_sends_an_op_where_it_is_faster_than_elsewhere() -> None:
    assert placed("dls", tasks(a="4 2", b="2 4")) == {"a": ("P2", 0), "b": ("P1", 0)}


def test_random_depends_on_the_seed_and_on_nothing_else() -> None:
    many = weighted(layered(30, seed=1), 4, ccr=1.0, seed=1)
    raw = scenario(many, 4, "random")
    found = [hetsim.simulate(hetsim.load({**raw, "seed": seed})).document["assignments"] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert {part for parts in found[0].values() for part in parts} == {"P1", "P2", "P3", "P4"}


def test_a_critical_path_that_no_one_runs_whole_goes_to_who_runs_most_of_it() -> None:
    chain = tasks(a="9 1", b="9 1", c="9 1")
    chain["b"]["after"], chain["c"]["after"] = {"a": "0 B"}, {"b": "0 B"}
    for name in ("b", "c"):
        del chain[name]["cost"]["P2"]
    assert {part for part, _ in placed("cpop", chain).values()} == {"P1"}


@pytest.mark.parametrize("kind", ["heft", "greedy"])
def test_energy_counts_where_it_is_the_objective(kind: str) -> None:
    both = tasks(a="2 5", b="2 5")
    for task in both.values():
        task["energy"] = {"P1": "3 J", "P2": "1 J"}
    assert placed(kind, both) == {"a": ("P1", 0), "b": ("P1", 2)}
    assert placed(kind, both, objective="energy") == {"a": ("P2", 0), "b": ("P2", 5)}
    assert placed(kind, both, objective="energy_delay") == {"a": ("P2", 0), "b": ("P1", 0)}


TIME_ONLY = [kind for kind, policy in scheduler_kinds().items() if issubclass(policy.sheet_type, TimeSheet)]


@pytest.mark.parametrize("kind", TIME_ONLY)
def test_a_policy_that_knows_of_time_only_says_so(kind: str) -> None:
    with pytest.raises(InputError, match="makespan"):
        hetsim.load(scenario(FAST_AND_SLOW, 2, kind, objective="energy"))


def priced(seed: int) -> Tasks:
    """A random graph whose tasks cost different energy on each of four processors."""
    graph, draw = weighted(layered(20, seed), 4, ccr=1.0, seed=seed), random.Random(seed)
    for task in graph.values():
        task["energy"] = {part: f"{draw.randint(1, 10)} uJ" for part in task["cost"]}
    return graph


@pytest.mark.parametrize("seed", range(4))
def test_energy_is_saved_where_the_deadline_leaves_time(seed: int) -> None:
    def asked(kind: str, **settings: Any) -> tuple[float, float]:
        document = hetsim.simulate(hetsim.load(scenario(priced(seed), 4, kind, **settings))).document
        return document["makespan_s"], document["energy_J"]["total"]

    shortest, most = asked("heft")
    spent = [most]
    for factor in (1.1, 1.5, 5.0):
        makespan, joules = asked("energy", deadline=f"{factor * shortest} s")
        assert makespan <= factor * shortest
        spent.append(joules)
    assert spent == sorted(spent, reverse=True) and spent[0] > spent[-1]
    assert asked("energy")[1] == spent[-1]
    assert spent[-1] == pytest.approx(sum(min(map(_joules, t["energy"].values())) for t in priced(seed).values()))


def _joules(text: str) -> float:
    return quantity(text, "J")


def test_load_balance_keeps_the_busiest_component_short_and_every_op_in_its_place() -> None:
    stages = tasks(a="6 6", b="5 5", c="4 4", d="3 3")
    raw = {**scenario(stages, 2, "load_balance"), "traffic": {"kind": "closed", "concurrency": 3, "requests": 20}}
    document = hetsim.simulate(hetsim.load(raw)).document
    assert all(len(parts) == 1 for parts in document["assignments"].values())
    assert document["makespan_s"] == 20 * 9  # 18 s of work a request, on two


# --- optimal, where it cannot ---


def test_without_the_solver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    with pytest.raises(InputError) as caught:
        hetsim.simulate(hetsim.load(scenario(FAST_AND_SLOW, 2, "optimal")))
    assert "hetsim[optimise]" in caught.value.problems[0].hint


def test_a_graph_that_is_too_large_is_refused() -> None:
    pytest.importorskip("ortools")
    large = weighted(layered(600, seed=1, degree=6), 16, ccr=1.0, seed=1)
    with pytest.raises(InputError, match="small graphs"):
        hetsim.simulate(hetsim.load(scenario(large, 16, "optimal")))


# --- what policies are told ---


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_estimates_of_transfers_are_what_transfers_take(size: int, draw: random.Random) -> None:
    """Over links of several laws, some of them alike."""
    parts = [f"P{k}" for k in range(6)]
    links: dict[str, Any] = {}
    for k in range(draw.randint(1, 7)):
        kind = draw.choice([
            {"kind": "ideal", "bandwidth": "1 GB/s"}, {"kind": "serial", "bandwidth": "8 GB/s", "latency": "7 ns"},
            {"kind": "bus", "width": "8 B", "frequency": "300 MHz"}, {"kind": "ideal", "bandwidth": "2 GB/s"},
            {"kind": "bus", "width": "4 B", "frequency": "1 GHz", "latency": "9 ns", "arbitration": "round_robin"},
            {"kind": "dma", "engines": 2, "bandwidth": "3 GB/s", "setup": "20 ns"},
        ])  # fmt: skip
        links[f"l{k}"] = {**kind, "between": draw.sample(parts, 2)}
    links["mesh"] = {"kind": "mesh", "columns": 2, "router": "3 ns", "bandwidth": "3 GB/s",
                     "between": draw.sample(parts, draw.randint(2, 4))}  # fmt: skip
    raw = scenario(tasks(a="0", b="0"), 1, "greedy")
    raw["system"] = {"components": {part: {"kind": "abstract"} for part in parts}, "links": links}
    raw["workload"]["tasks"] = {"a": {"cost": {"P0": "0 s"}}, "b": {"cost": {"P0": "0 s"}}}
    run = Run(hetsim.load(raw))
    transit = Transit(run.system)
    one, other = draw.sample(parts, 2)
    kind = transit.routes[one][parts.index(other)]
    took = transit.times[size][kind]
    assert (took == FOREVER) == (run.system.route(one, other) is None)
    if took < FOREVER:
        pair = {"a": {"cost": {one: "0 s"}}, "b": {"cost": {other: "0 s"}, "after": {"a": f"{size} B"}}}
        run = Run(hetsim.load({**raw, "workload": {"tasks": pair}}))
        run.go()
        assert run.meter.trace.end == took
    for source in parts:
        usual, others = transit.usual[source]
        assert all((kind == usual) != (number in others) for number, kind in transit.routes[source].items())


def test_inputs_arrive_at_many_components_as_they_do_at_each() -> None:
    """Thirty components on two links, that five of them bridge; a graph part of which is placed."""
    parts = names(30)
    raw = scenario(weighted(layered(40, seed=1, degree=4), 30, ccr=1.0, seed=1), 30, "random")
    raw["system"]["links"] = {
        "near": {"kind": "ideal", "bandwidth": "2 GB/s", "between": parts[:20]},
        "far": {"kind": "bus", "width": "4 B", "frequency": "100 MHz", "latency": "80 ns", "between": parts[15:]},
    }
    run = Run(hetsim.load(raw))
    shape = Shape(run.workload.graphs()[0], 0)
    job, view = Job(0, 0, 0, shape, 0), run.outlook
    for op in range(shape.size):
        arrivals = [view.arrival(job, op, part) for part in parts]
        found = view.arrivals(job, op)
        assert found.listed() == list(found) == [found[k] for k in range(len(found))] == arrivals
        frees = [max(view.free(hold) for hold in holds) for holds in view.holds(job, op)]
        assert view.starts(job, op) == [max(pair) for pair in zip(arrivals, frees, strict=True)]
        if op % 7 != 6:  # the others stay open: what they send does not count
            decision = run.scheduler.placeable(job, op, view)  # type: ignore[arg-type]
            view.accept(job, op, decision.offer, decision.end)  # type: ignore[arg-type]
    assert len(set(view.arrivals(job, shape.size - 1))) > 2


@given(st.integers(0, 10_000))
def test_the_soonest_slot_is_the_first_of_all_slots(seed: int) -> None:
    """Small numbers, so that there are ties: between ends, and between durations."""
    draw, parts = random.Random(seed), names(12)
    costs = {part: f"{draw.randint(1, 4)} ps" for part in parts}
    run = Run(hetsim.load(scenario({"a": {"cost": costs}}, 12, "heft")))
    job, view = Job(0, 0, 0, Shape(run.workload.graphs()[0], 0), 0), run.outlook
    planned = timeline()
    for holds in view.holds(job, 0):
        for start in draw.sample(range(0, 12, 3), draw.randint(0, 4)):
            planned.take(holds, start, start + draw.randint(1, 3))
    apart = {k: draw.randint(0, 5) for k in draw.sample(range(12), draw.choice((0, 3, 12)))}
    slots = Slots(planned, job, 0, Spread(draw.randint(0, 5), apart, 12), view)  # type: ignore[arg-type]
    ends = slots.ends()
    assert slots.soonest() == (ends.index(min(ends)), min(ends))
    some = [k for k in slots.shortest if draw.random() < 0.5] or slots.shortest
    assert slots.soonest(some) == min(((k, ends[k]) for k in some), key=lambda pair: (pair[1], pair[0]))


@given(st.integers(0, 10_000))
def test_a_spread_stands_for_its_numbers(seed: int) -> None:
    draw, size = random.Random(seed), 6

    def spread() -> Spread:
        return Spread(draw.randint(0, 9), {k: draw.randint(0, 9) for k in draw.sample(range(size), 3)}, size)

    one, other = spread(), spread()
    assert one.raised(other, 3).listed() == [max(a, b + 3) for a, b in zip(one, other, strict=True)]
    assert one.capped(5).listed() == [min(a, 5) for a in one]
    assert [one.at(k) for k in range(size)] == one.listed()
    assert one[1:4] == one.listed()[1:4]
    assert one[-1] == one.listed()[-1]
    with pytest.raises(IndexError):
        one[size]
    with pytest.raises(ValueError, match=r"^$"):
        one.index(10)  # a sequence that knew no end would look for it for ever


@given(st.floats(0, 1e4), st.integers(0, 100))
def test_a_quote_is_the_plan_in_short(seconds: float, size: int) -> None:
    raw = scenario(tasks(a="1"), 2, "greedy")
    op = Op("a", "Task", (), (Tensor("x", (size,), "byte"),), cost={"P1": Cost(seconds)})
    run = Run(hetsim.load(raw))
    holds, spent = run.system.components["P1"].quote(op, Residency())  # type: ignore[misc]
    recipe = run.outlook.recipe(op, "P1", run.outlook.planned["P1"])
    assert (holds, ticks(spent)) == (recipe.holds, recipe.duration)


# --- the graphs of the studies ---


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_gaussian_elimination_has_as_many_tasks_as_published(size: int) -> None:
    assert len(gaussian_elimination(size)) == (size**2 + size - 2) // 2


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_fft_has_as_many_tasks_as_published_and_equal_paths(stages: int) -> None:
    points = 1 << stages
    shape = fft(points)
    assert len(shape) == 2 * points - 1 + points * stages
    depth: dict[str, int] = {}
    for name, producers in shape.items():
        depths = {depth[p] for p in producers}
        assert len(depths) <= 1
        depth[name] = max(depths, default=0) + 1


def test_montage_is_one_mosaic() -> None:
    shape, work = montage(5)
    read = {producer for producers in shape.values() for producer in producers}
    assert [name for name in shape if name not in read] == ["add"]
    assert work.keys() == shape.keys()


def test_random_graphs_are_what_was_asked_for() -> None:
    shape = layered(40, seed=3, degree=3)
    assert len(shape) == 40 and shape == layered(40, seed=3, degree=3) != layered(40, seed=4)
    assert max(map(len, shape.values())) <= 3
