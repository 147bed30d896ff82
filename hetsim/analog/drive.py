"""Drive: numbers as input codes, and codes as passes of word-line pulses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
    return np.rint(inputs / scale[:, None]).astype(np.int16), scale


def applied(codes: Codes, step: Pass) -> Single:
    """What a pass applies for input codes, in units of its lowest bit, negative where the voltage is."""
    magnitude: Codes = np.maximum(codes * np.int16(step.sign), 0) if step.sign else np.abs(codes)
    part = ((magnitude >> step.first) & step.top).astype(np.float32)
    return part if step.sign else part * np.sign(codes)


def integrations(codes: Codes, passes: Sequence[Pass], amplitude: bool) -> NDArray[np.float64]:
    """For each row [K], how often the codes [M, K] integrate its cells' current, in units of one integration at
    full read voltage. With ``amplitude`` the voltage is a share of it, and dissipation goes by the square."""
    signs = {p.sign for p in passes}
    bits = max(p.first + p.bits for p in passes)
    magnitudes = np.arange(2**bits, dtype=np.int16)
    table = np.zeros(2**bits)
    for p in passes:
        if p.sign == max(signs):  # each magnitude meets the passes of its own sign only
            share = applied(magnitudes, p)
            table += (share / p.top) ** 2 if amplitude else share
    return np.asarray(table.astype(np.float32)[np.abs(codes)].sum(axis=0, dtype=np.float64))


_STEP = np.dtype(
    [(name, np.int64) for name in ("begin", "end", "apart", "spread_begin", "spread_end", "spread_apart")]
    + [("weight", np.float64)]
)


class Drive(NamedTuple):
    """The passes of a read, as the compiled loops want them.

    ``passes``, a record each: its bit planes from ``begin`` to ``end``, each worth twice the one before; ``apart``
    from them, where not zero, those that are subtracted; the planes that weigh variances, each worth ``base`` times
    the one before; and the ``weight`` of a code. With ``amplitude``, variances go by the bits of the squares of what
    a pass applies. ``limits`` float32: lowest and highest code.
    """

    passes: NDArray[np.void]
    base: np.float32
    limits: NDArray[np.float32]
    amplitude: bool


def drive(passes: Sequence[Pass], planes: int, amplitude: bool, codes: tuple[int, int]) -> Drive:
    """The table of ``passes`` for inputs of ``planes`` bits and converters from the lowest to the highest code.

    With pulses each draws its own noise, so that variances add up by the square of the pulse's weight; with
    ``amplitude`` a pass is one pulse, whose noise goes by the square of its input.
    """
    factor = 1 + amplitude  # bits of a square for each bit of an input
    rows = []
    for p in passes:
        own, spread = planes * (p.sign < 0) + p.first, factor * (planes * (p.sign < 0) + p.first)
        apart = planes * (p.sign == 0)
        row = (own, own + p.bits, apart, spread, spread + factor * p.bits, factor * apart)
        rows.append((*row, -(2.0**p.first) if p.sign < 0 else 2.0**p.first))
    base = np.float32(2.0 if amplitude else 4.0)
    return Drive(np.array(rows, _STEP), base, np.array(codes, np.float32), amplitude)
