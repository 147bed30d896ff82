"""Tiles: waves, small products, fetching and latency."""

from __future__ import annotations

import math

import pytest

from hetsim.hardware.tiling import TilingSheet, Unit, tiled
from hetsim.workload import Matrix

RATE = 1e12
FAST = Unit(RATE, math.inf, 0.0)


def seconds(matrix: Matrix, tiles: list[tuple[int, int]], units: int = 10, unit: Unit = FAST, **more: object) -> float:
    sheet = TilingSheet.model_validate({"tiles": tiles, **more})
    return tiled(matrix, sheet, units, unit, 2).seconds


def test_a_last_wave_that_is_not_full_costs_a_whole_one() -> None:
    one = 2 * 128 * 128 * 512 / RATE
    for tiles, waves in ((10, 1), (11, 2), (20, 2), (21, 3)):
        assert seconds(Matrix(512, 128, 128 * tiles), [(128, 128)]) == pytest.approx(waves * one)


def test_the_library_takes_its_best_tile() -> None:
    matrix = Matrix(512, 128, 128 * 11)
    small = seconds(matrix, [(64, 64)])
    assert small < seconds(matrix, [(128, 128)])
    assert seconds(matrix, [(128, 128), (64, 64)]) == small


def test_edges_are_padded_to_whole_tiles_but_a_tile_is_no_larger_than_the_product() -> None:
    assert seconds(Matrix(64, 128, 129), [(128, 128)], 1) == seconds(Matrix(64, 128, 256), [(128, 128)], 1)
    assert seconds(Matrix(64, 16, 100), [(128, 128)], 1) == pytest.approx(2 * 16 * 100 * 64 / RATE)


def test_groups_are_tiles_side_by_side() -> None:
    assert seconds(Matrix(64, 32, 32, groups=20), [(32, 32)]) == 2 * seconds(Matrix(64, 32, 32), [(32, 32)])


def test_small_tiles_are_bound_by_fetching_their_operands() -> None:
    """A tile a x b fetches a + b numbers for a b multiplications at each of its depths."""
    unit = Unit(RATE, 10e9, 0.0)
    assert seconds(Matrix(512, 32, 32), [(32, 32)], 1, unit, step="64 B") == pytest.approx(64 * 512 * 2 / 10e9)


def test_what_is_in_flight_bounds_a_lone_tile() -> None:
    """Little's law: with s steps under way each takes a share 1 / s of the latency; filling and draining add two."""
    unit, matrix = Unit(RATE, math.inf, 1e-6), Matrix(320, 16, 16)
    steps = 320 * 2 / 64
    for stages in (1, 2, 5):
        took = seconds(matrix, [(16, 16)], 1, unit, step="64 B", stages=stages)
        assert took == pytest.approx((steps / stages + 2) * 1e-6)
    deep = seconds(matrix, [(16, 16)], 1, unit, step="64 B", stages=1000)
    assert deep == pytest.approx(2e-6 + 2 * 16 * 16 * 320 / RATE)


def test_a_tile_in_the_last_wave_takes_only_its_own_share_of_the_chip() -> None:
    sheet = TilingSheet(tiles=((128, 128),))
    share = tiled(Matrix(512, 128, 128 * 11), sheet, 10, FAST, 2)
    assert share.busy == pytest.approx(share.seconds * 11 / 20)
