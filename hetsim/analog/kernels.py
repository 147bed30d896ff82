"""The compiled loops of a crossbar read; the only module here that imports Numba, and is itself imported late.

Sums are float32. Every number depends on its vector, tile, pass and column alone, so that results are the same for
any number of threads and any split of a batch. Bits of four neighbouring inputs select one of the 16 partial sums
of their rows that `hetsim.analog.lines` has laid out, which takes the place of four multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from hetsim.analog.lines import BLOCK

F = TypeVar("F", bound=Callable[..., Any])

_f32, _i32, _u32, _u64 = np.float32, np.int32, np.uint32, np.uint64
VECTORS = 8  # vectors that a work item takes through a block of columns together


def _compiled(**options: Any) -> Callable[[F], F]:
    return cast("Callable[[F], F]", numba.njit(cache=True, fastmath={"contract", "nsz"}, **options))


def threads() -> int:
    """Threads that Numba is set to use (``NUMBA_NUM_THREADS``)."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def _fit(function: Callable[[Any], Any], low: float, high: float, degree: int) -> tuple[np.float32, ...]:
    """Coefficients, lowest first, of a polynomial through the Chebyshev nodes of an interval."""
    found = np.polynomial.Chebyshev.interpolate(function, degree, [low, high])
    return tuple(_f32(c) for c in found.convert(kind=np.polynomial.Polynomial).coef)


# ln(1 + s) / s on the mantissa's range, and sin(2 pi u) / u as a polynomial in u**2 up to a quarter turn: both to
# about 1e-6, far below what a sample of noise could show
_LOG = _fit(lambda s: np.log1p(s) / s, 0.0, 1.0, 8)
_SIN = _fit(lambda q: np.sin(2 * np.pi * np.sqrt(q)) / np.sqrt(q), 0.0, 0.0625, 4)

_GOLDEN = _u64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = _u64(0xBF58476D1CE4E5B9), _u64(0x94D049BB133111EB)
_WEYL, _HASH_A, _HASH_B, _OTHER = _u32(0x9E3779B9), _u32(0x7FEB352D), _u32(0x846CA68B), _u32(0x68E31DA4)


@_compiled()
def mix(x: Any) -> Any:
    """The finaliser of splitmix64: 64 bits to 64 well-mixed bits [Steele 2014]."""
    x = _u64((x ^ (x >> _u64(30))) * _MIX_A)
    x = _u64((x ^ (x >> _u64(27))) * _MIX_B)
    return _u64(x ^ (x >> _u64(31)))


@_compiled()
def _hash(x: Any, salt: Any) -> Any:
    """32 bits to 32 well-mixed bits. Products by `np.multiply`: ``*`` would widen them to 64 bits, and be slow."""
    x = np.multiply(_u32(x ^ (x >> _u32(16))), _HASH_A)
    x = _u32(x ^ salt)
    x = np.multiply(_u32(x ^ (x >> _u32(15))), _HASH_B)
    return _u32(x ^ (x >> _u32(16)))


@_compiled()
def _cosine(turn: Any) -> Any:
    """Cosine of an angle in 2**-32 turns, a signed 32-bit integer."""
    u = _f32(0.25) - abs(_f32(turn) * _f32(2.0**-32))
    q = u * u
    p = _SIN[4]
    p = p * q + _SIN[3]
    p = p * q + _SIN[2]
    p = p * q + _SIN[1]
    return (p * q + _SIN[0]) * u


@_compiled()
def _radius(word: Any) -> Any:
    """sqrt(-2 ln u) for u in (0, 1) made of the upper 24 of 32 random bits."""
    u = _f32(_i32(word >> _u32(8))) + _f32(0.5)
    bits = np.float32(u).view(np.int32)
    s = np.int32((bits & _i32(0x7FFFFF)) | _i32(0x3F800000)).view(np.float32) - _f32(1.0)
    p = _LOG[8]
    p = p * s + _LOG[7]
    p = p * s + _LOG[6]
    p = p * s + _LOG[5]
    p = p * s + _LOG[4]
    p = p * s + _LOG[3]
    p = p * s + _LOG[2]
    p = p * s + _LOG[1]
    p = p * s + _LOG[0]
    ln = p * s + _f32(_i32(bits >> _i32(23)) - _i32(151)) * _f32(0.6931471805599453)
    return np.sqrt(max(_f32(-2.0) * ln, _f32(0.0)))


@_compiled()
def normals(seed: Any, out: Any) -> None:
    """Fill ``out`` (float32, even length) with standard normals of a 64-bit seed [Box 1958].

    Half the length apart stand the two normals of a pair. Numbers depend on seed and position only.
    """
    half = out.shape[0] // 2
    low, high = _u32(seed & _u64(0xFFFFFFFF)), _u32(seed >> _u64(32))
    for i in range(half):
        x = _u32(low + np.multiply(_u32(i), _WEYL))
        radius = _radius(_hash(x, high))
        angle = _hash(_u32(x + _OTHER), _u32(~high))
        out[i] = radius * _cosine(_i32(angle))
        out[half + i] = radius * _cosine(_i32(_u32(angle - _u32(0x40000000))))


@_compiled()
def pack(values: Any, height: int, first: int, planes: int, nibbles: Any) -> None:
    """Bits of the positive values, four rows to a nibble.

    ``values`` int32 [M, K]; ``nibbles`` uint8 [tiles down, M x planes of a vector, groups]: bit p goes to a vector's
    plane ``first + p``.
    """
    groups, apart = nibbles.shape[2], nibbles.shape[1] // max(values.shape[0], 1)
    rows = np.empty(4 * groups, np.int32)
    for m in range(values.shape[0]):
        for r in range(nibbles.shape[0]):
            top, plane = r * height, m * apart + first
            count = min(height, values.shape[1] - top)
            rows[count:] = 0
            for k in range(count):
                rows[k] = max(values[m, top + k], _i32(0))
            for p in range(planes):
                for g in range(groups):
                    low = ((rows[4 * g] >> p) & 1) | (((rows[4 * g + 1] >> p) & 1) << 1)
                    high = ((rows[4 * g + 2] >> p) & 1) | (((rows[4 * g + 3] >> p) & 1) << 1)
                    nibbles[r, plane + p, g] = np.uint8(low | (high << 2))


@_compiled()
def _sum_planes(nibbles: Any, tables: Any, out: Any, used: Any) -> None:
    """Column sums of bit planes: ``nibbles`` [n, groups] to ``out`` [n, B]; ``used`` [n]: whether any bit was set.

    Four groups' ``tables`` [groups, 16, B] at a time stay in the cache for all planes.
    """
    out[:], used[:] = _f32(0.0), False
    for g in range(0, nibbles.shape[1], 4):
        for i in range(nibbles.shape[0]):
            a, b, c, d = nibbles[i, g], nibbles[i, g + 1], nibbles[i, g + 2], nibbles[i, g + 3]
            if not a | b | c | d:
                continue
            used[i] = True
            if out.shape[1] == BLOCK:  # a known length is unrolled, which gains a fifth
                for j in range(BLOCK):
                    left = tables[g, a, j] + tables[g + 1, b, j]
                    out[i, j] += left + (tables[g + 2, c, j] + tables[g + 3, d, j])
            else:
                for j in range(out.shape[1]):
                    left = tables[g, a, j] + tables[g + 1, b, j]
                    out[i, j] += left + (tables[g + 2, c, j] + tables[g + 3, d, j])


@_compiled(inline="always")
def _any(used: Any, begin: int, end: int) -> bool:
    found = False
    for i in range(begin, end):
        found |= used[i]
    return found


@_compiled(inline="always")
def _weigh(sums: Any, begin: int, end: int, base: Any, sign: Any, out: Any) -> None:
    """Add to ``out`` [B] the ``sums`` of planes ``begin`` to ``end``, the first worth ``sign``, each further one
    ``base`` times the one before."""
    worth = sign
    for i in range(begin, end):
        for j in range(out.shape[0]):
            out[j] += worth * sums[i, j]
        worth *= base


@_compiled()
def _square(sums: Any, begin: int, end: int, apart: int, power: Any) -> float:
    """Squares of the signals of pulses ``begin`` to ``end``, by how often each is integrated, weighted by the
    ``power`` [B] that they save; ``apart`` from them, where not zero, are pulses of the other polarity."""
    total = 0.0
    for i in range(begin, end):
        part = 0.0
        for j in range(power.shape[0]):
            other = sums[i + apart, j] if apart else _f32(0.0)
            part += power[j] * np.float64(sums[i, j] - other) ** 2
        total += part * 2.0 ** (i - begin)
    return total


@_compiled()
def _square_amplitude(sample: Any, bits: int, power: Any) -> float:
    """As `_square`, for the signal of one voltage out of ``2**bits``."""
    total = 0.0
    for j in range(power.shape[0]):
        total += power[j] * np.float64(sample[j]) ** 2
    return total / (2.0**bits - 1.0) ** 2


@_compiled(inline="always")
def _digitise(sample: Any, tile: Any, limits: Any, weight: Any, total: Any) -> int:
    """Round a sample [B] to codes, clip them and add ``weight`` times each to ``total``; returns how many clipped.

    Where the converters of the ``tile`` err, each adds its offset, and its bow times a parabola over either half.
    """
    inverse_lsb, _, offset, bow = tile
    low, high, clipped = limits[0], limits[1], _i32(0)
    if offset.shape[0] > 0:
        for j in range(sample.shape[0]):
            u = sample[j] * inverse_lsb[j]
            v = min(abs(u) / high, _f32(1.0))
            q = _f32(4.0) * v * (_f32(1.0) - v)
            code = np.floor(u + (offset[j] + (bow[j] * q if u >= 0 else -bow[j] * q)) + _f32(0.5))
            clipped += _i32(code < low) + _i32(code > high)
            total[j] += weight * np.float64(min(max(code, low), high))
        return int(clipped)
    for j in range(sample.shape[0]):
        code = np.floor(sample[j] * inverse_lsb[j] + _f32(0.5))
        clipped += _i32(code < low) + _i32(code > high)
        total[j] += weight * np.float64(min(max(code, low), high))
    return int(clipped)


@_compiled()
def _convert(
    sums: Any, spreads: Any, used: Any, planes: Any, drive: Any, tile: Any, seed: Any, scratch: Any
) -> tuple[int, float]:
    """All conversions of a vector at a ``tile`` (codes per signal, power, offset and bow [B]): their total is left in
    ``scratch``.

    ``planes``: rows of ``sums`` [n, B] and of their variances ``spreads``, none without noise, at which the vector's
    begin. Returns how many conversions clipped, and the squares of the signals weighted by the power that they save.
    """
    _, power, offset, _ = tile
    sample, variance, noise, total = scratch
    clipped, squares = 0, 0.0
    total[:] = 0.0
    for i in range(drive.passes.shape[0]):
        step = drive.passes[i]
        begin, end, other = planes[0] + step.begin, planes[0] + step.end, step.apart
        driven = _any(used, begin, end) or (other and _any(used, begin + other, end + other))
        if not driven and offset.shape[0] == 0:
            continue  # nothing driven: no current, no noise, code zero
        sample[:] = _f32(0.0)
        _weigh(sums, begin, end, _f32(2.0), _f32(1.0), sample)
        if other:
            _weigh(sums, begin + other, end + other, _f32(2.0), _f32(-1.0), sample)
        if power.shape[0] > 0 and drive.amplitude:
            squares += _square_amplitude(sample, end - begin, power)
        elif power.shape[0] > 0:
            squares += _square(sums, begin, end, other, power)
        if spreads.shape[0] > 0:
            variance[:] = _f32(0.0)
            begin, end, other = planes[1] + step.spread_begin, planes[1] + step.spread_end, step.spread_apart
            _weigh(spreads, begin, end, drive.base, _f32(1.0), variance)
            if other:
                _weigh(spreads, begin + other, end + other, drive.base, _f32(1.0), variance)
            normals(mix(seed + _u64(i + 1) * _GOLDEN), noise)
            for j in range(sample.shape[0]):
                sample[j] += np.sqrt(variance[j]) * noise[j]
        clipped += _digitise(sample, tile, drive.limits, step.weight, total)
    return clipped, squares


@_compiled()
def _fold(lines: Any, v: int, shares: Any, scale: Any, out: Any) -> None:
    """Add up the lines of each output, a B/L-th of ``lines`` [V, B] apart: ``out`` [V, outputs] float32."""
    apart = lines.shape[1] // shares.shape[0]
    for j in range(out.shape[1]):
        y = 0.0
        for k in range(shares.shape[0]):
            y += shares[k] * lines[v, k * apart + j]
        out[v, j] = _f32(scale * y)


@_compiled()
def _read_block(
    nibbles: Any, squares: Any, lines: Any, drive: Any, block: int, begin: int, scale: Any, seeds: Any, out: Any
) -> tuple[int, float]:
    """Take the vectors from ``begin`` on, one for each of ``seeds``, through a block of columns, over all tiles down;
    see `read`."""
    vectors, width, noisy = len(seeds), lines.tables.shape[4], lines.variances.shape[2] > 0
    planes, spread_planes = nibbles.shape[1] // len(scale), squares.shape[1] // len(scale) if noisy else 0
    sums, spreads = (
        np.empty((vectors * planes, width), np.float32),
        np.empty((vectors * spread_planes, width), np.float32),
    )
    used, ignored = np.empty(vectors * planes, np.bool_), np.empty(vectors * spread_planes, np.bool_)
    single = np.empty((3, width), np.float32)
    scratch = (single[0], single[1], single[2], np.empty(width, np.float64))
    output = np.zeros((vectors, width), np.float64)
    clipped, saved = 0, 0.0
    for r in range(nibbles.shape[0]):
        rows = nibbles[r, begin * planes : (begin + vectors) * planes]
        _sum_planes(rows, lines.tables[r, block], sums, used)
        if noisy:
            rows = squares[r, begin * spread_planes : (begin + vectors) * spread_planes]
            _sum_planes(rows, lines.variances[r, block], spreads, ignored)
        tile = (lines.inverse_lsb[r, block], lines.power[r, block], lines.offset[r, block], lines.bow[r, block])
        for v in range(vectors):
            seed = mix(seeds[v] + _u64(r * lines.tables.shape[1] + block + 1) * _GOLDEN)
            clips, square = _convert(sums, spreads, used, (v * planes, v * spread_planes), drive, tile, seed, scratch)
            clipped, saved = clipped + clips, saved + square
            for j in range(width):
                output[v, j] += lines.gain[r, block, j] * scratch[3][j]
    for v in range(vectors):
        _fold(output, v, lines.shares, scale[begin + v], out)
    return clipped, saved


@_compiled(nogil=True)
def read(
    nibbles: Any, squares: Any, lines: Any, drive: Any, blocks: Any, scale: Any, key: Any, first: int, out: Any
) -> tuple[int, float]:
    """Read blocks of a crossbar's columns: their part of ``out`` float32 [M, N] for the packed inputs of M vectors.

    ``nibbles``: see `pack`; ``squares`` likewise, of what weighs the variances. ``lines``: see
    `hetsim.analog.lines`, ``drive``: `hetsim.analog.drive`. ``blocks`` int64 [n, 3]: number of a block, its first
    output and its number of outputs. ``scale`` float64 [M]. ``key`` uint64 and ``first``, the index of the first
    vector, decide the noise. Returns how many conversions clipped, and the signals' squares weighted by
    ``lines.power``.
    """
    clipped, saved = 0, 0.0
    seeds = np.empty(VECTORS, np.uint64)
    for i in range(blocks.shape[0]):
        block, start, count = blocks[i, 0], blocks[i, 1], blocks[i, 2]
        for m in range(0, len(scale), VECTORS):
            vectors = min(VECTORS, len(scale) - m)
            for v in range(vectors):
                seeds[v] = mix(key + _u64(first + m + v + 1) * _GOLDEN)
            results = out[m : m + vectors, start : start + count]
            clips, square = _read_block(nibbles, squares, lines, drive, block, m, scale, seeds[:vectors], results)
            clipped, saved = clipped + clips, saved + square
    return clipped, saved
