"""What must hold in every run, whatever the graph, the system and the policy."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import hetsim
from hetsim.engine.run import Run
from hetsim.schedulers.scheduler import scheduler_kinds

KINDS = tuple(scheduler_kinds())


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """A random DAG of tasks on two to four components, all on one link, under random traffic."""
    parts = [f"P{i}" for i in range(draw(st.integers(2, 4)))]
    tasks: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 8))):
        able = draw(st.lists(st.sampled_from(parts), min_size=1, unique=True))
        before = draw(st.lists(st.sampled_from(range(i)), unique=True, max_size=3)) if i else []
        tasks[f"t{i}"] = {
            "cost": {p: f"{draw(st.integers(0, 50))} us" for p in able},
            "energy": {p: f"{draw(st.integers(0, 9))} nJ" for p in able},
            "after": {f"t{k}": f"{draw(st.integers(0, 4000))} B" for k in before},
            "release": f"{draw(st.sampled_from([0, 0, 7]))} us",
        }
    link = draw(
        st.sampled_from([
            {"kind": "ideal", "bandwidth": "100 MB/s"},
            {"kind": "bus", "width": "4 B", "frequency": "50 MHz", "latency": "300 ns", "energy": "5 pJ/B"},
        ])
    )  # fmt: skip
    traffic = draw(
        st.sampled_from([
            {"kind": "batch"}, {"kind": "closed", "concurrency": 2}, {"kind": "poisson", "rate": "20 kHz"},
        ])
    )  # fmt: skip
    return {
        "seed": draw(st.integers(0, 3)),
        "system": {
            "components": {p: {"kind": "abstract", "static_power": "1 mW"} for p in parts},
            "links": {"net": {**link, "between": parts}},
        },
        "workload": {"tasks": tasks},
        "traffic": {**traffic, "requests": draw(st.integers(1, 6))},
        "scheduler": {"kind": draw(st.sampled_from(KINDS))},
        "numerics": "none",
    }


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_conservation(raw: dict[str, Any]) -> None:
    result = hetsim.simulate(hetsim.load(raw))
    doc, trace = result.document, result.trace
    spans, moves = trace.spans, trace.transfers

    # every op of every request ran once
    assert len(spans) == doc["requests"] * len(raw["workload"]["tasks"])
    assert doc["requests"] == raw["traffic"]["requests"]

    # energy: parts add up, and spans + transfers + static are the total
    energy = doc["energy_J"]
    for parts in ("by_component", "by_category"):
        assert math.fsum(energy[parts].values()) == pytest.approx(energy["total"], rel=1e-12)
    spent = math.fsum(spans["joules"]) + math.fsum(moves["joules"]) + energy["static"]
    assert spent == pytest.approx(energy["total"], rel=1e-12)

    # no op starts before its inputs are there
    ends = {
        (r, o): (e, c) for r, o, e, c in zip(spans["run"], spans["op"], spans["end"], spans["component"], strict=True)
    }
    arrived: dict[Any, int] = {}
    for run, tensor, target, end in zip(moves["run"], moves["tensor"], moves["target"], moves["end"], strict=True):
        arrived[run, trace.tensors[tensor], target] = end
    for run, op, c, start in zip(spans["run"], spans["op"], spans["component"], spans["start"], strict=True):
        names = trace.graphs[0].ops
        for p, i in trace.graphs[0].edges:
            if i == op:
                end, where = ends[run, p]
                assert start >= (end if where == c else arrived[run, f"{names[p]}>{names[i]}", c])

    # one op at a time on an abstract component; busy and utilisation are within the run
    for c, name in enumerate(trace.components):
        mine = spans.numpy("component") == c
        order = np.lexsort((spans.numpy("end")[mine], spans.numpy("start")[mine]))
        begin, end = spans.numpy("start")[mine][order], spans.numpy("end")[mine][order]
        assert (begin[1:] >= end[:-1]).all()
        assert doc["components"][name]["busy_s"] == pytest.approx((end - begin).sum() * 1e-12)
        assert doc["components"][name]["busy_s"] <= doc["makespan_s"] * (1 + 1e-12)
    assert doc["links"]["net"]["busy_s"] <= doc["makespan_s"] * (1 + 1e-12)

    # a tensor is moved at most once to a place, with all its bytes
    assert len(arrived) == len(moves)
    assert doc["links"]["net"]["bytes"] == sum(moves["size"])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 1000), st.integers(0, 10**6), st.integers(0, 5000))
def test_one_op_takes_what_was_estimated(kind: str, micros: int, nanos: int, size: int) -> None:
    raw = {
        "system": {
            "components": {"A": {"kind": "abstract"}, "B": {"kind": "abstract"}},
            "links": {
                "net": {"kind": "bus", "width": "3 B", "frequency": "70 MHz", "latency": "11 ns", "between": ["A", "B"]}
            },
        },
        "workload": {"tasks": {
            "a": {"cost": {"A": f"{micros} us"}}, "b": {"cost": {"B": f"{nanos} ns"}, "after": {"a": f"{size} B"}},
        }},
        "scheduler": {"kind": kind}, "numerics": "none",
    }  # fmt: skip
    run = Run(hetsim.load(raw))
    seen = []
    place = run.dispatcher.place
    run.dispatcher.place = lambda job, d: seen.append((d.op, d.start, d.end)) or place(job, d)  # type: ignore[method-assign]
    run.go()
    spans = run.meter.trace.spans
    assert sorted(zip(spans["op"], spans["start"], spans["end"], strict=True)) == sorted(seen)


@settings(max_examples=20, deadline=None)
@given(scenarios())
def test_same_scenario_same_bytes(raw: dict[str, Any]) -> None:
    first, second = (hetsim.simulate(hetsim.load(raw)) for _ in range(2))
    a, b = ({k: v for k, v in r.to_dict().items() if k != "simulator"} for r in (first, second))
    assert a == b
    assert first.trace.spans["end"] == second.trace.spans["end"]
