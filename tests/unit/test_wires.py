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
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))
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


@settings(max_examples=100, deadline=None)
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


# --- what else is sensed, and where ---


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (1, 1)])
@pytest.mark.parametrize("sensing", ["one_sided", "two_sided"])
def test_floating_lines_settle_at_a_voltage(shape: tuple[int, int], sensing: str) -> None:
    matrix, sheet = cells(*shape), wires(sensing=sensing, word_line="20 ohm", bit_line="30 ohm")
    volts = np.random.default_rng(1).uniform(-0.5, 0.5, shape[0])
    found = nodal(matrix, sheet, volts, floating=True)
    solved = np.linalg.solve(found.matrix.toarray(), found.amperes)
    expected = [found.voltage(f"b{shape[0] - 1}_{j}", solved) for j in range(shape[1])]
    circuit = Circuit(matrix, sheet, "voltage")
    point = circuit.operate(volts)
    np.testing.assert_allclose(point.outputs, expected, rtol=1e-9)
    power = volts @ through_cells(matrix, found, solved).sum(axis=1)
    np.testing.assert_allclose(point.power, power, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(circuit.drive(volts[None])[0][0], expected, rtol=1e-9)
    np.testing.assert_allclose(volts @ transfer(matrix, sheet, "voltage"), expected, rtol=1e-9)


def test_a_floating_line_of_ideal_wires_shows_the_mean_weighted_by_conductance() -> None:
    matrix = cells(6, 4)
    np.testing.assert_allclose(transfer(matrix, Wires(), "voltage"), matrix / matrix.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("sides", ["one_sided", "two_sided"])
def test_cells_out_of_use_count_by_their_wires(sides: str) -> None:
    sheet = wires(drive=sides, sensing=sides, word_line="20 ohm", bit_line="30 ohm", open_bit_lines=[[1, 9]])
    matrix = cells(5, 7)
    whole = np.zeros((12, 10))
    whole[:5, :7] = matrix
    np.testing.assert_allclose(transfer(matrix, sheet, size=(12, 10)), transfer(whole, sheet)[:5, :7], 1e-9, 1e-14)
    assert np.abs(transfer(matrix, wires(open_bit_lines=[[1, 5]]), size=(12, 10))[:, 1]).max() < 1e-12


# --- limits ---


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from(["one_sided", "two_sided"]))
def test_without_resistance_the_matrix_is_the_conductances_to_the_bit(rows: int, columns: int, sides: str) -> None:
    matrix = cells(rows, columns)
    sheet = Wires.model_validate({"drive": sides, "sensing": sides})
    np.testing.assert_array_equal(transfer(matrix, sheet), matrix)
    seen = effective(matrix, sheet, matrix**2)
    np.testing.assert_allclose(seen.variances, matrix**2, rtol=1e-15)
    np.testing.assert_array_equal(seen.loads, matrix)


def test_a_single_cell_is_in_series_with_everything() -> None:
    ohms = 1 / (1 / 5e-5 + 100 + 40 + 1000)
    np.testing.assert_allclose(transfer([[5e-5]], wires()), [[ohms]], rtol=1e-14)


def test_resistance_of_next_to_nothing_is_nearly_none_and_of_very_much_lets_nothing_through() -> None:
    matrix = cells(16, 16)
    small = wires(word_line="1 uohm", bit_line="1 uohm", source="1 uohm", sense="1 uohm", access="1 uohm")
    np.testing.assert_allclose(transfer(matrix, small), matrix, rtol=1e-6)
    for wall in ("source", "sense"):
        large = transfer(matrix, wires(**{wall: "1 Tohm"}))
        assert (large >= 0).all() and large.max() < 2e-12


def test_dead_lines_carry_nothing_and_leave_the_rest_in_order() -> None:
    matrix, volts = cells(8, 6), np.linspace(0.1, 0.2, 8)
    sheet = wires(open_word_lines=[[2, 0]], open_bit_lines=[[4, 8]])
    point = Circuit(matrix, sheet).operate(volts)
    assert np.abs(point.outputs[4]) < 1e-10 * point.outputs.max()
    assert np.abs(point.cell_currents[2].sum()) < 1e-10 * point.outputs.max()
    both = wires(drive="two_sided", open_word_lines=[[2, 0], [2, 6]])
    assert np.abs(Circuit(matrix, both).operate(volts).cell_currents[2].sum()) < 1e-10 * point.outputs.max()


@pytest.mark.parametrize("matrix", [[[1.879e-4]], [[2e-4, 3e-5], [7e-5, 1.1e-4]]])
def test_cells_that_hang_on_nothing_carry_nothing(matrix: list[list[float]]) -> None:
    size = len(matrix)
    lines = {"open_word_lines": [[i, 0] for i in range(size)], "open_bit_lines": [[i, size] for i in range(size)]}
    for facts in (lines, lines | {"source": "0 ohm", "word_line": "0 ohm", "bit_line": "0 ohm", "access": "0 ohm"}):
        point = Circuit(matrix, wires(**facts)).operate(np.full(size, -0.459))
        assert np.abs(point.outputs).max() < 1e-12 * 1e-4 and abs(point.power) < 1e-12 * 1e-4
        assert np.abs(transfer(matrix, wires(**facts))).max() < 1e-12 * 1e-4


# --- cells that are not linear ---


def hyperbolic(matrix: Array, steep: float) -> Any:
    return lambda volts: (matrix * steep * np.sinh(volts / steep), matrix * np.cosh(volts / steep))


@pytest.mark.parametrize("steep", [10.0, 0.1, 0.02])
@pytest.mark.parametrize("access", ["0 ohm", "10 kohm"])
def test_newton_obeys_the_law_and_the_wires(steep: float, access: str) -> None:
    """The state is checked, not the way to it: currents by the law, voltages by the wires that carry them."""
    matrix, sheet = cells(7, 9), wires(access=access)
    volts = np.random.default_rng(5).uniform(-0.4, 0.4, 7)
    law = hyperbolic(matrix, steep)
    point = operate(law, matrix.shape, sheet, volts)
    np.testing.assert_allclose(law(point.cell_voltages)[0], point.cell_currents, atol=1e-11 * point.cell_currents.max())
    # linear cells of the conductance that each has come to must settle at the same point
    chord = point.cell_currents / point.cell_voltages
    expected = twin(chord, sheet, volts)
    np.testing.assert_allclose(point.cell_currents, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(point.power, volts @ expected.sum(axis=1), rtol=1e-8)


def test_newton_of_a_line_is_the_linear_circuit() -> None:
    matrix, sheet, volts = cells(6, 5), wires(), np.linspace(-0.2, 0.3, 6)
    for sensing in ("current", "voltage"):
        point = operate(lambda v: (matrix * v, matrix), matrix.shape, sheet, volts, sensing)  # type: ignore[arg-type]
        linear = Circuit(matrix, sheet, sensing).operate(volts)  # type: ignore[arg-type]
        np.testing.assert_allclose(point.outputs, linear.outputs, rtol=1e-9)
        np.testing.assert_allclose(point.cell_voltages, linear.cell_voltages, rtol=1e-9)


# --- noise and power ---


@pytest.mark.parametrize("sensing", ["current", "voltage"])
def test_variances_follow_from_what_each_cell_changes(sensing: Any) -> None:
    """Central differences of every cell, one at a time."""
    matrix, sheet = cells(6, 5), wires(word_line="50 ohm", bit_line="80 ohm")
    volts = np.random.default_rng(2).uniform(-0.3, 0.3, 6)
    variances = (0.05 * matrix) ** 2
    expected = np.zeros(5)
    for place in np.ndindex(matrix.shape):
        step = 1e-5 * matrix[place]
        moved = []
        for sign in (1, -1):
            other = matrix.copy()
            other[place] += sign * step
            moved.append(Circuit(other, sheet, sensing).operate(volts).outputs)
        expected += ((moved[0] - moved[1]) / (2 * step)) ** 2 * variances[place]
    found = output_variances(matrix, sheet, variances, volts, sensing)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_variances_are_those_of_cells_that_are_drawn_anew() -> None:
    rng = np.random.default_rng(6)
    matrix, sheet, volts = rng.uniform(2e-6, 2e-5, (48, 32)), wires(), 0.2 * (rng.random(48) < 0.5)
    sigma = 0.03 * matrix
    drawn = [Circuit(matrix + sigma * rng.normal(size=matrix.shape), sheet).operate(volts).outputs for _ in range(1000)]
    ratio = np.var(drawn, axis=0) / output_variances(matrix, sheet, sigma**2, volts)
    assert abs(ratio.mean() - 1) < 5 * np.sqrt(2 / 1000 / 32)
    assert abs(ratio - 1).max() < 5 * np.sqrt(2 / 1000)


@pytest.mark.parametrize("sensing", ["current", "voltage"])
@pytest.mark.parametrize("activity", [0.2, 0.5])
def test_effective_variances_and_loads_hold_for_drivers_on_and_off(sensing: Any, activity: float) -> None:
    """Exactly as many as are meant, in any order: only which of them differs."""
    rng = np.random.default_rng(4)
    matrix, sheet = rng.uniform(2e-6, 2e-5, (60, 32)), wires()
    variances = (0.03 * matrix) ** 2
    seen = effective(matrix, sheet, variances, activity, sensing)
    np.testing.assert_allclose(seen.signals, transfer(matrix, sheet, sensing), rtol=1e-9)
    spread, power = [], []
    for _ in range(20):
        volts = 0.2 * rng.permutation(np.arange(60) < 60 * activity)
        spread.append(volts**2 @ seen.variances / output_variances(matrix, sheet, variances, volts, sensing))
        drawn = Circuit(matrix, sheet, sensing).operate(volts).power
        power.append(volts**2 @ seen.loads.sum(axis=1) / drawn)
    assert abs(np.mean(spread) - 1) < 0.05 and abs(np.mean(power) - 1) < 0.02
    if sensing == "current":
        np.testing.assert_allclose(spread, 1, atol=0.04)
        np.testing.assert_allclose(power, 1, atol=0.02)


# --- bad input ---


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        ([[1e-5, np.nan]], r"finite and not negative, found nan S in cell \(0, 1\)"),
        ([[1e-5], [-1e-6]], r"found -1e-06 S in cell \(1, 0\)"),
        ([[np.inf]], "found inf S"),
        ([1e-5, 1e-5], r"a matrix \[rows, columns\], found shape \(2,\)"),
        (np.zeros((0, 3)), r"found shape \(0, 3\)"),
    ],
)
def test_conductances_that_cannot_be(matrix: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        transfer(matrix, wires())


def test_places_that_are_not_there() -> None:
    with pytest.raises(
        ValueError, match="no segment 7 of word line 1 that could be open: 4 word lines have segments 0 to 6"
    ):
        transfer(cells(4, 6), wires(open_word_lines=[[1, 7]]))
    with pytest.raises(ValueError, match="no segment 0 of bit line 6"):
        transfer(cells(4, 6), wires(open_bit_lines=[[6, 0]]))
    with pytest.raises(ValueError, match="4 x 6 cells do not fit a crossbar of 4 x 5"):
        transfer(cells(4, 6), wires(), size=(4, 5))


def test_voltages_and_variances_that_cannot_be() -> None:
    circuit = Circuit(cells(3, 2), wires())
    for volts in ([0.1, 0.2], [0.1, 0.2, np.nan]):
        with pytest.raises(ValueError, match="3 finite voltages are expected"):
            circuit.operate(volts)
        with pytest.raises(ValueError, match=r"finite voltages \[vectors, 3\] are expected"):
            circuit.drive([volts])
    for variances in (np.ones((2, 3)), -np.ones((3, 2)), np.full((3, 2), np.nan)):
        with pytest.raises(ValueError, match="variances must be finite, not negative"):
            effective(cells(3, 2), wires(), variances)


def test_an_activity_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, found 1\.5"):
        effective(cells(3, 2), wires(), activity=1.5)


def test_signs_that_cancel_are_an_activity_of_zero() -> None:
    rng = np.random.default_rng(8)
    matrix, sheet = rng.uniform(2e-6, 2e-5, (64, 32)), wires()
    variances = (0.03 * matrix) ** 2
    seen = effective(matrix, sheet, variances, activity=0)
    volts = 0.2 * rng.permutation(np.repeat([-1, 1], 32))
    spread = volts**2 @ seen.variances / output_variances(matrix, sheet, variances, volts)
    power = volts**2 @ seen.loads.sum(axis=1) / Circuit(matrix, sheet).operate(volts).power
    np.testing.assert_allclose(spread, 1, atol=0.04)
    np.testing.assert_allclose(power, 1, atol=0.02)


def test_laws_that_cannot_be() -> None:
    falling = lambda v: (-v, -np.ones_like(v))  # noqa: E731
    with pytest.raises(ValueError, match="must not fall"):
        operate(falling, (2, 2), wires(), [0.1, 0.2])
    with pytest.raises(ValueError, match=r"a law of \(2, 2\) cells is expected, found \(2,\)"):
        operate(lambda v: (v[0], v), (2, 2), wires(), [0.1, 0.2])


@pytest.mark.parametrize(
    "facts",
    [{"word_line": "-1 ohm"}, {"sense": 40}, {"drive": "both"}, {"open_bit_lines": [[-1, 0]]}, {"wire": "1 ohm"}],
)
def test_sheets_that_cannot_be(facts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        wires(**facts)
