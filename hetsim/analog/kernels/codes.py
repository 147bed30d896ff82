"""Numbers as input codes, also those that a convolution's windows show, and codes as the tables want their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import gather_words, load, load_part, load_words, store, store_words
from hetsim.analog.kernels.pulses import DEPTH
from hetsim.analog.kernels.registers import SLOTS
from hetsim.analog.kernels.strips import (
    absolute, bits_of, chosen, from_bits, largest, magnitude, most, nearest, ones, spread, spread_whole,
)  # fmt: skip
from hetsim.analog.lines import GROUP, LANES, LINE

_f32, _i16, _i32, _u32 = np.float32, np.int16, np.int32, np.uint32
_TINY, _MOST, _BITS, _SIGN = np.finfo(np.float32).tiny, 2**31 - 1, 15, _u32(0x80000000)


@compiled()
def _unit(largest: Any, top: Any) -> Any:
    """What one code unit stands for, so that the ``largest`` magnitude becomes the code ``top``."""
    unit = largest / _f32(top)
    return unit if unit >= _TINY else _f32(1.0)


@compiled(nogil=True)
def quantise(x: Any, top: Any, codes: Any, scale: Any) -> None:
    """As `hetsim.analog.drive.quantised`: ``x`` [M, K] to ``codes`` int16 [M, K], whose rows are padded to whole
    strips with zeros, and ``scale`` float32 [M]."""
    numbers, row = x.shape[1], codes.shape[1]
    whole, rest = numbers // LANES * LANES, numbers % LANES
    for m in range(x.shape[0]):
        at, peak = m * numbers, magnitude(load_part(x, m * numbers + whole, rest))
        for k in range(0, whole, LANES):
            peak = most(peak, magnitude(load(x, at + k)))
        scale[m] = _unit(largest(peak), top)
        inverse = spread(_f32(1.0) / scale[m])
        for k in range(0, whole, LANES):
            store(nearest(load(x, at + k) * inverse), codes, m * row + k)
        if rest > 0:
            store(nearest(load_part(x, at + whole, rest) * inverse), codes, m * row + whole)


@compiled()
def _inside(begin: int, count: int, stride: int, shift: int, size: int) -> tuple[int, int]:
    """Which of the positions ``begin`` to ``begin + count``, at ``p * stride + shift``, lie in 0 to ``size``."""
    low = max(begin, -(shift // stride))
    return low, max(low, min(begin + count, (size - 1 - shift) // stride + 1))


@compiled()
def _peaks(peak: Any, shape: Any, y: int, x: int, out: Any) -> None:
    """Largest magnitude in each of a run of windows, in row ``y`` of them and from ``x`` on: ``out`` float32 [n]."""
    kernel, stride, before, dilation = shape
    out[:] = _f32(0.0)
    for i in range(kernel[0]):
        line = y * stride[0] - before[0] + i * dilation[0]
        if not 0 <= line < peak.shape[0]:
            continue
        for j in range(kernel[1]):
            shift = j * dilation[1] - before[1]
            low, high = _inside(x, len(out), stride[1], shift, peak.shape[1])
            for p in range(low, high):
                out[p - x] = max(out[p - x], peak[line, p * stride[1] + shift])


@compiled()
def _fill(image: Any, shape: Any, y: int, x: int, inverse: Any, codes: Any, first: int) -> None:
    """Codes of a run of windows: columns from ``first`` on of ``codes`` int16 [K, M]; ``inverse``: of their scales."""
    kernel, stride, before, dilation = shape
    k = 0
    for c in range(image.shape[0]):
        for i in range(kernel[0]):
            line = y * stride[0] - before[0] + i * dilation[0]
            for j in range(kernel[1]):
                shift = j * dilation[1] - before[1]
                low, high = _inside(x, len(inverse), stride[1], shift, image.shape[2])
                if not 0 <= line < image.shape[1]:
                    low = high = x
                run = codes[k, first : first + len(inverse)]
                run[: low - x], run[high - x :] = 0, 0
                inner, units, jump = run[low - x : high - x], inverse[low - x : high - x], stride[1]
                source = image[c, line % image.shape[1], low * jump + shift :]
                if jump == 1:
                    for p in range(len(inner)):
                        inner[p] = _i16(_i32(np.rint(source[p] * units[p])))
                else:
                    for p in range(len(inner)):
                        inner[p] = _i16(_i32(np.rint(source[p * jump] * units[p])))
                k += 1


@compiled(nogil=True)
def quantise_windows(
    images: Any, peaks: Any, shape: Any, size: Any, begin: int, top: Any, codes: Any, scale: Any
) -> None:
    """As `quantise`, of the windows of a convolution from the ``begin``-th on: ``codes`` int16 [K, M].

    ``images`` float32 [images, C, H, W]; ``peaks`` [images, H, W] their largest magnitudes over the channels;
    ``shape``: kernel, strides, padding before and dilations, of rows and columns each; ``size``: windows in a column
    and in a row of an image.
    """
    done, inverse = 0, np.empty(size[1], np.float32)
    while done < len(scale):
        line, x = divmod(begin + done, size[1])
        image, y = divmod(line, size[0])
        count = min(size[1] - x, len(scale) - done)
        units = scale[done : done + count]
        _peaks(peaks[image], shape, y, x, units)
        for p in range(count):
            units[p] = _unit(units[p], top)
            inverse[p] = _f32(1.0) / units[p]
        _fill(images[image], shape, y, x, inverse[:count], codes, done)
        done += count


@compiled(nogil=True)
def count(codes: Any, across: bool, passes: Any, amplitude: bool, driven: Any) -> None:
    """Add to ``driven`` int64 [passes, K] what each row applies over all vectors, or with ``amplitude`` the square of
    it: exact, so that no order of adding up matters. ``codes`` int16 [M, K], or ``across`` [K, M], rows padded to
    whole strips.

    Passes of one bit are counted together, as the first.
    """
    serial, gathered = True, np.zeros(codes.shape[1], np.int32)
    for i in range(passes.shape[0]):
        serial &= passes[i].top == 1
    for i in range(passes.shape[0]):
        first, top = _i32(passes[i].first), _i32(passes[i].top)
        if passes[i].sign != passes[0].sign or (serial and i > 0):
            continue  # each magnitude meets the passes of its own sign only
        highest = _BITS if serial else top * top if amplitude else top
        for a in range(codes.shape[0]):
            for b in range(0, codes.shape[1], LANES):
                code = absolute(load_words(codes, a * codes.shape[1] + b))
                part = (code >> spread_whole(first)) & spread_whole(top)
                part = ones(code) if serial else part * part if amplitude else part
                store_words(load_words(gathered, b) + part, gathered, b)
            if across:
                driven[i, a] += gathered.sum()
                gathered[:] = 0
            elif a == codes.shape[0] - 1 or (a + 2) * highest > _MOST:
                for k in range(driven.shape[1]):
                    driven[i, k] += gathered[k]
                gathered[:] = 0


@inlined()
def _halves(codes: Any) -> Any:
    """Magnitudes of positive codes in the lower half of words, of negative ones in the upper."""
    negative = codes & spread_whole(_SIGN)
    shifted = absolute(codes) << spread_whole(_u32(16))
    return bits_of(chosen(negative, from_bits(shifted), from_bits(codes)))


@compiled(nogil=True)
def pack(codes: Any, across: bool, shape: Any, height: int, apart: int, bits: Any, slots: Any) -> None:
    """Bits of ``codes`` int16 [M, K], or ``across`` [K, M], as `hetsim.analog.kernels.registers.add_rows` wants them.

    ``slots`` uint16 [tiles down, chunks, sets, groups of a chunk, 16]: the slots of ``apart`` vectors, a power of two
    up to 16, stand side by side, plane after plane; then come the next vectors, in a new set. ``bits`` uint32 [planes
    of such vectors, padded to whole sets]: which bit each slot shows, see `_halves`. ``shape``: M and K.
    """
    vectors, numbers = shape
    down, chunks, total = slots.shape[0], slots.shape[1], slots.shape[2]
    sets, words, offsets = len(bits) // SLOTS, np.empty((height, LANES), np.int32), np.empty(LANES, np.int64)
    step, far = (codes.shape[1], 1) if across else (1, codes.shape[1])
    for r in range(down):
        rows = min(height, numbers - r * height)
        for q in range(-(-vectors // apart)):
            for lane in range(LANES):  # lanes without a vector show any other: nobody looks at them
                offsets[lane] = min(q * apart + lane % apart, vectors - 1) * far
            for k in range(rows):
                store_words(_halves(gather_words(codes, (r * height + k) * step, offsets)), words, k * LANES)
            for s in range(sets):
                shift = load_words(bits, s * SLOTS)
                for g in range(-(-rows // GROUP)):
                    found = spread_whole(_u32((g % DEPTH) << GROUP))
                    for k in range(min(GROUP, rows - g * GROUP)):
                        bit = (load_words(words, (g * GROUP + k) * LANES) >> shift) & spread_whole(_u32(1))
                        found = found + (bit << spread_whole(_u32(k)))
                    chunk = (r * chunks + g // DEPTH) * total + q * sets + s
                    store_words(found * spread_whole(_u32(LINE)), slots, (chunk * DEPTH + g % DEPTH) * SLOTS)
