"""Sensing: what the lines of a crossbar show of its conductances, and the range of their converters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.drive import Codes, Single, applied
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.mismatch import Mismatch
from hetsim.formats import product

Doubles = NDArray[np.float64]

SAMPLE = 256  # vectors of the first batch that set a calibrated range


@dataclass(frozen=True, slots=True)
class Array:
    """The cells of a matrix as one read meets them, siemens [P, K, N], K of them driven and N sensed.

    They have ``actual`` conductances and were meant to have ``target``; ``variances`` are of the noise of one sample,
    ``sigma`` of what is frozen for a product, as is the amplitude of ``telegraph`` noise, all None without noise.
    ``tiling`` is that of the read: see `MacroSheet.reading`. ``mismatch`` is None for ideal converters. ``loads``:
    siemens by which the cells dissipate, those of ``actual`` if None.
    """

    tiling: Tiling
    actual: Single
    target: Single
    variances: Single | None = None
    mismatch: Mismatch | None = None
    sigma: Single | None = None
    telegraph: Single | None = None
    loads: Single | None = None

    def turned(self) -> Array:
        """Seen from the other side: what was driven is sensed."""
        figures = ("actual", "target", "variances", "sigma", "telegraph", "loads")
        given = {name: getattr(self, name) for name in figures}
        return replace(self, **{k: v.transpose(0, 2, 1) for k, v in given.items() if v is not None})


@dataclass(frozen=True, slots=True)
class Frozen:
    """The C cells behind each line, whose noise stays as it is for a whole product, [C, L, K, N] in units of signals:
    each one's signal, standard deviation and telegraph amplitude; ``signs`` [C], how each counts."""

    cells: Single
    sigma: Single
    telegraph: Single
    signs: Single


@dataclass(frozen=True, slots=True)
class Sensed:
    """The lines of a matrix at one age.

    ``signals`` [L, K, N]: what a row driven by one input unit adds to each line, in steps of its slice's digits or,
    sensing voltage or charge, in read voltages; ``variances`` likewise, of the noise of one read, None without noise.
    ``gain`` [tiles down, L, N]: digits per unit of signal. ``power`` likewise: siemens by which the square of a
    signal lowers the dissipation, None when lines are held at ground. ``lift`` likewise: the signal without inputs, at
    a full voltage of one, None when drivers are exact. ``bows`` like signals: the share 4 (1 - s) of it is added when
    a row is driven with the share s of the full voltage, None when drivers' levels are straight. ``frozen`` is None
    without noise that lasts for a product.
    """

    signals: Single
    variances: Single | None
    gain: Doubles
    power: Doubles | None
    lift: Doubles | None
    bows: Single | None
    frozen: Frozen | None


def sense(sheet: MacroSheet, array: Array) -> Sensed:
    """The lines of an array.

    A line into a virtual ground carries sum(G V). A floating line settles at V_out = sum(G V) / sum(G), of which the
    periphery undoes the divisor that it knows, that of the targets. Noise is of first order in V_out / V: that of
    the divisor is left out. The sources give sum(G V**2) or, floating, sum(G (V - V_out)**2), which is
    sum(G V**2) - V_out**2 sum(G). A line of capacitance C, at ground before a pulse of time t, comes as far as the
    share f = 1 - exp(-a) of V_out, a = t sum(G) / C: Kirchhoff's current law for a node of one capacitor. Over the
    pulse it saves V_out**2 sum(G) (1 - (1 - exp(-2 a)) / (2 a)).
    """
    step = steps(sheet)[:, None]
    if sheet.sensing == "current":
        unit = np.broadcast_to(1 / step, (array.tiling.down, sheet.lines, array.tiling.columns))
        power, gain = None, np.ones_like(unit)
    else:
        siemens = _column_sums(sheet, array.tiling, array.actual)
        unit = _settled(sheet, siemens) / np.where(siemens > 0, siemens, 1.0)
        power = _saved(sheet, siemens)
        known = _column_sums(sheet, array.tiling, array.target)
        gain = known / step / _settled(sheet, known)
    units = unit.transpose(1, 0, 2).astype(np.float32)
    difference, total = (partial(_lines, sheet, sign=sign) for sign in (-1, 1))
    errors = array.mismatch
    drive = None if errors is None else errors.drive
    signals, spread, lift, bows = _seen(array, array.actual, drive, difference, units), None, None, None
    if array.variances is not None:
        spread = _seen(array, array.variances, None if drive is None else drive**2, total, units**2)
    if errors is not None and sheet.dac.offset:
        lift = _summed(array.tiling, _seen(array, array.actual, errors.lift, difference, units))
    if errors is not None and sheet.dac.inl:
        bows = _seen(array, array.actual, errors.bend, difference, units)
    return Sensed(signals, spread, gain, power, lift, bows, _frozen(sheet, array, units))


def steps(sheet: MacroSheet) -> Doubles:
    """Siemens of one unit of each line's digits, [L]."""
    tops = np.array(sheet.scheme.tops, np.float64)[list(sheet.scheme.slice_of_line)]
    return np.asarray((sheet.device.g_max - sheet.device.g_min) / tops)


def _lines(sheet: MacroSheet, cells: Single, sign: int) -> Single:
    """Cells [P, K, N] as lines [L, K, N]: copies on one line added up, of a pair that is subtracted the difference
    (variances: sum), else each on its own."""
    scheme = sheet.scheme
    split = cells.reshape(*scheme.shape, *cells.shape[1:])
    if scheme.subtracted:
        split = split[:, :, :1] + np.float32(sign) * split[:, :, 1:]
    if not scheme.apart and scheme.copies > 1:
        split = split.sum(axis=1, keepdims=True)
    return split.reshape(scheme.lines, *cells.shape[1:])


def _seen(
    array: Array, cells: Single, factors: Doubles | None, arranged: Callable[[Single], Single], units: Single
) -> Single:
    """Cells [P, K, N], times ``factors`` [P, K, tiles across] of their drivers, ``arranged`` behind lines
    [.., L, K, N], times ``units`` [L, tiles down, N]; tile by tile down, which takes little memory."""
    found, tiling = np.empty(0, np.float32), array.tiling
    for r in range(tiling.down):
        rows = slice(r * tiling.height, (r + 1) * tiling.height)
        part = cells[:, rows]
        if factors is not None:
            part = part * np.repeat(factors[:, rows], tiling.widths(), axis=2).astype(np.float32)
        lines = arranged(part)
        if r == 0:
            found = np.empty((*lines.shape[:-2], *cells.shape[1:]), np.float32)
        np.multiply(lines, units[:, r, None], out=found[..., rows, :])
    return found


def _frozen(sheet: MacroSheet, array: Array, units: Single) -> Frozen | None:
    """The cells behind each line, where noise lasts for a product."""
    if array.sigma is None and array.telegraph is None:
        return None
    still = np.zeros_like(array.actual)
    figures = (array.actual, *(still if noise is None else noise for noise in (array.sigma, array.telegraph)))
    drive = None if array.mismatch is None else array.mismatch.drive
    cells, sigma, telegraph = (_seen(array, figure, drive, partial(_behind, sheet), units) for figure in figures)
    signs = (1.0, -1.0) if sheet.scheme.subtracted else (1.0,)
    return Frozen(cells, sigma, telegraph, np.tile(np.array(signs, np.float32), len(cells) // len(signs)))


def _behind(sheet: MacroSheet, cells: Single) -> Single:
    """Cells [P, K, N] as those behind each line, [C, L, K, N]."""
    scheme, (slices, copies, polarities) = sheet.scheme, sheet.scheme.shape
    own = scheme.line_shape
    shape = (slices, own[1], copies // own[1], own[2], polarities // own[2], *cells.shape[1:])
    split = cells.reshape(shape).transpose(2, 4, 0, 1, 3, 5, 6)
    return split.reshape(-1, scheme.lines, *cells.shape[1:])


def _summed(tiling: Tiling, lines: Single) -> Doubles:
    """Sums over the rows of each tile down of [L, K, N]: [tiles down, L, N]."""
    starts = np.arange(tiling.down) * tiling.height
    sums: Doubles = np.add.reduceat(lines, starts, axis=1, dtype=np.float64)
    return sums.transpose(1, 0, 2)


def _column_sums(sheet: MacroSheet, tiling: Tiling, cells: Single) -> Doubles:
    """Siemens on each line of each tile down: [tiles down, L, N]."""
    return _summed(tiling, _lines(sheet, cells, 1))


def _constants(sheet: MacroSheet, siemens: Doubles) -> Doubles:
    """Pulse time in time constants of a line."""
    assert sheet.capacitance is not None
    return siemens * ((sheet.pulse_time or sheet.integration_time) / sheet.capacitance)


def _settled(sheet: MacroSheet, siemens: Doubles) -> Doubles:
    """Share of its final voltage that a line reaches."""
    return np.ones_like(siemens) if sheet.sensing == "voltage" else -np.expm1(-_constants(sheet, siemens))


def _saved(sheet: MacroSheet, siemens: Doubles) -> Doubles:
    """Siemens that, times the square of what a line shows, are the dissipation that its voltage saves."""
    if sheet.sensing == "voltage":
        return siemens
    a = np.maximum(_constants(sheet, siemens), np.finfo(np.float64).tiny)
    return np.asarray(siemens * (1 + np.expm1(-2 * a) / (2 * a)) / np.expm1(-a) ** 2)


def full_scale(sheet: MacroSheet, array: Array, sensed: Sensed, codes: Codes, signed: bool, groups: int) -> Doubles:
    """Signal at the converters' highest code, [tiles down, tiles across], by the datasheet's range policy.

    In steps of the device's levels or, sensing voltage or charge, in read voltages; ``groups`` tiles down of the read
    are one crossbar, with one range. ``codes`` [M, K] are input codes of the first batch, up to `SAMPLE` vectors.
    """
    policy, range_ = sheet.adc.range.policy, sheet.adc.range
    passes, tiling = sheet.passes(signed), array.tiling
    top = max(p.top for p in passes)
    largest = _largest(sheet, tiling, top, groups)
    if policy == "unit":
        return np.full_like(largest, sheet.adc.codes(sheet.signed_codes)[1])
    if policy == "fraction":
        return largest * range_.fraction
    if policy == "max":
        return largest
    if policy == "given":
        return np.full_like(largest, _given(sheet) * (top if sheet.dac.encoding == "amplitude" else 1))
    inputs = np.concatenate([applied(codes, p) for p in passes])
    lines = sensed.signals * _in_device_steps(sheet)[:, None, None].astype(np.float32)
    scale = largest.copy()
    for first, c in np.ndindex(-(-tiling.down // groups), tiling.across):
        columns = slice(c * tiling.width, (c + 1) * tiling.width)
        tile = range(first * groups, min((first + 1) * groups, tiling.down))
        rows = [slice(r * tiling.height, (r + 1) * tiling.height) for r in tile]
        shown = [np.abs(product(inputs[:, row], lines[:, row, columns])).ravel() for row in rows]
        signals = np.concatenate(shown)
        signals = signals[signals > 0]
        if signals.size:
            scale[tile.start : tile.stop, c] = np.percentile(signals, range_.percentile)
    return scale


def line_scale(sheet: MacroSheet, scale: Doubles) -> Doubles:
    """The full scale of each line in its own units, [tiles down, L, tiles across]."""
    if sheet.adc.range.policy == "unit":
        return np.repeat(scale[:, None], sheet.lines, axis=1)
    return scale[:, None] / _in_device_steps(sheet)[:, None]


def _in_device_steps(sheet: MacroSheet) -> Doubles:
    """Steps between the device's levels in one unit of each line, [L]; ones where signals are voltages."""
    step = steps(sheet)
    return np.asarray(step / sheet.device.step if sheet.sensing == "current" else np.ones_like(step))


def _given(sheet: MacroSheet) -> float:
    """The datasheet's full scale in units of the signal that one integration gives."""
    if sheet.adc.range.current is not None:
        return sheet.adc.range.current / (sheet.read_voltage * sheet.device.step)
    assert sheet.adc.range.voltage is not None
    return sheet.adc.range.voltage / sheet.read_voltage


def _largest(sheet: MacroSheet, tiling: Tiling, top: int, groups: int) -> Doubles:
    """The largest signal of a tile, all rows in use driven with ``top`` and all cells at the window's end."""
    device, pairwise = sheet.device, sheet.signed_codes
    copies = 1 if sheet.scheme.apart else sheet.scheme.copies
    fullest = np.maximum.reduceat(np.array(tiling.heights(), np.float64), np.arange(0, tiling.down, groups))
    heights = np.repeat(fullest, groups)[: tiling.down, None]
    if sheet.sensing == "current":
        cell = device.levels - 1 if pairwise else device.g_max / device.step
        signal = heights * cell * copies
    else:
        window = (device.g_max - device.g_min) / (device.g_max + device.g_min)
        siemens = heights * copies * (device.g_max + (device.g_min if pairwise else 0.0))
        signal = (window if pairwise else 1.0) * _settled(sheet, siemens)
    return np.repeat(top * signal, tiling.across, axis=1)
