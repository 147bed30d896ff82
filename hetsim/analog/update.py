"""Updates in place: training pulses the cells that hold the weights, open loop, without verifying."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog import conductance
from hetsim.analog.crossbar import Crossbar
from hetsim.analog.device import DeviceSheet, Response
from hetsim.formats import product

Scheme = Literal["parallel", "row_serial"]
Counts = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update took: ``pulses`` [2, K, N] of each cell, ``seconds``, and ``joules`` of all pulses."""

    pulses: Counts
    seconds: float
    joules: float


def pulse_weight(crossbar: Crossbar) -> float:
    """How much a weight changes, in its own units, when both cells of its pair get a pulse in mid-window.

    Raises ValueError for a device that has no response to single pulses, or whose cells relax after each.
    """
    response = _response(crossbar.sheet.device)
    siemens = sum(s.step * (1 - s.saturation / 2) for s in (response.up, response.down) if s is not None)
    return siemens / crossbar.sheet.device.step * crossbar.scale


def rank_one(
    crossbar: Crossbar,
    x: ArrayLike,
    d: ArrayLike,
    rate: float,
    time: float,
    key: int,
    *,
    scheme: Scheme = "parallel",
    length: int = 31,
) -> Updated:
    """Add ``rate`` times the outer product of ``x`` [K] and ``d`` [N] to the stored weights, at ``time`` seconds.

    ``parallel``: rows and columns send random trains of ``length`` pulses at once, and a cell is pulsed where two
    coincide, so that it gets ``rate |x| |d|`` on average [Gokmen 2016]. ``row_serial``: row after row, each cell gets
    its own number of pulses, at most ``length``, rounded at random. A pair takes a pulse up on one cell and down on
    the other, where the device has pulses down, else a pulse up on one. How much a pulse changes is `Response`; the
    target, which mode ``ideal`` reads, takes the exact change.

    Raises ValueError for numbers that are not finite, and as `pulse_weight` does.
    """
    rows, columns = np.asarray(x, np.float64), np.asarray(d, np.float64)
    if rows.shape != (crossbar.tiling.rows,) or columns.shape != (crossbar.tiling.columns,):
        raise ValueError(f"vectors of {crossbar.codes.shape} are expected, found {rows.shape} and {columns.shape}")
    if not (np.isfinite(rows).all() and np.isfinite(columns).all() and math.isfinite(rate)):
        raise ValueError("an update needs finite numbers")
    if crossbar.sheet.scheme.shape != (1, 1, 2) or crossbar.sheet.scheme.encoding != "differential":
        raise ValueError("updates in place are known for differential pairs of one cell each")
    device = crossbar.sheet.device
    unit = pulse_weight(crossbar)
    numbers = conductance.generator(key, "update")
    count = _coincidences if scheme == "parallel" else _rounded
    wanted = rate * np.outer(rows, columns)
    response, siemens = _response(device), wanted / crossbar.scale * device.step
    pulses, up = _of_pairs(count(rows, columns, abs(rate) / unit, length, numbers), wanted > 0, response)
    if response.down is None:
        exact = np.stack([np.maximum(siemens, 0), np.maximum(-siemens, 0)])
    else:
        exact = np.stack([siemens / 2, -siemens / 2])
    _apply(crossbar, pulses, up, exact, time, numbers)
    # one polarity after the other
    slots = 2.0 * length if scheme == "parallel" else _slowest(crossbar, pulses, up)
    joules = float(pulses.sum(dtype=np.float64)) * device.write.energy
    return Updated(pulses, slots * device.write.time, joules)


def _response(device: DeviceSheet) -> Response:
    if device.update is None:
        raise ValueError("the device has no update: its response to single pulses is not known")
    if device.relaxation:
        raise ValueError("how cells relax after single pulses is not known: update a device without relaxation curves")
    return device.update


def _coincidences(
    rows: NDArray[np.float64], columns: NDArray[np.float64], strength: float, length: int, numbers: np.random.Generator
) -> Counts:
    """Coincidences of random pulse trains, ``strength |x| |d|`` on average; the longest rows and columns send as
    many pulses."""
    tall, wide = float(abs(rows).max()), float(abs(columns).max())
    if tall == 0 or wide == 0 or strength == 0:
        return np.zeros((len(rows), len(columns)), np.uint32)
    each = math.sqrt(strength / length)
    odds = [abs(rows) * each * math.sqrt(wide / tall), abs(columns) * each * math.sqrt(tall / wide)]
    trains = [(numbers.random((length, p.size)) < p).astype(np.float32) for p in odds]
    counts: Counts = np.rint(product(trains[0].T, trains[1])).astype(np.uint32)
    return counts


def _rounded(
    rows: NDArray[np.float64], columns: NDArray[np.float64], strength: float, length: int, numbers: np.random.Generator
) -> Counts:
    """Pulses for each cell, ``strength |x| |d|`` rounded at random so that the mean is exact, at most ``length``."""
    wanted = strength * np.outer(abs(rows), abs(columns))
    return np.minimum(np.floor(wanted + numbers.random(wanted.shape)), length).astype(np.uint32)


def _of_pairs(counts: Counts, rises: NDArray[np.bool_], response: Response) -> tuple[Counts, NDArray[np.bool_]]:
    """Pulses [2, K, N] of the cells of each pair, and which of them go up."""
    if response.down is None:
        counted = np.stack([np.where(rises, counts, 0), np.where(rises, 0, counts)]).astype(np.uint32)
        return counted, np.ones(counted.shape, np.bool_)
    return np.stack([counts, counts]), np.stack([rises, ~rises])


def _apply(
    crossbar: Crossbar,
    pulses: Counts,
    up: NDArray[np.bool_],
    exact: NDArray[np.float64],
    time: float,
    numbers: np.random.Generator,
) -> None:
    """Pulse the cells one pulse after the other; ``exact`` [2, K, N] siemens is the change that was meant."""
    device, cells = crossbar.sheet.device, crossbar.cells
    response, window = _response(device), (device.g_min, device.g_max)
    flat, rising = pulses.ravel(), up.ravel()
    now = np.clip(crossbar.conductances(time), *(response.bounds or window)).astype(np.float32).ravel()
    factor = None if cells.factor is None else cells.factor.ravel()
    for k in range(int(flat.max(initial=0))):
        active = np.flatnonzero(flat > k)
        own = 1.0 if factor is None else factor[active]
        normals = numbers.standard_normal(active.size, dtype=np.float32)
        now[active] = response.after(now[active], rising[active], own, normals, window)
    touched = pulses > 0
    born = cells.born
    if device.drift is not None or device.retention is not None:
        old = np.zeros(pulses.shape, np.float32) if born is None else born
        born = np.where(touched, np.float32(time - crossbar.time), old)
    crossbar.pulses = crossbar.pulses + pulses
    crossbar.cells = replace(
        cells,
        target=np.clip(cells.target + exact, *window).astype(np.float32),
        reached=np.where(touched, now.reshape(pulses.shape), conductance.written(device, cells)),
        pulses=crossbar.pulses,
        born=born,
    )


def _slowest(crossbar: Crossbar, pulses: Counts, up: NDArray[np.bool_]) -> float:
    """Pulse times until the slowest tile is done, when each row waits for its slowest cell, up and then down."""
    parts = [crossbar.tiling.place(np.where(way, pulses, 0)) for way in (up, ~up)]
    rows = sum(part.max(axis=2).astype(np.float64) for part in parts)
    return float(np.max(np.sum(rows, axis=1)))
