"""Samples of a strip of 16 lines into codes, and codes into sums: what every compiled read ends with."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import add_scaled, every, origin, read, scaled, write
from hetsim.analog.kernels.noise import derived, draw
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
def _sample(
    places: Any, rows: Any, sum_type: Any, spread_type: Any, passes: int, top: Any, tile: Any, line: int, seed: Any,
    room: int,
) -> int:  # fmt: skip
    """Write the samples of all passes in codes, with noise and bow, and say where; see `convert`."""
    found, factor = room + LINE * _pairs(passes), read(tile[0] + 4 * line, _f32)
    if places[1] != 0:
        draw(seed, _pairs(passes), room)
        for i in range(passes):
            at = found + LINE * i
            u = rounded(read(places[0] + i * rows[0], sum_type) * factor)
            variance = read(places[1] + i * rows[1], spread_type)
            radius = root(read(room + LINE * (i >> 1), _f32) * variance)
            write(radius * read(at, _f32) * read(tile[2] + 4 * line, _f32) + u, at)
    else:
        for i in range(passes):
            write(rounded(read(places[0] + i * rows[0], sum_type) * factor), found + LINE * i)
    if tile[3] != 0:
        for i in range(passes):
            write(_bent(read(found + LINE * i, _f32), tile[3] + 4 * line, top), found + LINE * i)
    return found


@inlined()
def _encode(place: int, row: int, kind: Any, factor: Any, coding: Any, tile: Any, line: int, out: int) -> Any:
    """Codes of samples of all passes, of a ``kind`` and times a ``factor``; see `convert`.

    Two sums take turns, as each waits for its last addition: they are whole numbers, in any order the same.
    """
    weights, passes, bottom, top, long = coding
    low, high, offset = spread(bottom), spread(top), read(tile[1] + 4 * line, _f32)
    clipped, step = spread_whole(_i32(0)), 1 if long else passes
    for first in range(0, passes, step):
        found, other = spread(_f32(0.0)), spread(_f32(0.0))
        for i in range(first, first + step):
            code = floor(rounded(read(place + i * row, kind) * factor) + offset)
            bounded = least(most(code, low), high)
            clipped = counted(clipped, code, bounded)
            other, found = bounded * every(weights + 4 * i) + found, other
        add_scaled(found + other, tile[4] + 8 * line, out)
    return clipped


@inlined()
def convert(
    places: Any, rows: Any, sum_type: Any, spread_type: Any, coding: Any, tile: Any, line: int, seed: Any, strip: int,
    room: int, out: int,
) -> Any:  # fmt: skip
    """All conversions of a vector at a tile and a strip of lines, added to the float64 at address ``out``.

    Samples and variances of the passes, of the two types, are ``rows`` bytes apart from the addresses ``places`` on
    (0: no noise). ``coding``: see `coding_of`.
    ``tile``: addresses of the lines' codes per unit of signal, offsets plus a half, codes per root of a unit of
    variance, bows and gains, of which the strip's are the ``line``-th and following. ``room``: address of `scratch`.
    Returns how many conversions clipped in each lane.
    """
    if places[1] == 0 and tile[3] == 0:
        factor = read(tile[0] + 4 * line, _f32)
        return _encode(places[0], rows[0], sum_type, factor, coding, tile, line, out)
    found = _sample(
        places, rows, sum_type, spread_type, coding[1], coding[3], tile, line, derived(seed, strip), room
    )
    return _encode(found, LINE, _f32, spread(_f32(1.0)), coding, tile, line, out)


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
