"""Reads whose inputs are pulses: the sums of bit planes by tables, each pass converted.

Six neighbouring rows' bits select one of the 64 partial sums of those rows, which takes the place of six
multiply-adds. The tables of 48 rows and a strip of lines stay in the nearest cache while all vectors pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.kernels.conversion import digitise, fold, square_pulses, weigh
from hetsim.analog.kernels.noise import add_normals, derived
from hetsim.analog.kernels.registers import SLOTS, add_rows
from hetsim.analog.lines import GROUP, LANES

_f32 = np.float32
DEPTH = 8  # groups whose tables are kept together: 32 KiB


@compiled()
def _tabulate(rows: Any, first: int, groups: int, line: int, table: Any) -> None:
    """Partial sums of ``groups`` groups of six ``rows`` [K, B], from row ``first`` on, of the lines from ``line`` on:
    ``table`` [groups, 64, lanes]."""
    for g in range(groups):
        for h in range(0, table.shape[2], LANES):
            for j in range(LANES):
                table[g, 0, h + j] = 0
            for k in range(GROUP):
                row = first + g * GROUP + k
                for e in range(1 << k):
                    for j in range(LANES):
                        table[g, (1 << k) + e, h + j] = table[g, e, h + j] + rows[row, line + h + j]


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


@compiled()
def convert(
    planes: Any, row: int, lane: int, drive: Any, tile: Any, line: int, seed: Any, single: Any, out: Any
) -> tuple[int, float]:
    """All conversions of a vector's pulses at a tile and a strip of lines, added to ``out`` [B].

    ``planes``: sums and variances (without rows: no noise), those of the vector from ``row`` on and of the strip from
    ``lane`` on. ``tile``: figures of its lines, of which the strip's begin at ``line``. ``single``: scratch. Returns
    how many conversions clipped, and the squares of the signals weighted by the power that they save.
    """
    sums, spreads = planes
    inverse_lsb, offset, bow, power, gain = tile
    samples, variances, total = single
    clipped, squares = 0, 0.0
    total[:LANES] = 0
    for i in range(drive.passes.shape[0]):
        step = drive.passes[i]
        weigh(sums, row, lane, step, _f32(2.0), samples, 0)
        if power.shape[0] > 0:
            squares += square_pulses(sums, row, lane, step, power, line)
        if spreads.shape[0] > 0:
            weigh(spreads, row, lane, step, _f32(4.0), variances, 0)
            add_normals(seed, i, variances, samples, 0)
        clipped += digitise(samples, 0, (inverse_lsb, offset, bow), line, drive.limits, step.weight, total, 0)
    for j in range(LANES):
        out[line + j] += gain[line + j] * total[j]
    return clipped, squares


@compiled(nogil=True)
def read_pulses(
    slots: Any, heights: Any, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int, room: Any, out: Any
) -> tuple[int, float]:
    """Read blocks of a crossbar's columns: their part of ``out`` float32 [M, N] for the packed inputs of M vectors.

    ``slots`` uint16 [tiles down, sets, groups, 16]: see `codes.pack`; ``heights``: rows of each tile down. ``lines``:
    see `hetsim.analog.lines`, ``drive``: `hetsim.analog.drive`. ``blocks`` int64 [n, 3]: number of a block, its first
    output and its number of outputs. ``scale`` float64 [M]. ``key`` uint64 and ``first``, the index of the first
    vector, decide the noise. ``room``: scratch, see `hetsim.analog.readout`. Returns how many conversions clipped,
    and the signals' squares weighted by ``lines.power``.
    """
    tables, sums, spread_tables, spreads, single, output = room
    clipped, saved, width, noisy = 0, 0.0, lines.signals.shape[3], lines.variances.shape[2] > 0
    for n in range(blocks.shape[0]):
        block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
        output[:] = 0.0
        for r in range(slots.shape[0]):
            groups, place = -(-heights[r] // GROUP), (r * lines.signals.shape[1] + block) * (width // LANES)
            tile = (
                lines.inverse_lsb[r, block], lines.offset[r, block], lines.bow[r, block],
                lines.power[r, block], lines.gain[r, block],
            )  # fmt: skip
            for line in range(0, width, tables.shape[2]):
                _sum_planes(slots[r], groups, lines.signals[r, block], line, tables, sums)
                if noisy:
                    _sum_planes(slots[r], groups, lines.variances[r, block], line, spread_tables, spreads)
                for m in range(len(scale)):
                    seed = derived(key, first + m)
                    for lane in range(0, tables.shape[2], LANES):
                        strip = (line + lane) // LANES
                        clips, square = convert(
                            (sums, spreads), m * drive.planes, lane, drive, tile, line + lane,
                            derived(seed, place + strip), single, output[m],
                        )  # fmt: skip
                        clipped, saved = clipped + clips, saved + square
        for m in range(len(scale)):
            fold(output, m, lines.shares, scale[m], out[:, start : start + count])
    return clipped, saved
