"""What wires make of a crossbar's matrix: as one matrix, so that a read is a product again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hetsim.analog.wires.circuit import Circuit, Doubles, Sensing, drivers
from hetsim.analog.wires.sheet import Wires

Size = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Effective:
    """What the periphery sees of a crossbar behind its wires, all float64 [rows, columns].

    ``signals``: outputs for each volt at each driver, exact. ``variances``: of the outputs' noise, for each volt
    squared. ``loads``: amperes through each cell for each volt at its own driver, whose sum is the power. The last two
    hold to first order for drivers with the voltage V or 0, of which the given activity have V.
    """

    signals: Doubles
    variances: Doubles
    loads: Doubles


def transfer(conductances: ArrayLike, wires: Wires, sensing: Sensing = "current", size: Size = None) -> Doubles:
    """The matrix T [rows, columns] of a crossbar with ``outputs = voltages @ T``, exactly.

    ``conductances`` [rows, columns] in siemens; see `Circuit` for all arguments and errors. T is in siemens or,
    sensing voltage, a ratio. Each driver is solved for, or each sense amplifier, which gives the same by reciprocity:
    whichever are fewer.
    """
    circuit = Circuit(conductances, wires, sensing, size)
    rows, columns = circuit.cells.shape
    if rows >= columns:
        return _from_sense(circuit, np.zeros_like(circuit.cells))[0]
    return circuit.drive(np.eye(rows))[0]


def effective(
    conductances: ArrayLike,
    wires: Wires,
    variances: ArrayLike | None = None,
    activity: float = 0.5,
    sensing: Sensing = "current",
    size: Size = None,
) -> Effective:
    """`transfer`, with noise of the cells' conductances and the power.

    ``variances`` [rows, columns] of conductances, in siemens squared (default: none). Noise counts with the voltages
    that cells have when the share ``activity`` of drivers is on: those on a driven row, and for each of them so many
    as are off that get theirs from the bit line. Where voltages of both signs cancel on a bit line, 0 comes closest.
    Noise of cells on other columns counts, but not that it is shared. Raises ValueError for an activity beyond 0 to 1.
    """
    if not 0 <= activity <= 1:
        raise ValueError(f"activity is a share of the drivers, from 0 to 1, found {activity}")
    circuit = Circuit(conductances, wires, sensing, size)
    rows = len(circuit.cells)
    grounded = wires.model_copy(update={"bit_line": 0.0, "sense": 0.0, "open_bit_lines": ()})
    alone = _across(Circuit(conductances, grounded, size=size), np.ones(rows))
    lift = alone - _across(circuit, np.ones(rows))  # of bit lines, with all drivers on
    on = alone - lift * (1 + (rows - 1) * activity) / rows
    squares = on**2 + activity * (1 - activity) * lift**2
    signals, spread = _from_sense(circuit, _weights(circuit, variances, squares))
    return Effective(signals, spread, circuit.cells * on)


def output_variances(
    conductances: ArrayLike,
    wires: Wires,
    variances: ArrayLike,
    voltages: ArrayLike,
    sensing: Sensing = "current",
    size: Size = None,
) -> Doubles:
    """Variances of the outputs [columns] at ``voltages`` [rows], for small ``variances`` of conductances.

    Exact to first order: an output changes with a cell's conductance by the cell's voltage times that which the cell
    would have were the output driven instead [Director 1969].
    """
    circuit = Circuit(conductances, wires, sensing, size)
    across = _across(circuit, drivers(voltages, len(circuit.cells)))
    spread: Doubles = _from_sense(circuit, _weights(circuit, variances, across**2))[1].sum(axis=0)
    return spread


def _across(circuit: Circuit, voltages: Doubles) -> Doubles:
    """Voltages over cells and their transistors."""
    return circuit.settle(circuit.cells * voltages[:, None])[1] + voltages[:, None]


def _weights(circuit: Circuit, variances: ArrayLike | None, squares: Doubles) -> Doubles:
    """Variances of the currents that noise of the cells drives, for the ``squares`` of their voltages."""
    if variances is None:
        return np.zeros_like(squares)
    spread = np.asarray(variances, np.float64)
    if spread.shape != squares.shape or not np.isfinite(spread).all() or (spread < 0).any():
        raise ValueError(f"variances must be finite, not negative and {squares.shape}, found shape {spread.shape}")
    seen: Doubles = spread * squares * circuit.passing**4
    return seen


def _from_sense(circuit: Circuit, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Transfer matrix, and ``weights`` [rows, columns] seen from each output summed by row, [rows, columns] both.

    What a driver's voltage does to an output is what the output, driven instead, does to the driver's current.
    """
    signals, spread = np.empty_like(circuit.cells), np.empty_like(circuit.cells)
    driven = np.eye(circuit.cells.shape[1])
    ends = {"bits": driven} if circuit.sensing == "current" else {"pushed": driven}
    for lanes, state in circuit.states(weights=weights, **ends):
        signals[:, lanes] = -state.rows
        spread[:, lanes] = state.squares
    return signals, spread
