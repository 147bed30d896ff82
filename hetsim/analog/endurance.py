"""Endurance: when the first of many cells wears out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog.device import DeviceSheet

YEAR = 31_557_600.0  # seconds


def survival(device: DeviceSheet, pulses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the share of cells that outlive so many write pulses.

    A step at the endurance where the datasheet gives no distribution; no failure at all where it gives no endurance.
    """
    if device.endurance is None:
        return np.zeros_like(pulses)
    share = pulses / device.endurance
    failure = device.failure
    if failure is None:
        return np.where(share >= 1, -np.inf, 0.0)
    if failure.law == "weibull":
        return np.asarray(-(share**failure.shape))
    width = failure.shape * math.sqrt(2)
    failed = [math.erfc(-math.log(s) / width) / 2 if s > 0 else 0.0 for s in share.ravel().tolist()]
    with np.errstate(divide="ignore"):
        return np.asarray(np.log1p(-np.array(failed)).reshape(share.shape))


def first_failure(device: DeviceSheet, pulses: ArrayLike, counts: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Time until the first of all cells has failed on a share of all chips, for each of ``shares``.

    ``pulses`` are what cells get in a unit of time, of each kind of cell of which there are ``counts``; the answer is
    in such units, infinite where nothing fails. Cells fail independently: the logarithms of their survival add up.
    """
    rates = np.asarray(pulses, np.float64)
    cells = np.asarray(counts, np.float64)
    wanted = np.log1p(-np.asarray(shares, np.float64))
    if device.endurance is None or not (rates > 0).any():
        return np.full(wanted.shape, np.inf)
    cells, rates = cells[rates > 0], rates[rates > 0]

    def alive(times: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return np.asarray((survival(device, times[..., None] * rates) * cells).sum(axis=-1))

    unit = device.endurance / float(rates.max())
    low, high = np.full(wanted.shape, 1e-30 * unit), np.full(wanted.shape, 1e6 * unit)
    for _ in range(80):  # bisection in the logarithm of time
        middle = np.sqrt(low * high)
        before = alive(middle) > wanted
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return np.asarray(np.sqrt(low * high))


def lifetime(device: DeviceSheet, pulses: NDArray[Any], seconds: float) -> dict[str, float]:
    """Years to the first failure when cells go on getting ``pulses`` (any shape) every ``seconds``.

    The median over chips, and the years that 95 % of chips outlive; empty where nothing was written or nothing fails.
    """
    if device.endurance is None or seconds <= 0 or not pulses.any():
        return {}
    kinds, counts = np.unique(pulses, return_counts=True)
    early, median = first_failure(device, kinds, counts, [0.05, 0.5]) * seconds / YEAR
    return {"first_failure_years": float(median), "first_failure_years_95_percent": float(early)}
