"""Hierarchy of a chip: sums over parts, and distances on a mesh."""

from __future__ import annotations

from collections import deque

import pytest

from hetsim.hardware import hierarchy
from hetsim.hardware.hierarchy import Level, Part

LEVELS = {
    "core": Level.model_validate(
        {"holds": 4, "parts": {"adc": {"count": 2, "area": "3 mm2", "power": "5 mW", "leakage": "1 mW"}}}
    ),
    "tile": Level.model_validate({"holds": 3, "parts": {"sram": {"area": "1 mm2", "power": "2 mW"}}}),
}


def hops(one: int, other: int, columns: int) -> int:
    return len(list(hierarchy.ways(hierarchy.position(one, columns), hierarchy.position(other, columns))))


def test_units_come_to_the_sum_of_their_parts() -> None:
    sums = hierarchy.rolled(LEVELS)
    assert sums["core"].area == pytest.approx(6e-6)
    assert sums["core"].power == pytest.approx(10e-3)
    assert sums["tile"].area == pytest.approx(3 * 6e-6 + 1e-6)
    assert sums["tile"].power == pytest.approx(3 * 10e-3 + 2e-3)
    assert sums["tile"].leakage == pytest.approx(3 * 2e-3)


def test_a_chip_is_its_units_and_its_own_parts() -> None:
    own = {"port": Part.model_validate({"area": "7 mm2", "power": "1 W"})}
    found = dict(hierarchy.figures(LEVELS, own, 60))  # 60 crossbars: 5 tiles of 3 cores of 4
    assert found["area_mm2"] == pytest.approx(5 * 19 + 7)
    assert found["rated_power_W"] == pytest.approx(5 * 32e-3 + 1)
    assert found["core_area_mm2"] == pytest.approx(6)
    assert hierarchy.crossbars_in(LEVELS, "core") == 4
    assert hierarchy.crossbars_in(LEVELS, "tile") == 12


def walked(columns: int, rows: int, start: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Steps from a node to each other on a grid, by breadth-first search."""
    found, queue = {start: 0}, deque([start])
    while queue:
        x, y = queue.popleft()
        for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if 0 <= near[0] < columns and 0 <= near[1] < rows and near not in found:
                found[near] = found[x, y] + 1
                queue.append(near)
    return found


@pytest.mark.parametrize(("columns", "rows"), [(1, 5), (4, 4), (5, 3)])
def test_hops_are_those_of_a_walk_on_the_grid(columns: int, rows: int) -> None:
    units = range(columns * rows)
    for one in units:
        steps = walked(columns, rows, hierarchy.position(one, columns))
        for other in units:
            assert hops(one, other, columns) == steps[hierarchy.position(other, columns)]


def test_neighbours_in_number_are_neighbours_in_place() -> None:
    assert {hops(unit, unit + 1, 6) for unit in range(35)} == {1}
    assert len({hierarchy.position(unit, 6) for unit in range(36)}) == 36
