"""The windows that a convolution takes from images, as input codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.codes import unit_of
from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import load, origin, spaced, store, write
from hetsim.analog.kernels.strips import least, magnitude, most, nearest, spread
from hetsim.analog.lines import LANES

_f32, _i16, _i32 = np.float32, np.int16, np.int32


@compiled(nogil=True)
def magnitudes(images: Any, peaks: Any) -> tuple[bool, bool]:
    """Raise ``peaks`` float32 [images, pixels], with memory for a strip behind, to the largest magnitudes of ``images``
    float32 [images, C, pixels] over the channels; whether some numbers are negative, and whether all are finite."""
    count, channels, pixels = images.shape
    flat, out, few = images.reshape(-1), peaks.reshape(-1), np.zeros(LANES, np.float32)
    nothing = spread(_f32(0.0))
    lowest, strange = nothing, nothing
    for i in range(count):
        for c in range(channels):  # images pass by in the order of memory, their peaks stay in the nearest cache
            start = (i * channels + c) * pixels
            if pixels < LANES:
                few[:pixels] = flat[start : start + pixels]
            for p in range(0, pixels, LANES):
                place = max(min(p, pixels - LANES), 0)
                numbers = load(few, 0) if pixels < LANES else load(flat, start + place)
                store(most(magnitude(numbers), load(out, i * pixels + place)), out, i * pixels + place)
                lowest = least(numbers, lowest)
                strange = strange + numbers * nothing  # NaN, of what is not finite
    ends = np.empty((2, LANES), np.float32)
    store(lowest, ends, 0)
    store(strange, ends, LANES)
    return bool(ends[0].min() < _f32(0.0)), bool((ends[1] == _f32(0.0)).all())


@compiled()
def _peaks(peaks: Any, start: int, wide: int, shape: Any, count: int, out: Any) -> None:
    """Largest magnitude in each of a run of ``count`` windows, the first of which begins at index ``start`` of the flat
    ``peaks``, in rows of length ``wide``: ``out`` float32 [count or more]. Strips may read on behind the run."""
    kernel, stride, dilation, _ = shape
    if stride[1] == 1:
        for p in range(0, count, LANES):
            found = spread(_f32(0.0))
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    found = most(found, load(peaks, start + i * dilation[0] * wide + j * dilation[1] + p))
            store(found, out, p)
        return
    for p in range(count):
        largest = _f32(0.0)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                largest = max(largest, peaks[start + i * dilation[0] * wide + j * dilation[1] + p * stride[1]])
        out[p] = largest


@compiled()
def _seen(shape: Any, x: int, count: int, wide: int, inverse: Any) -> int:
    """Copy the first row of ``inverse`` float32 [1 + kernel, windows + 16] to the others, of so many windows from ``x``
    on in their row, but with zeros for windows that see padding in a column of the kernel. Returns how far apart rows
    for a column and the next are: 0 if no window sees any, and the first row is for all."""
    kernel, stride, dilation, before = shape
    first, last = x * stride[1] - before[1], (x + count - 1) * stride[1] + (kernel[1] - 1) * dilation[1] - before[1]
    if first >= 0 and last < wide:
        return 0
    for j in range(kernel[1]):
        column = x * stride[1] + j * dilation[1] - before[1]
        for p in range(count):
            inside = 0 <= column + p * stride[1] < wide
            inverse[1 + j, p] = inverse[0, p] if inside else _f32(0.0)
    return inverse.shape[1]


@inlined()
def _run(images: Any, at: int, inverse: Any, scales: int, count: int, codes: Any, to: int) -> None:
    """Codes, from index ``to`` on, of ``count`` pixels from index ``at`` on, each with a scale of its own, the inverse
    of which stands in ``inverse`` from index ``scales`` on; all of them flat. The last strip may cover some of the one
    before, or of what comes next."""
    for p in range(0, count, LANES):
        place = max(min(p, count - LANES), 0)
        store(nearest(load(images, at + place) * load(inverse, scales + place)), codes, to + place)


@compiled()
def _leaps(images: Any, at: int, leap: int, inverse: Any, scales: int, count: int, codes: Any, to: int) -> None:
    """As `_run`, of pixels that stand ``leap`` apart; where the scale has no inverse there need be none."""
    for p in range(count):
        one = inverse[scales + p]
        codes[to + p] = _i16(_i32(np.rint(images[at + p * leap] * one))) if one != _f32(0.0) else _i16(0)


@compiled()
def _fill(
    pixels: Any, size: Any, image: int, shape: Any, y: int, x: int, count: int, scales: Any, apart: int, codes: Any,
    deep: int, first: int
) -> None:  # fmt: skip
    """Codes of a run of ``count`` windows of an image of ``pixels``, of a ``size``: columns from ``first`` on of
    ``codes`` int16 [K, deep]; inverse ``scales`` in rows that are ``apart``, see `_seen`; all of them flat. Columns
    behind the run, which come next, may be written too."""
    kernel, stride, dilation, before = shape
    k, (_, channels, tall, wide), most = 0, size, max(count, LANES)
    top, left = y * stride[0] - before[0], x * stride[1] - before[1]
    strips = stride[1] == 1 and first + most <= deep
    for c in range(channels):
        for i in range(kernel[0]):
            row = top + i * dilation[0]
            start = ((image * channels + c) * tall + row) * wide + left
            for j in range(kernel[1]):
                at, to, of = start + j * dilation[1], k * deep + first, (1 + j) * apart
                k += 1
                if row < 0 or row >= tall:
                    codes[to : to + count] = _i16(0)
                elif strips and at >= 0 and at + most <= len(pixels):  # beside a row stands another, which counts none
                    _run(pixels, at, scales, of, count, codes, to)
                else:
                    _leaps(pixels, at, stride[1], scales, of, count, codes, to)


@compiled()
def _fill_within(
    pixels: Any, size: Any, image: int, shape: Any, y: int, x: int, count: int, scales: Any, codes: Any, deep: int,
    first: int
) -> bool:  # fmt: skip
    """As `_fill`, a strip of windows after the other, if they see no padding and leave room for whole strips; whether
    that was so."""
    kernel, stride, dilation, before = shape
    (_, channels, tall, wide), most = size, max(count, LANES)
    top, left = y * stride[0] - before[0], x * stride[1] - before[1]
    low, right = top + (kernel[0] - 1) * dilation[0], left + (kernel[1] - 1) * dilation[1]
    end = ((image * channels + channels - 1) * tall + low) * wide + right + most
    if stride[1] != 1 or top < 0 or low >= tall or first + most > deep or end > len(pixels):
        return False
    for p in range(0, count, LANES):
        place = max(min(p, count - LANES), 0)
        own, to = load(scales, place), first + place
        for c in range(channels):
            for i in range(kernel[0]):
                at = ((image * channels + c) * tall + top + i * dilation[0]) * wide + left + place
                for j in range(kernel[1]):
                    store(nearest(load(pixels, at + j * dilation[1]) * own), codes, to)
                    to += deep
    return True


@compiled(nogil=True)
def quantise_windows(
    images: Any, peaks: Any, shape: Any, size: Any, begin: int, top: Any, codes: Any, scale: Any
) -> None:
    """As `quantise`, of the windows of a convolution from the ``begin``-th on: ``codes`` int16 [K, M].

    ``images`` float32 [images, C, H, W] without padding; ``peaks`` [images, H + pads, W + pads] their largest
    magnitudes over the channels, with it, and memory for a strip behind; ``shape``: kernel, strides, dilations and
    padding before, of rows and columns each; ``size``: windows in a column and in a row of an image, all of them within
    it.
    """
    done, deep, inverse = 0, len(scale), np.zeros((1 + shape[0][1], size[1] + LANES), np.float32)
    largest, flat, (_, tall, wide) = np.empty(size[1] + LANES, np.float32), peaks.reshape(-1), peaks.shape
    pixels, found, scales = images.reshape(-1), codes.reshape(-1), inverse.reshape(-1)
    while done < deep:
        line, x = divmod(begin + done, size[1])
        image, y = divmod(line, size[0])
        count = min(size[1] - x, deep - done)
        _peaks(flat, (image * tall + y * shape[1][0]) * wide + x * shape[1][1], wide, shape, count, largest)
        for p in range(count):
            one = unit_of(largest[p], top)
            scale[done + p], inverse[0, p] = one, _f32(1.0) / one
        apart = _seen(shape, x, count, images.shape[3], inverse)
        place = (pixels, images.shape, image, shape, y, x, count, scales)
        if apart or not _fill_within(*place, found, deep, done):
            _fill(*place, apart, found, deep, done)
        done += count


@compiled(nogil=True)
def images_of(values: Any, bias: Any, rectified: bool, images: Any) -> None:
    """Products of windows, ``values`` float32 [images x places, N], as ``images`` float32 [images, N, places], with the
    ``bias`` float32 [N] of each channel; none below zero if ``rectified``."""
    (count, channels, places), row, lowest = images.shape, values.strides[0], _f32(0.0 if rectified else -np.inf)
    for i in range(count):
        for n in range(channels):
            start, to = origin(values) + i * places * row + 4 * n, origin(images) + 4 * (i * channels + n) * places
            if places < LANES:
                for p in range(places):
                    images[i, n, p] = max(values[i * places + p, n] + bias[n], lowest)
                continue
            for p in range(0, places, LANES):
                place = min(p, places - LANES)
                write(most(spaced(start + place * row, row) + spread(bias[n]), spread(lowest)), to + 4 * place)
