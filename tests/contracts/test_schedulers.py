"""What every registered policy must do, whoever wrote it: a newcomer is tested before it writes a test."""

from __future__ import annotations

import importlib.util
import itertools
from functools import cache
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import hetsim
from hetsim.engine.run import Run
from hetsim.engine.trials import prepared
from hetsim.schedulers.scheduler import Decision, scheduler_kinds
from hetsim.units import TICK, quantity, ticks
from tests.taskgraphs import Tasks, fft, gaussian_elimination, layered, montage, names, sample, scenario, weighted

KINDS = tuple(kind for kind in scheduler_kinds() if kind != "optimal" or importlib.util.find_spec("ortools"))
# these let the op that is ready first go first, or the most urgent one of those that wait
UNORDERED = {"edf", "greedy", "load_balance", "precision", "priority", "round_robin", "whole", "work_stealing"}
BRIEFLY: dict[str, dict[str, Any]] = {"optimal": {"time_limit": "1 s"}, "search": {"trials": 30}}
PROVABLE = 15  # tasks


class Span(NamedTuple):
    """Where and when a task ran, in ticks."""

    component: str
    start: int
    end: int


def few() -> dict[str, tuple[Tasks, int]]:
    """A graph of each family, one whose entry and exit take no time, and the smallest there is."""
    shape, work = montage(4)
    joined = {"in": list[str](), **{name: reads or ["in"] for name, reads in layered(12, seed=3).items()}}
    joined["out"] = [name for name in joined if not any(name in reads for reads in joined.values())]
    return {
        "random": (weighted(layered(14, seed=1), 3, ccr=1.0, seed=1), 3),
        "talkative": (weighted(layered(20, seed=2, fat=0.7), 5, ccr=10.0, seed=2), 5),
        "gauss": (weighted(gaussian_elimination(5), 4, ccr=0.5, seed=3), 4),
        "fft": (weighted(fft(4), 3, ccr=1.0, seed=4), 3),
        "montage": (weighted(shape, 4, ccr=0.3, seed=5, work=work), 4),
        "joined": (weighted(joined, 3, ccr=0.5, seed=6, work={name: float("t" in name) for name in joined}), 3),
        "one": (weighted({"only": []}, 2, ccr=1.0, seed=7), 2),
    }


GRAPHS = few()


@cache
def played(kind: str, graph: str) -> tuple[dict[str, Span], list[Decision], Run]:
    """What a policy decided for one of the graphs, and what happened."""
    tasks, processors = GRAPHS[graph]
    more = BRIEFLY.get(kind, {})
    run = prepared(hetsim.load(scenario(tasks, processors, kind, **more)))
    decisions: list[Decision] = []
    place = run.dispatcher.place

    def watched(job: Any, decision: Decision) -> None:
        decisions.append(decision)
        place(job, decision)

    run.dispatcher.place = watched  # type: ignore[method-assign]
    run.go()
    trace = run.meter.trace
    rows = zip(*(trace.spans[name] for name in ("op", "component", "start", "end")), strict=True)
    return {trace.graphs[0].ops[op]: Span(trace.components[c], a, b) for op, c, a, b in rows}, decisions, run


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("kind", KINDS)
def test_schedules_are_valid(kind: str, graph: str) -> None:
    """Checked against the graph itself, not against anything that the engine or the policy believes."""
    (tasks, _), (spans, _, _) = GRAPHS[graph], played(kind, graph)
    assert spans.keys() == tasks.keys()
    for name, task in tasks.items():
        part, start, end = spans[name]
        assert end - start == ticks(quantity(task["cost"][part], "s"))
        for producer, sent in task["after"].items():
            away = spans[producer].component != part
            assert start >= spans[producer].end + away * ticks(quantity(sent, "B") / 1e9), f"{name} before its data"
    for part in {span.component for span in spans.values()}:
        mine = sorted((span.start, span.end) for span in spans.values() if span.component == part)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(mine)), f"overlap on {part}"


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in UNORDERED])
def test_where_nothing_contends_every_op_runs_as_predicted(kind: str, graph: str) -> None:
    spans, decisions, run = played(kind, graph)
    ops = run.graphs[0].ops
    assert all(decision.ordered for decision in decisions)
    predicted = {ops[d.op].name: Span(d.offer.component, d.start, d.end) for d in decisions}
    assert spans == predicted
    assert run.meter.trace.end == max(decision.end for decision in decisions)


@pytest.mark.parametrize("graph", GRAPHS)
def test_no_policy_beats_the_lower_bound(graph: str) -> None:
    pytest.importorskip("ortools", reason="the extra `optimise` is not installed")
    report = played("optimal", graph)[2].scheduler.report()
    bound, best = round(report["lower_bound_s"] / TICK), played("optimal", graph)[2].meter.trace.end
    assert 0 < bound <= best
    assert report["proved"] == (bound == best)
    if len(GRAPHS[graph][0]) <= PROVABLE:
        assert report["proved"]
    for kind in KINDS:
        assert played(kind, graph)[2].meter.trace.end >= bound, kind


@pytest.mark.parametrize("kind", KINDS)
def test_pins_are_kept(kind: str) -> None:
    tasks, processors = GRAPHS["random"]
    pin = {"t1*": "P2", "t3": ["P1", "P3"]}
    result = hetsim.simulate(hetsim.load(scenario(tasks, processors, kind, pin=pin, **BRIEFLY.get(kind, {}))))
    for name, parts in result.document["assignments"].items():
        if name.startswith("t1"):
            assert parts == ["P2"]
        if name == "t3":
            assert parts in (["P1"], ["P3"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_copies_is_served(kind: str) -> None:
    """Copies arrive while others run: all end, and no two ops are at one place at one time."""
    tasks, processors = GRAPHS["random"]
    traffic = {"kind": "trace", "times": ["0 s", "100 us", "100 us", "450 us"]}
    raw = {**scenario(tasks, processors, kind, **BRIEFLY.get(kind, {})), "traffic": traffic}
    result = hetsim.simulate(hetsim.load(raw))
    spans = result.trace.spans
    assert result.document["requests"] == 4 and len(spans) == 4 * len(tasks)
    for part in set(spans["component"]):
        rows = zip(spans["component"], spans["start"], spans["end"], strict=True)
        mine = sorted((start, end) for c, start, end in rows if c == part)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(mine))


@st.composite
def hard(draw: st.DrawFn) -> tuple[Tasks, int]:
    """Small graphs with tasks that take no time, data that take none, and processors that cannot run everything."""
    parts, tasks = names(draw(st.integers(2, 3))), Tasks()
    for i in range(draw(st.integers(1, 10))):
        able = draw(st.lists(st.sampled_from(parts), min_size=1, unique=True))
        before = draw(st.lists(st.sampled_from(range(i)), unique=True, max_size=3)) if i else []
        tasks[f"t{i}"] = {
            "cost": {part: f"{draw(st.sampled_from([0, 0, 1, 2, 5]))} us" for part in able},
            "after": {f"t{k}": f"{draw(st.sampled_from([0, 1000, 2000, 5000]))} B" for k in before},
            "release": f"{draw(st.sampled_from([0, 0, 0, 4]))} us",
        }
    return tasks, len(parts)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([kind for kind in KINDS if kind not in UNORDERED]), hard(), st.booleans())
def test_predictions_hold_to_the_tick(kind: str, graph: tuple[Tasks, int], often: bool) -> None:
    times = ["0 s", "3 us", "3 us", "9 us"] if often else ["0 s"]
    run = Run(hetsim.load({**scenario(*graph, kind), "traffic": {"kind": "trace", "times": times}}))
    predicted: dict[tuple[int, int], tuple[int, int]] = {}
    place = run.dispatcher.place

    def watched(job: Any, decision: Decision) -> None:
        predicted[job.run, decision.op] = decision.start, decision.end
        place(job, decision)

    run.dispatcher.place = watched  # type: ignore[method-assign]
    run.go()
    spans = run.meter.trace.spans
    rows = zip(*(spans[name] for name in ("run", "op", "start", "end")), strict=True)
    assert {(number, op): (start, end) for number, op, start, end in rows} == predicted


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_graph_of_the_study(part: int) -> None:
    """Those of which docs/policies.md tells; tools/policy_table.py holds them against the lower bound."""
    for name, tasks, processors in list(sample())[part::8]:
        GRAPHS[name] = tasks, processors
        for kind in KINDS:
            if kind != "optimal":
                test_schedules_are_valid(kind, name)
                if kind not in UNORDERED:
                    test_where_nothing_contends_every_op_runs_as_predicted(kind, name)
        played.cache_clear()
        del GRAPHS[name]
