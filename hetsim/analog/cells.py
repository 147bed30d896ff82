"""Cells: what programming makes of targets, which cells are faulty, and how long they live; all drawn from keys."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.device import DeviceSheet
from hetsim.analog.tilewear import Counts
from hetsim.analog.verify import write_verify
from hetsim.keys import key as derive

Floats = NDArray[np.floating[Any]]
Singles = NDArray[np.float32]
_DRAWN = 1 << 20  # numbers that are drawn together, in 64 bits


def generator(key: int, use: str) -> np.random.Generator:
    """A counter-based generator for one use of a 64-bit key."""
    return np.random.Generator(np.random.Philox(key=derive(key, use)))


@dataclass(frozen=True, slots=True)
class Cells:
    """Programmed cells, arrays of one shape.

    ``target`` in siemens; ``deviation`` and ``exponent`` are standard normal: where each cell stands in the spread
    around its target and among drift exponents; ``stuck`` the conductance of cells that cannot be written, NaN
    elsewhere. A cell keeps its place in the spread as the spread changes with time.

    ``pulses`` are those that programming took. Of cells that were brought to their place by single pulses, ``reached``
    is where they came to, and ``failures`` how many of them were not accepted there; ``factor`` scales the response of
    each cell to a pulse. ``born`` is when a cell was last written, in seconds after the first writing of all, for
    cells that were updated since.
    """

    target: Singles
    deviation: Singles
    exponent: Singles | None
    stuck: Singles | None
    pulses: Counts | None = None
    reached: Singles | None = None
    factor: Singles | None = None
    born: Singles | None = None
    failures: int = 0

    def part(self, rows: slice) -> Cells:
        """The cells of some rows: of arrays [P, K, N] those along K."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        cut: dict[str, Any] = {name: v[:, rows] for name, v in values.items() if isinstance(v, np.ndarray)}
        return replace(self, **cut)


def program(
    device: DeviceSheet, target: Floats, key: int, stuck: Floats | None = None, bits: int | None = None
) -> Cells:
    """Cells after write-verify to ``target`` (siemens, any shape), read back with ``bits`` by the chip's converter.

    Raises ValueError for targets that are no conductances, and for stuck cells that are none or not as many.
    """
    goal = np.ascontiguousarray(target, dtype=np.float32)
    if not (np.isfinite(goal).all() and (goal >= 0).all()):
        raise ValueError("target conductances must be finite and not negative")
    faults = None if stuck is None else np.asarray(stuck, dtype=np.float32)
    if faults is not None and faults.shape != goal.shape:
        raise ValueError(f"stuck cells are given in the shape {faults.shape}, the cells have {goal.shape}")
    if faults is not None and not (np.isnan(faults) | ((faults >= 0) & (faults < np.inf))).all():
        raise ValueError("conductances of stuck cells must be finite and not negative, or NaN for healthy cells")
    deviation = generator(key, "deviation").standard_normal(goal.shape, dtype=np.float32)
    exponent = None
    if device.drift is not None:
        exponent = generator(key, "exponent").standard_normal(goal.shape, dtype=np.float32)
    factor = _factor(device, goal.shape, key)
    if device.pulsed is None:
        return Cells(goal, deviation, exponent, faults, pulses(device, goal.shape, key), None, factor)
    done = write_verify(device, device.pulsed, goal, factor, generator(key, "write"), bits)
    return Cells(goal, deviation, exponent, faults, done.pulses, done.reached, factor, None, done.failures)


def _factor(device: DeviceSheet, shape: tuple[int, ...], key: int) -> Singles | None:
    """Each cell's own factor of its response to a pulse; None where all are alike."""
    response = device.update or (device.pulsed.response if device.pulsed is not None else None)
    if response is None or response.device == 0:
        return None
    drawn = generator(key, "response").standard_normal(shape, dtype=np.float32)
    factor: Singles = np.exp(np.float32(response.device) * drawn)
    return factor


def pulses(device: DeviceSheet, shape: tuple[int, ...], key: int) -> Counts:
    """Write pulses that each cell takes: geometric with the datasheet's mean, see `Write.rounds`.

    Raises ValueError for a device whose pulses are simulated: they are those of its `Cells`.
    """
    if device.pulsed is not None:
        raise ValueError("the pulses of this device are simulated: take those of its programmed cells")
    numbers, found = generator(key, "pulses"), np.empty(math.prod(shape), np.uint32)
    for first in range(0, found.size, _DRAWN):
        part = found[first : first + _DRAWN]
        part[:] = numbers.geometric(1 / device.write.pulses, part.size)
    small = found.size == 0 or found.max() <= np.iinfo(np.uint16).max
    counts: Counts = found.astype(np.uint16) if small else found
    return counts.reshape(shape)


def stuck(device: DeviceSheet, shape: tuple[int, ...], key: int, tile: int | None = None) -> Singles | None:
    """Conductances at which cells are stuck, NaN for those that can be written; None when there are none.

    ``shape`` ends in rows and columns; ``tile`` is the number by which the datasheet's table calls these cells.
    """
    faults = device.stuck
    if faults is None:
        return None
    numbers = generator(key, "stuck")
    failed = numbers.random(shape, dtype=np.float32) < faults.rate
    found = np.where(failed, _place(device, faults.at, shape, numbers), np.nan).astype(np.float32)
    if faults.dead_rows or faults.dead_columns:
        lines = generator(key, "lines")
        found[..., lines.random(shape[-2]) < faults.dead_rows, :] = 0
        found[..., lines.random(shape[-1]) < faults.dead_columns] = 0
    ends = {"off": device.g_min, "on": device.g_max, "open": 0.0}
    for cell in faults.table:
        if cell.tile != tile:
            continue
        if cell.row >= shape[-2] or cell.column >= shape[-1]:
            raise ValueError(f"stuck cell in row {cell.row}, column {cell.column}: tiles are {shape[-2]} x {shape[-1]}")
        found[..., cell.row, cell.column] = ends[cell.at]
    return None if np.isnan(found).all() else found


def _place(device: DeviceSheet, at: str, shape: tuple[int, ...], numbers: np.random.Generator) -> Floats:
    """Where stuck cells lie, in siemens."""
    where = {"off": 0.0, "on": 1.0}.get(at)
    place = numbers.random(shape, dtype=np.float32) if where is None else np.full(shape, where, np.float32)
    return device.g_min + place * (device.g_max - device.g_min)


def worn(device: DeviceSheet, shape: tuple[int, ...], key: int) -> tuple[Floats, Singles] | None:
    """Write pulses that each cell lives, and where it is stuck from then on; None for cells that do not wear out."""
    failure = device.failure
    if failure is None or device.endurance is None:
        return None
    numbers = generator(key, "endurance")
    if failure.law == "weibull":
        lives = device.endurance * numbers.weibull(failure.shape, shape)
    else:
        lives = device.endurance * numbers.lognormal(0.0, failure.shape, shape)
    return lives, _place(device, failure.at, shape, numbers).astype(np.float32)


def written(device: DeviceSheet, cells: Cells) -> Singles:
    """Conductances in siemens right after writing, before relaxation and drift; those of stuck cells as if healthy."""
    if cells.reached is not None:
        return cells.reached
    error = np.float32(0) if device.programming is None else device.programming.at(cells.target)
    return np.asarray(np.maximum(cells.target + error * cells.deviation, 0), np.float32)
