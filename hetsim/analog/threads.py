"""Work shared out among threads, in pieces that do not depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def shared_out(function: Callable[[T], R], parts: Sequence[T], threads: bool) -> list[R]:
    """Results in order, computed by as many threads as Numba is set to use: compiled code lets go of the lock.

    The caller is one of them: it has begun before another one is awake. Plain threads, not Numba's: its parallel loops
    fight with those of BLAS, and a process that ran one cannot fork.
    """
    from hetsim.analog import kernels

    count = min(kernels.threads(), len(parts))
    if not threads or count < 2:
        return [function(part) for part in parts]
    found: dict[int, R] = {}
    left = iter(range(len(parts)))  # each number comes to one thread

    def some() -> None:
        for i in left:
            found[i] = function(parts[i])

    others = [_pool(kernels.threads(), os.getpid()).submit(some) for _ in range(count - 1)]
    try:
        some()
    finally:
        wait(others)
    for other in others:
        other.result()
    return [found[i] for i in range(len(parts))]


@lru_cache(maxsize=1)
def _pool(count: int, process: int) -> ThreadPoolExecutor:
    """Threads for so many, kept, as to start them takes as long as a small read; a process that was forked has its
    own."""
    return ThreadPoolExecutor(count - 1, "crossbars")
