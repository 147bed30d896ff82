"""Drive: numbers as input codes, and codes as passes of word-line pulses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.converter import Pass

Single = NDArray[np.float32]
Codes = NDArray[np.int16]


def quantised(inputs: Single, bits: int, unit: float | None = None) -> tuple[Codes, Single]:
    """Codes of vectors [M, K] with a magnitude of so many bits, and the number that one code unit stands for [M].

    Each vector has a scale of its own: its largest magnitude becomes the highest code. Numbers too small for a scale
    that is a normal float count as zeros. With a ``unit`` they are codes already, each worth that.
    """
    if unit is not None:
        return inputs.astype(np.int16), np.full(len(inputs), unit, np.float32)
    scale = np.abs(inputs).max(axis=1, initial=0) / np.float32(2**bits - 1)
    scale = np.where(scale >= np.finfo(np.float32).tiny, scale, np.float32(1.0))
    return np.rint(inputs * (1 / scale)[:, None]).astype(np.int16), scale


def applied(codes: Codes, step: Pass) -> Single:
    """What a pass applies for input codes, in units of its lowest bit, negative where the voltage is."""
    magnitude: Codes = np.maximum(codes * np.int16(step.sign), 0) if step.sign else np.abs(codes)
    part = ((magnitude >> step.first) & step.top).astype(np.float32)
    return part if step.sign else part * np.sign(codes)


_STEP = np.dtype([(name, np.int64) for name in ("begin", "end", "apart", "first", "top", "sign")])


class Drive(NamedTuple):
    """The passes of a read, as the compiled loops want them.

    ``passes``, a record each: the bit planes from ``begin`` to ``end`` of the ``planes`` of a vector, each worth
    twice the one before, and ``apart`` from them, where not zero, those that are subtracted; and the ``first`` bit,
    the ``top`` input and the ``sign`` of `Pass`. ``weights`` float32: what its code counts. ``limits`` float32:
    lowest and highest code. ``long``: a sum of weighted codes may be beyond the whole numbers of float32. ``serial``:
    each pass shows one bit plane, in the order of the planes.
    """

    passes: NDArray[np.void]
    weights: Single
    planes: int
    limits: Single
    long: bool
    serial: bool

    def alone(self, i: int) -> Drive:
        """The i-th pass by itself."""
        return self._replace(passes=self.passes[i : i + 1], weights=self.weights[i : i + 1], serial=False)

    def levels(self, codes: Codes) -> NDArray[np.float64]:
        """What the only pass drives for input codes of its sign, as shares of the full voltage."""
        (step,) = self.passes
        return np.asarray(((np.abs(codes) >> step["first"]) & step["top"]) / float(step["top"]))


def drive(passes: Sequence[Pass], bits: int, codes: tuple[int, int]) -> Drive:
    """The table of ``passes`` for inputs of so many magnitude ``bits`` and converters from the lowest to the highest
    code."""
    rows = []
    for p in passes:
        begin = bits * (p.sign < 0) + p.first
        rows.append((begin, begin + p.bits, bits * (p.sign == 0), p.first, p.top, p.sign))
    weights = np.array([(-1 if p.sign < 0 else 1) << p.first for p in passes], np.float32)
    planes = bits * (1 if all(p.sign > 0 for p in passes) else 2)
    long = bool(np.abs(weights).sum(dtype=np.float64) * max(np.abs(codes)) > 2**24)
    serial = [row[:3] for row in rows] == [(i, i + 1, 0) for i in range(planes)]
    return Drive(np.array(rows, _STEP), weights, planes, np.array(codes, np.float32), long, serial)


class Vectors(Protocol):
    """What is multiplied with a stored matrix: M vectors of K numbers each."""

    @property
    def shape(self) -> tuple[int, int]:
        """(M, K)."""

    def codes(self, part: slice, bits: int) -> tuple[Codes, Single, bool]:
        """Codes of some of the vectors, as `quantised` defines them, int16 [M, K] or [K, M] if the third is true,
        and the number that one code unit stands for [M]."""


class Rows:
    """Vectors that are the rows of ``matrix`` float32 [M, K]. ``negative``: whether some numbers are; ``finite``:
    whether all are."""

    def __init__(self, matrix: Single) -> None:
        lowest = float(np.minimum.reduce(matrix, axis=None))
        self.matrix, self.negative = matrix, lowest < 0
        self.finite = isfinite(lowest) and isfinite(np.maximum.reduce(matrix, axis=None))

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape[0], self.matrix.shape[1]

    def every(self, step: int) -> Single:
        """Each so manyth vector, [M / step, K]."""
        return self.matrix[::step]

    def codes(self, part: slice, bits: int) -> tuple[Codes, Single, bool]:
        from hetsim.analog import kernels

        inputs = np.ascontiguousarray(self.matrix[part])
        codes, scale = np.empty(inputs.shape, np.int16), np.empty(len(inputs), np.float32)
        kernels.quantise(inputs, np.float32(2**bits - 1), codes, scale)
        return codes, scale, False


@dataclass(frozen=True, slots=True)
class Coded:
    """Vectors that are codes already: ``matrix`` int16 [M, K], each code worth ``unit``."""

    matrix: Codes
    unit: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape[0], self.matrix.shape[1]

    def codes(self, part: slice, bits: int) -> tuple[Codes, Single, bool]:
        codes = np.ascontiguousarray(self.matrix[part])
        return codes, np.full(len(codes), self.unit, np.float32), False
