"""Streaming between ops on one chip against the closed form of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from hetsim.engine.recipe import Recipe
from hetsim.engine.stream import paced
from hetsim.hardware.component import Plan, Residency


def recipe(chunks: int, fill: float, interval: float, marks: int, streams: bool = True) -> Recipe:
    plan = Plan((), (0,), fill=fill, interval=interval, chunks=chunks, streams=streams)
    return Recipe(None, plan, "chip", 0, marks, {}, Residency())


class Stage:
    """A job of a chain: what `arrivals` looks at."""

    def __init__(self, recipes: Sequence[Recipe]) -> None:
        n = len(recipes)
        self.recipes, self.status, self.starts, self.ends = list(recipes), [1] * n, [0] * n, [0] * n
        self.progress: list[Any] = [None] * n
        self.graph = self
        self.producers = [()] + [(i,) for i in range(n - 1)]

    def run(self) -> Iterator[tuple[int, ...]]:
        from hetsim.engine.stream import arrivals

        for i, r in enumerate(self.recipes):
            fed = arrivals(self, i) if i else None
            self.starts[i] = fed[0] if fed else 0
            own = tuple(self.starts[i] + pace for pace in r.pace)
            self.progress[i] = own if fed is None else paced(r, self.starts[i], fed)
            self.ends[i] = self.progress[i][-1]
            yield self.progress[i]


def exact(stages: Sequence[tuple[int, float, float]]) -> float:
    """When the last chunk leaves: chunk by chunk, c(i, k) = max(c(i, k - 1) + interval, arrival + fill)."""
    before = [0.0] * stages[0][0]
    for chunks, fill, interval in stages:
        times: list[float] = []
        for k in range(chunks):
            need = -(-len(before) * (k + 1) // chunks) - 1
            ready = before[need] + fill
            times.append(max(ready, times[-1] + interval) if times else ready)
        before = times
    return before[-1]


EQUAL = [(64, 100e-9, 10e-9)] * 3
FAST_SLOW = [(100, 50e-9, 5e-9), (100, 80e-9, 20e-9), (25, 30e-9, 10e-9)]
SLOW_FAST = [(676, 400e-9, 400e-9), (169, 20e-9, 10e-9), (121, 400e-9, 400e-9), (16, 20e-9, 10e-9)]
GATHER = [(676, 400e-9, 400e-9), (1, 1e-6, 0.0)]


@pytest.mark.parametrize("stages", [EQUAL, FAST_SLOW, SLOW_FAST, GATHER])
def test_with_a_mark_for_each_chunk_the_pipeline_is_exact(stages: list[tuple[int, float, float]]) -> None:
    chain = Stage([recipe(c, f, i, marks=10_000) for c, f, i in stages])
    *_, last = chain.run()
    assert last[-1] * 1e-12 == pytest.approx(exact(stages), rel=1e-6)


@pytest.mark.parametrize("marks", [2, 4, 8, 16])
@pytest.mark.parametrize("stages", [EQUAL, FAST_SLOW, SLOW_FAST, GATHER])
def test_few_marks_are_late_by_less_than_a_mark_a_stage(stages: list[tuple[int, float, float]], marks: int) -> None:
    """An op that must be fed starts a mark late; it never ends early, and in sum is late by under a mark a stage."""
    chain = Stage([recipe(c, f, i, marks) for c, f, i in stages])
    *_, last = chain.run()
    truth, got = exact(stages), last[-1] * 1e-12
    slack = sum(-(-c // marks) * i for c, _, i in stages)
    assert truth * (1 - 1e-9) <= got <= truth + slack + 1e-12


def test_equal_stages_have_the_closed_form() -> None:
    """S stages of C chunks at one interval: S fills, then C - 1 intervals."""
    chain = Stage([recipe(c, f, i, marks=64) for c, f, i in EQUAL])
    *_, last = chain.run()
    assert last[-1] * 1e-12 == pytest.approx(3 * 100e-9 + 63 * 10e-9)


def test_without_streaming_stages_add_up() -> None:
    total = sum(f + (c - 1) * i for c, f, i in SLOW_FAST)
    lengths = [recipe(c, f, i, 4).length for c, f, i in SLOW_FAST]
    assert sum(lengths) * 1e-12 == pytest.approx(total)
    assert exact(SLOW_FAST) < 0.85 * total
