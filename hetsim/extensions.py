"""Operators that ONNX does not have, as digital parts compute them.

``AnalogSolve(A [n, n], B [n, k])`` is X [n, k] with A X = B. ``CamSearch(x [m, d], low [r, d], high [r, d])`` is
bool [m, r]: whether every feature of the sample lies in the row's interval, low <= x < high.
``FadingMemory(drive [m, s, n])`` are the states [m, s, n] of n nodes after each of s steps of m sequences: a state
fades by the factor ``decay``, then a drive a (clipped to 0..1) opens 1 - exp(-``gain`` f(a)) of what it leaves to 1,
f(a) = sinh(``steepness`` a) / sinh(``steepness``). All three are named after the hardware that does them.
``OuterUpdate(x [m, k], d [m, n], W [k, n], after)`` adds ``rate`` times xᵀ d to the stored W in place and has no
outputs; it waits for ``after``, if that is given, and does not read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hetsim.errors import RunError
from hetsim.formats import one_blas_thread, product

if TYPE_CHECKING:
    from hetsim.workload import Array, Op

CELLS = 2**24  # comparisons made at once


def _solve(op: Op, inputs: Sequence[Array | None]) -> Array:
    matrix, rhs = inputs[0], inputs[1]
    assert matrix is not None and rhs is not None
    with one_blas_thread():
        try:
            return np.asarray(np.linalg.solve(matrix, rhs))
        except np.linalg.LinAlgError:
            raise RunError(f"op {op.name!r}: the matrix is singular") from None


def _search(op: Op, inputs: Sequence[Array | None]) -> Array:
    x, low, high = inputs
    assert x is not None and low is not None and high is not None
    return matches(x, low, high)


def _outer(op: Op, inputs: Sequence[Array | None]) -> Array:
    x, d, w = inputs[:3]
    assert x is not None and d is not None and w is not None
    return np.asarray(w + product(np.ascontiguousarray(x.T), d * d.dtype.type(op.attributes["rate"])))


def matches(x: Array, low: Array, high: Array) -> Array:
    """Whether each sample [m, d] lies in each box: bool [m, r]."""
    rows = max(1, CELLS // low.size)
    parts = [x[i : i + rows, None] for i in range(0, len(x), rows)]
    return np.concatenate([((part >= low) & (part < high)).all(axis=2) for part in parts])


def opened(drive: Array, gain: Any, steepness: float) -> Array:
    """The share of what is closed that a drive in 0..1 opens in a volatile memristor: exponential in the voltage, as
    ions hop [Strukov 2009], and never more than there is."""
    return np.asarray(-np.expm1(-gain * np.sinh(steepness * drive) / np.sinh(steepness)))


def faded(drive: Array, decay: float, gain: float, steepness: float) -> Array:
    """States [m, s, n] of volatile nodes that are driven [m, s, n], as ``FadingMemory`` has them."""
    states = opened(np.clip(drive, 0, 1), gain, steepness)
    x = np.zeros(states[:, 0].shape, states.dtype)
    for step in range(states.shape[1]):
        x = decay * x
        states[:, step] = x = x + (1 - x) * states[:, step]
    return states.astype(drive.dtype)


def _fade(op: Op, inputs: Sequence[Array | None]) -> Array:
    drive, facts = inputs[0], op.attributes
    assert drive is not None
    return faded(drive, facts["decay"], facts["gain"], facts["steepness"])


OPERATORS: Mapping[str, Callable[[Op, Sequence[Array | None]], Array]] = {
    "AnalogSolve": _solve,
    "CamSearch": _search,
    "FadingMemory": _fade,
    "OuterUpdate": _outer,
}
