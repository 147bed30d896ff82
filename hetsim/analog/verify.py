"""Write-verify, pulse by pulse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.device import DeviceSheet, WriteVerify

Singles = NDArray[np.float32]


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
    own = np.ones_like(goal) if factor is None else factor.ravel()
    reached = np.full_like(goal, (pulsed.response.bounds or (device.g_min, device.g_max))[0])
    pulses = np.ones(goal.shape, np.uint32)  # the erase pulse
    active = np.arange(goal.size)
    window = (device.g_min, device.g_max)
    for left in range(pulsed.max_pulses - 1, -1, -1):
        now = reached[active]
        error = goal[active] - _read(device, pulsed.bits or bits, now, numbers)
        missed = np.abs(error) > np.float32(pulsed.tolerance)
        active, now, error = active[missed], now[missed], error[missed]
        if not left or not active.size:
            break
        normals = numbers.standard_normal(active.size, dtype=np.float32)
        reached[active] = pulsed.response.after(now, error > 0, own[active], normals, window)
        pulses[active] += np.uint32(1)
    return Verified(reached.reshape(target.shape), pulses.reshape(target.shape), int(active.size))


def _read(device: DeviceSheet, bits: int | None, g: Singles, numbers: np.random.Generator) -> Singles:
    """What a verify read says of cells in siemens."""
    read = g
    if device.read_noise is not None:
        read = read * (1 + device.read_noise.relative.at(g) * numbers.standard_normal(g.size, dtype=np.float32))
    if bits is not None:
        lsb = np.float32((device.g_max - device.g_min) / (2**bits - 1))
        read = np.float32(device.g_min) + np.rint((read - np.float32(device.g_min)) / lsb) * lsb
    return read.astype(np.float32, copy=False)
