"""What passes apply for codes: levels for the products of matrices, and how much each row is driven in all."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import load_words, ones, origin, parts, squares, write, write_shorts, write_words
from hetsim.analog.kernels.strips import as_single, spread_whole, total
from hetsim.analog.lines import LANES, MIDDLE

_i16, _i32, _u32 = np.int16, np.int32, np.uint32
_MOST = 2**31 - 1


@inlined()
def _step(step: Any) -> Any:
    """First bit, mask, and what positive and negative codes count in a pass."""
    minus = -1 if step.sign == 0 else int(step.sign < 0)
    return _i16(step.first), _i16(step.top), _i16(step.sign >= 0), _i16(minus)


@inlined()
def _levels(place: int, step: Any, squared: bool, below: Any) -> Any:
    """What a pass applies for the 16 codes at an address, in units of its lowest bit, or the square of that, ``below``
    less."""
    level = parts(place, step[0], step[1], step[2], step[3])
    return level * level - spread_whole(below) if squared else level


@inlined()
def _at(p: int, count: int) -> int:
    """Where the strip that begins at ``p`` of so many numbers is read: the last covers some of the one before."""
    return max(min(p, count - LANES), 0)


@compiled()
def _row(codes: int, count: int, step: Any, squared: bool, below: Any, values: Any, to: int) -> None:
    """The levels of so many codes at an address, written to the address ``to`` as the type of ``values``."""
    for p in range(0, count, LANES):
        place = _at(p, count)
        level = _levels(codes + 2 * place, step, squared, below)
        if values.itemsize == 4:
            write(as_single(level), to + 4 * place)
        else:
            write_shorts(level, to + 2 * place)


@compiled()
def _rows(codes: int, others: int, count: int, step: Any, squared: bool, below: Any, to: int) -> None:
    """The levels of two rows of codes in the halves of int32."""
    for p in range(0, count, LANES):
        place = _at(p, count)
        low = _levels(codes + 2 * place, step, squared, below)
        high = _levels(others + 2 * place, step, squared, below)
        write_words((low & spread_whole(_i32(0xFFFF))) | (high << spread_whole(_i32(16))), to + 4 * place)


@inlined()
def _row_of(codes: Any, row: int, left: int, width: int, narrow: Any) -> int:
    """Where the ``width`` codes of a row from ``left`` on are; fewer than 16 are copied to ``narrow`` int16 [16]."""
    if width >= LANES:
        return origin(codes) + row * codes.strides[0] + 2 * left
    for p in range(width):
        narrow[p] = codes[row, left + p]
    return origin(narrow)


@compiled()
def apply(codes: Any, across: bool, corner: Any, size: Any, drive: Any, squared: bool, values: Any) -> None:
    """What the passes apply for a part of ``codes`` int16, of a ``size`` from a ``corner`` on, in units of their lowest
    bits, or the squares of that: ``values`` [passes, V, K / E, E] or ``across`` [passes, K / E, V, E], of singles
    (E = 1) or of pairs (E = 2) of 16-bit numbers, of which squares are what they are above `MIDDLE`.

    Rows of ``values`` have room for 16 numbers at least.
    """
    (top, left), (height, width), each = corner, size, values.shape[3]
    below, narrow = _i32(MIDDLE if each > 1 and squared else 0), np.zeros((2, LANES), np.int16)
    for i in range(drive.passes.shape[0]):
        step = _step(drive.passes[i])
        for a in range(0, height, each if across else 1):
            part = _row_of(codes, top + a, left, width, narrow[0])
            if across and each > 1:
                other = _row_of(codes, top + min(a + 1, height - 1), left, width, narrow[1])  # beyond, cells are none
                to = origin(values) + i * values.strides[0] + a // 2 * values.strides[1]
                _rows(part, other, max(width, LANES), step, squared, below, to)
            else:
                to = origin(values) + i * values.strides[0] + a * values.strides[1]
                _row(part, max(width, LANES), step, squared, below, values, to)


@inlined()
def _driven(place: int, first: Any, mask: Any, serial: bool, squared: bool) -> Any:
    """How much the 16 codes at an address drive their rows in a pass; see `count`."""
    if serial:
        return ones(place)
    part = parts(place, first, mask, _i16(1), _i16(1))
    return part * part if squared else part


@inlined()
def _driven_by(place: int, first: Any, mask: Any, serial: bool, each: int) -> Any:
    """As `_driven` of 16 codes, or the sum of that and what the next 16 drive, squared."""
    return squares(place, first, mask) if each > LANES else _driven(place, first, mask, serial, False)


@compiled(nogil=True)
def count(codes: Any, across: bool, passes: Any, amplitude: bool, driven: Any) -> None:
    """Add to ``driven`` int64 [passes, K] what each row applies over all vectors, or with ``amplitude`` the square of
    it: exact, so that no order of adding up matters. ``codes`` int16 [M, K], or ``across`` [K, M].

    Passes of one bit are counted together, as the first.
    """
    serial = True
    for i in range(passes.shape[0]):
        serial &= passes[i].top == 1
    for i in range(passes.shape[0]):
        if passes[i].sign != passes[0].sign or (serial and i > 0):
            continue  # each magnitude meets the passes of its own sign only
        first, top = _i16(passes[i].first), _i16(passes[i].top)
        safe = _MOST // (15 if serial else 2 * int(top) ** 2 if amplitude else int(top))
        if across:
            _count_rows(codes, first, top, serial, amplitude, safe, driven[i])
        else:
            _count_columns(codes, first, top, serial, amplitude, safe, driven[i])


@compiled()
def _count_rows(codes: Any, first: Any, top: Any, serial: bool, squared: bool, safe: int, driven: Any) -> None:
    """Add what each row of ``codes`` applies to ``driven`` int64; ``safe`` sums of it fit 32 bits."""
    (height, width), rest = codes.shape, np.zeros(2 * LANES, np.int16)
    each = 2 * LANES if squared and not serial else LANES
    for k in range(height):
        row, whole = origin(codes) + k * codes.strides[0], width // each
        for begin in range(0, whole, safe):
            found = spread_whole(_i32(0))
            for p in range(begin, min(begin + safe, whole)):
                found = found + _driven_by(row + 2 * each * p, first, top, serial, each)
            driven[k] += total(found)
        for p in range(whole * each, width):
            rest[p - whole * each] = codes[k, p]
        driven[k] += total(_driven_by(origin(rest), first, top, serial, each))


@compiled()
def _count_columns(codes: Any, first: Any, top: Any, serial: bool, squared: bool, safe: int, driven: Any) -> None:
    """As `_count_rows`, of each column."""
    (height, width), rest = codes.shape, np.zeros(LANES, np.int16)
    gathered = np.zeros(-(-width // LANES) * LANES, np.uint32)
    for m in range(height):
        for k in range(0, width, LANES):
            place = _row_of(codes, m, k, min(LANES, width - k), rest)
            found = load_words(gathered, k) + _driven(place, first, top, serial, squared)
            write_words(found, origin(gathered) + 4 * k)
        if m == height - 1 or (m + 1) % safe == 0:
            for k in range(width):
                driven[k] += gathered[k]
            gathered[:] = 0
