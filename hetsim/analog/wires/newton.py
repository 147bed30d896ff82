"""Cells whose current is not proportional to their voltage: Newton's method around the linear circuit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hetsim.analog.wires.circuit import Circuit, Doubles, OperatingPoint, Sensing, drivers
from hetsim.analog.wires.sheet import Wires

Law = Callable[[Doubles], tuple[Doubles, Doubles]]

PRECISION = 1e-12  # of the largest current of a cell
STEPS, HALVINGS = 100, 40


@dataclass(frozen=True, slots=True)
class _State:
    """Voltages and currents of cells, and what bit lines end at, that obey all wires if not yet the cells' law."""

    voltages: Doubles
    currents: Doubles
    last: Doubles

    def towards(self, other: _State, share: float) -> _State:
        """So far on the way to another state: wires are linear, so all between two that obey them do so too."""
        return _State(
            self.voltages + share * (other.voltages - self.voltages),
            self.currents + share * (other.currents - self.currents),
            self.last + share * (other.last - self.last),
        )


def operate(
    law: Law,
    shape: tuple[int, int],
    wires: Wires,
    voltages: ArrayLike,
    sensing: Sensing = "current",
    size: tuple[int, int] | None = None,
) -> OperatingPoint:
    """The operating point of ``shape`` cells of any rising current-voltage ``law``; see `Circuit` for the rest.

    ``law`` takes the voltages across all cells [rows, columns] and returns their currents and the derivatives of these.
    Raises ValueError for a law that falls or is not finite, ArithmeticError if it cannot be met.
    """
    ends = drivers(voltages, shape[0])
    at = np.zeros(shape)
    current, slope = _evaluated(law, at)
    state, missed = None, np.inf
    for _ in range(STEPS):
        found = _linearised(Circuit(slope, wires, sensing, size), wires, (at, current, slope), ends)
        for halving in range(HALVINGS):
            tried = found if state is None else state.towards(found, 0.5**halving)
            current, slope = _evaluated(law, tried.voltages)
            miss = float(np.abs(current - tried.currents).max())
            if state is None or miss < missed:
                break
        state, missed, at = tried, miss, tried.voltages
        if missed <= PRECISION * np.abs(state.currents).max():
            outputs = state.currents.sum(axis=0) if sensing == "current" else state.last
            power = float(ends @ state.currents.sum(axis=1))
            return OperatingPoint(outputs, state.voltages, state.currents, power)
    raise ArithmeticError(f"the law of the cells was not met in {STEPS} of Newton's steps: {missed:.3g} A are missing")


def _linearised(circuit: Circuit, wires: Wires, tangent: tuple[Doubles, Doubles, Doubles], ends: Doubles) -> _State:
    """The ``circuit`` of the slopes of a ``tangent``: voltages, currents and slopes where it touches the law."""
    at, current, slope = tangent
    offset = (current - slope * at) * circuit.passing
    currents, across, last = circuit.settle(offset + circuit.cells * ends[:, None])
    across += ends[:, None]
    return _State(across - wires.access * currents, currents, last)


def _evaluated(law: Law, voltages: Doubles) -> tuple[Doubles, Doubles]:
    current, slope = (np.asarray(values, np.float64) for values in law(voltages))
    if current.shape != voltages.shape or slope.shape != voltages.shape:
        raise ValueError(f"a law of {voltages.shape} cells is expected, found {current.shape} and {slope.shape}")
    if not np.isfinite(current).all() or not np.isfinite(slope).all() or (slope < 0).any():
        raise ValueError("the current of a cell must be finite and must not fall as the voltage rises")
    return current, slope
