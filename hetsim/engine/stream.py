"""Streaming on one chip: when an op's chunks are done, given when its producers' chunks are.

An op announces at most a few marks: `Recipe.marks` are chunk counts, and its progress the ticks at which they
are done. Between marks an op goes at an even pace, so the time of any chunk is interpolated.
"""

from __future__ import annotations

from hetsim.engine.job import DONE, Job
from hetsim.engine.recipe import Recipe


def arrivals(job: Job, i: int) -> tuple[int, ...] | None:
    """When the input of each of the op's marks has arrived; None when all producers are done.

    For chunk d of C the op needs the share d/C of what each producer makes.
    """
    recipe = job.recipes[i]
    running = [p for p in job.graph.producers[i] if job.status[p] != DONE]
    if not running:
        return None
    total = recipe.plan.chunks
    return tuple(max(_time(job, p, mark, total) for p in running) for mark in recipe.marks)


def _time(job: Job, producer: int, part: int, whole: int) -> int:
    """When the producer has made at least ``part / whole`` of its chunks."""
    recipe, progress = job.recipes[producer], job.progress[producer]
    assert progress is not None
    need = -(-recipe.plan.chunks * part // whole)
    before, at = 0, job.starts[producer]
    for mark, time in zip(recipe.marks, progress, strict=True):
        if mark == need:
            return time
        if mark > need and not before:  # before the first mark it goes at its own pace
            return max(at, time - (recipe.after(mark) - recipe.after(need)))
        if mark > need:
            return at - (at - time) * (need - before) // (mark - before)
        before, at = mark, time
    return progress[-1]


def paced(recipe: Recipe, begin: int, fed: tuple[int, ...] | None) -> tuple[int, ...]:
    """When each mark is done, for an op whose setup is over at ``begin``.

    Each ends at the later of the op's own pace and the arrival of its input plus fill.
    """
    if fed is None:
        return tuple(begin + pace for pace in recipe.pace)
    times: list[int] = []
    last, done = begin, 0
    for pace, arrival in zip(recipe.pace, fed, strict=True):
        last = max(last + pace - done, arrival + recipe.fill)
        done = pace
        times.append(last)
    return tuple(times)
