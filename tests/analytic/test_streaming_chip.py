"""The shipped streaming scenario, through the engine, against the closed form of its chip's pipeline."""

from __future__ import annotations

from functools import cache

import pytest

import hetsim
from hetsim.engine.run import Run
from hetsim.hardware.component import Plan
from tests.analytic.test_streaming import exact

NAME = "mnist_streaming"


@cache
def run(marks: int, concurrency: int, requests: int) -> Run:
    sets = ["numerics=none", f"marks={marks}", f"traffic.concurrency={concurrency}", f"traffic.requests={requests}"]
    made = Run(hetsim.load(NAME, sets))
    made.go()
    return made


def plans() -> list[Plan]:
    made = run(4, 1, 1)
    return [recipe.plan for _, recipe in made.outlook.recipes() if recipe.runs]


def transfers() -> float:
    """The image to the chip, and the logits back."""
    moves = run(4, 1, 1).meter.trace.transfers
    return float(sum(moves.numpy("end") - moves.numpy("start")) * 1e-12)


def latency(marks: int) -> float:
    requests = run(marks, 1, 1).meter.trace.requests
    return float(requests["end"][0] - requests["arrival"][0]) * 1e-12


def test_with_a_mark_for_each_chunk_latency_is_that_of_the_pipeline() -> None:
    stages = [(p.chunks, p.fill, p.interval) for p in plans()]
    assert [p.chunks for p in plans()] == [676, 169, 121, 16, 1]
    assert latency(10_000) == pytest.approx(transfers() + exact(stages), rel=1e-6)


def test_with_four_marks_it_is_late_by_less_than_a_mark_a_stage() -> None:
    stages = [(p.chunks, p.fill, p.interval) for p in plans()]
    slack = sum(-(-c // 4) * interval for c, _, interval in stages[1:])
    best = transfers() + exact(stages)
    assert best * (1 - 1e-9) <= latency(4) <= best + slack


def test_without_streaming_latency_is_the_sum_of_the_stages() -> None:
    total = sum(p.fill + (p.chunks - 1) * p.interval for p in plans())
    assert latency(0) == pytest.approx(transfers() + total, rel=1e-9)
    assert latency(4) < 0.85 * latency(0)


@pytest.mark.parametrize("marks", [0, 4])
def test_with_images_in_flight_throughput_is_that_of_the_slowest_stage(marks: int) -> None:
    """The first convolution's tiles are never idle: one image every 676 intervals (and its fill)."""
    made = run(marks, 4, 200)
    first = plans()[0]
    slowest = first.fill + (first.chunks - 1) * first.interval
    ends = sorted(made.meter.trace.requests["end"])
    steady = (ends[-1] - ends[20]) * 1e-12 / (len(ends) - 21)
    assert steady == pytest.approx(slowest, rel=1e-3)
