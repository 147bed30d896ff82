"""Reads whose inputs are voltage levels: products of matrices, each converted while it is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.applied import apply
from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.conversion import coding_of, convert, fold, scratch, tile_of
from hetsim.analog.kernels.memory import load, origin, weighted
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.registers import PANEL, WIDE, multiply_block, multiply_strip
from hetsim.analog.kernels.strips import spread_whole, total
from hetsim.analog.lines import BLOCK, LANES

_i32 = np.int32


@inlined()
def _multiply(
    values: Any, across: bool, i: int, m: int, column: int, height: int, rows: Any, line: int, sums: Any
) -> None:
    """Products of six vectors from the ``m``-th on with the lines of ``rows`` [K / E, B, E] from ``line`` on: the
    ``i``-th of ``sums`` [passes, 6, a strip or a block of lines].

    ``values``: those of all passes, see `apply`, of which the ``height`` from ``column`` on count.
    """
    each, width, to = values.shape[3], sums.shape[2], i * sums.shape[1] * sums.shape[2]
    apart, step = (each, values.shape[2] * each) if across else (values.shape[2] * each, each)
    pairs = each - 1  # a shift, as dividing takes long
    at = i * values.shape[1] * values.shape[2] * each + m * apart + (column >> pairs) * step
    count, where, wide = (height + pairs) >> pairs, line * each, rows.shape[1] * each
    if WIDE and width == BLOCK:
        multiply_block(values, at, apart, step, count, rows, where, wide, sums, to, width)
    else:
        multiply_strip(values, at, apart, step, count, rows, where, wide, sums, to, width)


@compiled()
def _lift(sums: Any, lift: Any) -> None:
    """Add what `MIDDLE` takes off all squares: ``lift`` [B] to ``sums`` [6, B]."""
    for v in range(sums.shape[0]):
        for b in range(sums.shape[1]):
            sums[v, b] += lift[b]


@inlined()
def _convert_panel(
    sums: Any, spreads: Any, passes: Any, coding: Any, tile: Any, first_line: int, seeds: Any, strip: int, first: int,
    vectors: int, room: Any, output: Any,
) -> tuple[Any, float]:  # fmt: skip
    """All conversions of up to six vectors from the ``first`` on at lines of a tile from ``first_line`` on, the first
    of which is of a ``strip``, added to ``output`` float64 [V, B].

    ``sums`` and variances ``spreads`` are [passes, 6, lines]. Returns how many conversions clipped in each lane, and
    the squares of the signals weighted by the power that they save.
    """
    clipped, saved, width = spread_whole(_i32(0)), 0.0, sums.shape[2]
    samples, noise = origin(sums), origin(spreads) if spreads.shape[0] > 0 else 0
    for v in range(vectors):
        for lane in range(0, width, LANES):
            at, row, line = v * width + lane, PANEL * width, first_line + lane
            if tile[5] != 0:
                for i in range(passes.shape[0]):
                    sample = load(sums, at + i * row)
                    saved += weighted(sample * sample, tile[5] + 8 * line) / np.float64(passes[i].top) ** 2
            clipped = clipped + convert(
                (samples + 4 * at, noise + 4 * at if noise != 0 else 0), (0, 4 * row), sums.dtype, spreads.dtype,
                coding, tile, line, seeds[first + v], strip + lane // LANES, origin(room),
                origin(output) + 8 * ((first + v) * output.shape[1] + line),
            )  # fmt: skip
    return clipped, saved


@compiled()
def _read_tile(
    values: Any, squared: Any, across: bool, column: int, height: int, lines: Any, r: int, block: int, drive: Any,
    seeds: Any, vectors: int, sums: Any, spreads: Any, output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Products of all vectors with a block of a tile's lines, added to ``output`` [V, B]; see `read_levels`.

    What rows add to a strip of lines stays in the nearest cache while all vectors pass by.
    """
    clipped, saved, coding, tile = spread_whole(_i32(0)), 0.0, coding_of(drive), tile_of(lines, r, block)
    signals, variances, width = lines.signals[r, block], lines.variances[r, block], output.shape[1]
    strip, step = (r * lines.signals.shape[1] + block) * (width // LANES), sums.shape[2]
    room = scratch(drive)
    for line in range(0, width, step):
        for m in range(0, vectors, PANEL):
            for i in range(drive.passes.shape[0]):
                _multiply(values, across, i, m, column, height, signals, line, sums)
                if spreads.shape[0] > 0:
                    _multiply(squared, across, i, m, column, height, variances, line, spreads)
                    if lines.lift.shape[2] > 0:
                        _lift(spreads[i], lines.lift[r, block, line : line + step])
            clips, square = _convert_panel(
                sums, spreads, drive.passes, coding, tile, line, seeds, strip + line // LANES, m,
                min(PANEL, vectors - m), room, output,
            )  # fmt: skip
            clipped, saved = clipped + clips, saved + square
    return total(clipped), saved


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
    clipped, saved, noisy = 0, 0.0, lines.variances.shape[2] > 0
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
            output[:vectors] = 0.0
            for r in range(lines.signals.shape[0]):
                clips, square = _read_tile(
                    values, squared, across, r * height, min(height, numbers - r * height), lines, r, block, drive,
                    seeds, vectors, sums, spreads, output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            fold(output, lines.shares, np.arange(begin, begin + vectors), scale, out[:, start : start + count])
    return clipped, saved
