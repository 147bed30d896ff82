"""Reads whose inputs are voltage levels: products of matrices, each converted while it is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.kernels.conversion import digitise, fold, square_levels
from hetsim.analog.kernels.noise import add_normals, derived
from hetsim.analog.kernels.registers import PANEL, WIDE, multiply_block, multiply_strip
from hetsim.analog.lines import BLOCK, LANES

_f32, _i32 = np.float32, np.int32


@compiled()
def _apply(codes: Any, corner: Any, size: Any, step: Any, values: Any, squares: Any) -> None:
    """What a pass applies for a part of ``codes`` int16, of a ``size`` from a ``corner`` on, in units of its lowest
    bit, and if wanted the squares of it."""
    (top, left), (height, width) = corner, size
    first, mask = _i32(step.first), _i32(step.top)
    positive, negative = _f32(step.sign >= 0), _f32(-1.0 if step.sign == 0 else step.sign < 0)
    for a in range(height):
        for b in range(width):
            code = _i32(codes[top + a, left + b])
            values[a, b] = _f32((abs(code) >> first) & mask) * (positive if code > 0 else negative)
        if squares.shape[0] > 0:
            for b in range(width):
                squares[a, b] = values[a, b] * values[a, b]


@compiled()
def _multiply(values: Any, strides: Any, count: int, rows: Any, line: int, wide: bool, out: Any) -> None:
    """Products of six vectors with the lines from ``line`` on, of ``rows`` [K, B]: ``out`` [6, 64] or [6, 16].

    ``strides``: index of the first number in memory, and how far vectors and their numbers are apart.
    """
    at, apart, step = strides
    if wide:
        multiply_block(values, at, apart, step, count, rows, line, rows.shape[1], out)
    else:
        multiply_strip(values, at, apart, step, count, rows, line, rows.shape[1], out)


@compiled()
def _convert_panel(
    panel: Any, spread: Any, vectors: int, step: Any, i: int, limits: Any, tile: Any, line: int, seeds: Any, total: Any
) -> tuple[int, float]:
    """Conversions of a pass, the ``i``-th, of up to six vectors: codes are added to ``total`` [6, width]."""
    inverse_lsb, offset, bow, power, _ = tile
    clipped, squares, width, place = 0, 0.0, len(total) // PANEL, seeds[1]
    for v in range(vectors):
        seed = seeds[0][v]
        for j in range(0, width, LANES):
            at = v * width + j
            if power.shape[0] > 0:
                squares += square_levels(panel, at, step.top, power, line + j)
            if spread.shape[0] > 0:
                add_normals(derived(seed, place + (line + j) // LANES), i, spread, panel, at)
            clipped += digitise(panel, at, (inverse_lsb, offset, bow), line + j, limits, step.weight, total, at)
    return clipped, squares


@compiled()
def _read_tile(
    values: Any, squares: Any, across: bool, column: int, height: int, rows: Any, drive: Any, tile: Any, seeds: Any,
    single: Any, output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Products of all vectors with a block of a tile's lines, added to ``output`` [V, B]; see `read_levels`."""
    panel, spread, total, wide = single
    signals, variances = rows
    width, (vector_seeds, place) = len(total) // PANEL, seeds
    apart, step = (1, values.shape[2]) if across else (values.shape[2], 1)
    clipped, saved, size = 0, 0.0, values.shape[1] * values.shape[2]
    for m in range(0, len(vector_seeds), PANEL):
        vectors = min(PANEL, len(vector_seeds) - m)
        for line in range(0, signals.shape[1], width):
            total[:] = 0
            for i in range(drive.passes.shape[0]):
                strides = (i * size + m * apart + column * step, apart, step)
                _multiply(values, strides, height, signals, line, wide, panel)
                if variances.shape[0] > 0:
                    _multiply(squares, strides, height, variances, line, wide, spread)
                clips, square = _convert_panel(
                    panel, spread, vectors, drive.passes[i], i, drive.limits, tile, line,
                    (vector_seeds[m:], place), total,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            for v in range(vectors):
                for j in range(width):
                    output[m + v, line + j] += tile[4][line + j] * total[v * width + j]
    return clipped, saved


@compiled(nogil=True)
def read_levels(
    codes: Any, across: bool, height: int, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int,
    room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """As `hetsim.analog.kernels.pulses.read_pulses`, of ``codes`` int16 [M, K], or ``across`` [K, M].

    ``height``: rows of a full tile. Every product adds up its rows in order, wherever the vector stands.
    """
    values, squares, panel, spread, total, output, seeds = room
    clipped, saved, strips = 0, 0.0, lines.signals.shape[3] // LANES
    wide, deep = len(total) == PANEL * BLOCK, values.shape[2] if across else values.shape[1]
    single, numbers = (panel, spread, total, wide), codes.shape[0] if across else codes.shape[1]
    for begin in range(0, len(scale), deep):
        vectors = min(deep, len(scale) - begin)
        for m in range(vectors):
            seeds[m] = derived(key, first + begin + m)
        corner, size = ((0, begin), (numbers, vectors)) if across else ((begin, 0), (vectors, numbers))
        for i in range(drive.passes.shape[0]):
            _apply(codes, corner, size, drive.passes[i], values[i], squares[i])
        for n in range(blocks.shape[0]):
            block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
            output[:vectors] = 0.0
            for r in range(lines.signals.shape[0]):
                tile = (
                    lines.inverse_lsb[r, block], lines.offset[r, block], lines.bow[r, block],
                    lines.power[r, block], lines.gain[r, block],
                )  # fmt: skip
                rows = min(height, numbers - r * height)
                clips, square = _read_tile(
                    values, squares, across, r * height, rows, (lines.signals[r, block], lines.variances[r, block]),
                    drive, tile, (seeds[:vectors], (r * lines.signals.shape[1] + block) * strips), single, output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            for m in range(vectors):
                fold(output[:vectors], m, lines.shares, scale[begin + m], out[begin:, start : start + count])
    return clipped, saved


WIDTH = BLOCK if WIDE else LANES  # lines that a panel of six vectors takes at a time, if there are as many
