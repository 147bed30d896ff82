"""Numbers as input codes, and codes as the tables want their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import load_words, origin, parts, write_shorts, write_words
from hetsim.analog.kernels.registers import SLOTS
from hetsim.analog.kernels.strips import spread_whole
from hetsim.analog.lines import DEPTH, GROUP, LANES, LINE

_f32, _i16, _i32, _u32 = np.float32, np.int16, np.int32, np.uint32
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


@inlined()
def _words(place: int) -> Any:
    """The magnitudes of 16 codes at an address, in the lower halves of words if they are positive, in the upper if
    negative."""
    none, one, all_bits = _i16(0), _i16(1), _i16(0x7FFF)
    return parts(place, none, all_bits, one, none) | (
        parts(place, none, all_bits, none, one) << spread_whole(_i32(16))
    )


@compiled()
def _transpose(
    codes: Any, across: bool, top: int, rows: int, which: Any, apart: int, gathered: Any, words: Any
) -> None:
    """`_words` of up to 16 vectors at so many ``rows`` from ``top`` on: ``words`` uint32 [rows, 16]. After ``apart``
    lanes the vectors begin again. Codes that do not stand side by side are ``gathered`` int16 [rows, 16]."""
    count = len(which)
    place, step = origin(codes) + top * codes.strides[0] + 2 * which[0], codes.strides[0]
    if not across or count < LANES or which[count - 1] - which[0] >= LANES:
        place, step = origin(gathered), 2 * LANES
        for lane in range(count):
            if across:
                for k in range(rows):
                    gathered[k, lane] = codes[top + k, which[lane]]
            else:
                source = codes[which[lane], top : top + rows]
                for k in range(rows):
                    gathered[k, lane] = source[k]
        for lane in range(apart, LANES):
            for k in range(rows):
                gathered[k, lane] = gathered[k, lane - apart]
    for k in range(rows):
        write_words(_words(place + k * step), origin(words) + 4 * LANES * k)


@compiled()
def pack(codes: Any, across: bool, which: Any, height: int, apart: int, bits: Any, slots: Any) -> None:
    """Bits of the vectors ``which`` int64 of ``codes`` int16 [M, K], or ``across`` [K, M], as
    `hetsim.analog.kernels.registers.add_rows` wants them.

    ``slots`` uint16 [tiles down, sets, groups, 16]: the slots of ``apart`` vectors, a power of two up to 16, stand
    side by side, plane after plane; then come the next vectors, in a new set. ``bits`` uint32 [planes of such
    vectors, padded to whole sets]: which bit of a word, see `_words`, each slot shows. Tiles have ``height`` rows.
    """
    numbers = codes.shape[0] if across else codes.shape[1]
    sets, words = len(bits) // SLOTS, np.empty((slots.shape[2] * GROUP, LANES), np.uint32)
    gathered = np.zeros((len(words), LANES), np.int16)
    for r in range(slots.shape[0]):
        rows = min(height, numbers - r * height)
        words[rows:] = 0
        for q in range(-(-len(which) // apart)):
            _transpose(codes, across, r * height, rows, which[q * apart : (q + 1) * apart], apart, gathered, words)
            for s in range(sets):
                shift = load_words(bits, s * SLOTS)
                out = ((r * slots.shape[1] + q * sets + s) * slots.shape[2]) * SLOTS
                for g in range(-(-rows // GROUP)):
                    found = spread_whole(_u32((g % DEPTH) << GROUP))
                    for k in range(GROUP):
                        bit = (load_words(words, (g * GROUP + k) * LANES) >> shift) & spread_whole(_u32(1))
                        found = found + bit * spread_whole(_u32(1 << k))
                    write_shorts(found * spread_whole(_u32(LINE)), origin(slots) + 2 * (out + g * SLOTS))
