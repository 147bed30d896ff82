"""Sensing: what the bit lines of a crossbar show of its conductances, and the range of their converters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.drive import Codes, Single, applied
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.formats import product

Doubles = NDArray[np.float64]

_SAMPLE = 256  # vectors of the first batch that set a calibrated range


@dataclass(frozen=True, slots=True)
class Sensed:
    """The lines of a matrix at one age.

    ``signals`` [L, K, N]: what a row driven by one input unit adds to each line, in conductance steps or, sensing
    voltage, in read voltages; ``variances`` likewise, of the noise of one read, None without noise. ``gain``
    [tiles down, L, N]: weight units per unit of signal. ``power`` likewise: siemens by which the square of a signal
    lowers the dissipation, None when lines are held at ground.
    """

    signals: Single
    variances: Single | None
    gain: Doubles
    power: Doubles | None


def sense(sheet: MacroSheet, tiling: Tiling, actual: Single, target: Single, variances: Single | None) -> Sensed:
    """The lines of cells [2, K, N] that have ``actual`` siemens and were meant to have ``target``.

    A line into a virtual ground carries sum(G V). A floating line settles at V_out = sum(G V) / sum(G), of which the
    periphery undoes the divisor that it knows, that of the targets. Noise is of first order in V_out / V: that of
    the divisor is left out. The sources give sum(G V**2) or, floating, sum(G (V - V_out)**2), which is
    sum(G V**2) - V_out**2 sum(G).
    """
    signals = _lines(sheet, actual, -1)
    spread = None if variances is None else _lines(sheet, variances, 1)
    step = sheet.device.step
    if sheet.sensing == "current":
        unit = np.full((tiling.down, sheet.lines, tiling.columns), 1 / step)
        power, gain = None, np.ones_like(unit)
    else:
        power = _column_sums(sheet, tiling, actual)
        unit = 1 / np.where(power > 0, power, 1.0)
        gain = _column_sums(sheet, tiling, target) / step
    per_row = np.repeat(unit.transpose(1, 0, 2), tiling.heights(), axis=1).astype(np.float32)
    return Sensed(signals * per_row, None if spread is None else spread * per_row**2, gain, power)


def _lines(sheet: MacroSheet, cells: Single, sign: int) -> Single:
    """Cells [2, K, N] as lines [L, K, N]: the pair's difference (variances: sum), or each cell on its own."""
    if sheet.lines == 2:
        return cells
    pair: Single = cells[0] + np.float32(sign) * cells[1]
    return pair[None]


def _column_sums(sheet: MacroSheet, tiling: Tiling, cells: Single) -> Doubles:
    """Siemens on each line of each tile down: [tiles down, L, N]."""
    starts = np.arange(tiling.down) * tiling.height
    sums: Doubles = np.add.reduceat(_lines(sheet, cells, 1), starts, axis=1, dtype=np.float64)
    return sums.transpose(1, 0, 2)


def full_scale(sheet: MacroSheet, tiling: Tiling, sensed: Sensed, codes: Codes, signed: bool) -> Doubles:
    """Signal at the converters' highest code, [tiles down, tiles across], by the datasheet's range policy.

    ``codes`` [M, K] are input codes of the first batch: at most `_SAMPLE` of them, evenly spaced, count.
    """
    policy, range_ = sheet.adc.range.policy, sheet.adc.range
    passes = sheet.passes(signed)
    largest = _largest(sheet, tiling, max(p.top for p in passes))
    if policy == "unit":
        return np.full_like(largest, sheet.adc.codes(sheet.lines == 1)[1])
    if policy == "fraction":
        return largest * range_.fraction
    if policy == "max":
        return largest
    sample = codes[:: -(-len(codes) // _SAMPLE)]
    inputs = np.concatenate([applied(sample, p) for p in passes])
    scale = largest.copy()
    for r, c in np.ndindex(scale.shape):
        rows = slice(r * tiling.height, (r + 1) * tiling.height)
        columns = slice(c * tiling.width, (c + 1) * tiling.width)
        signals = np.abs(product(inputs[:, rows], sensed.signals[:, rows, columns]))
        shown = signals[signals > 0]
        if shown.size:
            scale[r, c] = np.percentile(shown, range_.percentile)
    return scale


def _largest(sheet: MacroSheet, tiling: Tiling, top: int) -> Doubles:
    """The largest signal of a tile, all rows in use driven with ``top`` and all cells at the window's end."""
    device, pairwise = sheet.device, sheet.lines == 1
    heights = np.array(tiling.heights(), np.float64)[:, None]
    if sheet.sensing == "current":
        cell = device.levels - 1 if pairwise else device.g_max / device.step
        signal = heights * cell
    else:
        window = (device.g_max - device.g_min) / (device.g_max + device.g_min)
        signal = np.full_like(heights, window if pairwise else 1.0)
    return np.repeat(top * signal, tiling.across, axis=1)
