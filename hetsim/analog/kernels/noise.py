"""Random numbers that depend on a seed and a place alone: 32-bit words by hashing, and normals made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled, inlined
from hetsim.analog.kernels.memory import read_words, store, write, write_words
from hetsim.analog.kernels.strips import as_single, bits_of, chosen, from_bits, lanes, most, root, spread, spread_whole
from hetsim.analog.lines import LANES, LINE

_f32, _u32, _u64 = np.float32, np.uint32, np.uint64


def _fit(function: Callable[[Any], Any], low: float, high: float, degree: int) -> tuple[np.float32, ...]:
    """Coefficients, lowest first, of a polynomial through the Chebyshev nodes of an interval."""
    found = np.polynomial.Chebyshev.interpolate(function, degree, [low, high])
    return tuple(_f32(c) for c in found.convert(kind=np.polynomial.Polynomial).coef)


# -2 ln(1 + s) / s on the mantissa's range; cosine and sine over the angle as polynomials in its square, up to an
# eighth of a turn: all to a few millionths, far below what a sample of noise could show
_LOG = _fit(lambda s: -2 * np.log1p(s) / s, 0.0, 1.0, 6)
_COS = _fit(lambda q: np.cos(np.sqrt(q)), 0.0, (np.pi / 4) ** 2, 3)
_SIN = _fit(lambda q: np.sin(np.sqrt(q)) / np.sqrt(q), 0.0, (np.pi / 4) ** 2, 2)
_LN4 = _f32(2 * np.log(2))
_EIGHTH = _f32(np.pi / 2 * 2.0**-32)  # a quarter of a turn, from -1/8 to 1/8, in 2**-32

_GOLDEN = _u64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = _u64(0xBF58476D1CE4E5B9), _u64(0x94D049BB133111EB)
_WEYL, _HASH_A, _HASH_B, _HASH_C = _u32(0x9E3779B9), _u32(0x7FEB352D), _u32(0x846CA68B), _u32(0xC2B2AE35)
_MANTISSA, _ONE, _SIGN = _u32(0x7FFFFF), _u32(0x3F800000), _u32(0x80000000)


@inlined()
def derived(seed: Any, place: Any) -> Any:
    """The seed of a place: splitmix64 [Steele 2014]."""
    x = _u64(seed + _u64(place + 1) * _GOLDEN)
    x = _u64((x ^ (x >> _u64(30))) * _MIX_A)
    x = _u64((x ^ (x >> _u64(27))) * _MIX_B)
    return _u64(x ^ (x >> _u64(31)))


@inlined()
def words(seed: Any, place: int) -> tuple[Any, Any]:
    """Twice sixteen random words of 32 bits, of which the upper ones are the best mixed.

    They depend on ``seed`` and ``place`` only: places are counted on by Weyl's sequence, and hashed.
    """
    counter = lanes() + spread_whole(_u32(place * LANES))
    x = spread_whole(_u32(seed & _u64(0xFFFFFFFF))) + counter * spread_whole(_WEYL)
    x = (x ^ (x >> spread_whole(_u32(16)))) * spread_whole(_HASH_A)
    x = x ^ spread_whole(_u32(seed >> _u64(32)))
    return (
        (x ^ (x >> spread_whole(_u32(15)))) * spread_whole(_HASH_B),
        (x ^ (x >> spread_whole(_u32(13)))) * spread_whole(_HASH_C),
    )


@inlined()
def _square(word: Any) -> Any:
    """-2 ln u for u in (0, 1) made of the upper 24 of 32 random bits."""
    bits = bits_of(as_single(word >> spread_whole(_u32(8))) + spread(_f32(0.5)))
    s = from_bits((bits & spread_whole(_MANTISSA)) | spread_whole(_ONE)) - spread(_f32(1.0))
    p = spread(_LOG[6]) * s + spread(_LOG[5])
    p = p * s + spread(_LOG[4])
    p = p * s + spread(_LOG[3])
    p = p * s + spread(_LOG[2])
    p = p * s + spread(_LOG[1])
    p = p * s + spread(_LOG[0])
    exponent = as_single((bits >> spread_whole(_u32(23))) - spread_whole(_u32(151)))
    return most(p * s - exponent * spread(_LN4), spread(_f32(0.0)))


@inlined()
def _direction(word: Any) -> tuple[Any, Any]:
    """A point of the unit circle: 30 bits say where in a quarter, one its side, and one swaps the coordinates."""
    x = as_single(word << spread_whole(_u32(2))) * spread(_EIGHTH)
    q = x * x
    c = ((spread(_COS[3]) * q + spread(_COS[2])) * q + spread(_COS[1])) * q + spread(_COS[0])
    s = ((spread(_SIN[2]) * q + spread(_SIN[1])) * q + spread(_SIN[0])) * x
    c = from_bits(bits_of(c) ^ (word & spread_whole(_SIGN)))
    swap = word << spread_whole(_u32(1))
    return chosen(swap, s, c), chosen(swap, c, s)


@inlined()
def pair(seed: Any, place: int) -> tuple[Any, Any, Any]:
    """What makes two strips of normals [Box 1958]: the square of their radius, and the two coordinates of a direction.

    They depend on ``seed`` and ``place`` only. One root serves for radius and spread: sqrt(square * variance).
    """
    first, second = words(seed, place)
    x, y = _direction(second)
    return _square(first), x, y


@inlined()
def draw(seed: Any, pairs: int, room: int) -> None:
    """`pair` at the first so many places, written to the address ``room``: the squares, then all coordinates in turn.

    Step by step for all of them: a processor does not look far enough ahead to begin with a pair while it waits for
    the one before.
    """
    points = room + LINE * pairs
    for place in range(pairs):
        first, second = words(seed, place)
        write_words(first, room + LINE * place)
        write_words(second, points + 2 * LINE * place)
    for place in range(pairs):
        write(_square(read_words(room + LINE * place)), room + LINE * place)
    for place in range(pairs):
        x, y = _direction(read_words(points + 2 * LINE * place))
        write(x, points + 2 * LINE * place)
        write(y, points + 2 * LINE * place + LINE)


@compiled()
def normals(seed: Any, out: Any) -> None:
    """Fill ``out`` float32 [n, k], k a multiple of 16, with standard normals: row i by the ``i``-th seed derived."""
    strips = out.shape[1] // LANES
    for i in range(out.shape[0]):
        for place in range(0, strips, 2):
            square, x, y = pair(derived(seed, i), place >> 1)
            at, radius = i * out.shape[1] + place * LANES, root(square)
            store(radius * x, out, at)
            if place + 1 < strips:
                store(radius * y, out, at + LANES)
