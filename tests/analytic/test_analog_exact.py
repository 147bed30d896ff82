"""Crossbars where a closed form exists: exact integer products, clipping, energy, floating lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar

RNG = np.random.default_rng


def integers(rows: int, columns: int, vectors: int, levels: int, bits: int, signed: bool, seed: int) -> Any:
    """Integer weights and inputs that use their whole range, so that quantisation changes nothing."""
    numbers = RNG(seed)
    weights = numbers.integers(1 - levels, levels, (rows, columns))
    weights[0, 0] = levels - 1
    top = 2 ** (bits - signed) - 1
    x = numbers.integers(-top if signed else 0, top + 1, (vectors, rows))
    x[:, -1] = top
    return weights, x


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 70),
    columns=st.integers(1, 40),
    levels=st.integers(2, 16),
    bits=st.integers(2, 8),
    signed=st.booleans(),
    mapping=st.sampled_from(
        [("columns", "analog", "two_phase"), ("columns", "digital", "two_phase"), ("rows", "analog", "bipolar")]
    ),
    dac=st.integers(1, 3),
    mode=st.sampled_from(["ideal", "analog"]),
)
def test_without_errors_a_product_is_the_integer_product(
    rows: int, columns: int, levels: int, bits: int, signed: bool, mapping: Any, dac: int, mode: Any
) -> None:
    pair, subtraction, inputs = mapping
    sheet = macro(
        device(g_min="0 S", levels=levels), pair=pair, subtraction=subtraction, signed_inputs=inputs, input_bits=bits,
        adc={"bits": 14, "range": {"policy": "unit"}}, dac={"bits": dac, "energy": "0 J"},
    )  # fmt: skip
    weights, x = integers(rows, columns, 5, levels, bits, signed or inputs == "bipolar", rows * columns)
    x = x if signed else abs(x)
    reading = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1, mode, signed=signed)
    np.testing.assert_array_equal(reading.values, x @ weights)
    assert reading.clipped == 0


def test_a_lowest_conductance_above_zero_cancels_in_the_pair() -> None:
    for subtraction in ("analog", "digital"):
        sheet = macro(adc={"bits": 12, "range": {"policy": "unit"}}, subtraction=subtraction)
        weights, x = integers(100, 30, 7, 8, 8, False, 3)
        np.testing.assert_array_equal(Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1).values, x @ weights)


def test_the_resolution_that_an_exact_product_takes() -> None:
    """128 rows of 2-bit cells and 1-bit inputs: 9 bits, and clipping to half of the range with one bit less."""
    rows, cell = 128, 3
    bits = math.ceil(math.log2(rows * cell + 1))
    assert bits == 9
    weights, cells = np.full((rows, 1), cell), device(g_min="0 S", levels=4)
    x = np.tril(np.ones((rows, rows), int)) * 255  # 1, 2 … 128 rows on
    reads = [
        Crossbar.program(
            weights,
            macro(cells, rows=rows, subtraction="digital", adc={"bits": b, "range": {"policy": "unit"}}),
            1,
        ).mvm(x, 0.0, 1)
        for b in (bits, bits - 1)
    ]  # fmt: skip
    on = np.arange(1, rows + 1)
    np.testing.assert_array_equal(reads[0].values[:, 0], 255 * cell * on)
    np.testing.assert_array_equal(reads[1].values[:, 0], 255 * np.minimum(cell * on, 255))
    assert reads[0].clipped == 0
    assert reads[1].clipped == 8 * np.count_nonzero(cell * on > 255)


def test_a_coarse_converter_rounds_each_partial_sum() -> None:
    sheet = macro(device(g_min="0 S"), rows=16, adc={"bits": 5, "range": {"policy": "max"}})
    weights, x = integers(40, 3, 9, 8, 4, False, 1)
    x = np.minimum(x, 1) * 255
    values = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1).values
    expected = np.zeros_like(values)
    for top in (0, 16, 32):
        part = np.minimum(x, 1)[:, top : top + 16] @ weights[top : top + 16]
        lsb = weights[top : top + 16].shape[0] * 7 / 15
        expected += 255 * lsb * np.floor(part / lsb + 0.5)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_energy_is_voltage_squared_times_conductance_times_time() -> None:
    sheet = macro(device(programming={"unit": "1 uS", "polynomial": [2]}))
    weights, x = integers(50, 6, 4, 8, 8, False, 5)
    crossbar = Crossbar.program(weights, sheet, 1)
    ones = np.array([[int(v).bit_count() for v in row] for row in x])
    rows = crossbar.conductances(0.0).astype(float).sum(axis=(0, 2))
    assert crossbar.mvm(x, 0.0, 1).joules == pytest.approx(0.2**2 * 50e-9 * (ones @ rows).sum(), rel=1e-6)


def test_expected_energy_is_the_mean_over_random_operands() -> None:
    """The plan's expectation holds for half of the bits set and cells in the middle of the window."""
    sheet = macro(pulse_time="20 ns")
    crossbar = Crossbar.program(np.full((60, 9), 7), sheet, 1)  # a cell at each end of the window
    for signed in (False, True):
        bits = 2 ** sheet.magnitude_bits(signed)
        x = RNG(1).integers(-bits + 1 if signed else 0, bits, (4000, 60))
        x[:, 0] = bits - 1
        joules = crossbar.mvm(x, 0.0, 1, signed=signed).joules
        assert joules == pytest.approx(4000 * sheet.dissipation(crossbar.tiling, signed), rel=0.02)


def test_a_floating_line_is_a_divider() -> None:
    """Two cells: V_out = (G+ - G-) / (G+ + G-) V, and the periphery multiplies by the sum it knows."""
    sheet = macro(
        pair="rows", sensing="voltage", signed_inputs="bipolar", input_bits=2,
        adc={"bits": 16, "range": {"policy": "max"}},
    )  # fmt: skip
    crossbar = Crossbar.program([[7.0, -3.0]], sheet, 1)
    reading = crossbar.mvm([[1.0], [-1.0]], 0.0, 1)
    np.testing.assert_allclose(reading.values, [[7, -3], [-7, 3]], rtol=1e-3)
    high, low, middle = 20e-6, 2e-6, 2e-6 + 3 * 18e-6 / 7
    series = sum(4 * a * b / (a + b) for a, b in ((high, low), (middle, low)))  # (2 V)**2 over two cells in series
    assert reading.joules == pytest.approx(2 * 0.2**2 * 50e-9 * series, rel=1e-5)


def test_voltage_sensing_equals_current_sensing_without_errors() -> None:
    weights, x = integers(20, 12, 6, 8, 8, True, 4)
    common = {"pair": "rows", "signed_inputs": "bipolar", "adc": {"bits": 16, "range": {"policy": "max"}}}
    current, voltage = (
        Crossbar.program(weights, macro(sensing=s, **common), 1).mvm(x, 0.0, 1).values for s in ("current", "voltage")
    )
    np.testing.assert_allclose(voltage, current, atol=2e-3 * abs(current).max())


def test_amplitude_and_pulses_give_the_same_product_and_their_own_energy() -> None:
    weights, x = integers(20, 12, 6, 8, 4, False, 4)
    exact = {"bits": 14, "range": {"policy": "unit"}}
    reads = [
        Crossbar.program(
            weights,
            macro(input_bits=4, adc=exact, dac={"bits": 4, "encoding": e, "energy": "0 J"}),
            1,
        ).mvm(x, 0.0, 1)
        for e in ("pulses", "amplitude")
    ]  # fmt: skip
    for reading in reads:
        np.testing.assert_array_equal(reading.values, x @ weights)
    rows = 1e-6 * (2 * 12 * 2 + abs(weights).sum(axis=1) * 18 / 7)
    assert reads[0].joules == pytest.approx(0.04 * 50e-9 * (x @ rows).sum(), rel=1e-5)
    assert reads[1].joules == pytest.approx(0.04 * 50e-9 * ((x / 15) ** 2 @ rows).sum(), rel=1e-5)
