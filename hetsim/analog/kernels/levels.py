"""Reads whose inputs are voltage levels: products of matrices, each converted while it is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.conversion import coding_of, convert, fold, tile_of
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.registers import PANEL, WIDE, multiply_block, multiply_strip
from hetsim.analog.kernels.strips import load, spread_whole, total, weighted
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
        part, value = codes[top + a, left : left + width], values[a]
        for b in range(width):
            code = _i32(part[b])
            value[b] = _f32((abs(code) >> first) & mask) * (positive if code > 0 else negative)
        if squares.shape[0] > 0:
            square = squares[a]
            for b in range(width):
                square[b] = value[b] * value[b]


@inlined()
def _multiply(values: Any, strides: Any, count: int, rows: Any, sums: Any, to: int) -> None:
    """Products of six vectors with ``rows`` [K, B]: ``sums`` [6, B] from index ``to`` on.

    ``strides``: index of the first number in memory, and how far vectors and their numbers are apart.
    """
    at, apart, step = strides
    width = rows.shape[1]
    if WIDE and width == BLOCK:
        multiply_block(values, at, apart, step, count, rows, 0, width, sums, to, width)
    else:
        for line in range(0, width, LANES):
            multiply_strip(values, at, apart, step, count, rows, line, width, sums, to + line, width)


@inlined()
def _convert_panel(
    sums: Any, spreads: Any, passes: Any, coding: Any, tile: Any, seeds: Any, strip: int, first: int, vectors: int,
    out: int,
) -> tuple[Any, float]:  # fmt: skip
    """All conversions of up to six vectors at a block of a tile's lines, added to the float64 at address ``out``.

    ``sums`` and variances ``spreads`` [passes, 6, B]. Returns how many conversions clipped in each lane, and
    the squares of the signals weighted by the power that they save.
    """
    clipped, saved, width = spread_whole(_i32(0)), 0.0, sums.shape[2]
    start, noise = sums.ctypes.data, spreads.ctypes.data if spreads.shape[0] > 0 else 0
    for v in range(vectors):
        for line in range(0, width, LANES):
            at, row = v * width + line, PANEL * width
            if tile[5] != 0:
                for i in range(passes.shape[0]):
                    sample = load(sums, at + i * row)
                    saved += weighted(sample * sample, tile[5] + 8 * line) / np.float64(passes[i].top) ** 2
            clipped = clipped + convert(
                (start + 4 * at, noise + 4 * at if noise != 0 else 0), (4 * row, 4 * row), sums.dtype, spreads.dtype,
                coding, tile, line, seeds[first + v], strip + line // LANES, out + 8 * (v * width + line),
            )  # fmt: skip
    return clipped, saved


@compiled()
def _read_tile(
    values: Any, squared: Any, across: bool, column: int, height: int, signals: Any, variances: Any, drive: Any,
    tile: Any, seeds: Any, vectors: int, strip: int, sums: Any, spreads: Any, output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Products of all vectors with a block of a tile's lines, added to ``output`` [V, B]; see `read_levels`."""
    apart, step = (1, values.shape[2]) if across else (values.shape[2], 1)
    clipped, saved, size, width = spread_whole(_i32(0)), 0.0, values.shape[1] * values.shape[2], output.shape[1]
    passes, coding = drive.passes, coding_of(drive)
    for m in range(0, vectors, PANEL):
        start = m * apart + column * step
        for i in range(passes.shape[0]):
            strides = (i * size + start, apart, step)
            _multiply(values, strides, height, signals, sums, i * PANEL * width)
            if variances.shape[0] > 0:
                _multiply(squared, strides, height, variances, spreads, i * PANEL * width)
        clips, square = _convert_panel(
            sums, spreads, passes, coding, tile, seeds, strip, m, min(PANEL, vectors - m),
            output.ctypes.data + 8 * m * width,
        )  # fmt: skip
        clipped, saved = clipped + clips, saved + square
    return total(clipped), saved


@compiled(nogil=True)
def read_levels(
    codes: Any, across: bool, height: int, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int,
    room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """As `hetsim.analog.kernels.pulses.read_pulses`, of ``codes`` int16 [M, K], or ``across`` [K, M].

    ``height``: rows of a full tile. Every product adds up its rows in order, wherever the vector stands.
    """
    values, squared, sums, spreads, output, seeds = room
    clipped, saved, strips = 0, 0.0, lines.signals.shape[3] // LANES
    numbers, deep = (codes.shape[0], values.shape[2]) if across else (codes.shape[1], values.shape[1])
    for begin in range(0, len(scale), deep):
        vectors = min(deep, len(scale) - begin)
        for m in range(vectors):
            seeds[m] = derived(key, first + begin + m)
        corner, size = ((0, begin), (numbers, vectors)) if across else ((begin, 0), (vectors, numbers))
        for i in range(drive.passes.shape[0]):
            _apply(codes, corner, size, drive.passes[i], values[i], squared[i])
        for n in range(blocks.shape[0]):
            block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
            output[:vectors] = 0.0
            for r in range(lines.signals.shape[0]):
                clips, square = _read_tile(
                    values, squared, across, r * height, min(height, numbers - r * height),
                    lines.signals[r, block], lines.variances[r, block], drive, tile_of(lines, r, block), seeds, vectors,
                    (r * lines.signals.shape[1] + block) * strips, sums, spreads, output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            fold(output, lines.shares, scale[begin : begin + vectors], out[begin:, start : start + count])
    return clipped, saved
