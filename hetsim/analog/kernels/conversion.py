"""Samples of a strip of 16 lines into codes, and codes into sums: what every compiled read ends with."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import add_scaled, every, number_at, origin, read, scaled, write
from hetsim.analog.kernels.noise import derived, draw, pair
from hetsim.analog.kernels.strips import counted, floor, least, magnitude, most, root, rounded, spread, spread_whole
from hetsim.analog.lines import LANES, LINE

_f32, _i32 = np.float32, np.int32


@compiled()
def tile_of(lines: Any, r: int, block: int) -> Any:
    """Addresses of what `convert` wants of a block's lines at a tile, and of their power; 0 for what they lack."""
    return (
        _figures(lines.inverse_lsb, r, block), _figures(lines.offset, r, block), _figures(lines.deviation, r, block),
        _figures(lines.bow, r, block), _figures(lines.gain, r, block), _figures(lines.power, r, block),
    )  # fmt: skip


@compiled()
def _figures(array: Any, r: int, block: int) -> int:
    width = array.shape[2]
    return origin(array) + (r * array.shape[1] + block) * width * array.itemsize if width > 0 else 0


@compiled()
def coding_of(drive: Any) -> Any:
    """What `convert` wants of a read's passes: the address of their codes' weights, their number, the lowest and the
    highest code, and whether a sum of all passes may be no float32."""
    return origin(drive.weights), len(drive.weights), drive.limits[0], drive.limits[1], drive.long


@inlined()
def _bent(u: Any, bow: int, top: Any) -> Any:
    """A converter's transfer: samples in codes with the bow of their size, a parabola on each side of zero."""
    share = most(least(u * spread(_f32(1.0) / top), spread(_f32(1.0))), spread(_f32(-1.0)))
    return u + (share - share * magnitude(share)) * read(bow, _f32) * spread(_f32(4.0))


@compiled()
def scratch(drive: Any) -> Any:
    """Memory for what `convert` notes of a vector."""
    return np.empty((3 * _pairs(len(drive.weights)), LANES), np.float32)


@inlined()
def _pairs(passes: int) -> int:
    return (passes + 1) >> 1


@inlined()
def _line(i: int, numbers: Any) -> int:
    """How far in memory the samples of the i-th pass are from the first of all; see `convert`."""
    return LINE * number_at(numbers[0] + i * numbers[1]) if numbers[0] != 0 else i * numbers[1]


@inlined()
def _noisy(u: Any, square: Any, variance: Any, point: Any, tile: Any, line: int) -> Any:
    """Samples in codes and their noise: see `hetsim.analog.kernels.noise.pair`."""
    return root(square * variance) * point * read(tile[2] + 4 * line, _f32) + u


@inlined()
def _convert_once(
    places: Any, sum_type: Any, spread_type: Any, coding: Any, tile: Any, line: int, seed: Any, strip: int, out: int
) -> Any:  # fmt: skip
    """As `convert`, of one pass, which stays in registers: there is no other to go on with meanwhile."""
    u = rounded(read(places[0], sum_type) * read(tile[0] + 4 * line, _f32))
    if places[1] != 0:
        square, point, _ = pair(derived(seed, strip), 0)
        u = _noisy(u, square, read(places[1], spread_type), point, tile, line)
    if tile[3] != 0:
        u = _bent(u, tile[3] + 4 * line, coding[3])
    code, bounded = encode(u, read(tile[1] + 4 * line, _f32), coding)
    add_scaled(bounded * every(coding[0]), tile[4] + 8 * line, out)
    return counted(spread_whole(_i32(0)), code, bounded)


@inlined()
def _sample(
    places: Any, numbers: Any, sum_type: Any, spread_type: Any, passes: int, top: Any, tile: Any, line: int, seed: Any,
    room: int,
) -> int:  # fmt: skip
    """Write the samples of all passes in codes, with noise and bow, and say where; see `convert`."""
    found, factor = room + LINE * _pairs(passes), read(tile[0] + 4 * line, _f32)
    if places[1] != 0:
        draw(seed, _pairs(passes), room)
        for i in range(passes):
            at, of = found + LINE * i, _line(i, numbers)
            u = rounded(read(places[0] + of, sum_type) * factor)
            variance = read(places[1] + of, spread_type)
            write(_noisy(u, read(room + LINE * (i >> 1), _f32), variance, read(at, _f32), tile, line), at)
    else:
        for i in range(passes):
            write(rounded(read(places[0] + _line(i, numbers), sum_type) * factor), found + LINE * i)
    if tile[3] != 0:
        for i in range(passes):
            write(_bent(read(found + LINE * i, _f32), tile[3] + 4 * line, top), found + LINE * i)
    return found


@inlined()
def encode(samples: Any, offset: Any, coding: Any) -> Any:
    """The codes of a strip of samples: as they were, and within their bounds."""
    code = floor(samples + offset)
    return code, least(most(code, spread(coding[2])), spread(coding[3]))


@inlined()
def _add_up(place: int, row: int, kind: Any, factor: Any, coding: Any, tile: Any, line: int, out: int) -> Any:
    """Codes of samples of all passes, ``row`` bytes apart; see `convert` and `encode`.

    Two sums take turns, as each waits for its last addition: they are whole numbers, in any order the same.
    """
    weights, passes, long = coding[0], coding[1], coding[4]
    offset, clipped, first = read(tile[1] + 4 * line, _f32), spread_whole(_i32(0)), 0
    while first < passes:  # a range of steps would divide
        last = first + 1 if long else passes
        found, other = spread(_f32(0.0)), spread(_f32(0.0))
        for i in range(first, last):
            code, bounded = encode(rounded(read(place + i * row, kind) * factor), offset, coding)
            clipped = counted(clipped, code, bounded)
            other, found = bounded * every(weights + 4 * i) + found, other
        add_scaled(found + other, tile[4] + 8 * line, out)
        first = last
    return clipped


@inlined()
def convert(
    places: Any, numbers: Any, sum_type: Any, spread_type: Any, coding: Any, tile: Any, line: int, seed: Any,
    strip: int, room: int, out: int,
) -> Any:  # fmt: skip
    """All conversions of a vector at a tile and a strip of lines, added to the float64 at address ``out``.

    Samples and variances of the passes, of the two types, stand from the addresses ``places`` on (0: no noise).
    ``numbers``: the address of uint16, as many bytes apart as its second one says, that tell how many times 64 bytes
    further on those of each pass are; or 0, and how many bytes they are apart themselves. ``coding``: see `coding_of`.
    ``tile``: addresses of the lines' codes per unit of signal, offsets plus a half, codes per root of a unit of
    variance, bows and gains, of which the strip's are the ``line``-th and following. ``room``: address of `scratch`.
    Returns how many conversions clipped in each lane.
    """
    if numbers[0] == 0 and coding[1] == 1:
        return _convert_once(places, sum_type, spread_type, coding, tile, line, seed, strip, out)
    if numbers[0] == 0 and places[1] == 0 and tile[3] == 0:
        factor = read(tile[0] + 4 * line, _f32)
        return _add_up(places[0], numbers[1], sum_type, factor, coding, tile, line, out)
    found = _sample(
        places, numbers, sum_type, spread_type, coding[1], coding[3], tile, line, derived(seed, strip), room
    )
    return _add_up(found, LINE, _f32, spread(_f32(1.0)), coding, tile, line, out)


@compiled()
def quiet(lines: Any, drive: Any) -> bool:
    """Whether vectors that drive no row may be left out, as converters show nothing where signal and noise are none.

    Not where squares of signals are added up, whose sum would take another order.
    """
    shown = drive.limits[0] > 0.0 or drive.limits[1] < 0.0 or lines.power.shape[2] > 0
    for offset in lines.offset.flat:
        shown |= np.floor(offset) != 0.0
    return not shown


@compiled()
def fold(lines: Any, shares: Any, which: Any, scale: Any, out: Any) -> None:
    """Add up the lines of each output, a B/L-th of ``lines`` [V, B] apart, times the ``scale`` float64 [M] of their
    vectors, ``which`` int64 [V] of ``out`` float32 [M, outputs].

    The first of ``shares`` is 1. Sums of some of the lines stay in ``lines``.
    """
    last, count = shares.shape[0] - 1, out.shape[1]
    apart, start, to = lines.shape[1] // (last + 1), origin(lines), origin(out)
    for m, vector in enumerate(which):
        own = scale[vector]
        if last == 0:
            for j in range(0, count - LANES + 1, LANES):
                write(scaled(start + 8 * (m * lines.shape[1] + j), own), to + vector * out.strides[0] + 4 * j)
            for j in range(count // LANES * LANES, count):
                out[vector, j] = _f32(own * lines[m, j])
            continue
        for k in range(1, last):
            for j in range(count):
                lines[m, j] += shares[k] * lines[m, k * apart + j]
        share, other = shares[last], last * apart
        for j in range(count):
            out[vector, j] = _f32(own * (lines[m, j] + share * lines[m, other + j]))
