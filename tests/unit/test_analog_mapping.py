"""Mapping of a matrix to codes, pairs and tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_analog_sheets import macro

from hetsim.analog.drive import quantised
from hetsim.analog.mapping import Tiling, codes_to_pairs, weights_to_codes


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
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 7), st.integers(1, 7), st.sampled_from(["rows", "columns"])
)
def test_gather_undoes_place(rows: int, columns: int, height: int, width: int, pair: str) -> None:
    tiling = Tiling(rows, columns, height, width)
    cells = np.arange(1, 2 * rows * columns + 1).reshape(2, rows, columns)
    placed = tiling.place(cells, pair)
    assert placed.shape[0] == tiling.tiles
    assert sorted(placed[placed > 0]) == sorted(cells.ravel())
    np.testing.assert_array_equal(tiling.gather(placed, pair), cells)


def test_the_two_cells_of_a_weight_are_neighbours() -> None:
    tiling = Tiling(3, 3, 2, 2)
    cells = np.arange(18).reshape(2, 3, 3)
    on_columns, on_rows = tiling.place(cells, "columns"), tiling.place(cells, "rows")
    np.testing.assert_array_equal(on_columns[0], [[0, 9, 1, 10], [3, 12, 4, 13]])
    np.testing.assert_array_equal(on_rows[0], [[0, 1], [9, 10], [3, 4], [12, 13]])
    np.testing.assert_array_equal(on_columns[3], [[8, 17, 0, 0], [0, 0, 0, 0]])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(2, 2048))
def test_codes_are_within_half_a_step(values: list[float], levels: int) -> None:
    weights = np.array([values])
    codes, scale = weights_to_codes(weights, levels)
    assert np.abs(codes).max() <= levels - 1
    assert np.all(np.abs(codes * scale - weights) <= scale * (0.5 + 1e-9))


def test_numbers_below_the_smallest_scale_are_zeros() -> None:
    assert not weights_to_codes(np.array([[1e-310]]), 3)[0].any()
    assert not quantised(np.array([[1e-42, 0.0]], np.float32), 8)[0].any()


def test_a_pair_holds_one_code_on_one_cell() -> None:
    pairs = codes_to_pairs(np.array([[3, -2, 0]], np.int16), 2e-6, 1e-6)
    np.testing.assert_allclose(pairs, [[[5e-6, 2e-6, 2e-6]], [[2e-6, 4e-6, 2e-6]]], rtol=1e-6)
    np.testing.assert_allclose((pairs[0] - pairs[1]) / 1e-6, [[3, -2, 0]], rtol=1e-6)


def test_a_matrix_of_zeros_has_a_scale() -> None:
    codes, scale = weights_to_codes(np.zeros((2, 2)), 8)
    assert not codes.any() and scale == 1.0
