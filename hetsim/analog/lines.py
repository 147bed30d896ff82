"""Sensed lines: conductances laid out in blocks as the compiled read wants them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.mapping import Tiling

LINE = 64  # bytes of a cache line, and of the longest vectors of processors
LANES = LINE // 4  # lines of a strip: singles of a vector
BLOCK = 4 * LANES  # lines that are read together
MIDDLE = 1 << 15  # what is taken off the squares of 8-bit inputs, so that they fit 16 bits
GROUP = 6  # rows whose bits select a partial sum
_LOST = 10_000  # what rounding may add to a variance, its inverse
_LENT = 64  # sets of arrays that are kept, as to make them takes as long as a read of a few vectors
DEPTH = 8  # groups whose tables of partial sums are kept together: 32 KiB

Single = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Lines(NamedTuple):
    """The lines of all tiles in blocks of B, ``blocks`` of them side by side.

    ``signals`` [tiles down, blocks, rows, B], float32 or int16: what a row adds to a line for each input unit;
    ``variances`` likewise, float32 or uint16, of the noise of one read. Whole numbers that are multiplied with input
    levels stand in pairs of rows, int16 [tiles down, blocks, rows / 2, B, 2]; of such variances ``lift`` int32 [tiles
    down, blocks, B] is the sum of a line's times `MIDDLE`, which the squares of inputs lack. Of all converters
    [tiles down, blocks, B]:
    ``inverse_lsb`` float32, codes per unit of signal; ``deviation`` float32, codes per root of a unit of variance;
    ``offset`` float32, in codes, plus the half that makes truncating rounding; ``bow`` float32, in codes; ``gain``
    float64, output per code; ``power`` float64, weight of squared signals.

    Cells [tiles down, blocks, rows, C, B] float32 for noise that is frozen for a product: ``cells``, the signal of
    each of the C cells behind a line, its ``sigma``, and the amplitude of its ``telegraph`` noise; ``signs`` [C],
    how each counts. ``bows`` like signals, of drivers whose levels are bowed, see `hetsim.analog.sensing.Sensed`.
    ``shares`` float64 [L]: what each of the L lines of an output, which stand B/L apart, counts in it. What is not
    wanted has no rows, or no lines.
    """

    signals: NDArray[Any]
    variances: NDArray[Any]
    inverse_lsb: Single
    deviation: Single
    offset: Single
    bow: Single
    gain: Doubles
    power: Doubles
    cells: Single
    sigma: Single
    telegraph: Single
    signs: Single
    bows: Single
    shares: Doubles
    lift: NDArray[np.int32]


class Layout:
    """Where the lines of a tiled matrix stand: blocks of about `BLOCK`, the L lines of an output in one block.

    A block is whole strips of `LANES` lines. Blocks run over the edges of tiles side by side: their lines are read
    alike.
    """

    def __init__(self, tiling: Tiling, shares: Sequence[float]) -> None:
        self.tiling, self.first, self.shares = tiling, shares[0], np.array(shares) / shares[0]
        lines = len(shares)
        unit = LANES // gcd(LANES, lines)  # outputs of whole strips
        most = max(unit, BLOCK // lines // unit * unit)
        self.count = -(-tiling.columns // most)
        self.apart = -(-tiling.columns // (self.count * unit)) * unit  # outputs of a block, padded
        self.width = self.apart * lines
        self.rows = -(-tiling.tallest // GROUP) * GROUP
        starts = [min(b * self.apart, tiling.columns) for b in range(self.count + 1)]
        # number, first output and number of outputs of each block: int64 [blocks, 3]
        self.blocks = np.array([(b, starts[b], starts[b + 1] - starts[b]) for b in range(self.count)], np.int64)

    def lines(
        self,
        signals: Single,
        lsb: Doubles,
        gain: Doubles,
        *,
        variances: Single | None = None,
        power: Doubles | None = None,
        offset: Single | None = None,
        bow: Single | None = None,
        cells: Single | None = None,
        sigma: Single | None = None,
        telegraph: Single | None = None,
        signs: Sequence[float] = (1.0,),
        bows: Single | None = None,
        whole: bool = False,
        fixed: bool = False,
        level: int = 0,
    ) -> Lines:
        """Lay out figures of rows, [L, rows, columns], and of lines at the tiles down, [tiles down, L, columns].

        ``lsb``: signal of a code; ``gain``: output per unit of signal; cells are [C, L, rows, columns]. ``whole``
        signals are whole numbers but for rounding, and are added up as such if their sums fit. ``fixed``: variances are
        added up in units of a 65535th of those of all a line's rows at a tile, or of a 32767th when multiplied with
        input levels; signals then are whole numbers of steps that are lost in their noise, where there are such.
        ``level``: the largest of the levels, 0 for pulses.
        """
        inverse_lsb = self._columns((1 / lsb).astype(np.float32))
        rows = self._rows(signals), self._rows(variances)
        adding, spreads, units, lift = self._held(*rows, whole, fixed, level, power is None)
        half = np.float32(0.5) + (np.zeros(gain.shape, np.float32) if offset is None else offset)
        return Lines(
            adding,
            spreads,
            inverse_lsb * units[0],
            inverse_lsb * units[1],
            self._columns(half),
            self._columns(bow, np.float32),
            self._columns(lsb * gain * self.first),
            self._columns(power, np.float64),
            self._cells(cells, len(signs)),
            self._cells(sigma, len(signs)),
            self._cells(telegraph, len(signs)),
            np.array(signs, np.float32),
            self._rows(bows),
            self.shares,
            lift,
        )

    def _held(
        self, signals: Single, variances: Single, whole: bool, fixed: bool, level: int, rounded: bool
    ) -> tuple[NDArray[Any], NDArray[Any], tuple[Single | np.float32, Single | np.float32], NDArray[np.int32]]:
        """Figures of rows as they are added up, the units of signals and of the roots of variances, and the lift of the
        latter; see `lines`. ``rounded``: whether signals may be in steps."""
        units: list[Single | np.float32] = [np.float32(1.0), np.float32(1.0)]
        adding: NDArray[Any] = signals
        spreads: NDArray[Any] = variances
        lift = np.zeros((self.tiling.down, self.count, 0), np.int32)
        even = self.tiling.down == 1 or self.tiling.height % 2 == 0  # a pair of rows is of one tile
        noisy = fixed and spreads.shape[2] > 0
        if whole:
            adding = _whole(adding, level if even else 0) if level else _whole(adding)
        elif noisy and level and even and rounded:
            adding, units[0] = _rounded(adding, spreads, level)
        if noisy and (even and level**2 < 2 * MIDDLE if level else self.width % (2 * LANES) == 0):
            spreads, units[1] = _fixed(spreads, np.int16 if level else np.uint16)
            if level:
                lift = (spreads.sum(axis=2, dtype=np.int32) * MIDDLE).astype(np.int32)
        if level:
            adding, spreads = _multiplied(adding), _multiplied(spreads)
        return adding, spreads, (units[0], units[1]), lift

    def _columns(self, values: NDArray[Any] | None, dtype: Any = None) -> NDArray[Any]:
        """Figures of lines as [tiles down, blocks, B]; without lines for None."""
        if values is None:
            return np.zeros((self.tiling.down, self.count, 0), dtype)
        placed = np.zeros((len(values), self.count, len(self.shares), self.apart), dtype or values.dtype)
        for block, start, count in self.blocks:
            placed[:, block, :, :count] = values[:, :, start : start + count]
        return placed.reshape(len(values), self.count, self.width)

    def _rows(self, lines: Single | None) -> Single:
        """Figures of each row in each line as [tiles down, blocks, rows, B]; without rows for None."""
        tiling = self.tiling
        if lines is None:
            return np.zeros((tiling.down, self.count, 0, self.width), np.float32)
        placed: Single = aligned((tiling.down, self.count, self.rows, self.width), np.float32)
        split = placed.reshape(tiling.down, self.count, self.rows, len(self.shares), self.apart)
        for r, height in enumerate(tiling.heights()):
            top = r * tiling.height
            for block, start, count in self.blocks:
                part = split[r, block]
                part[height:], part[:height, :, count:] = 0, 0
                part[:height, :, :count] = lines[:, top : top + height, start : start + count].transpose(1, 0, 2)
        return placed

    def _cells(self, cells: Single | None, count: int) -> Single:
        """Figures of each cell behind a line as [tiles down, blocks, rows, C, B]; without rows for None."""
        if cells is None:
            return np.zeros((self.tiling.down, self.count, 0, count, self.width), np.float32)
        return np.ascontiguousarray(np.stack([self._rows(part) for part in cells], axis=3))


def _whole(signals: Single, level: int | None = None) -> NDArray[Any]:
    """Signals [.., rows, B] as int16, if they are whole numbers whose sums over rows fit: 16 bits, or times a
    ``level`` 32 bits."""
    rounded, short = np.rint(signals), np.iinfo(np.int16).max
    most = np.abs(rounded).sum(axis=-2, dtype=np.float64).max(initial=0)
    if level is None:
        fits = most <= short and signals.shape[-1] % (2 * LANES) == 0
    else:
        fits = level > 0 and most * level <= np.iinfo(np.int32).max and np.abs(rounded).max(initial=0) <= short
    if not fits or np.abs(signals - rounded).max(initial=0) > 0.01:
        return signals
    whole = aligned(signals.shape, np.int16)
    whole[...] = rounded
    return np.asarray(whole)


def _rounded(signals: Single, variances: Single, level: int) -> tuple[NDArray[Any], Single | np.float32]:
    """Signals [.., rows, B] as int16 whose sums over rows, times a ``level``, fit 32 bits, and their unit [.., B], if
    rounding adds less than a `_LOST`-th to the variance of each line; else as they are, and one."""
    size, rows = np.abs(signals), signals.shape[-2]
    short, long = np.iinfo(np.int16).max, np.iinfo(np.int32).max - rows * level  # each may round up
    unit = np.maximum(size.max(axis=-2) / short, size.sum(axis=-2, dtype=np.float64) * level / long)
    noise = variances.sum(axis=-2, dtype=np.float64)
    if (rows * unit**2 / 12 > noise / _LOST).any():
        return signals, np.float32(1.0)
    unit = np.where(unit > 0, unit, 1.0).astype(np.float32)
    return _in_units(signals, unit, np.int16), unit


def _fixed(variances: Single, dtype: Any) -> tuple[NDArray[Any], Single]:
    """Variances [.., rows, B] as whole numbers whose sums over rows fit, and the root of their unit [.., B]."""
    rows = variances.shape[-2]
    unit = variances.sum(axis=-2, dtype=np.float64) / (np.iinfo(dtype).max - rows)  # each may round up by a half
    unit = np.where(unit > 0, unit, 1.0)
    return _in_units(variances, unit.astype(np.float32), dtype), np.sqrt(unit).astype(np.float32)


def _in_units(figures: Single, unit: Single, dtype: Any) -> NDArray[Any]:
    """Figures [.., rows, B] as whole numbers of a ``unit`` [.., B]."""
    whole = aligned(figures.shape, dtype)
    for tile, given, own in zip(whole, figures, unit, strict=True):
        tile[...] = np.rint(given / own[..., None, :])
    return whole


def _multiplied(rows: NDArray[Any]) -> NDArray[Any]:
    """Figures [.., rows, B] as they are multiplied with levels: those of int16 in pairs, [.., rows / 2, B, 2]."""
    if rows.dtype != np.int16:
        return rows
    down, count, tall, width = rows.shape
    pairs = aligned((down, count, tall // 2, width, 2), np.int16)
    pairs[...] = rows.reshape(down, count, tall // 2, 2, width).swapaxes(3, 4)
    return pairs


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array that starts on a cache line: vectors that straddle two lines take twice as long to load."""
    return Room().lent((shape, dtype))[0]


class Room(threading.local):
    """Scratch memory, each thread's own, that is kept: to give it back to the system and to get it anew takes as long
    as a small read."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._lent: dict[Any, tuple[NDArray[Any], ...]] = {}

    def lent(self, *wanted: tuple[tuple[int, ...], Any]) -> tuple[NDArray[Any], ...]:
        """Arrays of shapes and types, each starting on a cache line; those lent before are no longer to be used."""
        found = self._lent.get(wanted)
        if found is None:
            if len(self._lent) == _LENT:
                self._lent.clear()
            self._lent[wanted] = found = self._made(wanted)
        return found

    def _made(self, wanted: Sequence[tuple[tuple[int, ...], Any]]) -> tuple[NDArray[Any], ...]:
        sizes = [prod(shape) * np.dtype(dtype).itemsize for shape, dtype in wanted]
        full = sum(sizes) + LINE * len(sizes)
        if self._memory.size < full:
            self._memory = np.empty(full, np.uint8)
            self._lent.clear()  # which would keep the memory of before
        raw, found = self._memory, list[NDArray[Any]]()
        at = -raw.__array_interface__["data"][0] % LINE
        for (shape, dtype), size in zip(wanted, sizes, strict=True):
            found.append(np.ndarray(shape, dtype, raw, at))
            at += -(-size // LINE) * LINE
        return tuple(found)
