"""IR drop against its twin: any crossbar as a plain list of resistors, solved as one dense system of equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hetsim.analog.wires.circuit import Circuit
from hetsim.analog.wires.newton import operate
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import effective, output_variances, transfer
from tests.circuits import nodal, through_cells

Array = np.ndarray[Any, np.dtype[np.float64]]


def wires(**facts: Any) -> Wires:
    """Wires of which some facts are given, as text with units or otherwise."""
    plain = {"word_line": "2 ohm", "bit_line": "3 ohm", "source": "100 ohm", "sense": "40 ohm", "access": "1 kohm"}
    return Wires.model_validate(plain | facts)


def cells(rows: int, columns: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(1e-6, 2e-4, (rows, columns))


@st.composite
def crossbars(draw: st.DrawFn) -> tuple[Array, Wires, Array]:
    """Cells, some of them zero, their wires, some without resistance or open, and voltages of either sign."""
    rows, columns = draw(st.integers(1, 11)), draw(st.integers(1, 11))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    matrix = 10 ** rng.uniform(-5, -3, (rows, columns)) * (
        rng.random((rows, columns)) > draw(st.sampled_from([0, 0.3]))
    )
    ohms = st.sampled_from(["0 ohm", "1 ohm", "30 ohm", "300 ohm"])
    facts = {name: draw(ohms) for name in ("word_line", "bit_line", "source", "sense", "access")}
    sides = st.sampled_from(["one_sided", "two_sided"])
    places = {"open_word_lines": (rows, columns), "open_bit_lines": (columns, rows)}
    opened = {
        name: draw(st.lists(st.tuples(st.integers(0, lines - 1), st.integers(0, length)), max_size=2))
        for name, (lines, length) in places.items()
    }
    sheet = wires(**facts, drive=draw(sides), sensing=draw(sides), **opened)
    return matrix, sheet, rng.uniform(-0.5, 0.5, rows)


def twin(matrix: Array, sheet: Wires, voltages: Array) -> Array:
    """Currents of all cells. Parts that hang on nothing have any voltage, hence least squares."""
    found = nodal(matrix, sheet, voltages)
    volts = np.linalg.lstsq(found.matrix.toarray(), found.amperes, rcond=1e-15)[0]
    return through_cells(matrix, found, volts)


@settings(max_examples=150, deadline=None)
@given(crossbars())
def test_every_current_is_that_of_the_twin(crossbar: tuple[Array, Wires, Array]) -> None:
    matrix, sheet, voltages = crossbar
    expected = twin(matrix, sheet, voltages)
    scale = np.abs(matrix * voltages[:, None]).max()
    point = Circuit(matrix, sheet).operate(voltages)
    np.testing.assert_allclose(point.cell_currents, expected, rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(point.outputs, expected.sum(axis=0), rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(point.cell_voltages * matrix, point.cell_currents, rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(point.power, voltages @ expected.sum(axis=1), rtol=1e-9, atol=1e-10 * scale)


@settings(max_examples=100, deadline=None)
@given(crossbars())
def test_the_matrix_and_many_vectors_give_the_same(crossbar: tuple[Array, Wires, Array]) -> None:
    matrix, sheet, voltages = crossbar
    vectors = np.stack([voltages, -2 * voltages, *np.eye(len(voltages))])
    outputs, power = Circuit(matrix, sheet).drive(vectors)
    point = Circuit(matrix, sheet).operate(voltages)
    tolerance = {"rtol": 1e-9, "atol": 1e-10 * np.abs(matrix).max()}
    np.testing.assert_allclose(outputs[0], point.outputs, **tolerance)
    np.testing.assert_allclose(power[:2], [point.power, 4 * point.power], **tolerance)
    np.testing.assert_allclose(transfer(matrix, sheet), outputs[2:], **tolerance)
