"""Reads whose inputs are pulses: the sums of bit planes by tables, each pass converted.

Six neighbouring rows' bits select one of the 64 partial sums of those rows, which takes the place of six
multiply-adds. The tables of 48 rows and a strip of lines stay in the nearest cache while all vectors pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.codes import pack, shown
from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.kernels.conversion import coding_of, convert, fold, quiet, scratch, tile_of
from hetsim.analog.kernels.memory import add_lines, load, origin, store, weighted
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.registers import SLOTS, add_rows, sum_rows
from hetsim.analog.kernels.strips import spread, spread_whole, total
from hetsim.analog.lines import DEPTH, GROUP, LANES, LINE

_f32, _i32 = np.float32, np.int32


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
def sum_planes(slots: Any, groups: int, rows: Any, line: int, table: Any, sums: Any) -> None:
    """Sums of the rows [K, B] that each slot's bits select, for the lines from ``line`` on: ``sums`` [slots, lanes].

    ``slots`` [sets, groups, 16]: see `hetsim.analog.kernels.codes.pack`.
    """
    for g in range(0, groups, DEPTH):
        count = min(DEPTH, groups - g)
        _tabulate(rows, g * GROUP, count, line, table)
        for s in range(slots.shape[0]):
            at = (s * slots.shape[1] + g) * SLOTS
            if g == 0:
                sum_rows(table, slots, at, count, sums, s * SLOTS)
            else:
                add_rows(table, slots, at, count, sums, s * SLOTS)


@compiled()
def _combine(planes: Any, at: int, row: int, passes: Any, base: Any) -> None:
    """Combine the bit planes of each pass of a vector, whose strips stand ``row`` apart from index ``at`` on, into
    one strip, which takes the place of the pass's number.

    Each plane is worth ``base`` times the one before; those ``step.apart`` further on are subtracted, or of
    variances (``base`` 4) added.
    """
    for i in range(passes.shape[0]):
        step, worth = passes[i], base
        strip = load(planes, at + step.begin * row)
        for p in range(step.begin + 1, step.end):
            strip = strip + load(planes, at + p * row) * spread(worth)
            worth *= base
        worth = _f32(-1.0) if base == _f32(2.0) else _f32(1.0)
        for p in range(step.begin + step.apart, step.end + step.apart if step.apart else 0):
            strip = strip + load(planes, at + p * row) * spread(worth)
            worth *= base
        store(strip, planes, at + i * row)


@compiled()
def _squares(sums: Any, at: int, row: int, passes: Any, power: int) -> float:
    """Squares of the signals of a vector's pulses, each by how often it is integrated, weighted by the float64 at
    address ``power``; see `_combine`."""
    total = spread(_f32(0.0))
    for i in range(passes.shape[0]):
        step, worth = passes[i], _f32(1.0)
        for p in range(step.begin, step.end):
            signal = load(sums, at + p * row)
            if step.apart:
                signal = signal - load(sums, at + (p + step.apart) * row)
            total = total + signal * signal * spread(worth)
            worth *= _f32(2.0)
    return weighted(total, power)


@compiled()
def _convert_all(
    sums: Any, spreads: Any, half: int, order: Any, drive: Any, tile: Any, line: int, seeds: Any, strip: int,
    output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Conversions of all vectors at a tile and the lines from ``line`` on, the first of which is of a ``strip``; their
    variances are those of ``spreads`` from lane ``half`` on."""
    apart, size = order
    clipped, saved, width, out = spread_whole(_i32(0)), 0.0, output.shape[1], origin(output)
    passes, lanes, wide = drive.passes, sums.shape[1], spreads.shape[1]
    coding, room = coding_of(drive), scratch(drive)
    joint, size_of = False, (sums.itemsize, spreads.itemsize)
    start, noise = origin(sums), origin(spreads) if spreads.shape[0] > 0 else 0
    for i in range(passes.shape[0]):
        joint |= passes[i].end - passes[i].begin > 1 or passes[i].apart != 0
    for first in range(0, len(seeds), apart):
        for m in range(first, min(first + apart, len(seeds))):
            slot = first // apart * size + m - first
            for lane in range(0, lanes, LANES):
                at, of = slot * lanes + lane, slot * wide + half + lane
                if tile[5] != 0:
                    saved += _squares(sums, at, apart * lanes, passes, tile[5] + 8 * (line + lane))
                if joint:
                    _combine(sums, at, apart * lanes, passes, _f32(2.0))
                    if noise != 0:
                        _combine(spreads, of, apart * wide, passes, _f32(4.0))
                places = (start + at * size_of[0], noise + of * size_of[1] if noise != 0 else 0)
                clipped = clipped + convert(
                    places, (0, LINE * apart), sums.dtype, spreads.dtype, coding, tile, line + lane,
                    seeds[m], strip + lane // LANES, origin(room), out + 8 * (m * width + line + lane),
                )  # fmt: skip
    return total(clipped), saved


@compiled()
def _read_tile(
    room: Any, groups: int, order: Any, lines: Any, drive: Any, r: int, block: int, seeds: Any, output: Any
) -> tuple[int, float]:
    """Products of all vectors with a block of a tile's lines, added to ``output`` [V, B]; see `read_pulses`."""
    slots, tables, sums, spread_tables, spreads = room
    clipped, saved, width = 0, 0.0, lines.signals.shape[3]
    strip, tile = (r * lines.signals.shape[1] + block) * (width // LANES), tile_of(lines, r, block)
    step = max(tables.shape[2], spread_tables.shape[2])
    for line in range(0, width, step):
        if spreads.shape[0] > 0:
            sum_planes(slots[r], groups, lines.variances[r, block], line, spread_tables, spreads)
        for half in range(0, step, tables.shape[2]):
            sum_planes(slots[r], groups, lines.signals[r, block], line + half, tables, sums)
            clips, square = _convert_all(
                sums, spreads, half, order, drive, tile, line + half, seeds, strip + (line + half) // LANES, output
            )
            clipped, saved = clipped + clips, saved + square
    return clipped, saved


@compiled(nogil=True)
def read_pulses(
    codes: Any, across: bool, tile: Any, order: Any, lines: Any, drive: Any, blocks: Any, scale: Any,
    key: Any, first: int, room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """Read blocks of a crossbar's columns: their part of ``out`` float32 [M, N] for the codes of M vectors.

    ``codes`` int16 [M, K], or ``across`` [K, M]; a full tile has ``tile`` rows. ``order``: how many vectors stand side
    by side, and the slots that these take: see `codes.pack`. ``lines``: see `hetsim.analog.lines`,
    ``drive``: `hetsim.analog.drive`. ``blocks`` int64 [n, 3]: number of a block, its first output and
    its number of outputs. ``scale`` float64 [M]. ``key`` uint64 and ``first``, the index of the first vector,
    decide the noise. ``room``: scratch for as many vectors as are read at a time, see `hetsim.analog.readout`. Returns
    how many conversions clipped, and the signals' squares weighted by ``lines.power``. Vectors that drive no row, as
    many are of images on a black ground, are left out where that shows nothing.
    """
    slots, tables, sums, spread_tables, spreads, output, seeds, read = room
    read = read[: shown(codes, across, not quiet(lines, drive), read)]
    if len(read) < len(scale):  # nothing comes out where nothing goes in
        for n in range(blocks.shape[0]):
            out[:, blocks[n, 1] : blocks[n, 1] + blocks[n, 2]] = _f32(0.0)
    clipped, saved, deep = 0, 0.0, len(seeds)
    rows = codes.shape[0] if across else codes.shape[1]
    for begin in range(0, len(read), deep):
        which = read[begin : begin + deep]
        vectors = len(which)
        for m in range(vectors):
            seeds[m] = derived(key, first + which[m])
        pack(codes, across, which, tile, order[0], drive, slots)
        taken = -(-vectors // order[0]) * order[1]
        some = (slots[:, : taken // SLOTS], tables, sums[:taken], spread_tables, spreads[:taken])
        for n in range(blocks.shape[0]):
            block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
            output[:vectors] = 0.0
            for r in range(slots.shape[0]):
                clips, square = _read_tile(
                    some, -(-min(tile, rows - r * tile) // GROUP), order, lines, drive, r, block, seeds[:vectors],
                    output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            fold(output, lines.shares, which, scale, out[:, start : start + count])
    return clipped, saved
