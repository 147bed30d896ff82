"""Mapping of a matrix to codes, pairs and tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_analog_sheets import macro

from hetsim.analog.drive import quantised
from hetsim.analog.mapping import Tiling, codes_to_levels, levels_to_conductances, weights_to_codes
from hetsim.analog.scheme import Scheme

ON_ROWS, ON_COLUMNS = (Scheme("differential", (7,), on_rows=on).footprint for on in (True, False))


@pytest.mark.parametrize(
    ("rows", "columns", "down", "across"),
    [(9, 8, 1, 1), (72, 12, 1, 2), (192, 10, 2, 2), (128, 8, 1, 1), (129, 9, 2, 2)],
)
def test_tiles_in_closed_form(rows: int, columns: int, down: int, across: int) -> None:
    tiling = macro(rows=128, columns=16).tiling(rows, columns)
    assert (tiling.down, tiling.across, tiling.tiles) == (down, across, down * across)
    assert sum(tiling.heights()) == rows


def test_pairs_on_rows_halve_the_rows() -> None:
    tiling = macro(rows=256, columns=256, pair="rows").tiling(256, 256)
    assert (tiling.height, tiling.width, tiling.tiles) == (128, 256, 2)


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3), st.integers(1, 3),
    st.booleans(), st.booleans(), st.sampled_from(["differential", "offset"]),
)  # fmt: skip
def test_gather_undoes_place(
    rows: int,
    columns: int,
    height: int,
    width: int,
    slices: int,
    copies: int,
    apart: bool,
    on_rows: bool,
    encoding: Any,
) -> None:
    plan = Scheme(encoding, (3,) * slices, copies, apart, True, on_rows)
    assert len(set(plan.footprint.places)) == plan.cells == plan.footprint.height * plan.footprint.width
    tiling = Tiling(rows, columns, height, width, plan.footprint)
    cells = np.arange(1, plan.cells * rows * columns + 1).reshape(plan.cells, rows, columns)
    placed = tiling.place(cells)
    assert placed.shape[0] == tiling.tiles
    assert sorted(placed[placed > 0]) == sorted(cells.ravel())
    np.testing.assert_array_equal(tiling.gather(placed), cells)


def test_the_two_cells_of_a_weight_are_neighbours() -> None:
    cells = np.arange(18).reshape(2, 3, 3)
    on_columns, on_rows = (Tiling(3, 3, 2, 2, step).place(cells) for step in (ON_COLUMNS, ON_ROWS))
    np.testing.assert_array_equal(on_columns[0], [[0, 9, 1, 10], [3, 12, 4, 13]])
    np.testing.assert_array_equal(on_rows[0], [[0, 1], [9, 10], [3, 4], [12, 13]])
    np.testing.assert_array_equal(on_columns[3], [[8, 17, 0, 0], [0, 0, 0, 0]])


def test_slices_and_copies_of_a_weight_are_neighbours() -> None:
    """Two slices of two copies of a pair, numbered in the order slice, copy, polarity."""
    cells = np.arange(8).reshape(8, 1, 1)
    line, apart = (Scheme("differential", (3, 3), 2, apart).footprint for apart in (False, True))
    np.testing.assert_array_equal(Tiling(1, 1, 1, 1, line).place(cells)[0], [[0, 1, 4, 5], [2, 3, 6, 7]])
    np.testing.assert_array_equal(Tiling(1, 1, 1, 1, apart).place(cells)[0], [[0, 1, 2, 3, 4, 5, 6, 7]])


def test_unit_columns_are_the_first_of_each_tile() -> None:
    tiling = macro(mapping="offset", pair=None, subtraction="unit", columns=4).tiling(2, 5)
    assert (tiling.columns, tiling.across, tiling.widths()) == (7, 2, (4, 3))
    np.testing.assert_array_equal(tiling.outputs(), [1, 2, 3, 5, 6])
    np.testing.assert_array_equal(tiling.spread(np.ones((1, 5), int)), [[0, 1, 1, 1, 0, 1, 1]])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(2, 2048))
def test_codes_are_within_half_a_step(values: list[float], levels: int) -> None:
    weights = np.array([values])
    codes, scale = weights_to_codes(weights, levels)
    assert np.abs(codes).max() <= levels - 1
    assert np.all(np.abs(codes * scale - weights) <= scale * (0.5 + 1e-9))


def test_numbers_below_the_smallest_scale_are_zeros() -> None:
    assert not weights_to_codes(np.array([[1e-310]]), 3)[0].any()
    assert not quantised(np.array([[1e-42, 0.0]], np.float32), 8)[0].any()


@pytest.mark.parametrize(
    ("plan", "siemens"),
    [
        (Scheme("differential", (7,)), [[5, 2, 2], [2, 4, 2]]),
        (Scheme("two_sided", (7,)), [[7, 4, 5], [4, 6, 5]]),
        (Scheme("offset", (7,)), [[8, 3, 5]]),
        (Scheme("differential", (1, 3)), [[9, 2, 2], [2, 2, 2], [2 + 7 / 3, 2, 2], [2, 2 + 7 / 3, 2]]),
    ],
)
def test_conductances_of_codes(plan: Scheme, siemens: list[list[float]]) -> None:
    """Codes 3, -2 and 0 in a window from 2 to 9 uS."""
    levels = codes_to_levels(np.array([[3, -2, 0]], np.int16), plan)
    found = levels_to_conductances(levels, plan, 2e-6, 9e-6)
    np.testing.assert_allclose(found[:, 0] / 1e-6, siemens, rtol=1e-6)


def test_a_matrix_of_zeros_has_a_scale() -> None:
    codes, scale = weights_to_codes(np.zeros((2, 2)), 8)
    assert not codes.any() and scale == 1.0


@pytest.mark.parametrize(("levels", "multiple"), [(2**15 + 1, 1), (2**14, 3)])
def test_codes_beyond_16_bits_are_refused(levels: int, multiple: int) -> None:
    with pytest.raises(ValueError, match="do not fit into 16 bits"):
        weights_to_codes(np.ones((1, 1)), levels, multiple)
    assert weights_to_codes(np.ones((1, 1)), (levels - 1) // multiple, multiple)[0] > 0
