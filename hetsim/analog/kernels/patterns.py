"""Pulse reads of many vectors by tiles of few rows: the sums of all patterns of a bit plane in a table.

Where converters add no noise, the table holds finished codes. All are what `hetsim.analog.kernels.pulses` computes
for each bit plane of each vector anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.codes import pack, shown
from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.kernels.conversion import coding_of, convert, encode, fold, quiet, scratch, tile_of
from hetsim.analog.kernels.memory import add_scaled, every, number_at, origin, read, read_shorts, write, write_shorts
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.pulses import sum_planes
from hetsim.analog.kernels.registers import SLOTS
from hetsim.analog.kernels.strips import counted, rounded, spread, spread_short, spread_whole, total
from hetsim.analog.lines import GROUP, LANES, LINE

_f32, _i16, _i32 = np.float32, np.int16, np.int32
_LOW = (1 << GROUP) - 1  # what a number of a pattern says of its first rows
_SIZE = LINE.bit_length() - 1


@compiled()
def _every_pattern(slots: Any) -> None:
    """``slots`` uint16 [patterns / 16, groups, 16] of a bit plane for every pattern, as `codes.pack` makes them."""
    for s in range(slots.shape[0]):
        for g in range(slots.shape[1]):
            for lane in range(SLOTS):
                slots[s, g, lane] = ((g << GROUP) + (((s * SLOTS + lane) >> (g * GROUP)) & _LOW)) * LINE


@compiled()
def _number(slots: Any, numbers: Any) -> None:
    """Numbers of the patterns of ``slots`` uint16 [sets, groups, 16], which is uint16 [sets, 16]."""
    for s in range(slots.shape[0]):
        found = spread_short(_i16(0))
        for g in range(slots.shape[1]):
            place = read_shorts(origin(slots) + 2 * SLOTS * (s * slots.shape[1] + g)) >> spread_short(_i16(_SIZE))
            found = found | ((place & spread_short(_i16(_LOW))) << spread_short(_i16(g * GROUP)))
        write_shorts(found, origin(numbers) + 2 * SLOTS * s)


@compiled()
def _of_strip(sums: Any, line: int) -> int:
    """Address of the first pattern's ``sums`` [.., patterns, lanes] of the strip of lines from ``line`` on."""
    patterns, lanes = sums.shape[1], sums.shape[2]
    return origin(sums) + line // lanes * patterns * LINE + line % lanes * sums.itemsize


@compiled()
def _encode_all(sums: Any, line: int, coding: Any, tile: Any, codes: Any, clips: Any) -> None:
    """Codes of the ``sums`` of all patterns in a strip of lines: ``codes`` float32 [patterns, 16], and how many of
    them clipped, ``clips`` int64 [patterns]."""
    factor, offset = read(tile[0] + 4 * line, _f32), read(tile[1] + 4 * line, _f32)
    for p in range(len(clips)):
        samples = rounded(read(_of_strip(sums, line) + LINE * p, sums.dtype) * factor)
        code, bounded = encode(samples, offset, coding)
        clips[p] = total(counted(spread_whole(_i32(0)), code, bounded))
        write(bounded, origin(codes) + LINE * p)


@compiled()
def _add_codes(
    codes: Any, clips: Any, numbers: Any, coding: Any, gain: int, vectors: int, output: Any, line: int
) -> int:
    """Codes of all passes of the vectors, added to ``output`` [V, B] from ``line`` on; how many clipped.

    ``numbers`` uint16 [sets of vectors, passes, 16] of patterns.
    """
    passes, table, step, clipped = coding[1], origin(codes), 2 * LANES, 0
    some = clips.any()
    for m in range(vectors):
        at, found = origin(numbers) + m // LANES * passes * step + 2 * (m % LANES), spread(_f32(0.0))
        for i in range(passes):
            code = read(table + LINE * number_at(at + i * step), _f32)
            found = code * every(coding[0] + 4 * i) + found
        if some:
            for i in range(passes):
                clipped += clips[number_at(at + i * step)]
        add_scaled(found, gain, origin(output) + 8 * (m * output.shape[1] + line))
    return clipped


@compiled()
def _convert_all(
    sums: Any, spreads: Any, numbers: Any, drive: Any, tile: Any, line: int, seeds: Any, strip: int, output: Any
) -> int:  # fmt: skip
    """As `_add_codes`, with converters that do not show the same for a pattern each time."""
    coding, room, clipped = coding_of(drive), scratch(drive), spread_whole(_i32(0))
    places = (_of_strip(sums, line), _of_strip(spreads, line) if spreads.shape[0] > 0 else 0)
    for m in range(len(seeds)):
        of = origin(numbers) + 2 * LANES * (m // LANES * coding[1]) + 2 * (m % LANES)
        clipped = clipped + convert(
            places, (of, 2 * LANES), sums.dtype, spreads.dtype, coding, tile, line, seeds[m], strip, origin(room),
            origin(output) + 8 * (m * output.shape[1] + line),
        )  # fmt: skip
    return total(clipped)


@compiled(nogil=True)
def read_patterns(
    codes: Any, across: bool, height: int, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int,
    room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """As `hetsim.analog.kernels.pulses.read_pulses`, by a tile of ``height`` rows, none of it saving power, whose i-th
    pass shows the i-th bit plane."""
    patterns, slots, numbers, tables, sums, spread_tables, spreads, kept, clips, output, seeds, which = room
    which = which[: shown(codes, across, not quiet(lines, drive), which)]
    if len(which) < len(scale):  # nothing comes out where nothing goes in
        for n in range(blocks.shape[0]):
            out[:, blocks[n, 1] : blocks[n, 1] + blocks[n, 2]] = _f32(0.0)
    clipped, groups, coding, fixed = 0, slots.shape[2], coding_of(drive), spreads.shape[0] == 0
    _every_pattern(patterns)
    for n in range(blocks.shape[0]):
        block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
        tile, strips = tile_of(lines, 0, block), output.shape[1] // LANES
        for s in range(sums.shape[0]):
            sum_planes(patterns, groups, lines.signals[0, block], s * sums.shape[2], tables, sums[s])
        for s in range(spreads.shape[0]):
            sum_planes(patterns, groups, lines.variances[0, block], s * spreads.shape[2], spread_tables, spreads[s])
        for s in range(strips if fixed else 0):
            _encode_all(sums, s * LANES, coding, tile, kept[s], clips[s])
        for begin in range(0, len(which), len(seeds)):
            some = which[begin : begin + len(seeds)]
            pack(codes, across, some, height, LANES, drive, slots)
            _number(slots[0], numbers)
            output[: len(some)] = 0.0
            for m in range(len(some)):
                seeds[m] = derived(key, first + some[m])
            for s in range(strips):
                line = s * LANES
                if fixed:
                    gain = tile[4] + 8 * line
                    clipped += _add_codes(kept[s], clips[s], numbers, coding, gain, len(some), output, line)
                else:
                    strip = block * strips + s
                    clipped += _convert_all(
                        sums, spreads, numbers, drive, tile, line, seeds[: len(some)], strip, output
                    )  # fmt: skip
            fold(output, lines.shares, some, scale, out[:, start : start + count])
    return clipped, 0.0
