"""The tables of docs/completeness.md are what the simulator says, and say what the page says."""

from __future__ import annotations

import importlib.util
import math
import re
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.golden.store import SCENARIOS

pytest.importorskip("sklearn")

PAGE = (ROOT / "docs" / "completeness.md").read_text(encoding="utf-8")
SAMPLE = ("algorithms/naive_bayes_wine", "algorithms/max_cut_karate", "algorithms/one_step_regression_diabetes")
NEAR = 0.1  # figures of three digits; computed in floating point on another machine


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("completeness_table", ROOT / "tools" / "completeness_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()
ROWS = {row.scenario: row for row in TOOL.ROWS}


def printed(name: str) -> str:
    """The line of a scenario on the page."""
    short = name.removeprefix("algorithms/")
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{short}` |"))


def same(one: str, other: str) -> bool:
    """Equal words, and numbers that are near."""
    pattern = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
    if re.sub(pattern, "#", one) != re.sub(pattern, "#", other):
        return False
    pairs = zip(re.findall(pattern, one), re.findall(pattern, other), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=NEAR, abs_tol=1e-3) for a, b in pairs)


def test_every_algorithm_stands_in_the_table() -> None:
    shown = {name for name in SCENARIOS if name.startswith("algorithms/")} | {"kmeans_digits", "solver_refinement"}
    assert shown == ROWS.keys()


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_the_table(name: str) -> None:
    assert same(TOOL.line(ROWS[name]), printed(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ROWS if name not in SAMPLE])
def test_the_whole_table(name: str) -> None:
    assert same(TOOL.line(ROWS[name]), printed(name))


def map_rows() -> list[list[str]]:
    body = PAGE.partition("<!-- refinement -->")[2].partition("<!-- end refinement -->")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.strip().splitlines()[2:]]


def test_the_map_is_within_a_factor_of_two_of_its_error_model() -> None:
    rows = map_rows()
    assert len(rows) == len(TOOL.CONDITIONS) * len(TOOL.LEVELS) * len(TOOL.DEVICES)
    both = [(float(p), float(m)) for *_, p, m in rows if p != "diverges" and m != "diverges"]
    assert len(both) >= 8
    assert all(p / 2 <= m <= 2 * p for p, m in both)
    assert all(measured != "diverges" for *_, spectral, _, measured in rows if float(spectral) < 1)


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "levels", "devices"), [(10, 16, 4), (5, 8, 1), (100, 32, 1)])
def test_points_of_the_map(condition: int, levels: int, devices: int) -> None:
    found = TOOL.point(condition, levels, devices)
    line = list(TOOL.map_lines([found]))[-1]
    key = line[: line.index("|", line.index("|", line.index("|", 1) + 1) + 1)]
    assert same(line, next(text for text in PAGE.splitlines() if text.startswith(key)))
    if (condition, levels, devices) == (10, 16, 4):
        assert found.converged


@pytest.mark.slow
def test_compensation_reaches_what_levels_alone_do_not() -> None:
    import hetsim

    imc = "system.components.imc."
    sets = [
        "workload.condition_number=100", "workload.tolerance=1e-12", "workload.compensations=3",
        "workload.devices=4", "workload.inner_tolerance=0.1", f"{imc}device.levels=16", f"{imc}crossbars=1024",
        f"{imc}adc.bits=12", f"{imc}input_bits=12", f"{imc}adc.range.policy=max",
        'scheduler.pin={"stored_product*": imc, "read_back*": imc}',
    ]  # fmt: skip
    metrics = hetsim.simulate(hetsim.load("solver_refinement", sets)).document["metrics"]
    assert metrics["converged"] == 1 and metrics["relative_residual"] <= 1e-12
