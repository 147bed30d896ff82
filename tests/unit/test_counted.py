"""Counted components: one entry for many equal parts, and many equal entries that are read once."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import hetsim
from hetsim.document import Source, of, parse, shared
from hetsim.errors import InputError
from hetsim.scenario import Scenario, load

TILES = """\
system:
  components:
    cpu: {kind: abstract}
    tile: {kind: abstract, static_power: 1 mW, count: 3}
  links:
    net: {kind: mesh, columns: 2, router: 1 ns, bandwidth: 1 GB/s, between: [cpu, tile]}
workload:
  tasks:
    a: {cost: {tile_0: 4 s, tile_2: 3 s, tile_1: 5 s}}
    b: {cost: {tile_0: 2 s, tile_1: 2 s, cpu: 1 s}, after: {a: 1 kB}}
scheduler: {kind: heft, pin: {a: tile, b: [tile_1, cpu]}}
"""


def wrong(text: str, tmp_path: Path) -> list[tuple[Any, ...]]:
    file = tmp_path / "s.yaml"
    file.write_text(dedent(text))
    with pytest.raises(InputError) as error:
        load(file)
    return [(p.line, p.path, p.message) for p in error.value.problems]


@pytest.fixture
def tiles(tmp_path: Path) -> Scenario:
    (tmp_path / "tiles.yaml").write_text(TILES)
    return load(tmp_path / "tiles.yaml")


def test_a_count_makes_so_many_parts_on_every_link_and_pin(tiles: Scenario) -> None:
    assert list(tiles.parts.components) == ["cpu", "tile_0", "tile_1", "tile_2"]
    assert tiles.parts.links["net"].between == ("cpu", "tile_0", "tile_1", "tile_2")
    assert tiles.scheduler.pin["a"] == ("tile_0", "tile_1", "tile_2")
    assert tiles.scheduler.pin["b"] == ("tile_1", "cpu")
    answer = hetsim.simulate(tiles).to_dict()
    assert answer["assignments"] == {"a": ["tile_2"], "b": ["cpu"]}
    assert answer["energy_J"]["static"] == pytest.approx(3e-3 * answer["makespan_s"])


def test_a_resolved_scenario_keeps_the_count_and_makes_the_same_scenario(tiles: Scenario) -> None:
    resolved = tiles.resolved()
    assert list(resolved["system"]["components"]) == ["cpu", "tile"]
    assert resolved["system"]["components"]["tile"]["count"] == 3
    assert resolved["system"]["links"]["net"]["between"] == ["cpu", "tile"]
    again = load(resolved)
    assert again.resolved() == resolved and again.parts == tiles.parts
    assert tiles.with_seed(5).resolved() == {**resolved, "seed": 5}


def test_a_count_can_be_set_and_swept(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(TILES + "sweep: {system.components.tile.count: [3, 40]}\n")
    assert [len(point.parts.components) for _, point in load(tmp_path / "t.yaml").points()] == [4, 41]
    assert len(load(tmp_path / "t.yaml", ["system.components.tile.count=7"]).parts.components) == 8


@pytest.mark.parametrize("count", ["0", "-2", "1.5", "many", "true", "[1]", "2000000"])
def test_what_is_no_count_is_refused(count: str, tmp_path: Path) -> None:
    (problem,) = wrong(TILES.replace("count: 3", f"count: {count}"), tmp_path)
    assert problem[:2] == (4, "system.components.tile.count")
    assert "a whole number from 1 to 1,000,000 is expected" in problem[2]


def test_what_else_is_wrong_is_told_beside_a_count_that_is_none(tmp_path: Path) -> None:
    text = TILES.replace("count: 3", "count: 0") + "warmup: -1\n"
    assert [path for _, path, _ in wrong(text, tmp_path)] == ["system.components.tile.count", "warmup"]


def test_a_name_that_a_count_takes_is_refused_to_others(tmp_path: Path) -> None:
    text = TILES.replace("cpu: {kind: abstract}", "cpu: {kind: abstract}\n    tile_1: {kind: abstract}")
    (problem,) = wrong(text, tmp_path)
    assert problem[:2] == (4, "system.components.tile_1")


def test_what_is_wrong_with_many_equal_parts_is_told_once(tmp_path: Path) -> None:
    text = TILES.replace("1 mW, count: 3", "1 s, speed: 2, count: 500")
    found = wrong(text, tmp_path)
    assert [place[:2] for place in found] == [
        (4, "system.components.tile_0.static_power"), (4, "system.components.tile_0.speed"),
    ]  # fmt: skip


def test_each_of_many_equal_entries_is_told_at_its_own_line(tmp_path: Path) -> None:
    """Equal blocks are read once, but stand on lines of their own."""
    bad = "    {}: {{kind: abstract, static_power: 1 s}}\n"
    text = TILES.replace("  links:\n", bad.format("x") + bad.format("y") + "  links:\n")
    assert [place[:2] for place in wrong(text, tmp_path)] == [
        (5, "system.components.x.static_power"), (6, "system.components.y.static_power"),
    ]  # fmt: skip


def test_equal_blocks_are_one_sheet_and_others_are_not() -> None:
    parts = {"a": {"kind": "abstract"}, "b": {"kind": "abstract"}, "c": {"kind": "abstract", "static_power": "1 W"}}
    scenario = load({"system": {"components": parts}, "workload": {"tasks": {"t": {"cost": {"a": "1 s"}}}}})
    sheets = scenario.parts.components
    assert sheets["a"] is sheets["b"] and sheets["a"] != sheets["c"]
    dumped = scenario.resolved()["system"]["components"]
    dumped["a"]["title"] = "another"
    assert dumped["b"]["title"] != "another"


def test_shared_data_are_those_of_the_tree() -> None:
    """1, 1.0 and true are equal to Python, and are not the same datum."""
    text = "a: {x: 1, y: [1, 2]}\nb: {x: 1.0, y: [1, 2]}\nc: {x: true}\nd: {x: 1, y: [1, 2]}\ne: [[], {}]\n"
    tree = parse(text, Source("t"))
    data = shared(tree)
    assert repr(data) == repr(tree.plain())
    assert data["a"] is data["d"] and data["a"]["y"] is data["b"]["y"] and data["a"] is not data["b"]
    one = {"x": 1}
    twice = of({"a": one, "b": one}, Source("t"))
    assert twice.child("a") is twice.child("b") and twice.plain() == {"a": one, "b": one}
