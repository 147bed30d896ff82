"""Write-verify, pulse by pulse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.device import DeviceSheet, WriteVerify

Singles = NDArray[np.float32]

_BLOCK = 1 << 15  # cells that are pulsed together: they stay in the cache


@dataclass(frozen=True, slots=True)
class Verified:
    """Cells after write-verify: siemens ``reached``, ``pulses`` of each, and how many were never accepted."""

    reached: Singles
    pulses: NDArray[np.uint32]
    failures: int


def write_verify(
    device: DeviceSheet,
    pulsed: WriteVerify,
    target: Singles,
    factor: Singles | None,
    numbers: np.random.Generator,
    bits: int | None = None,
) -> Verified:
    """Bring cells to ``target`` siemens, any shape, with single pulses; ``factor`` is each cell's own step.

    ``bits`` are those of the chip's converter, for a datasheet that names none. Cells that are not accepted yet are
    pulsed together; what is drawn depends only on the generator and on the targets.
    """
    goal = target.ravel()
    own = None if factor is None else factor.ravel()
    reached = np.full_like(goal, (pulsed.response.bounds or (device.g_min, device.g_max))[0])
    pulses = np.ones(goal.shape, np.uint32)  # the erase pulse
    failures = 0
    for first in range(0, goal.size, _BLOCK):
        part = slice(first, first + _BLOCK)
        factors = None if own is None else own[part]
        failures += _approach(device, pulsed, goal[part], factors, reached[part], pulses[part], numbers, bits)
    return Verified(reached.reshape(target.shape), pulses.reshape(target.shape), failures)


def _approach(
    device: DeviceSheet,
    pulsed: WriteVerify,
    goal: Singles,
    own: Singles | None,
    reached: Singles,
    pulses: NDArray[np.uint32],
    numbers: np.random.Generator,
    bits: int | None,
) -> int:
    """Pulse cells that were erased until they are accepted, in place; returns how many never are.

    What is left of them is kept together, so that a round costs as much as there are cells in it.
    """
    window = (device.g_min, device.g_max)
    active, now = np.arange(goal.size), reached.copy()
    factor: Singles | float = 1.0 if own is None else own
    for spent in range(1, pulsed.max_pulses + 1):
        error = goal - _read(device, pulsed.bits or bits, now, numbers)
        missed = np.abs(error) > np.float32(pulsed.tolerance)
        if spent == pulsed.max_pulses or not missed.all():
            done = ~missed if spent < pulsed.max_pulses else np.ones_like(missed)
            reached[active[done]], pulses[active[done]] = now[done], spent
            if spent == pulsed.max_pulses:
                return int(missed.sum())
            active, now, goal, error = active[missed], now[missed], goal[missed], error[missed]
            factor = 1.0 if own is None else own[active]
        if not active.size:
            return 0
        normals = numbers.standard_normal(active.size, dtype=np.float32)
        now = pulsed.response.after(now, error > 0, factor, normals, window)
    return 0


def _read(device: DeviceSheet, bits: int | None, g: Singles, numbers: np.random.Generator) -> Singles:
    """What a verify read says of cells in siemens."""
    read = g
    if device.read_noise is not None:
        read = read * (1 + device.read_noise.relative.at(g) * numbers.standard_normal(g.size, dtype=np.float32))
    if bits is not None:
        lsb = np.float32((device.g_max - device.g_min) / (2**bits - 1))
        read = np.float32(device.g_min) + np.rint((read - np.float32(device.g_min)) / lsb) * lsb
    return read.astype(np.float32, copy=False)
