"""The tables of docs/technologies.md: as the simulator has them, and as the datasheets give them by hand."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

import hetsim
from tests.docs.pages import ROOT
from tests.docs.test_completeness import same
from tools import technology_table as tool

pytest.importorskip("mlxtend")
pytest.importorskip("sklearn")

PAGE = (ROOT / "docs" / "technologies.md").read_text(encoding="utf-8")
FORCED = {"device", "slices", "active_rows", "origin"}  # what may differ between technologies
LIMIT = 128 * 25e-6 * 0.2  # amperes of a column


def column(part: str, head: str) -> dict[str, str]:
    """The column of a table under a head."""
    body = PAGE.partition(f"<!-- {part} -->")[2].partition(f"<!-- end {part} -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.strip().splitlines()]
    at = rows[0].index(head)
    return {row[0]: row[at] for row in rows if not set(row[at]) <= {"-"}}


def check(part: str, found: Any) -> None:
    shown = column(part, found[""])
    assert shown.keys() == found.keys()
    wrong = {label: (shown[label], text) for label, text in found.items() if not same(shown[label], text)}
    assert not wrong


def chip(name: str) -> Any:
    return hetsim.load(f"technologies/{name}").parts.components["imc"]


def test_a_sample_of_the_technologies() -> None:
    check("technologies", tool.technology("mnist_rram_yao"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in tool.TECHNOLOGIES if name != "mnist_rram_yao"])
def test_all_technologies(name: str) -> None:
    check("technologies", tool.technology(name))


@pytest.mark.parametrize("row", tool.KMEANS, ids=lambda row: row.scenario)
def test_k_means_both_ways(row: Any) -> None:
    check("kmeans", tool.wearing(row))


@pytest.mark.slow
@pytest.mark.parametrize("row", tool.TRAINING, ids=lambda row: row.scenario)
def test_training(row: Any) -> None:
    check("training", tool.wearing(row))


def test_every_technology_has_the_same_periphery() -> None:
    trees = [hetsim.load(f"technologies/{n}").resolved()["system"]["components"]["imc"] for n in tool.TECHNOLOGIES]
    periphery = [{key: value for key, value in tree.items() if key not in FORCED} for tree in trees]
    assert all(found == periphery[0] for found in periphery)
    assert len({str(tree["device"]) for tree in trees}) == len(trees)


@pytest.mark.parametrize("name", tool.TECHNOLOGIES)
def test_no_column_draws_more_than_the_limit_and_no_fewer_rows_than_needed(name: str) -> None:
    sheet = chip(name)
    rows = sheet.active_rows or sheet.rows
    assert rows * sheet.device.g_max * sheet.read_voltage <= LIMIT * (1 + 1e-9)
    assert rows == sheet.rows or 2 * rows * sheet.device.g_max * sheet.read_voltage > LIMIT


@pytest.mark.parametrize("name", tool.TECHNOLOGIES)
def test_figures_follow_from_the_datasheet(name: str) -> None:
    """In closed form: 2,856 weights, the least of n Weibull lives, pulses with a verify read each, conversions."""
    sheet, shown = chip(name), column("technologies", tool.TECHNOLOGIES[name])
    device, cells = sheet.device, 2856 * sheet.scheme.cells
    writes = device.endurance * math.sqrt(math.log(2)) / (device.write.pulses * math.sqrt(cells))
    assert same(shown["first failure, written once an hour"], tool.period(writes * tool.HOUR))
    joules = cells * device.write.pulses * (device.write.energy + sheet.adc.energy)
    assert same(shown["writing the network: energy"], tool.joules(joules))


def test_the_share_of_chips_that_the_page_gives() -> None:
    quantiles = [math.sqrt(math.log(0.95) / math.log(0.5)) ** (2 / shape) for shape in (2, 1, 4)]
    found = re.search(r"before (\d+) % of the\nmedian at shape 2, before (\d+) % at shape 1, and (\d+) % at", PAGE)
    assert found is not None
    assert [int(word) for word in found.groups()] == [round(100 * q) for q in quantiles]


def test_mram_draws_what_the_page_says() -> None:
    sheet = chip("mnist_stt_mram")
    middle = (sheet.device.g_min + sheet.device.g_max) / 2
    assert middle * sheet.pulse_energy == pytest.approx(0.5e-12, rel=1e-3)
    assert 1 / (12 * sheet.scheme.cells * middle) == pytest.approx(56, abs=0.5)
