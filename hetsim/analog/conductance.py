"""Conductances of cells: as programmed, as they age, and how noisily they read. Pure functions with keyed draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.device import DeviceSheet
from hetsim.keys import key as derive

Floats = NDArray[np.floating[Any]]


def generator(key: int, use: str) -> np.random.Generator:
    """A counter-based generator for one use of a 64-bit key."""
    return np.random.Generator(np.random.Philox(key=derive(key, use)))


@dataclass(frozen=True, slots=True)
class Cells:
    """Programmed cells, float32 arrays of one shape.

    ``target`` in siemens; ``deviation`` and ``exponent`` are standard normal: where each cell stands in the spread
    around its target and among drift exponents; ``stuck`` the conductance of cells that cannot be written, NaN
    elsewhere. A cell keeps its place in the spread as the spread changes with time.
    """

    target: NDArray[np.float32]
    deviation: NDArray[np.float32]
    exponent: NDArray[np.float32] | None
    stuck: NDArray[np.float32] | None


def program(device: DeviceSheet, target: Floats, key: int, stuck: Floats | None = None) -> Cells:
    """Cells after write-verify to ``target`` (siemens, any shape)."""
    goal = np.ascontiguousarray(target, dtype=np.float32)
    deviation = generator(key, "deviation").standard_normal(goal.shape, dtype=np.float32)
    exponent = None
    if device.drift is not None:
        exponent = generator(key, "exponent").standard_normal(goal.shape, dtype=np.float32)
    return Cells(goal, deviation, exponent, None if stuck is None else np.asarray(stuck, dtype=np.float32))


def pulses(device: DeviceSheet, shape: tuple[int, ...], key: int) -> NDArray[np.uint32]:
    """Write pulses that each cell takes: geometric with the datasheet's mean, see `Write.rounds`."""
    drawn = generator(key, "pulses").geometric(1 / device.write.pulses, shape)
    return drawn.astype(np.uint32)


def stuck(device: DeviceSheet, shape: tuple[int, ...], key: int) -> NDArray[np.float32] | None:
    """Conductances at which cells are stuck, NaN for those that can be written; None when there are none."""
    if device.stuck is None or device.stuck.rate == 0:
        return None
    numbers = generator(key, "stuck")
    failed = numbers.random(shape, dtype=np.float32) < device.stuck.rate
    where = {"off": 0.0, "on": 1.0}.get(device.stuck.at)
    place = numbers.random(shape, dtype=np.float32) if where is None else np.full(shape, where, np.float32)
    value = device.g_min + place * (device.g_max - device.g_min)
    return np.where(failed, value, np.nan).astype(np.float32) if failed.any() else None


def sigma(device: DeviceSheet, target: Floats, age: float) -> Floats:
    """Spread around the target in siemens, ``age`` seconds after programming.

    Without relaxation curves it is the programming error at any age; with them it is the total between the two
    curves around ``age``, linear in ln t, so that the two are never added up.
    """
    curves = device.relaxation
    if not curves:
        return device.programming.at(target)
    later = next((i for i, curve in enumerate(curves) if curve.time >= age), len(curves))
    if later == 0 or later == len(curves):
        return curves[min(later, len(curves) - 1)].sigma.at(target)
    a, b = curves[later - 1], curves[later]
    share = target.dtype.type(math.log(age / a.time) / math.log(b.time / a.time))
    return (1 - share) * a.sigma.at(target) + share * b.sigma.at(target)


def conductance(device: DeviceSheet, cells: Cells, age: float) -> NDArray[np.float32]:
    """Conductances in siemens, ``age`` seconds after programming; never negative."""
    age = max(age, device.reference_age)
    actual = np.maximum(cells.target + sigma(device, cells.target, age) * cells.deviation, 0)
    if device.drift is not None and cells.exponent is not None and age > device.drift.time:
        mean, deviation = device.drift.mean.at(cells.target), device.drift.deviation.at(cells.target)
        nu = np.maximum(mean + deviation * cells.exponent, 0)
        actual = actual * np.exp(-nu * np.float32(math.log(age / device.drift.time)))
    if cells.stuck is not None:
        actual = np.where(np.isnan(cells.stuck), actual, cells.stuck)
    return actual.astype(np.float32, copy=False)


def read_sigma(device: DeviceSheet, actual: Floats, age: float) -> Floats:
    """Standard deviation of one read in siemens, of cells whose conductance is ``actual``."""
    noise = device.read_noise
    if noise is None:
        return np.zeros_like(actual)
    sigma = noise.relative.at(actual) * actual
    if noise.time_constant is None:
        return sigma
    age = max(age, device.reference_age, noise.time_constant)
    grown = math.sqrt(math.log((age + noise.time_constant) / (2 * noise.time_constant)))
    return sigma * sigma.dtype.type(grown)
