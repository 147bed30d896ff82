"""Windows: the vectors that a convolution takes from images, never written out as a matrix before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog.drive import Codes, Single
from hetsim.analog.lines import LANES

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of ``images`` float32 [images, C, H, W]: a vector of C x kernel numbers for each place, image after
    image, row after row.

    All pairs are of rows and columns: ``places`` are those of an image, ``pads`` zeros before rows and columns, then
    after them. ``peaks`` [images, H + pads, W + pads] are largest magnitudes over the channels, with memory for a strip
    behind; ``negative``: whether some numbers are; ``finite``: whether all are.
    """

    images: Single
    kernel: Pair
    strides: Pair
    pads: tuple[int, int, int, int]
    dilations: Pair
    places: Pair
    peaks: Single
    negative: bool
    finite: bool

    @classmethod
    def of(
        cls,
        images: ArrayLike,
        kernel: Pair,
        strides: Pair = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Pair = (1, 1),
    ) -> Self:
        """``pads``: zeros before rows and columns, then after them. Raises ValueError for images without a place."""
        from hetsim.analog import kernels

        pixels = np.ascontiguousarray(images, np.float32)
        if pixels.ndim != 4 or pixels.size == 0:
            raise ValueError(f"images [images, channels, rows, columns] are expected, found shape {pixels.shape}")
        places = [
            (pixels.shape[2 + d] + pads[d] + pads[2 + d] - dilations[d] * (kernel[d] - 1) - 1) // strides[d] + 1
            for d in range(2)
        ]
        if min(places) < 1:
            raise ValueError(f"windows of {kernel} do not fit into images of {pixels.shape[2:]} with pads {pads}")
        size, (top, left, bottom, right), (count, channels, *shape) = (places[0], places[1]), pads, pixels.shape
        peaks = _with_room((count, *shape))
        negative, finite = kernels.magnitudes(pixels.reshape(count, channels, -1), peaks.reshape(count, -1))
        peaks = _padded(peaks, pads)
        return cls(pixels, kernel, strides, (top, left, bottom, right), dilations, size, peaks, negative, finite)

    @property
    def shape(self) -> tuple[int, int]:
        """(M, K)."""
        places, kernel = self.places, self.kernel
        return len(self.images) * places[0] * places[1], self.images.shape[1] * kernel[0] * kernel[1]

    @property
    def matrix(self) -> Single:
        """All vectors, [M, K]."""
        return self._seen.transpose(0, 2, 3, 1, 4, 5).reshape(self.shape)

    def every(self, step: int) -> Single:
        """Each so manyth vector, [M / step, K]."""
        at = np.arange(0, self.shape[0], step)
        image, y, x = np.unravel_index(at, (len(self.images), *self.places))
        return self._seen[image, :, y, x].reshape(len(at), -1)

    @property
    def _seen(self) -> NDArray[Any]:
        """The windows as a view of the images, [images, C, *places, *kernel]."""
        reach = tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True))
        images = _padded(self.images, self.pads)
        seen: NDArray[Any] = np.lib.stride_tricks.sliding_window_view(images, reach, axis=(2, 3))
        (down, across), (high, wide) = self.strides, self.dilations
        return seen[:, :, ::down, ::across, ::high, ::wide]

    def codes(self, part: slice, bits: int) -> tuple[Codes, Single, bool]:
        """See `hetsim.analog.drive.Vectors`."""
        from hetsim.analog import kernels

        (count, numbers), each = self.shape, self.places[0] * self.places[1]
        begin, end, _ = part.indices(count)
        seen = slice(begin // each, -(-end // each))
        codes, scale = np.empty((numbers, end - begin), np.int16), np.empty(end - begin, np.float32)
        geometry = (self.kernel, self.strides, self.dilations, self.pads[:2])
        kernels.quantise_windows(
            self.images[seen], self.peaks[seen], geometry, self.places, begin % each, np.float32(2**bits - 1),
            codes, scale,
        )  # fmt: skip
        return codes, scale, True


def _padded(images: Single, pads: Sequence[int]) -> Single:
    """Images [.., H, W] with zeros around them: before rows and columns, then after them."""
    if not any(pads):
        return images
    *outer, tall, wide = images.shape
    padded = _with_room((*outer, tall + pads[0] + pads[2], wide + pads[1] + pads[3]))
    padded[..., pads[0] : pads[0] + tall, pads[1] : pads[1] + wide] = images
    return padded


def _with_room(shape: tuple[int, ...]) -> Single:
    """Zeros, with memory for a strip behind."""
    return np.zeros(prod(shape) + LANES, np.float32)[:-LANES].reshape(shape)
