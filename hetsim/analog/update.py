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
from hetsim.keys import key as derive

Scheme = Literal["parallel", "row_serial"]
Counts = NDArray[np.uint32]
Few = NDArray[np.uint8]
Doubles = NDArray[np.float64]

LONGEST = 32  # pulses of a train: a bit each
_SAMPLES = 64  # whose trains are drawn together


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update took: ``pulses`` [2, K, N] of each cell, ``seconds``, and ``joules`` of all pulses."""

    pulses: Counts
    seconds: float
    joules: float


def misfit(shape: tuple[int, int, int], device: DeviceSheet) -> str:
    """Why cells that hold a weight in this shape (slices, copies, polarities) cannot be updated, or nothing."""
    if shape != (1, 1, 2):
        return "updates in place are known for pairs of one cell each"
    if device.update is None:
        return "the device has no update: its response to single pulses is not known"
    if device.relaxation:
        return "how cells relax after single pulses is not known: update a device without relaxation curves"
    return ""


def pulse_weight(crossbar: Crossbar) -> float:
    """How much a weight changes, in its own units, when both cells of its pair get a pulse in mid-window.

    Raises ValueError for a device that has no response to single pulses, or whose cells relax after each.
    """
    response = _response(crossbar)
    siemens = sum(s.step * (1 - s.saturation / 2) for s in (response.up, response.down) if s is not None)
    return siemens / _unit(crossbar) * crossbar.scale


def outer(
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
    """Add ``rate`` times the outer products of ``x`` [B, K] and ``d`` [B, N] to the stored weights, at ``time``
    seconds, one sample after the other; of vectors [K] and [N] the one outer product.

    ``parallel``: rows and columns send random trains of ``length`` pulses at once, and a cell is pulsed where two
    coincide, so that it gets ``rate |x| |d|`` on average [Gokmen 2016]. ``row_serial``: row after row, each cell gets
    its own number of pulses, at most ``length``, rounded at random. A pair takes a pulse up on one cell and down on
    the other, where the device has pulses down, else a pulse up on one. How much a pulse changes is `Response`; the
    target, which mode ``ideal`` reads, takes the exact change.

    Raises ValueError for numbers that are not finite, and as `pulse_weight` does.
    """
    rows, columns = (np.atleast_2d(np.asarray(side, np.float64)) for side in (x, d))
    samples = len(rows)
    if rows.shape != (samples, crossbar.tiling.rows) or columns.shape != (samples, crossbar.tiling.columns):
        raise ValueError(f"vectors of {crossbar.codes.shape} are expected, found {rows.shape} and {columns.shape}")
    if not (np.isfinite(rows).all() and np.isfinite(columns).all() and math.isfinite(rate)):
        raise ValueError("an update needs finite numbers")
    if not 1 <= length <= LONGEST:
        raise ValueError(f"a train has 1 to {LONGEST} pulses, found {length}")
    strength = abs(rate) / pulse_weight(crossbar)
    numbers = conductance.generator(key, "update")
    count = _coincidences if scheme == "parallel" else _rounded
    parts = [slice(i, i + _SAMPLES) for i in range(0, samples, _SAMPLES)]
    counts = np.concatenate([count(rows[part], columns[part], strength, length, numbers) for part in parts])
    signed = columns if rate >= 0 else -columns
    pulses = _pulsed(crossbar, counts, rows, signed, rate * product(rows.T, columns), time, key)
    device = crossbar.sheet.device
    # one polarity after the other
    slots = 2.0 * length * samples
    if scheme == "row_serial":
        slots = sum(_slowest(crossbar, c, np.outer(r, s) > 0) for c, r, s in zip(counts, rows, signed, strict=True))
    joules = float(pulses.sum(dtype=np.float64)) * device.write.energy
    return Updated(pulses, slots * device.write.time, joules)


def _response(crossbar: Crossbar) -> Response:
    device = crossbar.sheet.device
    if why := misfit(crossbar.sheet.scheme.shape, device):
        raise ValueError(why)
    assert device.update is not None
    return device.update


def _unit(crossbar: Crossbar) -> float:
    """Siemens between the cells of a pair for each code."""
    device = crossbar.sheet.device
    return (device.g_max - device.g_min) / crossbar.sheet.scheme.tops[0]


def _coincidences(rows: Doubles, columns: Doubles, strength: float, length: int, numbers: np.random.Generator) -> Few:
    """Coincidences [B, K, N] of random pulse trains, ``strength |x| |d|`` on average; the longest rows and columns of
    a sample send as many pulses."""
    tall, wide = (abs(each).max(axis=1, keepdims=True) for each in (rows, columns))
    each = math.sqrt(strength / length)
    with np.errstate(divide="ignore", invalid="ignore"):
        balance = np.nan_to_num(np.sqrt(wide / tall), posinf=0.0)
        odds = abs(rows) * each * balance, abs(columns) * each * np.nan_to_num(1 / balance, posinf=0.0)
    trains = [_bits(numbers.random((len(p), length, p.shape[1])) < p[:, None]) for p in odds]
    return np.asarray(np.bitwise_count(trains[0][:, :, None] & trains[1][:, None, :]))


def _bits(trains: NDArray[np.bool_]) -> Counts:
    """Trains [B, length, n] as the bits of numbers [B, n]."""
    worth = np.left_shift(np.uint32(1), np.arange(trains.shape[1], dtype=np.uint32))
    return np.asarray(np.einsum("bln,l->bn", trains, worth, dtype=np.uint32, casting="unsafe"))


def _rounded(rows: Doubles, columns: Doubles, strength: float, length: int, numbers: np.random.Generator) -> Few:
    """Pulses [B, K, N], ``strength |x| |d|`` rounded at random so that the mean is exact, at most ``length``."""
    wanted = strength * abs(rows)[:, :, None] * abs(columns)[:, None, :]
    return np.minimum(np.floor(wanted + numbers.random(wanted.shape)), length).astype(np.uint8)


def _pulsed(
    crossbar: Crossbar, counts: Few, rows: Doubles, columns: Doubles, change: Doubles, time: float, key: int
) -> Counts:
    """Pulse the cells, and return how many pulses each has got; ``change`` [K, N] of the weights is what was meant."""
    from hetsim.analog.kernels.updates import pulse_cells

    device, cells, response = crossbar.sheet.device, crossbar.cells, _response(crossbar)
    window = (device.g_min, device.g_max)
    now = np.clip(crossbar.conductances(time), *(response.bounds or window)).astype(np.float32)
    factor = np.empty((0, 0, 0), np.float32) if cells.factor is None else cells.factor
    pulses = np.zeros(now.shape, np.uint32)
    seed = np.uint64(derive(key, "cycles"))
    pulse_cells(counts, rows, columns, response.law(window), factor, seed, now, pulses)
    siemens = change / crossbar.scale * _unit(crossbar)
    if response.down is None:
        exact = np.stack([np.maximum(siemens, 0), np.maximum(-siemens, 0)])
    else:
        exact = np.stack([siemens / 2, -siemens / 2])
    touched, born = pulses > 0, cells.born
    if device.drift is not None or device.retention is not None:
        old = np.zeros(pulses.shape, np.float32) if born is None else born
        born = np.where(touched, np.float32(time - crossbar.time), old)
    crossbar.pulses = crossbar.pulses + pulses
    crossbar.cells = replace(
        cells,
        target=np.clip(cells.target + exact, *window).astype(np.float32),
        reached=np.where(touched, now, conductance.written(device, cells)),
        pulses=crossbar.pulses,
        born=born,
    )
    return pulses


def _slowest(crossbar: Crossbar, counts: Few, rises: NDArray[np.bool_]) -> float:
    """Pulse times of a sample until the slowest tile is done, when each row waits for its slowest cell, up and then
    down."""
    place, none = crossbar.tiling.place, np.zeros_like(counts)
    ups, downs = np.where(rises, counts, 0), np.where(rises, 0, counts)
    ways = [(ups, downs), (downs, ups)]
    if _response(crossbar).down is None:
        ways = [(ups, downs), (none, none)]
    rows = sum(place(np.stack(way)).max(axis=2).astype(np.float64) for way in ways)
    return float(np.max(np.sum(rows, axis=1)))
