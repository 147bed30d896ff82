"""Validation: metrics by their words, tolerances and bounds, known misses, and what the command says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

import hetsim
from hetsim.cli import app
from hetsim.errors import InputError
from hetsim.scenario import Expectation
from hetsim.validate import Answer, Row, expecting, failures, unit, validate

QUESTION: dict[str, Any] = {
    "system": {
        "components": {"P1": {"kind": "abstract", "static_power": "2 W"}, "P2": {"kind": "abstract"}},
        "links": {"net": {"kind": "ideal", "bandwidth": "1 B/s", "between": ["P1", "P2"]}},
    },
    "workload": {
        "tasks": {
            "a": {"cost": {"P1": "4 s"}, "energy": {"P1": "6 J"}},
            "b": {"cost": {"P2": "3 s"}, "after": {"a": "5 B"}},
        }
    },
    "traffic": {"kind": "closed", "concurrency": 1, "requests": 2},
}


def written(folder: Path, *expect: dict[str, Any], **more: Any) -> str:
    path = folder / "question.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump({**QUESTION, "expect": list(expect), **more}, file)
    return str(path)


def row(simulated: float, **expected: Any) -> Row:
    return Row("s", Expectation(metric="makespan_s", **expected), simulated, {})


@pytest.fixture(scope="module")
def answer() -> Answer:
    scenario = hetsim.load(QUESTION)
    return Answer(scenario, hetsim.simulate(scenario))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("makespan_s", 24), ("components.P1.busy_s", 8), ("energy_J.total", 12 + 48),
        ("energy_J.total / requests", 30), ("makespan_s * 2 / 12 s", 4), ("1 / throughput_per_s", 12),
        ("ops.a.seconds", 4), ("ops.a.joules", 6), ("ops.a.joules / ops.a.seconds", 1.5), ("latency_s.max", 12),
        ("plan.b.run.seconds", 3), ("plan.a.compute.joules", 6), ("plan.b.run.count", 1), ("plan.b.run.rate", 1 / 3),
        ("links.net.bytes", 10), ("3 ms * 2", 6e-3), ("makespan_s / 2 + ops.a.seconds * 3 - 1 s", 23),
    ],
)  # fmt: skip
def test_metrics_by_their_words(answer: Answer, metric: str, value: float) -> None:
    assert answer.figure(metric) == pytest.approx(value)


def test_counts_of_components_have_dots_in_their_names() -> None:
    scenario = hetsim.load(QUESTION)
    result = hetsim.simulate(scenario)
    result.document["metrics"]["imc.adc_clipped"] = 7.0
    assert Answer(scenario, result).figure("metrics.imc.adc_clipped") == 7


@pytest.mark.parametrize(
    ("metric", "message", "hint"),
    [
        ("makespan", "the answer has no 'makespan'", "did you mean 'makespan_s'?"),
        ("components.P1.busy", "the answer has no 'components.P1.busy'", "did you mean 'busy_s'?"),
        ("components.P1", "is no number", ""), ("scenario", "is no number", ""),
        ("ops.c.seconds", "no op 'c' ran", "known: a, b"), ("ops.a.second", "has no 'second'", "seconds, joules"),
        ("plan.a.walk.count", "has no step 'walk'", "known: compute, run"),
        ("plan.a.run.time", "has no 'time'", "rate"),
        ("plan.c.run.count", "no op 'c' ran", ""), ("makespan_s / energy_J.by_component.P9", "has no", "P1"),
        ("makespan_s / dropped", "dropped is 0", ""),
    ],
)  # fmt: skip
def test_metrics_that_are_not_there_say_what_is(answer: Answer, metric: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        answer.figure(metric, 3)
    (problem,) = error.value.problems
    assert message in problem.message
    assert hint in problem.hint
    assert problem.path == "expect.3.metric"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (row(105, value=100, within=0.05), "ok"), (row(105.1, value=100, within=0.05), "out"),
        (row(94.9, value=100, within=0.05), "out"), (row(94.9, value=100, within=0.05, known_miss="why"), "known miss"),
        (row(3, min=3), "ok"), (row(2.9, min=3), "out"), (row(4, max=4), "ok"), (row(4.1, min=3, max=4), "out"),
        (row(0, value=0, within=0.1), "ok"), (row(1, value=0, within=0.1), "out"),
        (row(90, value=100, within=0.2, min=95), "out"), (row(-1, value=-1.02, within=0.05), "ok"),
    ],
)  # fmt: skip
def test_verdicts(found: Row, verdict: str) -> None:
    assert found.verdict == verdict
    assert failures([found]) == (verdict == "out")
    assert failures([found], strict=True) == (verdict != "ok")


def test_deviation_is_from_the_value_or_the_bound_that_is_broken() -> None:
    assert row(110, value=100, within=0.2).deviation == pytest.approx(0.1)
    assert row(2.7, min=3, max=4).deviation == pytest.approx(-0.1)
    assert row(5, min=3, max=4).deviation == pytest.approx(0.25)
    assert row(3.5, min=3, max=4).deviation is None


@pytest.mark.parametrize(
    ("metric", "symbol"),
    [
        ("makespan_s", "s"), ("components.npu.ops / components.npu.busy_s", "OP/s"), ("throughput_per_s * 200", "/s"),
        ("ops.a.joules / ops.a.seconds", "W"), ("energy_J.by_component.imc / requests", "J"), ("latency_s.p90", "s"),
        ("plan.a.multiply.rate / 200 MHz", ""), ("plan.a.memory.count", "B"), ("metrics.accuracy", ""),
        ("1 / throughput_per_s", "s"), ("links.bus.bytes / links.bus.busy_s", "B/s"),
    ],
)  # fmt: skip
def test_units_are_those_of_the_words(metric: str, symbol: str) -> None:
    assert unit(metric) == symbol


def test_a_study_is_expected_of_at_each_point(tmp_path: Path) -> None:
    path = written(
        tmp_path, {"metric": "makespan_s", "max": "20 s"}, sweep={"system.links.net.bandwidth": ["1 B/s", "10 B/s"]}
    )
    slow, fast = validate([path])
    assert (slow.verdict, fast.verdict) == ("out", "ok")
    assert slow.told()[0] == "question bandwidth=1 B/s"


def test_the_library_expects_published_figures() -> None:
    names = expecting()
    assert "heft_textbook" in names
    assert "mnist_heterogeneous" not in names
    assert all(hetsim.load(name).expect for name in names)


@pytest.mark.parametrize("name", expecting())
def test_every_published_figure_is_met_or_its_miss_is_known(name: str) -> None:
    rows = validate([name])
    assert rows
    assert [r.told() for r in rows if r.verdict == "out"] == []
    assert all(r.expected.source for r in rows)


def test_the_command_prints_both_and_exits_by_what_misses(tmp_path: Path) -> None:
    good = {"metric": "makespan_s", "value": "24 s", "within": "1 %", "source": "by construction"}
    known = {"metric": "energy_J.total", "max": "50 J", "known_miss": "static power"}
    bad = {"metric": "ops.a.seconds", "value": "5 s", "within": "1 %"}
    say = CliRunner()
    run = say.invoke(app, ["validate", written(tmp_path, good, known)])
    assert run.exit_code == 0
    for text in (
        "24.00 s",
        "+0.0 %",
        "by construction",
        "≤ 50.00 J",
        "60.00 J",
        "+20.0 %",
        "(1) static power",
        "1 known",
    ):
        assert text in run.stdout
    assert say.invoke(app, ["validate", "--strict", written(tmp_path, good, known)]).exit_code == 1
    run = say.invoke(app, ["validate", written(tmp_path, good, bad)])
    assert run.exit_code == 1
    assert "-20.0 %" in run.stdout
    assert "1 ok, 1 out" in run.stdout


def test_nothing_expected_is_bad_input(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["validate", written(tmp_path)])
    assert run.exit_code == 2
    assert "nothing is expected" in run.stderr
