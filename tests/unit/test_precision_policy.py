"""The precision-aware policy: measured errors, settings within bounds, and the front."""

from __future__ import annotations

from typing import Any

import pytest

import hetsim
from hetsim.engine.trials import Trials
from hetsim.errors import InputError
from hetsim.schedulers.precision import _chain
from hetsim.schedulers.trials import Sample

NAME = "placement/mnist_cnn_edge"
AIM = {"minimise": "dynamic_energy", "subject_to": {"accuracy": ">= 0.95"}}
BLOCK = {"kind": "precision", "calibration": "mnist/train[:64]", "choices": {"imc.adc.bits": [2, 4]}, "objective": AIM}


def question(scheduler: dict[str, Any], *sets: str) -> hetsim.Scenario:
    return hetsim.load(NAME, ["workload.data=mnist/test[:128]", "system.components.imc.adc.bits=2", *sets]).changed(
        {"scheduler": scheduler}
    )


@pytest.fixture(scope="module")
def chosen() -> hetsim.Result:
    return hetsim.simulate(question(BLOCK))


def test_a_floor_that_heft_misses_is_met_at_less_energy_than_without_the_chip(chosen: hetsim.Result) -> None:
    def dynamic(document: dict[str, Any]) -> float:
        return document["energy_J"]["total"] - document["energy_J"]["static"]

    heft = hetsim.simulate(question({"kind": "heft", "objective": "energy"})).document
    digital = hetsim.simulate(question({"kind": "heft", "pin": {"*": "cpu"}})).document
    assert heft["metrics"]["accuracy"] < 0.95 <= chosen.document["metrics"]["accuracy"]
    assert digital["metrics"]["accuracy"] >= 0.95
    assert dynamic(chosen.document) < dynamic(digital)


def test_the_front_is_what_no_other_beats(chosen: hetsim.Result) -> None:
    points = chosen.document["alternatives"]
    costs = [(p["energy"], p["latency"], -p["accuracy"]) for p in points]
    for point, mine in zip(points, costs, strict=True):
        beaten = any(all(a <= b for a, b in zip(o, mine, strict=True)) and o != mine for o in costs)
        assert point["front"] is not beaten
    assert sum(point["chosen"] for point in points) == 1
    assert {point["settings"]["system.components.imc.adc.bits"] for point in points} == {2, 4}


def test_no_single_move_would_have_been_better() -> None:
    block = BLOCK | {"rounds": 5, "objective": {"minimise": "energy", "subject_to": {"accuracy": ">= 0.95"}}}
    points = hetsim.simulate(question(block)).document["alternatives"]
    best = next(point for point in points if point["chosen"])
    alike = [point for point in points if point["settings"] == best["settings"]]
    near = [point for point in alike if len(point["places"].items() - best["places"].items()) == 1]
    assert len(near) == len(best["places"])  # on two components each op has one other
    assert all(point["energy"] >= best["energy"] or point["accuracy"] < 0.95 + 0.005 for point in near)
    start = hetsim.simulate(question(block | {"rounds": 0})).document["alternatives"]
    assert best["energy"] <= min(point["energy"] for point in start if point["accuracy"] >= 0.95 + 0.005)


def test_the_result_asks_the_same_again(chosen: hetsim.Result) -> None:
    assert chosen.document["resolved"]["system"]["components"]["imc"]["adc"]["bits"] == 2  # as the question had it
    again = hetsim.simulate(hetsim.load(chosen.document["resolved"]))
    assert again.document["assignments"] == chosen.document["assignments"]
    assert again.document["alternatives"] == chosen.document["alternatives"]


def test_the_front_is_drawn(chosen: hetsim.Result) -> None:
    labels = [axes.get_xlabel() for axes in chosen.plot("pareto").axes]
    assert labels[0].startswith("energy (") and labels[1].startswith("latency (")
    other = hetsim.simulate(question({"kind": "heft"}, "numerics=none"))
    with pytest.raises(InputError, match="there is no plot 'pareto'"):
        other.plot("pareto")


def test_bounds_that_nothing_keeps_to_are_told() -> None:
    aim = {"minimise": "energy", "subject_to": {"latency": "<= 1 ns"}}
    document = hetsim.simulate(question(BLOCK | {"objective": aim, "choices": {}})).document
    assert "precision: no alternative keeps to all bounds" in document["notes"]


def test_an_accuracy_that_nobody_can_measure_is_refused() -> None:
    with pytest.raises(InputError, match=r"no accuracy to decide by"):
        hetsim.simulate(question(BLOCK, "workload.scores=none"))


def test_errors_are_those_of_the_converters_and_of_the_format() -> None:
    found = {}
    for bits in (2, 4, 8):
        scenario = question({"kind": "heft"}, f"system.components.imc.adc.bits={bits}", "traffic.requests=1")
        found[bits] = Trials(scenario, scenario.build_workload()).samples()
    for op in ("conv1", "conv2", "dense"):
        assert found[8][op, "cpu"].error == pytest.approx(0, abs=1e-6)  # fp32 is what is exact
        assert found[2][op, "imc"].error > found[4][op, "imc"].error > found[8][op, "imc"].error > 1e-3
        assert found[8][op, "imc"].joules < found[8][op, "cpu"].joules
    assert found[8]["pool1", "imc"].error < 1e-3  # pooling units are digital


def test_ops_move_to_more_exact_components_one_by_one() -> None:
    samples = {
        ("a", "imc"): Sample(0.5, 1.0), ("a", "npu"): Sample(0.1, 2.0), ("a", "cpu"): Sample(0.0, 9.0),
        ("b", "imc"): Sample(0.2, 1.0), ("b", "cpu"): Sample(0.15, 9.0),
    }  # fmt: skip
    chain = list(_chain({"a": "imc", "b": "imc"}, samples))
    assert [each["a"] for each in chain] == ["imc", "npu", "cpu"]
    assert all(each["b"] == "imc" for each in chain)  # the CPU is not even twice as exact
