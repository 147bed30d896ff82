"""Reads whose inputs are pulses: the sums of bit planes by tables, each pass converted.

Six neighbouring rows' bits select one of the 64 partial sums of those rows, which takes the place of six
multiply-adds. The tables of 48 rows and a strip of lines stay in the nearest cache while all vectors pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.conversion import digitise, figures, fold, noisy, squares, weigh
from hetsim.analog.kernels.noise import derived, pair
from hetsim.analog.kernels.registers import SLOTS, add_rows
from hetsim.analog.kernels.strips import add_lines, add_scaled, spread, spread_whole, total, weighted
from hetsim.analog.lines import GROUP, LANES

_f32, _i32 = np.float32, np.int32
DEPTH = 8  # groups whose tables are kept together: 32 KiB


@compiled()
def _tabulate(rows: Any, first: int, groups: int, line: int, table: Any) -> None:
    """Partial sums of ``groups`` groups of six ``rows`` [K, B], from row ``first`` on, of the lines from ``line`` on:
    ``table`` [groups, 64, lanes]."""
    lanes = table.shape[2]
    for g in range(groups):
        start = g * table.shape[1] * lanes
        table[g, 0, :] = 0
        for k in range(GROUP):
            of = (first + g * GROUP + k) * rows.shape[1] + line
            for e in range(1 << k):
                add_lines(table, start + e * lanes, rows, of, table, start + ((1 << k) + e) * lanes)


@compiled()
def _sum_planes(slots: Any, groups: int, rows: Any, line: int, table: Any, sums: Any) -> None:
    """Sums of the rows [K, B] that each slot's bits select, for the lines from ``line`` on: ``sums`` [slots, lanes].

    ``slots`` [sets, groups, 16]: see `hetsim.analog.kernels.codes.pack`.
    """
    sums[:] = 0
    for g in range(0, groups, DEPTH):
        count = min(DEPTH, groups - g)
        _tabulate(rows, g * GROUP, count, line, table)
        for s in range(slots.shape[0]):
            add_rows(table, slots, (s * slots.shape[1] + g) * SLOTS, count, sums, s * SLOTS)


@inlined()
def convert(
    sums: Any, at: int, row: int, spreads: Any, of: int, passes: Any, limits: Any, tile: Any, line: int, seed: Any,
    out: int,
) -> tuple[Any, float]:  # fmt: skip
    """All conversions of a vector's pulses at a tile and a strip of lines, added to the float64 at address ``out``.

    ``sums`` from index ``at`` on, planes ``row`` apart, and variances ``spreads`` from ``of`` on: see `weigh`; without
    rows there is no noise. ``tile``: addresses of figures of its lines, see `read_pulses`, of which the strip's begin at ``line``.
    Returns minus how many conversions clipped in each lane, and the squares of the signals weighted by the power
    that they save.
    """
    clipped, found, saved = spread_whole(_i32(0)), spread_whole(_i32(0)), 0.0
    drawn, apart = (spread(_f32(0.0)), spread(_f32(0.0)), spread(_f32(0.0))), row * LANES // sums.shape[1]
    for i in range(passes.shape[0]):
        step = passes[i]
        sample = weigh(sums, at, row, step, _f32(2.0))
        if tile[3] != 0:
            saved += weighted(squares(sums, at, row, step), tile[3] + 8 * line)
        if spreads.shape[0] > 0:
            if i & 1 == 0:
                drawn = pair(seed, i >> 1)
            sample = noisy(sample, weigh(spreads, of, apart, step, _f32(4.0)), drawn, i)
        codes, clips = digitise(sample, tile, line, limits, step.weight)
        found, clipped = found + codes, clipped + clips
    add_scaled(found, tile[4] + 8 * line, out)
    return clipped, saved


@compiled()
def _convert_all(
    sums: Any, spreads: Any, lanes: int, vectors: int, passes: Any, slots: Any, limits: Any, tile: Any, line: int,
    key: Any, first: int, strip: int, output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Conversions of all vectors at a tile and the lines from ``line`` on, the first of which is of a ``strip``."""
    clipped, saved, width, out = spread_whole(_i32(0)), 0.0, output.shape[1], output.ctypes.data
    apart, size = slots
    for m in range(vectors):
        seed, slot = derived(key, first + m), m // apart * size + m % apart
        for lane in range(0, lanes, LANES):
            clips, square = convert(
                sums, slot * lanes + lane, apart * lanes, spreads, slot * LANES, passes, limits, tile, line + lane,
                derived(seed, strip + lane // LANES), out + 8 * (m * width + line + lane),
            )  # fmt: skip
            clipped, saved = clipped + clips, saved + square
    return -total(clipped), saved


@compiled(nogil=True)
def read_pulses(
    slots: Any, order: Any, heights: Any, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int,
    room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """Read blocks of a crossbar's columns: their part of ``out`` float32 [M, N] for the packed inputs of M vectors.

    ``slots`` uint16 [tiles down, sets, groups, 16]: see `codes.pack`; ``order``: how many vectors stand side by side,
    and the slots that these take. ``heights``: rows of each tile down. ``lines``: see `hetsim.analog.lines`, ``drive``: `hetsim.analog.drive`. ``blocks`` int64 [n, 3]: number of a block, its first
    output and its number of outputs. ``scale`` float64 [M]. ``key`` uint64 and ``first``, the index of the first
    vector, decide the noise. ``room``: scratch, see `hetsim.analog.readout`. Returns how many conversions clipped,
    and the signals' squares weighted by ``lines.power``.
    """
    tables, sums, spread_tables, spreads, output = room
    clipped, saved, width, noise = 0, 0.0, lines.signals.shape[3], lines.variances.shape[2] > 0
    passes, limits = drive.passes, (drive.limits[0], drive.limits[1])
    for n in range(blocks.shape[0]):
        block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
        output[:] = 0.0
        for r in range(slots.shape[0]):
            groups, strip = -(-heights[r] // GROUP), (r * lines.signals.shape[1] + block) * (width // LANES)
            tile = (
                figures(lines.inverse_lsb, r, block), figures(lines.offset, r, block), figures(lines.bow, r, block),
                figures(lines.power, r, block), figures(lines.gain, r, block),
            )  # fmt: skip
            for line in range(0, width, tables.shape[2]):
                _sum_planes(slots[r], groups, lines.signals[r, block], line, tables, sums)
                if noise:
                    _sum_planes(slots[r], groups, lines.variances[r, block], line, spread_tables, spreads)
                clips, square = _convert_all(
                    sums, spreads, tables.shape[2], len(scale), passes, order, limits, tile, line, key, first,
                    strip + line // LANES, output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
        for m in range(len(scale)):
            fold(output, m, lines.shares, scale[m], out[:, start : start + count])
    return clipped, saved
