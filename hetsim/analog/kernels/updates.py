"""Pulses of updates in place: cell after cell, each pulse by the soft-bounds law where the last one left it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.noise import derived

_u64 = np.uint64
_TURN, _UNIT = 2 * math.pi, 2.0**-32


@inlined()
def _normal(seed: Any, place: int) -> float:
    """A standard normal [Box 1958] that depends on ``seed`` and ``place`` only."""
    word = derived(seed, place)
    first, second = float(word >> _u64(32)), float(word & _u64(0xFFFFFFFF))
    return math.sqrt(-2.0 * math.log((first + 0.5) * _UNIT)) * math.cos(_TURN * second * _UNIT)


@compiled(nogil=True)
def pulse_cells(counts: Any, x: Any, d: Any, law: Any, factor: Any, seed: Any, cells: Any, given: Any) -> None:
    """Give pairs of ``cells`` float32 [2, K, N] (siemens) their pulses ``counts`` [B, K, N], sample after sample.

    The first cell of a pair goes up where ``x`` [B, K] times ``d`` [B, N] is positive, and the other one down, else the
    other way round; without pulses down one of them goes up. ``law``: see `Response.law`; ``factor`` [2, K, N] or
    [0, 0, 0] scales the changes of each cell; ``given`` uint32 [2, K, N] counts the pulses.
    """
    low, high, rise, bend_up, fall, bend_down, cycle = law
    span, varied = high - low, factor.shape[0] > 0
    for p in range(2):
        for k in range(cells.shape[1]):
            for n in range(cells.shape[2]):
                place = (p * cells.shape[1] + k) * cells.shape[2] + n
                own, mine = derived(seed, place), 1.0
                if varied:
                    mine = float(factor[p, k, n])
                g, had = float(cells[p, k, n]), 0
                for b in range(counts.shape[0]):
                    count = int(counts[b, k, n])
                    if count == 0:
                        continue
                    up = ((x[b, k] > 0) == (d[b, n] > 0)) == (p == 0)
                    if fall == 0.0 and not up:
                        continue
                    for _ in range(count):
                        place_in = (g - low) / span
                        change = rise * (1.0 - bend_up * place_in)
                        if not up:
                            change = -fall * (1.0 - bend_down * (1.0 - place_in))
                        change *= mine
                        if cycle > 0.0:
                            change *= 1.0 + cycle * _normal(own, had)
                        g = min(max(g + change, low), high)
                        had += 1
                cells[p, k, n] = g
                given[p, k, n] = had
