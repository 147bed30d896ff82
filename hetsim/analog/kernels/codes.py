"""Numbers as input codes, also those that a convolution's windows show, and codes as the tables want their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.kernels.pulses import DEPTH
from hetsim.analog.kernels.registers import SLOTS
from hetsim.analog.lines import GROUP, LINE

_f32, _i16, _i32, _u16, _u32 = np.float32, np.int16, np.int32, np.uint16, np.uint32
_TINY = np.finfo(np.float32).tiny
_OCTET = 8  # planes that are packed together
_ROW = 1 << GROUP  # rows of a table


@compiled(nogil=True)
def quantise(x: Any, top: Any, codes: Any, scale: Any) -> None:
    """As `hetsim.analog.drive.quantised`: ``x`` [M, K] to ``codes`` int16 [M, K] and ``scale`` float32 [M]."""
    bits = x.view(np.int32)
    for m in range(x.shape[0]):
        largest = _i32(0)
        for k in range(x.shape[1]):  # floats without their sign are in the order of their bits
            largest = max(largest, bits[m, k] & _i32(0x7FFFFFFF))
        unit = np.int32(largest).view(np.float32) / _f32(top)
        scale[m] = unit if unit >= _TINY else _f32(1.0)
        for k in range(x.shape[1]):
            codes[m, k] = _i16(np.rint(x[m, k] / scale[m]))


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
def _fill(image: Any, shape: Any, y: int, x: int, scale: Any, codes: Any, first: int) -> None:
    """Codes of a run of windows: columns from ``first`` on of ``codes`` int16 [K, M]."""
    kernel, stride, before, dilation = shape
    k = 0
    for c in range(image.shape[0]):
        for i in range(kernel[0]):
            line = y * stride[0] - before[0] + i * dilation[0]
            for j in range(kernel[1]):
                shift = j * dilation[1] - before[1]
                low, high = _inside(x, len(scale), stride[1], shift, image.shape[2])
                if not 0 <= line < image.shape[1]:
                    low = high = x + len(scale)
                codes[k, first : first + low - x] = 0
                codes[k, first + high - x : first + len(scale)] = 0
                if stride[1] == 1:
                    for p in range(low, high):
                        codes[k, first + p - x] = _i16(np.rint(image[c, line, p + shift] / scale[p - x]))
                else:
                    for p in range(low, high):
                        codes[k, first + p - x] = _i16(
                            np.rint(image[c, line, p * stride[1] + shift] / scale[p - x])
                        )
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
    done = 0
    while done < len(scale):
        line, x = divmod(begin + done, size[1])
        image, y = divmod(line, size[0])
        count = min(size[1] - x, len(scale) - done)
        units = scale[done : done + count]
        _peaks(peaks[image], shape, y, x, units)
        for p in range(count):
            unit = units[p] / _f32(top)
            units[p] = unit if unit >= _TINY else _f32(1.0)
        _fill(images[image], shape, y, x, units, codes, done)
        done += count


@compiled(nogil=True)
def count(codes: Any, across: bool, passes: Any, amplitude: bool, driven: Any) -> None:
    """Add to ``driven`` int64 [passes, K] what each row applies over all vectors, or with ``amplitude`` the square of
    it: exact, so that no order of adding up matters. ``codes`` int16 [M, K], or ``across`` [K, M]."""
    for a in range(codes.shape[0]):
        for i in range(passes.shape[0]):
            first, top, total = _i32(passes[i].first), _i32(passes[i].top), np.int64(0)
            if passes[i].sign != passes[0].sign:
                continue  # each magnitude meets the passes of its own sign only
            for b in range(codes.shape[1]):
                part = (abs(_i32(codes[a, b])) >> first) & top
                applied = part * part if amplitude else part
                if across:
                    total += applied
                else:
                    driven[i, b] += applied
            if across:
                driven[i, a] += total


@compiled()
def _octet(words: Any, bit: int, place: int, out: Any) -> None:
    """Eight neighbouring bits of six ``words``: where each plane finds its partial sum, bytes from ``place`` on."""
    for p in range(_OCTET):
        found = _u32(0)
        for k in range(GROUP):
            found |= ((words[k] >> _u32(bit + p)) & _u32(1)) << _u32(k)
        out[p] = _u16(found * _u32(LINE) + _u32(place))


@compiled(nogil=True)
def pack(codes: Any, height: int, planes: int, signs: int, slots: Any) -> None:
    """Bits of ``codes`` int16 [M, K] as `hetsim.analog.kernels.registers.add_rows` wants them.

    ``slots`` uint16 [tiles down, sets, groups, 16], zeros at first: the planes of a vector are neighbouring slots,
    those of negative inputs (with two ``signs``) behind those of positive ones.
    """
    words, found = np.zeros(GROUP, np.uint32), np.empty(2 * _OCTET, np.uint16)
    for r in range(slots.shape[0]):
        rows = min(height, codes.shape[1] - r * height)
        for m in range(codes.shape[0]):
            for g in range(-(-rows // GROUP)):
                for k in range(GROUP):
                    code = _i32(codes[m, r * height + g * GROUP + k]) if g * GROUP + k < rows else _i32(0)
                    words[k] = _u32(max(code, _i32(0))) | (_u32(max(-code, _i32(0))) << _u32(16))
                for sign in range(signs):
                    for bit in range(0, planes, _OCTET):
                        _octet(words, 16 * sign + bit, (g % DEPTH) * _ROW * LINE, found)
                        for p in range(min(_OCTET, planes - bit)):
                            slot = (m * signs + sign) * planes + bit + p
                            slots[r, slot // SLOTS, g, slot % SLOTS] = found[p]
