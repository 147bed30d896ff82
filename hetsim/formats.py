"""Formats of numbers: rounding to them, integer codes, and products that do not depend on threads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hetsim.workload import Array


def rounded(x: Array, form: str) -> Array:
    """Round to the nearest number of a format (``fp64 fp32 fp16 bf16``), ties to even; integers stay.

    The result is float32, or float64 for ``fp64``. Numbers beyond the format's range become infinite.
    """
    if x.dtype.kind != "f" or (form == "fp32" and x.dtype == np.float32):
        return x
    with np.errstate(over="ignore"):
        if form == "fp64":
            return x.astype(np.float64, copy=False)
        single = x.astype(np.float32, copy=False)
        if form == "fp32":
            return single
        if form == "fp16":
            return single.astype(np.float16).astype(np.float32)
    if form == "bf16":
        return _bfloat16(single)
    raise ValueError(f"format {form!r} is not known")


def _bfloat16(x: Array) -> Array:
    """Keep the upper half of a float32; adding half of the rest, less one at even, rounds to even."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    upper = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), x, upper.view(np.float32))


def quantised(x: Array, bits: int = 8, axis: int | tuple[int, ...] | None = None) -> tuple[Array, Array]:
    """Symmetric integer codes of ``x`` and the scale of one step, so that ``codes * scale`` is near ``x``.

    The largest magnitude becomes 2^(bits-1) - 1. One scale for all, or one for each position that ``axis`` is
    not reduced over (dimensions kept). Codes are int8, or int32 beyond 8 bits; all-zero parts get scale 1.
    """
    top = 2 ** (bits - 1) - 1
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=0.0)
    scale = np.where(largest > 0, largest / top, 1.0).astype(x.dtype)
    codes = np.clip(np.rint(x / scale), -top, top)
    return codes.astype(np.int8 if bits <= 8 else np.int32), scale


def product(x: Array, w: Array) -> Array:
    """``x @ w``, stacked as in `numpy.matmul`, on one BLAS thread: sums change with their number."""
    with one_blas_thread():
        result: Array = np.matmul(x, w)
    return result


def integer_product(x: Array, w: Array) -> Array:
    """``x @ w`` of int8 codes, exact, as int32: [..., M, K] x [..., K, N].

    It is done in floating point, where BLAS is fast: every product is an integer of at most 2^14, so any
    partial sum of K of them is at most K 2^14, and integers up to 2^24 (float32) or 2^53 (float64) are all
    floats. No addition rounds, in whatever order.
    """
    wide = np.float32 if x.shape[-1] <= 2**10 else np.float64
    return product(x.astype(wide), w.astype(wide)).astype(np.int32)


@lru_cache(maxsize=1)
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Pin BLAS to one thread."""
    with _blas().limit(limits=1):
        yield
