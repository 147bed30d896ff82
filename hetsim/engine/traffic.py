"""When requests arrive: all at once, one for one that completes, or by the clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hetsim.keys import key
from hetsim.units import ticks

if TYPE_CHECKING:
    from hetsim.scenario import Traffic


def arrivals(traffic: Traffic, seed: int) -> Iterator[int]:
    """Ticks at which requests arrive, in order; a closed loop's first requests only, the others follow."""
    if traffic.kind == "batch":
        return itertools.repeat(0)
    if traffic.kind == "closed":
        return itertools.repeat(0, traffic.concurrency)
    if traffic.kind == "poisson":
        return _poisson(traffic.rate, seed)
    return (ticks(t) for t in traffic.times)


def _poisson(rate: float, seed: int) -> Iterator[int]:
    """Arrivals of a Poisson process of ``rate`` per second: exponential gaps, drawn in blocks by key."""
    import numpy as np

    last = 0.0
    for block in itertools.count():
        generator = np.random.Generator(np.random.Philox(key=key(seed, "traffic", block)))
        for gap in generator.exponential(1 / rate, 1024):
            last += float(gap)
            yield ticks(last)
