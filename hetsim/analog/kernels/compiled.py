"""How loops are compiled: cached on disk, so that a second process starts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """Compile a function; products and sums may fuse, but no sum changes its order."""
    loose = {"contract", "nsz"}
    return cast("Callable[[F], F]", numba.njit(cache=True, fastmath=loose, error_model="numpy", **options))


def inlined() -> Callable[[F], F]:
    """Compile a function into those that call it."""
    return compiled(forceinline=True)


def threads() -> int:
    """Threads that Numba is set to use (``NUMBA_NUM_THREADS``)."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
