"""Random numbers that depend on a seed and a place alone: 32-bit words by hashing, and normals made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled

_f32, _i32, _u32, _u64 = np.float32, np.int32, np.uint32, np.uint64
PAIRS = 8  # pairs of normals that are made together: those of a strip of 16 lines


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


@compiled()
def derived(seed: Any, place: Any) -> Any:
    """The seed of a place: splitmix64 [Steele 2014]."""
    x = _u64(seed + _u64(place + 1) * _GOLDEN)
    x = _u64((x ^ (x >> _u64(30))) * _MIX_A)
    x = _u64((x ^ (x >> _u64(27))) * _MIX_B)
    return _u64(x ^ (x >> _u64(31)))


@compiled()
def word(seed: Any, place: Any) -> Any:
    """32 well-mixed bits of a place. Products by `np.multiply`: ``*`` would widen them to 64 bits, and be slow."""
    x = _u32(_u32(seed & _u64(0xFFFFFFFF)) + np.multiply(_u32(place), _WEYL))
    return _hash(x, _u32(seed >> _u64(32)))


@compiled()
def _hash(x: Any, salt: Any) -> Any:
    """32 bits to 32 well-mixed bits."""
    x = np.multiply(_u32(x ^ (x >> _u32(16))), _HASH_A)
    x = _u32(x ^ salt)
    x = np.multiply(_u32(x ^ (x >> _u32(15))), _HASH_B)
    return _u32(x ^ (x >> _u32(16)))


@compiled()
def _cosine(turn: Any) -> Any:
    """Cosine of an angle in 2**-32 turns, a signed 32-bit integer."""
    u = _f32(0.25) - abs(_f32(turn) * _f32(2.0**-32))
    q = u * u
    p = _SIN[4]
    p = p * q + _SIN[3]
    p = p * q + _SIN[2]
    p = p * q + _SIN[1]
    return (p * q + _SIN[0]) * u


@compiled()
def _square(bits: Any) -> Any:
    """-2 ln u for u in (0, 1) made of the upper 24 of 32 random bits."""
    u = _f32(_i32(bits >> _u32(8))) + _f32(0.5)
    parts = np.float32(u).view(np.int32)
    s = np.int32((parts & _i32(0x7FFFFF)) | _i32(0x3F800000)).view(np.float32) - _f32(1.0)
    p = _LOG[8]
    p = p * s + _LOG[7]
    p = p * s + _LOG[6]
    p = p * s + _LOG[5]
    p = p * s + _LOG[4]
    p = p * s + _LOG[3]
    p = p * s + _LOG[2]
    p = p * s + _LOG[1]
    p = p * s + _LOG[0]
    ln = p * s + _f32(_i32(parts >> _i32(23)) - _i32(151)) * _f32(0.6931471805599453)
    return max(_f32(-2.0) * ln, _f32(0.0))


@compiled()
def add_normals(seed: Any, place: int, variances: Any, samples: Any, at: int) -> None:
    """Add to 16 ``samples`` from ``at`` on normals of the ``variances`` there [Box 1958].

    The two of a pair stand half a strip apart. Numbers depend on ``seed`` and ``place`` only, which counts strips.
    """
    low, high = _u32(seed & _u64(0xFFFFFFFF)), _u32(seed >> _u64(32))
    for i in range(PAIRS):
        x = _u32(low + np.multiply(_u32(place * PAIRS + i), _WEYL))
        square = _square(_hash(x, high))
        angle = _hash(_u32(x + _OTHER), _u32(~high))
        # one root serves for radius and spread
        samples[at + i] += np.sqrt(square * variances[at + i]) * _cosine(_i32(angle))
        quarter = _cosine(_i32(_u32(angle - _u32(0x40000000))))
        samples[at + PAIRS + i] += np.sqrt(square * variances[at + PAIRS + i]) * quarter
