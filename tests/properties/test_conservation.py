"""What is conserved in any run: bytes over links, energy, capacity, time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hetsim

PARTS = ("P0", "P1", "P2", "P3")


@st.composite
def systems(draw: st.DrawFn) -> dict[str, Any]:
    """Four processors on a bus, a mesh, copy engines and a serial link, and a graph of tasks on them."""
    arbitration = draw(st.sampled_from(["fifo", "round_robin", "priority"]))
    shared = {"arbitration": arbitration, "burst": "16 B", **({"order": ["P1"]} if arbitration == "priority" else {})}
    links = {
        "bus": {"kind": "bus", "width": "4 B", "frequency": "1 MHz", "energy": "3 pJ/B", "static_power": "1 uW",
                "turnaround": draw(st.sampled_from(["0 s", "5 us"])), "between": ["P0", "P1"], **shared},
        "mesh": {"kind": "mesh", "columns": 2, "router": "1 us", "bandwidth": "2 MB/s", "energy": "2 pJ/B",
                 "between": ["P1", "P2", "P3"]},
        "dma": {"kind": "dma", "engines": 2, "bandwidth": "1 MB/s", "setup": "3 us", "between": ["P0", "P3"]},
    }  # fmt: skip
    for name in draw(st.sets(st.sampled_from(["mesh", "dma"]), max_size=1)):
        links[name] = {"kind": "serial", "bandwidth": "3 MB/s", "energy": "1 pJ/B", "between": ["P1", "P2"]}
        if name == "mesh":
            links["more"] = {"kind": "serial", "bandwidth": "2 MB/s", "latency": "2 us", "between": ["P2", "P3"]}
    tasks: dict[str, Any] = {}
    for i in range(draw(st.integers(2, 7))):
        part = draw(st.sampled_from(PARTS))
        before = {f"t{k}": f"{draw(st.integers(0, 5000))} B" for k in range(i) if draw(st.booleans())}
        tasks[f"t{i}"] = {
            "cost": {part: f"{draw(st.integers(0, 900))} us"}, "energy": {part: f"{draw(st.integers(0, 9))} nJ"},
            "after": before,
        }  # fmt: skip
    return {
        "system": {
            "host": "P0", "links": links,
            "components": {name: {"kind": "abstract", "static_power": "2 uW"} for name in PARTS},
        },
        "workload": {"tasks": tasks}, "traffic": {"kind": "batch", "requests": draw(st.integers(1, 6))},
    }  # fmt: skip


@settings(max_examples=60)
@given(systems())
def test_nothing_is_lost_or_doubled(raw: dict[str, Any]) -> None:
    result = hetsim.simulate(hetsim.load(raw))
    answer, trace = result.to_dict(), result.trace
    hops = {name: trace.transfers.numpy(name) for name in ("run", "tensor", "link", "source", "target", "size", "end")}
    # every tensor that crosses a component on its way leaves it with the bytes with which it came
    journeys: dict[tuple[int, int], list[int]] = {}
    for row in range(len(trace.transfers)):
        journeys.setdefault((hops["run"][row], hops["tensor"][row]), []).append(row)
    for rows in journeys.values():
        assert len({hops["size"][r] for r in rows}) == 1
        arrived = [(hops["target"][r], hops["end"][r]) for r in rows]
        assert len({place for place, _ in arrived}) <= len(arrived)
    for i, name in enumerate(trace.links):
        assert answer["links"][name]["bytes"] == hops["size"][hops["link"] == i].sum()
        assert answer["links"][name]["busy_s"] <= answer["makespan_s"] * (1 + 1e-9)
    moved = trace.transfers.numpy("joules").sum() + trace.spans.numpy("joules").sum()
    assert answer["energy_J"]["total"] == pytest.approx(moved + answer["energy_J"]["static"], rel=1e-12)
    assert sum(answer["energy_J"]["by_component"].values()) == pytest.approx(answer["energy_J"]["total"], rel=1e-12)
    for part in answer["components"].values():
        assert part["busy_s"] <= answer["makespan_s"] * (1 + 1e-9)
    assert (trace.transfers.numpy("start") >= trace.transfers.numpy("asked")).all()


@settings(max_examples=40)
@given(systems(), systems(), st.sampled_from(["greedy", "edf", "work_stealing"]), st.integers(0, 3))
def test_what_tenants_have_is_what_there_is(
    one: dict[str, Any], other: dict[str, Any], scheduler: str, queue: int
) -> None:
    """Two graphs on the first one's system: requests, energy and busy time are somebody's, and nobody's twice."""
    traffic = {"kind": "poisson", "rate": "2 kHz", "requests": 5, "deadline": "2 ms", "queue": queue or None}
    workloads = {
        "one": {**one["workload"], "traffic": one["traffic"]}, "other": {**other["workload"], "traffic": traffic}
    }  # fmt: skip
    raw = {"system": one["system"], "workloads": workloads, "scheduler": {"kind": scheduler}, "numerics": "none"}
    result = hetsim.simulate(hetsim.load(raw))
    answer, trace = result.to_dict(), result.trace
    parts = answer["tenants"]
    assert [parts["one"]["requests"], parts["other"]["requests"] + parts["other"]["dropped"]] == [
        one["traffic"]["requests"], 5,
    ]  # fmt: skip
    assert sum(p["requests"] for p in parts.values()) == answer["requests"] == len(trace.requests)
    dynamic = answer["energy_J"]["total"] - answer["energy_J"]["static"]
    assert sum(p["energy_J"]["dynamic"] for p in parts.values()) == pytest.approx(dynamic, rel=1e-9, abs=1e-21)
    for name, component in answer["components"].items():
        assert sum(p["busy_s"].get(name, 0.0) for p in parts.values()) >= component["busy_s"] * (1 - 1e-9)
    late = trace.requests.numpy("end") - trace.requests.numpy("arrival") > 2_000_000_000
    missed = int((late & (trace.requests.numpy("request") % 2 == 1)).sum()) + parts["other"]["dropped"]
    assert answer["metrics"]["other.deadline_misses"] == answer["metrics"]["deadline_misses"] == missed


@settings(max_examples=40)
@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), min_size=1, max_size=12))
def test_no_more_than_fit_are_under_way(engines: int, rows: list[tuple[int, int]]) -> None:
    """Copy engines: at no time do more transfers keep one than there are; each keeps it for its own time."""
    tasks: dict[str, Any] = {}
    for i, (release, size) in enumerate(rows):
        tasks[f"a{i}"] = {"cost": {"P0": "0 s"}, "release": f"{release} us"}
        tasks[f"b{i}"] = {"cost": {"P1": "0 s"}, "after": {f"a{i}": f"{size} B"}}
    raw = {
        "system": {
            "host": "P0",
            "components": {"P0": {"kind": "abstract"}, "P1": {"kind": "abstract"}},
            "links": {"dma": {"kind": "dma", "engines": engines, "bandwidth": "1 MB/s", "between": ["P0", "P1"]}},
        },
        "workload": {"tasks": tasks},
    }
    trace = hetsim.simulate(hetsim.load(raw)).trace
    start, end = trace.transfers.numpy("start"), trace.transfers.numpy("end")
    assert (end - start == trace.transfers.numpy("size") * 10**6).all()
    changes = sorted([(t, 1) for t in start.tolist()] + [(t, -1) for t in end.tolist()])
    assert np.cumsum([change for _, change in changes]).max() <= engines
