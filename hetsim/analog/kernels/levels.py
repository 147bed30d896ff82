"""Reads whose inputs are voltage levels: products of matrices, each converted while it is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.conversion import coding_of, convert, fold, tile_of
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.registers import PANEL, WIDE, multiply_block, multiply_strip
from hetsim.analog.kernels.strips import load, spread_whole, total, weighted
from hetsim.analog.lines import BLOCK, LANES, MIDDLE

_i32 = np.int32


@inlined()
def _level(code: Any, step: Any, squared: bool, below: Any) -> Any:
    """What a pass applies for a code, in units of its lowest bit, or the square of that, ``below`` less."""
    level = _i32(_i32(_i32(_i32(abs(code)) * step[0]) >> 16) & step[1])  # a shift by less is one of 64 bits in Numba
    if squared:
        return _i32(_i32(_i32(level * level) * (step[2] if code > 0 else abs(step[3]))) - below)
    return _i32(level * (step[2] if code > 0 else step[3]))


@compiled()
def _row(codes: Any, step: Any, squared: bool, below: Any, values: Any) -> None:
    """The levels of a row of codes; see `_level`."""
    for b in range(len(codes)):
        values[b] = _level(_i32(codes[b]), step, squared, below)


@compiled()
def _rows(codes: Any, others: Any, step: Any, squared: bool, below: Any, values: Any) -> None:
    """The levels of two rows of codes in the halves of ``values`` int32."""
    for b in range(len(codes)):
        low, high = _level(_i32(codes[b]), step, squared, below), _level(_i32(others[b]), step, squared, below)
        values[b] = (low & _i32(0xFFFF)) | (high << _i32(16))


@compiled()
def _apply(codes: Any, across: bool, corner: Any, size: Any, drive: Any, squared: bool, values: Any) -> None:
    """What the passes apply for a part of ``codes`` int16, of a ``size`` from a ``corner`` on, in units of their lowest
    bits, or the squares of that: ``values`` [passes, V, K / E, E] or ``across`` [passes, K / E, V, E], of singles
    (E = 1) or of pairs (E = 2) of 16-bit numbers, of which squares are what they are above `MIDDLE`."""
    (top, left), (height, width), each = corner, size, values.shape[3]
    below = _i32(MIDDLE if each > 1 and squared else 0)
    for i in range(drive.passes.shape[0]):
        first, mask, sign = drive.passes[i].first, drive.passes[i].top, drive.passes[i].sign
        step = (_i32(1 << (16 - first)), _i32(mask), _i32(sign >= 0), _i32(-1 if sign == 0 else sign < 0))
        for a in range(0, height, each if across else 1):
            part = codes[top + a, left : left + width]
            if across and each > 1:
                other = codes[min(top + a + 1, top + height - 1), left : left + width]  # beyond them cells are none
                _rows(part, other, step, squared, below, values[i, a // 2].reshape(-1).view(np.int32)[:width])
            else:
                _row(part, step, squared, below, values[i, a].reshape(-1)[:width])


@inlined()
def _multiply(values: Any, across: bool, i: int, m: int, column: int, height: int, rows: Any, sums: Any) -> None:
    """Products of six vectors from the ``m``-th on with ``rows`` [K / E, B, E]: the ``i``-th of ``sums`` [.., 6, B].

    ``values``: those of all passes, see `_apply`, of which the ``height`` from ``column`` on count.
    """
    each, width, to = values.shape[3], sums.shape[2], i * sums.shape[1] * sums.shape[2]
    apart, step = (each, values.shape[2] * each) if across else (values.shape[2] * each, each)
    at = i * values.shape[1] * values.shape[2] * each + m * apart + column // each * step
    count = (height + each - 1) // each
    if WIDE and width == BLOCK:
        multiply_block(values, at, apart, step, count, rows, 0, width * each, sums, to, width)
    else:
        for line in range(0, width, LANES):
            multiply_strip(values, at, apart, step, count, rows, line * each, width * each, sums, to + line, width)


@compiled()
def _lift(sums: Any, lift: Any) -> None:
    """Add what `MIDDLE` takes off all squares: ``lift`` [B] to ``sums`` [6, B]."""
    for v in range(sums.shape[0]):
        for b in range(sums.shape[1]):
            sums[v, b] += lift[b]


@inlined()
def _convert_panel(
    sums: Any, spreads: Any, passes: Any, coding: Any, tile: Any, seeds: Any, strip: int, first: int, vectors: int,
    out: int,
) -> tuple[Any, float]:  # fmt: skip
    """All conversions of up to six vectors at a block of a tile's lines, added to the float64 at address ``out``.

    ``sums`` and variances ``spreads`` [passes, 6, B]. Returns how many conversions clipped in each lane, and
    the squares of the signals weighted by the power that they save.
    """
    clipped, saved, width = spread_whole(_i32(0)), 0.0, sums.shape[2]
    start, noise = sums.ctypes.data, spreads.ctypes.data if spreads.shape[0] > 0 else 0
    for v in range(vectors):
        for line in range(0, width, LANES):
            at, row = v * width + line, PANEL * width
            if tile[5] != 0:
                for i in range(passes.shape[0]):
                    sample = load(sums, at + i * row)
                    saved += weighted(sample * sample, tile[5] + 8 * line) / np.float64(passes[i].top) ** 2
            clipped = clipped + convert(
                (start + 4 * at, noise + 4 * at if noise != 0 else 0), (4 * row, 4 * row), sums.dtype, spreads.dtype,
                coding, tile, line, seeds[first + v], strip + line // LANES, out + 8 * (v * width + line),
            )  # fmt: skip
    return clipped, saved


@compiled()
def _read_tile(
    values: Any, squared: Any, across: bool, column: int, height: int, signals: Any, variances: Any, lift: Any,
    drive: Any, tile: Any, seeds: Any, vectors: int, strip: int, sums: Any, spreads: Any, output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Products of all vectors with a block of a tile's lines, added to ``output`` [V, B]; see `read_levels`."""
    clipped, saved, width = spread_whole(_i32(0)), 0.0, output.shape[1]
    passes, coding = drive.passes, coding_of(drive)
    for m in range(0, vectors, PANEL):
        for i in range(passes.shape[0]):
            _multiply(values, across, i, m, column, height, signals, sums)
            if variances.shape[0] > 0:
                _multiply(squared, across, i, m, column, height, variances, spreads)
                if lift.shape[0] > 0:
                    _lift(spreads[i], lift)
        clips, square = _convert_panel(
            sums, spreads, passes, coding, tile, seeds, strip, m, min(PANEL, vectors - m),
            output.ctypes.data + 8 * m * width,
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
    clipped, saved, strips, noisy = 0, 0.0, output.shape[1] // LANES, lines.variances.shape[2] > 0
    numbers, deep = (codes.shape[0], values.shape[2]) if across else (codes.shape[1], values.shape[1])
    for begin in range(0, len(scale), deep):
        vectors = min(deep, len(scale) - begin)
        for m in range(vectors):
            seeds[m] = derived(key, first + begin + m)
        corner, size = ((0, begin), (numbers, vectors)) if across else ((begin, 0), (vectors, numbers))
        _apply(codes, across, corner, size, drive, False, values)
        if noisy:
            _apply(codes, across, corner, size, drive, True, squared)
        for n in range(blocks.shape[0]):
            block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
            output[:vectors] = 0.0
            for r in range(lines.signals.shape[0]):
                clips, square = _read_tile(
                    values, squared, across, r * height, min(height, numbers - r * height),
                    lines.signals[r, block], lines.variances[r, block], lines.lift[r, block], drive,
                    tile_of(lines, r, block), seeds, vectors, (r * lines.signals.shape[1] + block) * strips, sums,
                    spreads, output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            fold(output, lines.shares, scale[begin : begin + vectors], out[begin:, start : start + count])
    return clipped, saved
