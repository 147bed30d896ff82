"""Conductances of cells as they age, and how noisily they read. Pure functions with keyed draws.

What programming makes of targets is in `cells`; its names can be had from here too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from hetsim.analog.cells import Cells, Floats, Singles, generator, program, pulses, stuck, worn, written
from hetsim.analog.device import DeviceSheet, Relaxation
from hetsim.analog.noise import ROOM, Correlation

__all__ = [
    "Cells", "conductance", "frozen_sigma", "generator", "perturbed", "program", "pulses", "read_sigma", "sampled",
    "sigma", "stuck", "telegraph", "worn", "written",
]  # fmt: skip


def sigma(device: DeviceSheet, target: Floats, age: float | Floats) -> Floats:
    """Spread around the target in siemens, ``age`` seconds after programming, one for all or one for each.

    Without relaxation curves it is the programming error at any age; with them it is the total between the two
    curves around ``age``, linear in ln t, so that the two are never added up. Only what relaxation is said to add is
    added, as a variance.
    """
    curves = device.relaxation
    written = np.zeros_like(target) if device.programming is None else device.programming.at(target)
    if not curves:
        return written
    found = np.zeros_like(target)
    for curve, share in _shares(curves, age, target.dtype):
        found = found + share * curve.sigma.at(target)
    return np.sqrt(written**2 + found**2) if curves[0].adds else found


def _shares(
    curves: tuple[Relaxation, ...], age: float | Floats, dtype: np.dtype[Any]
) -> Iterator[tuple[Relaxation, Any]]:
    """The relaxation curves that count at an age, and how much: they add up to 1, linear in ln t."""
    times = np.log([curve.time for curve in curves])
    place = np.log(np.maximum(age, curves[0].time))
    for i, curve in enumerate(curves):
        share = np.interp(place, times, np.eye(len(curves))[i])
        if np.any(share):
            yield curve, np.asarray(share, dtype)[()]


def conductance(
    device: DeviceSheet, cells: Cells, age: float, temperature: float | None = None, reads: float | Floats = 0.0
) -> Singles:
    """Conductances in siemens, ``age`` seconds after programming; never negative.

    ``temperature`` in kelvin (default: that at which the laws were measured); ``reads`` at full voltage that each
    cell has had, in a shape that broadcasts.
    """
    since: float | Floats = age if cells.born is None else np.maximum(np.float32(age) - cells.born, 0)
    aged = np.maximum(since * device.acceleration(temperature), device.reference_age)[()]
    actual = np.maximum(_relaxed(device, cells, aged), 0)
    if device.drift is not None and cells.exponent is not None:
        level = cells.target if cells.reached is None else cells.reached
        mean, deviation = device.drift.mean.at(level), device.drift.deviation.at(level)
        nu = np.maximum(mean + deviation * cells.exponent, 0)
        actual = actual * np.exp(-nu * np.asarray(np.log(aged / device.drift.time), np.float32))
    if device.retention is not None:
        actual = _retained(device, actual, since, temperature)
    if device.disturb is not None:
        gone = -np.expm1(-np.asarray(reads, np.float32) / np.float32(device.disturb.reads))
        actual = actual + (np.float32(_end(device, device.disturb.towards)) - actual) * gone
    if cells.stuck is not None:
        actual = np.where(np.isnan(cells.stuck), actual, cells.stuck)
    return actual.astype(np.float32, copy=False)


def _relaxed(device: DeviceSheet, cells: Cells, aged: float | Floats) -> Floats:
    """Cells in their spread: around the target, or around where pulses left a cell that relaxation does not cover."""
    centre: Floats = cells.target
    if cells.reached is not None:
        if not device.relaxation or device.relaxation[0].adds or device.pulsed is None:
            centre = cells.reached
        else:  # the published total holds for cells that were accepted
            close = np.abs(cells.reached - cells.target) <= np.float32(device.pulsed.tolerance)
            centre = np.where(close, cells.target, cells.reached)
        if not device.relaxation:
            return centre
    spread = sigma(device, cells.target, aged)
    for curve, share in _shares(device.relaxation, aged, centre.dtype) if device.relaxation else ():
        if curve.mean is not None:
            centre = centre + share * curve.mean.at(cells.target)
    return centre + spread * cells.deviation


def _retained(device: DeviceSheet, actual: Floats, since: float | Floats, temperature: float | None) -> Floats:
    """Cells that go back towards an end of the window."""
    law = device.retention
    assert law is not None, "only for devices with a retention law"
    hot = 1.0 if law.activation is None else law.activation.acceleration(temperature)
    kept = np.exp(-np.asarray((np.maximum(since, 0) * hot / law.tau) ** law.shape, np.float32))
    end = np.float32(_end(device, law.towards))
    return end + (actual - end) * kept


def _end(device: DeviceSheet, name: str) -> float:
    return device.g_min if name == "off" else device.g_max


def read_sigma(
    device: DeviceSheet, actual: Floats, age: float, cells: Cells | None = None, temperature: float | None = None
) -> Floats:
    """Standard deviation in siemens of one sample, of cells whose conductance is ``actual``: white noise only.

    The share of noise is that of the conductance to which ``cells`` were programmed (default: ``actual`` itself): it
    stays as they drift [Nandakumar 2019].
    """
    found = _sigma_of(device, actual, age, cells, "sample")
    if device.thermal is None:
        return found
    return np.sqrt(found**2 + device.thermal.variance(actual, ROOM if temperature is None else temperature))


def frozen_sigma(device: DeviceSheet, actual: Floats, age: float, cells: Cells | None = None) -> Floats:
    """Standard deviation in siemens of what stays as it is over all samples of an MVM, telegraph noise apart."""
    return _sigma_of(device, actual, age, cells, "mvm")


def _sigma_of(device: DeviceSheet, actual: Floats, age: float, cells: Cells | None, correlation: Correlation) -> Floats:
    """Gaussian read noise of one correlation time, in siemens."""
    noise, flicker = device.read_noise, device.flicker
    found = np.zeros_like(actual)
    if noise is not None and noise.correlation == correlation:
        level = actual if cells is None or noise.relative.constant else written(device, cells)
        found = noise.relative.at(level) * actual
        if noise.time_constant is not None:
            age = max(age, device.reference_age, noise.time_constant)
            grown = math.sqrt(math.log((age + noise.time_constant) / (2 * noise.time_constant)))
            found = found * found.dtype.type(grown)
    if flicker is not None and flicker.correlation == correlation:
        found = np.hypot(found, actual.dtype.type(flicker.relative) * actual)
    return found


def telegraph(device: DeviceSheet, actual: Floats, key: int) -> Floats:
    """Siemens by which each cell switches to either side of ``actual``, 0 for quiet cells; ``key`` is the tile's.

    Denoising after a write stills its share of the cells.
    """
    noise = device.telegraph
    if noise is None:
        return np.zeros_like(actual)
    numbers = generator(key, "telegraph")
    share = noise.share * (device.write.denoising.remaining if device.write.denoising is not None else 1.0)
    noisy = numbers.random(actual.shape, dtype=np.float32) < share
    size = noise.relative.at(actual) * actual
    if noise.spread:
        size = size * np.exp(np.float32(noise.spread) * numbers.standard_normal(actual.shape, dtype=np.float32))
    return np.where(noisy, np.minimum(size, actual), 0).astype(actual.dtype, copy=False)


def perturbed(
    device: DeviceSheet, actual: Singles, age: float, key: int, tile: int = 0, cells: Cells | None = None
) -> Singles:
    """Conductances for one read of vectors together: what lasts for an inference is drawn from ``key``.

    ``tile`` is the key of the cells, by which the same ones switch in every read; see `telegraph`.
    """
    if not device.noisy("inference"):
        return actual
    numbers = generator(key, "inference")
    spread = _sigma_of(device, actual, age, cells, "inference")
    read = actual + spread * numbers.standard_normal(actual.shape, dtype=np.float32)
    if device.telegraph is not None and device.telegraph.correlation == "inference":
        up = numbers.random(actual.shape, dtype=np.float32) < 0.5
        amplitude = telegraph(device, actual, tile)
        read = read + np.where(up, amplitude, -amplitude)
    return np.maximum(read, 0).astype(np.float32, copy=False)


def sampled(
    device: DeviceSheet,
    actual: Floats,
    age: float,
    key: int,
    tile: int = 0,
    cells: Cells | None = None,
    temperature: float | None = None,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """One sample of each cell alone, in siemens: with noise of every duration, not cut off at zero; see `perturbed`."""
    numbers = generator(key, "read back")
    kinds: tuple[Correlation, ...] = ("mvm", "inference")
    slow = [_sigma_of(device, actual, age, cells, kind) for kind in kinds]
    spread = np.sqrt(read_sigma(device, actual, age, cells, temperature) ** 2 + slow[0] ** 2 + slow[1] ** 2)
    read = actual.astype(np.float64) + spread * numbers.standard_normal(actual.shape)
    if device.telegraph is None:
        return read
    return read + telegraph(device, actual, tile) * np.where(numbers.random(actual.shape) < 0.5, 1, -1)
