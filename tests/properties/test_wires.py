"""What holds for every circuit of resistors, whatever is in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hetsim.analog.wires.circuit import Circuit
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import transfer
from tests.circuits import Nodal, dissipation, resistors

Array = np.ndarray[Any, np.dtype[np.float64]]
Crossbar = tuple[Array, Wires, np.random.Generator]


@st.composite
def crossbars(draw: st.DrawFn, largest: int = 40, ohms: tuple[float, ...] = (0, 0.3, 5, 200)) -> Crossbar:
    """Cells, some of them zero, and wires, some without resistance, of any sides."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    cells = 10 ** rng.uniform(-6, -3, shape) * (rng.random(shape) < draw(st.sampled_from([0.5, 1])))
    facts = {f: f"{draw(st.sampled_from(ohms))} ohm" for f in ("word_line", "bit_line", "source", "sense", "access")}
    sides = {f: draw(st.sampled_from(["one_sided", "two_sided"])) for f in ("drive", "sensing")}
    return cells, Wires.model_validate(facts | sides), rng


def close(found: Any, expected: Any, scale: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * scale)


@settings(max_examples=50, deadline=None)
@given(crossbars())
def test_superposition(crossbar: Crossbar) -> None:
    cells, wires, rng = crossbar
    circuit = Circuit(cells, wires)
    one, other = rng.uniform(-1, 1, (2, len(cells)))
    both = 3 * circuit.operate(one).outputs - 2 * circuit.operate(other).outputs
    close(circuit.operate(3 * one - 2 * other).outputs, both, cells.sum())


@settings(max_examples=50, deadline=None)
@given(crossbars())
def test_reciprocity(crossbar: Crossbar) -> None:
    """Driven from the sense amplifiers, the currents into the drivers are the transposed matrix."""
    cells, wires, _ = crossbar
    forth = Circuit(cells, wires).drive(np.eye(len(cells)))[0]
    back = np.zeros_like(cells)
    for lanes, state in Circuit(cells, wires).states(bits=np.eye(cells.shape[1])):
        back[:, lanes] = -state.rows
    close(forth, back, cells.max())


@settings(max_examples=50, deadline=None)
@given(crossbars())
def test_transposed_read_is_the_transposed_matrix_of_the_array_turned_round(crossbar: Crossbar) -> None:
    """Bit lines driven from where they end, word lines sensed at where they begin."""
    cells, wires, _ = crossbar
    names = {"word_line": wires.bit_line, "bit_line": wires.word_line, "drive": wires.sensing, "sensing": wires.drive}
    turned = transfer(cells.T[::-1, ::-1], wires.model_copy(update=names))[::-1, ::-1]
    close(transfer(cells, wires.transposed()).T, turned, cells.max())


@settings(max_examples=40, deadline=None)
@given(crossbars(largest=8, ohms=(0, 5, 200)))
def test_the_power_of_the_sources_is_what_all_resistors_dissipate(crossbar: Crossbar) -> None:
    """Each resistor's own, with the voltages of an independent solution."""
    cells, wires, rng = crossbar
    cells += 1e-6  # every line hangs on something
    volts = rng.uniform(-1, 1, len(cells))
    fixed = {f"d{i}": float(v) for i, v in enumerate(volts)}
    fixed |= {f"{end}{j}": 0.0 for end in "st" for j in range(cells.shape[1])}
    parts = list(resistors(cells, wires))
    found = Nodal(parts, fixed)
    solved = np.linalg.solve(found.matrix.toarray(), found.amperes)
    power = Circuit(cells, wires).operate(volts).power
    np.testing.assert_allclose(power, dissipation(parts, found, solved), rtol=1e-8)


@settings(max_examples=50, deadline=None)
@given(crossbars())
def test_wires_only_lose(crossbar: Crossbar) -> None:
    """No current exceeds that of ideal wires when all drivers have one voltage, and more resistance means less."""
    cells, wires, _ = crossbar
    ones = np.ones(len(cells))
    ideal, real = ones @ cells, Circuit(cells, wires).operate(ones).outputs
    facts = {f: 2 * getattr(wires, f) for f in ("word_line", "bit_line", "source", "sense", "access")}
    worse = Circuit(cells, wires.model_copy(update=facts)).operate(ones).outputs
    slack = 1e-10 * cells.sum()
    assert (real <= ideal + slack).all() and (real >= -slack).all()
    assert worse.sum() <= real.sum() + slack
