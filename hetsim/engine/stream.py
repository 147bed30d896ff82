"""Streaming on one chip: when an op's chunks are done, given when its producers' chunks are.

An op announces at most a few marks: `Recipe.marks` are chunk counts, and its progress the ticks at which they
are done. Between marks an op goes at an even pace, so the time of any chunk is interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence

from hetsim.engine.calendar import Calendar
from hetsim.engine.job import DONE, Job
from hetsim.engine.recipe import Recipe


def arrivals(job: Job, i: int) -> tuple[int, ...] | None:
    """When the input of each of the op's marks has arrived; None when all producers are done."""
    recipe, status, fed = job.recipes[i], job.status, None
    for p in job.graph.producers[i]:
        if status[p] != DONE:
            times = _supplied(job, p, recipe)
            fed = times if fed is None else tuple(map(max, fed, times))
    return fed


def _supplied(job: Job, producer: int, recipe: Recipe) -> tuple[int, ...]:
    """When a running producer has made what each mark of a consumer needs."""
    source, progress = job.recipes[producer], job.progress[producer]
    if progress is None:  # it was not fed chunk by chunk itself: it goes at its own pace
        begin = job.ends[producer] - source.length
        progress = tuple([begin + pace for pace in source.pace])
    needs = recipe.needs(source)
    if not needs:
        return progress
    return tuple([
        progress[k] - early if not k else progress[k - 1] - (progress[k - 1] - progress[k]) * part // whole
        for k, part, whole, early in needs
    ])  # fmt: skip


def paced(recipe: Recipe, begin: int, fed: tuple[int, ...]) -> tuple[int, ...]:
    """When each mark is done, for an op whose setup is over at ``begin``.

    Each ends at the later of the op's own pace and the arrival of its input plus fill.
    """
    times: list[int] = []
    last, fill = begin, recipe.fill
    for gap, arrival in zip(recipe.gaps, fed, strict=True):
        last += gap
        if arrival + fill > last:
            last = arrival + fill
        times.append(last)
    return tuple(times)


def carried(
    recipe: Recipe, begin: int, fed: tuple[int, ...] | None, now: int, lanes: Sequence[Calendar]
) -> tuple[int, ...]:
    """`paced` for an op that shares lanes within its component: a mark also waits until they have carried its chunks,
    those of ops that started before first."""
    times: list[int] = []
    last, fill, since = begin, recipe.fill, begin
    for k, gap in enumerate(recipe.gaps):
        last += gap
        if fed is not None:
            last = max(last, fed[k] + fill)
        for lane, spent in zip(lanes, recipe.crossed, strict=True):
            last = max(last, lane.book(now, since, spent[k]) - spent[-1] + fill)
        if fed is not None:
            since = max(begin, fed[k])  # the next mark's first chunk has come by then, and no earlier chunk is left
        times.append(last)
    return tuple(times)
