"""Samples of a strip of 16 lines into codes, and codes into sums: what every compiled read ends with."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.noise import pair
from hetsim.analog.kernels.strips import (
    as_whole, differ, floor, least, load, magnitude, most, read, root, spread, spread_whole,
)  # fmt: skip

_f32, _i32 = np.float32, np.int32


@compiled()
def figures(array: Any, r: int, block: int) -> int:
    """The address of figures [tiles down, blocks, B] of a block's lines; 0 where there are none."""
    width = array.shape[2]
    return array.ctypes.data + (r * array.shape[1] + block) * width * array.itemsize if width > 0 else 0


@inlined()
def digitise(sample: Any, tile: Any, line: int, limits: Any, weight: int) -> tuple[Any, Any]:
    """Round a strip of samples to codes and clip them: ``weight`` times each code, and -1 for each that clipped.

    ``tile``: addresses of the lines' codes per unit of signal, offsets and bows in codes (0: ideal), of which the
    strip's are the ``line``-th and following. ``limits``: lowest and highest code.
    """
    low, high = spread(limits[0]), spread(limits[1])
    u = sample * read(tile[0] + 4 * line)
    if tile[2] != 0:
        share = most(least(u * spread(_f32(1.0) / limits[1]), spread(_f32(1.0))), spread(_f32(-1.0)))
        u = u + (share - share * magnitude(share)) * read(tile[2] + 4 * line) * spread(_f32(4.0))
    if tile[1] != 0:
        u = u + read(tile[1] + 4 * line)
    code = floor(u + spread(_f32(0.5)))
    bounded = least(most(code, low), high)
    return as_whole(bounded) * spread_whole(_i32(weight)), differ(code, bounded)


@inlined()
def noisy(sample: Any, variance: Any, drawn: Any, i: int) -> Any:
    """A strip of samples with the noise of the ``i``-th pass, whose pair is ``drawn``."""
    square, cosine, sine = drawn
    return sample + root(square * variance) * (sine if i & 1 else cosine)


@inlined()
def weigh(sums: Any, at: int, row: int, step: Any, base: Any) -> Any:
    """Combine a pass's bit planes into a strip.

    ``sums`` has rows of length ``row``, one for each plane of a vector, of which the strip's first begins at index
    ``at``. Each plane is worth ``base`` times the one before; those ``step.apart`` further on are subtracted, or of
    variances (``base`` 4) added.
    """
    strip = load(sums, at + step.begin * row)
    worth = base
    for i in range(step.begin + 1, step.end):
        strip = strip + load(sums, at + i * row) * spread(worth)
        worth *= base
    if step.apart:
        worth = _f32(-1.0) if base == _f32(2.0) else _f32(1.0)
        for i in range(step.begin + step.apart, step.end + step.apart):
            strip = strip + load(sums, at + i * row) * spread(worth)
            worth *= base
    return strip


@inlined()
def squares(sums: Any, at: int, row: int, step: Any) -> Any:
    """Squares of the signals of a pass's pulses, each times how often it is integrated; see `weigh`."""
    total, worth = spread(_f32(0.0)), _f32(1.0)
    for i in range(step.begin, step.end):
        signal = load(sums, at + i * row)
        if step.apart:
            signal = signal - load(sums, at + (i + step.apart) * row)
        total = total + signal * signal * spread(worth)
        worth *= _f32(2.0)
    return total


@compiled()
def fold(lines: Any, v: int, shares: Any, scale: Any, out: Any) -> None:
    """Add up the lines of each output, a B/L-th of ``lines`` [V, B] apart: ``out`` [V, outputs] float32.

    The first of ``shares`` is 1. What is added up stays in ``lines``.
    """
    apart = lines.shape[1] // shares.shape[0]
    for k in range(1, shares.shape[0]):
        for j in range(apart):
            lines[v, j] += shares[k] * lines[v, k * apart + j]
    for j in range(out.shape[1]):
        out[v, j] = _f32(scale * lines[v, j])
