"""The catalog: names become data, with what they use filled in and every figure's source kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from textwrap import dedent

import pytest

from hetsim import catalog
from hetsim.catalog import filled, locate, names, stripped, unsourced
from hetsim.document import Node, Source, dotted, parse, read
from hetsim.errors import InputError, Problem


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of its own, so that these tests do not depend on the shipped one."""
    home = tmp_path / "library"
    monkeypatch.setattr(catalog, "shelf", lambda place: home / place)
    put(
        home,
        "components/gpus/fast.yaml",
        "kind: gpu\nlanes: 8\nmemory: {use: memories/hbm, override: {size: 16}}",
    )
    put(home, "components/memories/hbm.yaml", "kind: memory\nsize: 8\nrate: {value: 900 GB/s, source: s}\n")
    put(home, "components/devices/rram.yaml", "kind: device\nlevels: 8\n")
    put(home, "workloads/cnn/net.yaml", "onnx: net.onnx\nbatch: 1\n")
    put(home, "scenarios/demo.yaml", "seed: 1\n")
    return home


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


def tree(text: str, folder: Path | None = None) -> Node:
    return parse(dedent(text), Source("s.yaml", folder))


def problems(text: str, folder: Path | None = None) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as error:
        filled(tree(text, folder))
    return error.value.problems


# --- names ---


def test_a_name_is_looked_for_beside_the_file_and_then_in_the_library(tmp_path: Path, library: Path) -> None:
    assert locate("gpus/fast") == library / "components/gpus/fast.yaml"
    assert locate("cnn/net", ["workloads"]) == library / "workloads/cnn/net.yaml"
    mine = put(tmp_path, "gpus/fast.yaml", "kind: gpu\n")
    assert locate("gpus/fast", beside=[tmp_path]) == mine
    assert locate("gpus/fast.yaml", beside=[tmp_path]) == mine
    assert locate(str(mine)) == mine


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gpus/fst", "did you mean 'gpus/fast'?"),
        ("fast", "did you mean 'gpus/fast'?"),
        ("cpus/fast", "did you mean 'gpus/fast'?"),
        ("Demo", "did you mean 'demo'?"),
        ("zzz", "known: cnn/net, demo, devices/rram, gpus/fast, memories/hbm"),
    ],
)
def test_a_wrong_name_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        locate(name)
    assert error.value.problems == (Problem(f"{name!r} is no file and no name in the library", hint),)


def test_names_of_a_kind_are_listed() -> None:
    assert names("components") == ["devices/rram", "gpus/fast", "memories/hbm"]
    assert names("gpus") == ["gpus/fast"]
    assert names("cnn") == ["cnn/net"]
    assert names("scenarios") == ["demo"]
    with pytest.raises(InputError) as error:
        names("gpu")
    assert error.value.problems[0].hint == "did you mean 'gpus'?"


def test_the_shipped_library_is_in_the_package_or_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert all(catalog.shelf(place).is_dir() for place in catalog.SHELVES)
    assert "cpus/xeon_platinum_8180" in names("components")


# --- use ---


def test_use_is_filled_in_recursively_with_overrides(library: Path) -> None:
    found = filled(stripped(tree("gpu: {use: gpus/fast, override: {memory: {size: 32}}, lanes: 4, extra: 1}")))
    digest = {
        name: hashlib.sha256((library / f"components/{name}.yaml").read_bytes()).hexdigest()
        for name in ("gpus/fast", "memories/hbm")
    }
    assert found.plain() == {
        "gpu": {
            "kind": "gpu", "lanes": 4, "extra": 1,
            "memory": {
                "kind": "memory", "size": 32, "rate": "900 GB/s",
                "origin": {"name": "memories/hbm", "sha256": digest["memories/hbm"]},
            },
            "origin": {"name": "gpus/fast", "sha256": digest["gpus/fast"]},
        }
    }  # fmt: skip


def test_another_part_replaces_the_one_that_stood_there_whole(library: Path) -> None:
    """Nothing of the old memory is left over in the new one."""
    put(library, "components/memories/plain.yaml", "kind: memory\nsize: 1\n")
    found = filled(stripped(tree("gpu: {use: gpus/fast, override: {memory: {use: memories/plain}}}"))).plain()
    assert isinstance(found, dict)
    memory = found["gpu"]["memory"]
    assert memory.pop("origin")["name"] == "memories/plain"
    assert memory == {"kind": "memory", "size": 1}


def test_what_is_filled_in_keeps_its_places(library: Path) -> None:
    found = filled(stripped(tree("a: 1\ngpu:\n  use: gpus/fast\n  override:\n    memory: {size: 32}\n")))
    places = {dotted(path): (Path(node.source.file).name, node.line) for path, node in found.walk()}
    assert places["gpu"] == ("s.yaml", 2)
    assert places["gpu.lanes"] == ("fast.yaml", 2)
    assert places["gpu.memory.rate"] == ("hbm.yaml", 3)
    assert places["gpu.memory.size"] == ("s.yaml", 5)


def test_a_datasheet_finds_its_neighbours_and_those_of_the_scenario(tmp_path: Path) -> None:
    put(tmp_path, "parts/chip.yaml", "device: {use: cell}\nmemory: {use: shared/dram}\n")
    put(tmp_path, "parts/cell.yaml", "levels: 4\n")
    put(tmp_path, "shared/dram.yaml", "size: 1\n")
    found = filled(tree("{use: parts/chip}", tmp_path), [tmp_path]).plain()
    assert (found["device"]["levels"], found["memory"]["size"]) == (4, 1)
    assert found["origin"]["name"] == "parts/chip" and found["device"]["origin"]["name"] == "cell"


def test_a_datasheet_that_builds_on_another_has_its_own_origin(tmp_path: Path) -> None:
    put(tmp_path, "mine.yaml", "use: gpus/fast\noverride: {lanes: 16}\n")
    found = filled(tree("{use: mine.yaml}", tmp_path)).plain()
    assert found["lanes"] == 16 and found["origin"]["name"] == "mine"


def test_use_works_in_lists() -> None:
    assert filled(tree("a: [{use: devices/rram}, 3]")).plain()["a"][0]["levels"] == 8


def test_every_wrong_use_is_told_at_once() -> None:
    found = problems("a: {use: gpus/fst}\nb:\n  c: {use: 3}\nd: {use: gpus/fast, override: 4}\n")
    assert [(p.file, p.line, p.path, p.message) for p in found] == [
        ("s.yaml", 1, "a.use", "'gpus/fst' is no file and no name in the library"),
        ("s.yaml", 3, "b.c.use", "use must name a file, found 3"),
        ("s.yaml", 4, "d.override", "override must be a mapping"),
    ]


def test_use_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml", "b: {use: b}\n")
    put(tmp_path, "b.yaml", "a: {use: a}\n")
    (found,) = problems("{use: a}", tmp_path)
    assert found.message == "use leads back to itself: a -> b -> a" and found.file.endswith("b.yaml")


def test_the_same_part_may_be_used_twice() -> None:
    found = filled(tree("a: {use: devices/rram}\nb: {use: devices/rram, levels: 2}")).plain()
    assert (found["a"]["levels"], found["b"]["levels"]) == (8, 2)


def test_a_datasheet_must_be_a_mapping(tmp_path: Path) -> None:
    put(tmp_path, "list.yaml", "- 1\n")
    (found,) = problems("{use: list}", tmp_path)
    assert found.message == "a datasheet must be a mapping" and found.file.endswith("list.yaml")


# --- figures and their sources ---


def test_a_datum_becomes_its_value_and_keeps_its_facts() -> None:
    found = stripped(tree("a: {value: 5 ns, source: Paper 2020, evidence: primary, note: x, from: y}\nb: [{value: 3}]"))
    assert found.plain() == {"a": "5 ns", "b": [3]}
    datum = found.child("a")
    assert datum is not None
    assert datum.facts == {"source": "Paper 2020", "evidence": "primary", "note": "x", "from": "y"}


def test_a_mapping_with_other_keys_is_no_datum() -> None:
    assert stripped(tree("a: {value: 1, metric: x}")).plain() == {"a": {"value": 1, "metric": "x"}}


def test_every_figure_needs_a_source_and_its_evidence() -> None:
    sheet = stripped(
        tree("""\
        kind: gpu
        title: 8 lanes
        references: [2017 Paper]
        lanes: 8
        format: int8
        on: true
        good: {value: 5 ns, source: s, evidence: derived, from: x}
        table: {value: {a: 1, b: [2, 3 V]}, source: s, evidence: assumption}
        nested: {deep: 3 V}
        vague: {value: 1, source: s}
        rumour: {value: 1, source: s, evidence: rumour}
        memory: {use: memories/hbm, override: {size: 3}}
        """)
    )
    assert [(p.line, p.path, p.message) for p in unsourced(sheet)] == [
        (4, "lanes", "8 has no source"),
        (9, "nested.deep", "'3 V' has no source"),
        (10, "vague", "1 has no evidence"),
        (11, "rumour", "evidence 'rumour' is not known"),
        (12, "memory.override.size", "3 has no source"),
    ]


def test_the_shipped_datasheets_give_their_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    sheets = names("components")
    assert sheets
    found = [p for name in sheets for p in unsourced(stripped(read(locate(name, ["components"]))[0]))]
    assert found == []
