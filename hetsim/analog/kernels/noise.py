"""Random numbers that depend on a seed and a place alone: 32-bit words by hashing, and normals made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import inlined
from hetsim.analog.kernels.strips import (
    as_single, bits_of, from_bits, lanes, magnitude, most, spread, spread_whole,
)  # fmt: skip
from hetsim.analog.lines import LANES

_f32, _u32, _u64 = np.float32, np.uint32, np.uint64


def _fit(function: Callable[[Any], Any], low: float, high: float, degree: int) -> tuple[np.float32, ...]:
    """Coefficients, lowest first, of a polynomial through the Chebyshev nodes of an interval."""
    found = np.polynomial.Chebyshev.interpolate(function, degree, [low, high])
    return tuple(_f32(c) for c in found.convert(kind=np.polynomial.Polynomial).coef)


# ln(1 + s) / s on the mantissa's range, and sin(2 pi u) / u as a polynomial in u**2 up to a quarter turn: both to
# about 1e-6, far below what a sample of noise could show
_LOG = _fit(lambda s: np.log1p(s) / s, 0.0, 1.0, 8)
_SIN = _fit(lambda q: np.sin(2 * np.pi * np.sqrt(q)) / np.sqrt(q), 0.0, 0.0625, 4)

_LN2 = _f32(0.6931471805599453)

_GOLDEN = _u64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = _u64(0xBF58476D1CE4E5B9), _u64(0x94D049BB133111EB)
_WEYL, _HASH_A, _HASH_B, _OTHER = _u32(0x9E3779B9), _u32(0x7FEB352D), _u32(0x846CA68B), _u32(0x68E31DA4)
_MANTISSA, _ONE, _QUARTER = _u32(0x7FFFFF), _u32(0x3F800000), _u32(0x40000000)


@inlined()
def derived(seed: Any, place: Any) -> Any:
    """The seed of a place: splitmix64 [Steele 2014]."""
    x = _u64(seed + _u64(place + 1) * _GOLDEN)
    x = _u64((x ^ (x >> _u64(30))) * _MIX_A)
    x = _u64((x ^ (x >> _u64(27))) * _MIX_B)
    return _u64(x ^ (x >> _u64(31)))


@inlined()
def words(seed: Any, place: int) -> Any:
    """Sixteen times 32 well-mixed bits, that depend on ``seed`` and ``place`` only."""
    return _hashed(_numbered(seed, place), _u32(seed >> _u64(32)))


@inlined()
def _numbered(seed: Any, place: int) -> Any:
    """The lanes' places, counted on from a seed by Weyl's sequence."""
    counter = lanes() + spread_whole(_u32(place * LANES))
    return spread_whole(_u32(seed & _u64(0xFFFFFFFF))) + counter * spread_whole(_WEYL)


@inlined()
def _hashed(x: Any, salt: Any) -> Any:
    """32 bits to 32 well-mixed bits in each lane."""
    x = (x ^ (x >> spread_whole(_u32(16)))) * spread_whole(_HASH_A)
    x = x ^ spread_whole(salt)
    x = (x ^ (x >> spread_whole(_u32(15)))) * spread_whole(_HASH_B)
    return x ^ (x >> spread_whole(_u32(16)))


@inlined()
def _cosine(turn: Any) -> Any:
    """Cosine of angles in 2**-32 turns, signed 32-bit integers."""
    u = spread(_f32(0.25)) - magnitude(as_single(turn) * spread(_f32(2.0**-32)))
    q = u * u
    p = spread(_SIN[4])
    p = p * q + spread(_SIN[3])
    p = p * q + spread(_SIN[2])
    p = p * q + spread(_SIN[1])
    return (p * q + spread(_SIN[0])) * u


@inlined()
def _square(bits: Any) -> Any:
    """-2 ln u for u in (0, 1) made of the upper 24 of 32 random bits."""
    u = as_single(bits >> spread_whole(_u32(8))) + spread(_f32(0.5))
    parts = bits_of(u)
    s = from_bits((parts & spread_whole(_MANTISSA)) | spread_whole(_ONE)) - spread(_f32(1.0))
    p = spread(_LOG[8])
    p = p * s + spread(_LOG[7])
    p = p * s + spread(_LOG[6])
    p = p * s + spread(_LOG[5])
    p = p * s + spread(_LOG[4])
    p = p * s + spread(_LOG[3])
    p = p * s + spread(_LOG[2])
    p = p * s + spread(_LOG[1])
    p = p * s + spread(_LOG[0])
    exponent = as_single(parts >> spread_whole(_u32(23))) - spread(_f32(151.0))
    return most((p * s + exponent * spread(_LN2)) * spread(_f32(-2.0)), spread(_f32(0.0)))


@inlined()
def pair(seed: Any, place: int) -> tuple[Any, Any, Any]:
    """What makes two strips of normals [Box 1958]: the square of their radius, and cosine and sine of their angle.

    They depend on ``seed`` and ``place`` only. One root serves for radius and spread: sqrt(square * variance).
    """
    x, high = _numbered(seed, place), _u32(seed >> _u64(32))
    angle = _hashed(x + spread_whole(_OTHER), _u32(~high))
    return _square(_hashed(x, high)), _cosine(angle), _cosine(angle - spread_whole(_QUARTER))
