"""Reads whose inputs are voltage levels: products of matrices, each converted while it is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.conversion import coding_of, convert, fold, tile_of
from hetsim.analog.kernels.memory import load, load_words, store_values, store_words, weighted
from hetsim.analog.kernels.noise import derived
from hetsim.analog.kernels.registers import COLUMNS, PAIR_COLUMNS, multiply_block, multiply_strip
from hetsim.analog.kernels.strips import absolute, bits_of, chosen, from_bits, spread_whole, total
from hetsim.analog.lines import LANES

_i32, _SIGN = np.int32, np.uint32(0x80000000)


@inlined()
def _part(codes: Any, step: Any) -> Any:
    """What a pass applies for a strip of codes, in units of its lowest bit."""
    part = (absolute(codes) >> spread_whole(_i32(step.first))) & spread_whole(_i32(step.top))
    positive = from_bits(part * spread_whole(_i32(step.sign >= 0)))
    negative = from_bits(part * spread_whole(_i32(-1 if step.sign == 0 else step.sign < 0)))
    return bits_of(chosen(codes & spread_whole(_SIGN), negative, positive))


@compiled()
def _apply(codes: Any, corner: Any, size: Any, step: Any, values: Any, squared: Any, i: int) -> None:
    """What the ``i``-th pass applies for a part of ``codes`` int16, of a ``size`` from a ``corner`` on: the ``i``-th
    of ``values``, and if wanted the squares of it. Rows are taken in whole strips."""
    row = values.shape[2] if values.shape[2] >= size[1] else 2 * values.shape[2]
    at = i * values.shape[1] * row
    for a in range(size[0]):
        for b in range(0, size[1], LANES):
            value = _part(load_words(codes, (corner[0] + a) * codes.shape[1] + corner[1] + b), step)
            store_values(value, values, at + a * row + b)
            if squared.shape[1] > 0:
                store_values(value * value, squared, at + a * row + b)


@compiled()
def _apply_pairs(codes: Any, corner: Any, size: Any, step: Any, values: Any, i: int) -> None:
    """As `_apply`, of rows two by two: ``values`` int32 [passes, pairs of rows, numbers of a row]."""
    for a in range(0, size[0], 2):
        for b in range(0, size[1], LANES):
            place = (corner[0] + a) * codes.shape[1] + corner[1] + b
            pair = _part(load_words(codes, place), step) & spread_whole(_i32(0xFFFF))
            if a + 1 < size[0]:
                other = _part(load_words(codes, place + codes.shape[1]), step)
                pair = pair | (other << spread_whole(_i32(16)))
            store_words(pair, values, (i * values.shape[1] + a // 2) * values.shape[2] + b)


@inlined()
def _multiply(values: Any, strides: Any, count: int, rows: Any, columns: int, sums: Any, to: int) -> None:
    """Products of a panel of vectors with ``rows`` [K, B], or pairs of rows: ``sums`` [.., panel, B] from index ``to``
    on.

    ``strides``: index of the first number in memory, and how far vectors and their numbers are apart; ``columns``:
    how many are taken together if there are as many.
    """
    at, apart, step = strides
    width, row = sums.shape[2], rows.size // rows.shape[0]
    size = row // width  # numbers of a pair, or 1
    for line in range(0, width, columns):
        if width - line >= columns:
            multiply_block(values, at, apart, step, count, rows, line * size, row, sums, to + line, width)
        else:
            for rest in range(line, width, LANES):
                multiply_strip(values, at, apart, step, count, rows, rest * size, row, sums, to + rest, width)


@inlined()
def _convert_panel(
    sums: Any, spreads: Any, passes: Any, coding: Any, tile: Any, seeds: Any, strip: int, first: int, vectors: int,
    out: int,
) -> tuple[Any, float]:  # fmt: skip
    """All conversions of a panel of vectors at a block of a tile's lines, added to the float64 at address ``out``.

    ``sums`` and variances ``spreads`` [passes, panel, B]. Returns how many conversions clipped in each lane, and
    the squares of the signals weighted by the power that they save.
    """
    clipped, saved, width = spread_whole(_i32(0)), 0.0, sums.shape[2]
    start, noise = sums.ctypes.data, spreads.ctypes.data if spreads.shape[0] > 0 else 0
    for v in range(vectors):
        for line in range(0, width, LANES):
            at, row = v * width + line, sums.shape[1] * width
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
    values: Any, squared: Any, across: bool, pairs: bool, column: int, height: int, signals: Any, variances: Any, drive: Any,
    tile: Any, seeds: Any, vectors: int, strip: int, sums: Any, spreads: Any, output: Any,
) -> tuple[int, float]:  # fmt: skip
    """Products of all vectors with a block of a tile's lines, added to ``output`` [V, B]; see `read_levels`."""
    apart, step = (1, values.shape[2]) if across else (values.shape[2], 1)
    clipped, saved, panel, width = spread_whole(_i32(0)), 0.0, sums.shape[1], sums.shape[2]
    passes, coding, columns = drive.passes, coding_of(drive), PAIR_COLUMNS if pairs else COLUMNS
    each = 2 if pairs else 1
    for m in range(0, vectors, panel):
        start = m * apart + column // each * step
        for i in range(passes.shape[0]):
            strides = (i * values.shape[1] * values.shape[2] + start, apart, step)
            _multiply(values, strides, -(-height // each), signals, columns, sums, i * panel * width)
            if variances.shape[0] > 0:
                _multiply(squared, strides, height, variances, columns, spreads, i * panel * width)
        clips, square = _convert_panel(
            sums, spreads, passes, coding, tile, seeds, strip, m, min(panel, vectors - m),
            output.ctypes.data + 8 * m * width,
        )  # fmt: skip
        clipped, saved = clipped + clips, saved + square
    return total(clipped), saved


@compiled(nogil=True)
def read_levels(
    codes: Any, across: bool, numbers: int, height: int, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any,
    first: int, room: Any, out: Any,
) -> tuple[int, float]:  # fmt: skip
    """As `hetsim.analog.kernels.pulses.read_pulses`, of ``codes`` int16 [M, K], or ``across`` [K, M],
    rows padded to whole strips.

    ``numbers``: K; ``height``: rows of a full tile. Signals of singles, or whole numbers in pairs of rows. Every
    product adds up its rows in order, wherever the vector stands.
    """
    values, squared, sums, spreads, output, seeds = room
    clipped, saved, strips, pairs = 0, 0.0, output.shape[1] // LANES, lines.signals.itemsize == 2
    deep = values.shape[2] if across else values.shape[1]
    for begin in range(0, len(scale), deep):
        vectors = min(deep, len(scale) - begin)
        for m in range(vectors):
            seeds[m] = derived(key, first + begin + m)
        corner, size = ((0, begin), (numbers, vectors)) if across else ((begin, 0), (vectors, numbers))
        for i in range(drive.passes.shape[0]):
            if across and pairs:
                _apply_pairs(codes, corner, size, drive.passes[i], values, i)
            else:
                _apply(codes, corner, size, drive.passes[i], values, squared, i)
        for n in range(blocks.shape[0]):
            block, start, count = blocks[n, 0], blocks[n, 1], blocks[n, 2]
            output[:vectors] = 0.0
            for r in range(lines.signals.shape[0]):
                clips, square = _read_tile(
                    values, squared, across, pairs, r * height, min(height, numbers - r * height),
                    lines.signals[r, block], lines.variances[r, block], drive, tile_of(lines, r, block), seeds, vectors,
                    (r * lines.signals.shape[1] + block) * strips, sums, spreads, output,
                )  # fmt: skip
                clipped, saved = clipped + clips, saved + square
            fold(output, lines.shares, scale[begin : begin + vectors], out[begin:, start : start + count])
    return clipped, saved
