"""Reads whose inputs are voltage levels: products of matrices, each converted while it is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.applied import apply
from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.conversion import coding_of, convert, fold, tile_of
from hetsim.analog.kernels.memory import load, origin, weighted
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.registers import PANEL, WIDE, multiply_block, multiply_strip
from hetsim.analog.kernels.strips import spread_whole, total
from hetsim.analog.lines import BLOCK, LANES

_i32 = np.int32


@inlined()
def _multiply(values: Any, across: bool, i: int, m: int, column: int, height: int, rows: Any, sums: Any) -> None:
    """Products of six vectors from the ``m``-th on with ``rows`` [K / E, B, E]: the ``i``-th of ``sums`` [.., 6, B].

    ``values``: those of all passes, see `apply`, of which the ``height`` from ``column`` on count.
    """
    each, width, to = values.shape[3], sums.shape[2], i * sums.shape[1] * sums.shape[2]
    apart, step = (each, values.shape[2] * each) if across else (values.shape[2] * each, each)
    pairs = each - 1  # a shift, as dividing takes long
    at = i * values.shape[1] * values.shape[2] * each + m * apart + (column >> pairs) * step
    count = (height + pairs) >> pairs
    if WIDE and width == BLOCK:
        multiply_block(values, at, apart, step, count, rows, 0, width * each, sums, to, width)
    else:
        for line in range(0, width, LANES):
            multiply_strip(values, at, apart, step, count, rows, line * each, width * each, sums, to + line, width)


@compiled()
def _lift(sums: Any, lift: Any) -> None:
    """Add what `MIDDLE` takes off all squares: ``lift`` [B] to ``sums`` [6, B]."""
    for v in range(sums.shape[0]):
        for b in range(sums.shape[1]):
            sums[v, b] += lift[b]


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
    start, noise = origin(sums), origin(spreads) if spreads.shape[0] > 0 else 0
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


@inlined()
def _read_panel(
    values: Any, squared: Any, across: bool, height: int, numbers: int, lines: Any, block: int, drive: Any,
    coding: Any, seeds: Any, first: int, vectors: int, sums: Any, spreads: Any, output: Any,
) -> tuple[Any, float]:  # fmt: skip
    """Products of up to six vectors from the ``first`` on with a block of the lines of all tiles, added to ``output``
    [6, B]. Returns as `_convert_panel`."""
    clipped, saved, strips = spread_whole(_i32(0)), 0.0, output.shape[1] // LANES
    for r in range(lines.signals.shape[0]):
        column, rows = r * height, min(height, numbers - r * height)
        for i in range(drive.passes.shape[0]):
            _multiply(values, across, i, first, column, rows, lines.signals[r, block], sums)
            if spreads.shape[0] > 0:
                _multiply(squared, across, i, first, column, rows, lines.variances[r, block], spreads)
                if lines.lift.shape[2] > 0:
                    _lift(spreads[i], lines.lift[r, block])
        clips, square = _convert_panel(
            sums, spreads, drive.passes, coding, tile_of(lines, r, block), seeds,
            (r * lines.signals.shape[1] + block) * strips, first, vectors, origin(output),
        )  # fmt: skip
        clipped, saved = clipped + clips, saved + square
    return clipped, saved


@compiled(nogil=True)
def read_levels(
    codes: Any, across: bool, height: int, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int,
    room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """As `hetsim.analog.kernels.pulses.read_pulses`, of ``codes`` int16 [M, K], or ``across`` [K, M].

    ``height``: rows of a full tile. Every product adds up its rows in order, wherever the vector stands; whole
    numbers are added up in pairs.
    """
    values, squared, sums, spreads, output, seeds = room
    clipped, saved, noisy, coding = 0, 0.0, lines.variances.shape[2] > 0, coding_of(drive)
    numbers, deep = codes.shape[0] if across else codes.shape[1], len(seeds)
    for begin in range(0, len(scale), deep):
        vectors = min(deep, len(scale) - begin)
        for m in range(vectors):
            seeds[m] = derived(key, first + begin + m)
        corner, size = ((0, begin), (numbers, vectors)) if across else ((begin, 0), (vectors, numbers))
        apply(codes, across, corner, size, drive, False, values)
        if noisy:
            apply(codes, across, corner, size, drive, True, squared)
        for n in range(blocks.shape[0]):
            block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
            for m in range(0, vectors, PANEL):
                some, at = min(PANEL, vectors - m), begin + m
                output[:] = 0.0
                clips, square = _read_panel(
                    values, squared, across, height, numbers, lines, block, drive, coding, seeds, m, some, sums,
                    spreads, output,
                )  # fmt: skip
                clipped, saved = clipped + total(clips), saved + square
                fold(output, lines.shares, scale[at : at + some], out[at:, start : start + count])
    return clipped, saved
