"""Samples of a strip of 16 lines into codes, and codes into sums: what every compiled read ends with."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.lines import LANES

_f32, _i32 = np.float32, np.int32


@compiled()
def digitise(samples: Any, at: int, converters: Any, line: int, limits: Any, weight: int, total: Any, to: int) -> int:
    """Round 16 samples from ``at`` on to codes, clip them, and add ``weight`` times each to ``total`` from ``to`` on.

    ``converters``: codes per unit of signal, offsets and bows of the lines, in codes, from ``line`` on (without
    lines, ideal). Returns how many conversions clipped.
    """
    inverse_lsb, offset, bow = converters
    low, high, clipped, worth = limits[0], limits[1], _i32(0), _i32(weight)
    if offset.shape[0] == 0 and bow.shape[0] == 0:
        for j in range(LANES):
            code = np.floor(samples[at + j] * inverse_lsb[line + j] + _f32(0.5))
            clipped += _i32(code < low) + _i32(code > high)
            total[to + j] += worth * _i32(min(max(code, low), high))
        return int(clipped)
    for j in range(LANES):
        u = samples[at + j] * inverse_lsb[line + j]
        if bow.shape[0] > 0:
            v = min(abs(u) / high, _f32(1.0))
            bent = _f32(4.0) * v * (_f32(1.0) - v) * bow[line + j]
            u += bent if u >= 0 else -bent
        if offset.shape[0] > 0:
            u += offset[line + j]
        code = np.floor(u + _f32(0.5))
        clipped += _i32(code < low) + _i32(code > high)
        total[to + j] += worth * _i32(min(max(code, low), high))
    return int(clipped)


@compiled()
def weigh(sums: Any, row: int, lane: int, step: Any, base: Any, out: Any, at: int) -> None:
    """Combine a pass's bit planes into 16 numbers of ``out`` from ``at`` on.

    ``sums`` has a row for each plane of a vector, from ``row`` on. Each plane is worth ``base`` times the one before;
    those ``step.apart`` further on are subtracted, or of variances (``base`` 4) added.
    """
    begin, end = row + step.begin, row + step.end
    for j in range(LANES):
        out[at + j] = _f32(sums[begin, lane + j])
    worth = base
    for i in range(begin + 1, end):
        for j in range(LANES):
            out[at + j] += worth * _f32(sums[i, lane + j])
        worth *= base
    if step.apart:
        worth = _f32(-1.0) if base == _f32(2.0) else _f32(1.0)
        for i in range(begin + step.apart, end + step.apart):
            for j in range(LANES):
                out[at + j] += worth * _f32(sums[i, lane + j])
            worth *= base


@compiled()
def square_pulses(sums: Any, row: int, lane: int, step: Any, power: Any, line: int) -> float:
    """Squares of the signals of a pass's pulses, by how often each is integrated, weighted by the ``power`` of the
    lines from ``line`` on that they save."""
    total = 0.0
    for i in range(row + step.begin, row + step.end):
        part = 0.0
        for j in range(LANES):
            other = sums[i + step.apart, lane + j] if step.apart else _f32(0.0)
            part += power[line + j] * np.float64(sums[i, lane + j] - other) ** 2
        total += part * 2.0 ** (i - row - step.begin)
    return total


@compiled()
def square_levels(samples: Any, at: int, top: int, power: Any, line: int) -> float:
    """As `square_pulses`, for the signal of one voltage out of ``top``."""
    total = 0.0
    for j in range(LANES):
        total += power[line + j] * np.float64(samples[at + j]) ** 2
    return total / np.float64(top) ** 2


@compiled()
def fold(lines: Any, v: int, shares: Any, scale: Any, out: Any) -> None:
    """Add up the lines of each output, a B/L-th of ``lines`` [V, B] apart: ``out`` [V, outputs] float32."""
    apart = lines.shape[1] // shares.shape[0]
    for j in range(out.shape[1]):
        y = 0.0
        for k in range(shares.shape[0]):
            y += shares[k] * lines[v, k * apart + j]
        out[v, j] = _f32(scale * y)
