"""Global drift compensation: one factor a tile, from a batch that is read now and was read when cells were young."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog.crossbar import Crossbar


@dataclass(frozen=True, slots=True)
class Totals:
    """What a calibration batch showed: ``magnitudes`` [tiles down, tiles across], sums of absolute outputs, and what
    reading it took: ``vectors`` through every tile, ``seconds``, ``joules`` in the cells, and ``conversions``."""

    magnitudes: NDArray[np.float64]
    vectors: int
    seconds: float
    joules: float
    conversions: int


@dataclass(slots=True)
class Calibration:
    """How far the calibration of stored matrices has come: what each crossbar showed when ``young``, and the number of
    intervals since writing at which it was ``last`` done."""

    young: tuple[Totals, ...] = ()
    last: int = 0


def totals(crossbar: Crossbar, vectors: ArrayLike, time: float, key: int) -> Totals:
    """Read a calibration batch [M, K] at ``time`` and add up what each tile shows of it, uncorrected.

    Every tile is read as it always is, with its noise and through its converters; what they show is taken before the
    partial sums of tiles are added. Converters whose range is set by the first batch are set by this one.
    """
    inputs = np.asarray(vectors, np.float32)
    tiling, sheet = crossbar.tiling, crossbar.sheet
    correction, crossbar.correction = crossbar.correction, np.ones((tiling.down, tiling.across))
    signed = bool((inputs < 0).any())
    if sheet.adc.range.policy == "calibrated" and tiling.down > 1:
        crossbar.mvm(inputs, time, key, signed=signed)  # single tiles would set too small a range
    magnitudes, joules = np.empty((tiling.down, tiling.across)), 0.0
    for r in range(tiling.down):
        rows = slice(r * tiling.height, (r + 1) * tiling.height)
        alone = np.zeros_like(inputs)  # the other tiles of the column add nothing: none of their rows is driven
        alone[:, rows] = inputs[:, rows]
        read = crossbar.mvm(alone, time, key, signed=signed)
        columns = np.abs(read.values, dtype=np.float64).sum(axis=0)
        magnitudes[r] = np.add.reduceat(columns, np.arange(tiling.across) * (tiling.width - tiling.units))
        joules += read.joules
    crossbar.correction = correction
    latency, interval = sheet.pace(signed, tiling.widest, sheet.turns(tiling))
    seconds = latency + (len(inputs) - 1) * interval  # all tiles work at once
    return Totals(magnitudes, len(inputs), seconds, joules, crossbar.conversions(len(inputs), signed))


def compensate(crossbar: Crossbar, vectors: ArrayLike, young: Totals, time: float, key: int) -> Totals:
    """Read the calibration batch again and set ``crossbar.correction`` to the ratio of then to now, tile by tile.

    The mean loss of a tile is made up for; that its cells drift unequally remains. Returns what the read took. A tile
    that shows nothing now or showed nothing then keeps the factor 1.
    """
    now = totals(crossbar, vectors, time, key)
    seen = (now.magnitudes > 0) & (young.magnitudes > 0)
    crossbar.correction = np.where(seen, young.magnitudes / np.where(seen, now.magnitudes, 1.0), 1.0)
    return now
