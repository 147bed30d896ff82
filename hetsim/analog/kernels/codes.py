"""Numbers as input codes, and codes as the tables want their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import magnitudes_of, origin, read_shorts, write_shorts
from hetsim.analog.kernels.registers import SLOTS
from hetsim.analog.kernels.strips import spread_short
from hetsim.analog.lines import DEPTH, GROUP, LANES, LINE

_f32, _i16, _i32 = np.float32, np.int16, np.int32
_SIZE = _i16(LINE.bit_length() - 1)  # a shift that makes bytes of lines
_TINY = np.finfo(np.float32).tiny


@compiled()
def unit_of(largest: Any, top: Any) -> Any:
    """What one code unit stands for, so that the ``largest`` magnitude becomes the code ``top``."""
    unit = largest / _f32(top)
    return unit if unit >= _TINY else _f32(1.0)


@compiled(nogil=True)
def quantise(x: Any, top: Any, codes: Any, scale: Any) -> None:
    """As `hetsim.analog.drive.quantised`: ``x`` [M, K] to ``codes`` int16 [M, K] and ``scale`` float32 [M]."""
    bits = x.view(np.int32)
    for m in range(x.shape[0]):
        largest = _i32(0)
        for k in range(x.shape[1]):  # floats without their sign are in the order of their bits
            largest = max(largest, bits[m, k] & _i32(0x7FFFFFFF))
        unit = unit_of(np.int32(largest).view(np.float32), top)
        scale[m], inverse = unit, _f32(1.0) / unit
        for k in range(x.shape[1]):
            codes[m, k] = _i16(_i32(np.rint(x[m, k] * inverse)))


@compiled()
def shown(codes: Any, across: bool, every: bool, which: Any) -> int:
    """Write the numbers of the vectors of ``codes`` int16 [M, K], or ``across`` [K, M], to ``which`` int64 [M], those
    of vectors of nothing but zeros only if ``every`` one is wanted; how many there are."""
    some, found = np.zeros(len(which), np.int16), 0
    if every:
        some[:] = _i16(1)
    elif across:
        for k in range(codes.shape[0]):
            row = codes[k]
            for m in range(len(some)):
                some[m] |= row[m]
    else:
        for m in range(len(some)):
            for k in range(codes.shape[1]):
                some[m] |= codes[m, k]
    for m in range(len(some)):
        which[found] = m
        found += some[m] != _i16(0)
    return found


@compiled()
def _gather(codes: Any, across: bool, top: int, rows: int, which: Any, gathered: Any) -> None:
    """Codes of up to 16 vectors at so many ``rows`` from ``top`` on, side by side: ``gathered`` int16 [rows, 32], of
    which the second half may be overwritten."""
    row = codes.strides[0]
    for lane, vector in enumerate(which):
        if not across:
            for k in range(rows):
                gathered[k, lane] = codes[vector, top + k]
        elif vector + LANES > codes.shape[1]:
            for k in range(rows):
                gathered[k, lane] = codes[top + k, vector]
        elif lane == 0 or vector != which[lane - 1] + 1:  # all that follow, up to where the next ones begin
            place, to = origin(codes) + top * row + 2 * vector, origin(gathered) + 2 * lane
            for k in range(rows):
                write_shorts(read_shorts(place + k * row), to + 4 * LANES * k)


@inlined()
def _swapped(x: Any, y: Any, shift: Any, mask: Any) -> Any:
    """Two strips, of which those bits of ``y`` that the ``mask`` shows take the place of those of ``x`` that are
    ``shift`` above, and the other way about."""
    other = ((x >> spread_short(shift)) ^ y) & spread_short(mask)
    return x ^ (other << spread_short(shift)), y ^ other


@inlined()
def _transpose(place: int, sign: Any, words: int) -> None:
    """Bits of six rows of magnitudes of a ``sign``, from an address on, 64 bytes apart: eight strips at the address
    ``words``, of which the p-th shows the p-th bits of the rows in its lower bytes, and the p + 8-th in its upper
    [Warren 2013, §7-3]."""
    step, two, one = 4 * LANES, _i16(2), _i16(1)
    four, nibbles, pairs, each = _i16(4), _i16(0x0F0F), _i16(0x3333), _i16(0x5555)
    a, e = _swapped(magnitudes_of(place, sign), magnitudes_of(place + 4 * step, sign), four, nibbles)
    b, f = _swapped(magnitudes_of(place + step, sign), magnitudes_of(place + 5 * step, sign), four, nibbles)
    c, g = _swapped(magnitudes_of(place + 2 * step, sign), spread_short(_i16(0)), four, nibbles)
    d, h = _swapped(magnitudes_of(place + 3 * step, sign), spread_short(_i16(0)), four, nibbles)
    a, c = _swapped(a, c, two, pairs)
    b, d = _swapped(b, d, two, pairs)
    e, g = _swapped(e, g, two, pairs)
    f, h = _swapped(f, h, two, pairs)
    for i, (x, y) in enumerate(((a, b), (c, d), (e, f), (g, h))):
        x, y = _swapped(x, y, one, each)
        write_shorts(x, words + 4 * LANES * i)
        write_shorts(y, words + 4 * LANES * i + 2 * LANES)


@compiled()
def pack(codes: Any, across: bool, which: Any, height: int, apart: int, drive: Any, slots: Any) -> None:
    """Bits of the vectors ``which`` int64 of ``codes`` int16 [M, K], or ``across`` [K, M], as
    `hetsim.analog.kernels.registers.add_rows` wants them.

    ``slots`` uint16 [tiles down, sets, groups, 16]: the slots of ``apart`` vectors, a power of two up to 16, stand
    side by side, plane after plane of the ``drive``; then come the next vectors, in a new set. Tiles have ``height``
    rows.
    """
    numbers = codes.shape[0] if across else codes.shape[1]
    planes, signs = drive.planes, 1 if (drive.passes.sign > 0).all() else 2
    bits, sets, groups = planes // signs, -(-planes * apart // SLOTS), slots.shape[2]
    gathered = np.empty((groups * GROUP, 2 * LANES), np.int16)
    words, bytes_of = np.empty((8, LANES), np.int16), np.empty((planes + 1) * LANES, np.uint16)
    for r in range(slots.shape[0]):
        rows = min(height, numbers - r * height)
        gathered[:] = 0
        for q in range(-(-len(which) // apart)):
            _gather(codes, across, r * height, rows, which[q * apart : (q + 1) * apart], gathered)
            for g in range(-(-rows // GROUP)):
                first = spread_short(_i16((g % DEPTH) << GROUP))
                place, to = origin(gathered) + 4 * LANES * GROUP * g, origin(bytes_of)
                for sign in range(signs):
                    _transpose(place, _i16(1 - 2 * sign), origin(words))
                    for bit in range(bits):
                        word = read_shorts(origin(words) + 2 * LANES * (bit & 7)) >> spread_short(_i16(bit & 8))
                        picked = word & spread_short(_i16(0xFF)) | first
                        write_shorts(picked << spread_short(_SIZE), to)
                        to += 2 * apart  # the next plane, where lanes without a vector are now
                for s in range(sets):
                    out = ((r * slots.shape[1] + q * sets + s) * groups + g) * SLOTS
                    write_shorts(read_shorts(origin(bytes_of) + 2 * SLOTS * s), origin(slots) + 2 * out)
