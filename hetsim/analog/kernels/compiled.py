"""How loops are compiled: cached on disk, so that a second process starts at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

F = TypeVar("F", bound=Callable[..., Any])

_HERE = Path(__file__).parent
_SOURCES = hashlib.blake2b(
    b"".join(file.read_bytes() for file in (_HERE.parent / "lines.py", *sorted(_HERE.glob("*.py")))), digest_size=8
).hexdigest()


class _Cache(FunctionCache):  # type: ignore[misc]
    """A cache that goes by all sources of the compiled loops: Numba's own looks at a function's file alone, and would
    keep what that function calls as it was."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        stamp = (self._impl.locator.get_source_stamp(), _SOURCES)
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)


def compiled(**options: Any) -> Callable[[F], F]:
    """Compile a function; products and sums may fuse, but no sum changes its order."""

    def decorate(function: F) -> F:
        loop: Any = numba.njit(fastmath={"contract", "nsz"}, error_model="numpy", **options)(function)
        loop._cache = _Cache(function)
        return loop  # type: ignore[no-any-return]

    return decorate


def inlined() -> Callable[[F], F]:
    """Compile a function into those that call it."""
    return compiled(forceinline=True)


def threads() -> int:
    """Threads that Numba is set to use (``NUMBA_NUM_THREADS``)."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
