"""The tables of docs/placement.md, made anew: a sample always, all of them when there is time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import placement_table as tables  # noqa: E402

WRITTEN = tables.written(tables.PAGE.read_text(encoding="utf-8"))
SAMPLE = [
    ("resnet50_edge", "`heft`"), ("mobilenet_v2_server", "`work_stealing`"), ("encoder_workstation", "`peft`"),
    ("mnist_cnn_edge", "`greedy`"), ("mnist_cnn_server", "`load_balance`"), ("mobilenet_v2_edge", "cpu alone"),
    ("encoder_edge", "imc, the rest on cpu"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "title"), SAMPLE)
def test_a_line_is_what_the_page_says(name: str, title: str) -> None:
    blocks = tables.alone(tables.hetsim.load(f"placement/{name}"))
    block = blocks[title] if title in blocks else tables.settings(title.strip("`"))
    found = tables.row(name, title, block)
    assert tables.close(found, WRITTEN[name, title]), (found, WRITTEN[name, title])


@pytest.mark.parametrize("name", tables.SCENARIOS)
def test_every_policy_and_part_has_a_line(name: str) -> None:
    scenario = tables.hetsim.load(f"placement/{name}")
    titles = [*tables.alone(scenario), *(f"`{kind}`" for kind in tables.kinds(scenario))]
    assert {title for scenario, title in WRITTEN if scenario == name} == set(titles)


def dynamic(document: dict) -> float:
    return document["energy_J"]["total"] - document["energy_J"]["static"]


def total(document: dict) -> float:
    return document["energy_J"]["total"]


def test_the_precise_placement_meets_the_floor_at_less_energy_than_the_digital_parts() -> None:
    heft, digital, precise, overall = tables.floor("edge").values()
    assert heft["metrics"]["accuracy"] < tables.FLOOR <= precise["metrics"]["accuracy"]
    assert dynamic(precise) < dynamic(digital) and total(precise) < total(digital)
    assert overall["metrics"]["accuracy"] >= tables.FLOOR and total(overall) < total(digital)
    assert "imc" in {name for names in overall["assignments"].values() for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["workstation", "server"])
def test_the_floor_is_met_on_the_other_systems_as_well(name: str) -> None:
    """What a request adds is less; but the whole machine waits longer for the last answer, so that its static power
    outweighs that, and a policy that counts it leaves the chips out."""
    heft, digital, precise, overall = tables.floor(name).values()
    assert heft["metrics"]["accuracy"] < tables.FLOOR <= precise["metrics"]["accuracy"]
    assert dynamic(precise) < dynamic(digital)
    watts = digital["energy_J"]["static"] / digital["makespan_s"]
    waited = watts * (precise["makespan_s"] - digital["makespan_s"])
    assert total(precise) - waited < total(digital) < total(precise)
    assert overall["metrics"]["accuracy"] >= tables.FLOOR and total(overall) <= total(digital)
    assert not any(place.startswith("imc") for places in overall["assignments"].values() for place in places)


@pytest.mark.slow
def test_all_of_the_table() -> None:
    pytest.importorskip("ortools", reason="the extra `optimise` is not installed")
    assert tables.main(check=True) == 0
