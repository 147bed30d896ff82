"""Layers of one chip that share a directed link of its mesh, through the engine, against closed forms."""

from __future__ import annotations

from typing import Any

import pytest

import hetsim
from hetsim.engine.run import Run
from hetsim.hardware.component import Plan

MESH = {"level": "tile", "columns": 16, "router": "1 ns", "energy": "1 pJ/B"}


def run(bandwidth: str, heads: list[Any], marks: int = 4) -> tuple[dict[str, Plan], dict[str, float], Run]:
    """Plans and durations of layers that start together."""
    made = Run(hetsim.load({
        "system": {
            "host": "cpu",
            "components": {
                "cpu": {"use": "cpus/xeon_platinum_8180"},
                "chip": {
                    "use": "imc/isaac_shafiee_isca_2016",
                    "override": {"mesh": {**MESH, "bandwidth": bandwidth}, "buffer": None, "replicate": None},
                },
            },
            "links": {"bus": {"use": "links/axi4_128b", "between": ["cpu", "chip"]}},
        },
        "workload": {"input": [2048], "batch": 64, "layers": [{"heads": heads}]},
        "scheduler": {"kind": "greedy", "pin": {"*": "chip"}}, "numerics": "none", "marks": marks,
    }))  # fmt: skip
    made.go()
    plans = {op.name: recipe.plan for op, recipe in made.outlook.recipes() if recipe.runs}
    spans = made.meter.trace.spans
    rows = zip(spans.numpy("op"), spans.numpy("start"), spans.numpy("end"), strict=True)
    took = {made.graphs[0].ops[i].name: float(end - start) * 1e-12 for i, start, end in rows}
    return plans, took, made


def length(plan: Plan) -> float:
    return plan.fill + plan.interval * (plan.chunks - 1)


WIDE = [{"dense": {"out": 1024}}]


def shared(one: Plan, other: Plan) -> str:
    (lane,) = set(dict(one.crossings)) & set(dict(other.crossings))
    return lane


@pytest.mark.parametrize("marks", [1, 4, 64])
def test_a_layer_waits_for_the_link_and_then_goes_at_its_own_pace(marks: int) -> None:
    """The first keeps the link to its end. Then the second's first mark crosses it; another link, with partial sums,
    bounds its pace."""
    plans, took, _ = run("100 MB/s", [WIDE, WIDE], marks)
    first, second = plans.values()
    one, other = took.values()
    lane = shared(first, second)
    load, late = dict(first.crossings)[lane], dict(second.crossings)[lane]
    assert length(first) == pytest.approx(load, rel=0.02)  # bound by the link
    assert one == pytest.approx(length(first), rel=1e-9)
    pace = second.interval * second.chunks * (marks - 1) / marks
    assert other == pytest.approx(load + late / marks - late / second.chunks + second.fill + pace, rel=1e-6)


def test_a_link_that_has_room_for_both_keeps_nobody_waiting() -> None:
    plans, took, _ = run("100 GB/s", [WIDE, WIDE])
    assert list(took.values()) == pytest.approx([length(plan) for plan in plans.values()], rel=1e-9)


@pytest.mark.parametrize("marks", [0, 1, 4, 64])
@pytest.mark.parametrize("bandwidth", ["100 MB/s", "3 GB/s", "100 GB/s"])
def test_a_layer_that_is_alone_takes_what_its_plan_says(marks: int, bandwidth: str) -> None:
    plans, took, _ = run(bandwidth, [WIDE], marks)
    (plan,), (seconds,) = plans.values(), took.values()
    assert seconds == pytest.approx(length(plan), abs=1.5e-12)


def test_no_link_carries_more_than_its_bandwidth() -> None:
    """Four layers at once: the last ends no sooner than all bytes of the fullest link are over it, and no later than
    if they went one after the other."""
    plans, took, _ = run("200 MB/s", [WIDE] * 4)
    loads: dict[str, float] = {}
    for plan in plans.values():
        for lane, seconds in plan.crossings:
            loads[lane] = loads.get(lane, 0.0) + seconds
    assert max(took.values()) >= max(loads.values())
    assert max(loads.values()) > 1.5 * max(length(plan) for plan in plans.values())
    assert max(took.values()) <= sum(length(plan) for plan in plans.values())
