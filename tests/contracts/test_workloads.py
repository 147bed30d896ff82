"""What every algorithm must do, for every registered kind and every scenario that ships with one."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest

import hetsim
from hetsim.algorithms.algorithm import Algorithm
from hetsim.workload import workload_kinds
from tests.golden.store import SCENARIOS

pytest.importorskip("sklearn")

# a program whose next step depends on a comparison of nearly equal numbers leaves its float64 twin some day
CHAOTIC = {"gan": 0.1, "q_learning": 0.1}
SETTLES = 1e-3
UNKNOWN = {
    "kernel_svm": "the number of support vectors is known after training only",
    "q_learning": "poles fall when they fall",
}


def workload(name: str) -> Any:
    return hetsim.load(name).build_workload()


SILENT = find_spec("aeon") is None  # whose data set some scenarios need
NAMES = [
    pytest.param(name, marks=pytest.mark.skipif("vowels" in name and SILENT, reason="aeon is not installed"))
    for name in SCENARIOS
    if isinstance(workload(name), Algorithm) or name == "kmeans_digits"
]


@cache
def digital(name: str) -> Any:
    """The scenario with all its ops on the CPU."""
    return hetsim.simulate(hetsim.load(name, ['scheduler.pin={"*": cpu}']))


def test_every_algorithm_has_a_scenario() -> None:
    kinds = {kind for kind, entry in workload_kinds().items() if "algorithm" in entry.sheet_type.model_fields}
    shown = {workload(name).kind for name in SCENARIOS}
    assert kinds <= shown


@pytest.mark.parametrize("name", NAMES)
def test_all_digital_it_is_its_float64_twin(name: str) -> None:
    metrics = digital(name).document["metrics"]
    kind = workload(name).kind
    compared = [metric for metric in metrics if f"twin.{metric}" in metrics]
    assert compared
    for metric in compared:
        tolerance = CHAOTIC.get(kind, SETTLES)
        twin = metrics[f"twin.{metric}"]
        assert metrics[metric] == pytest.approx(twin, rel=tolerance, abs=1e-4), metric


@pytest.mark.parametrize("name", [p for p in NAMES if workload(p.values[0]).kind not in CHAOTIC])  # they take long
def test_as_a_tenant_it_scores_what_it_does_alone(name: str) -> None:
    question = hetsim.load(name, ['scheduler.pin={"*": cpu}']).resolved()
    question["workloads"] = {"mine": {**question.pop("workload"), "traffic": question.pop("traffic")}}
    alone, shared = digital(name).document["metrics"], hetsim.simulate(hetsim.load(question)).document["metrics"]
    scores = {metric: value for metric, value in alone.items() if f"mine.{metric}" in shared}
    assert scores == {metric: shared[f"mine.{metric}"] for metric in scores} != {}


@pytest.mark.parametrize("name", NAMES)
def test_what_runs_is_what_it_said_it_would_run(name: str) -> None:
    made = workload(name)
    told = {op.name: op.kind for graph in made.graphs() for op in graph.ops}
    assert digital(name).document["assignments"].keys() <= told.keys()
    names = [op.name for graph in made.graphs() for op in graph.ops]
    kinds = {(op.name, op.kind) for graph in made.graphs() for op in graph.ops}
    assert len(kinds) == len(set(names)), "one name stands for two kinds of op"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_timed_without_numbers(name: str) -> None:
    document = hetsim.simulate(hetsim.load(name, ["numerics=none"])).document
    assert document["makespan_s"] > 0
    assert not [metric for metric in document["metrics"] if "." not in metric]
    if workload(name).decides:
        with pytest.raises(hetsim.InputError, match="decides on its numbers"):
            hetsim.load(name, ["numerics=none", "workload.expected_iterations=null"]).check()


@pytest.mark.parametrize("name", NAMES)
def test_numbers_change_no_graph(name: str) -> None:
    """Told how often it will iterate, a program without numbers takes exactly as long on a CPU as with them."""
    made, found = workload(name), digital(name).document
    if made.kind in UNKNOWN:
        pytest.skip(f"{made.kind}: {UNKNOWN[made.kind]}")
    sets = ["numerics=none", 'scheduler.pin={"*": cpu}']
    if made.decides and "iterations" in found["metrics"]:
        sets.append(f"workload.expected_iterations={found['metrics']['iterations']:.0f}")
    timed = hetsim.simulate(hetsim.load(name, sets)).document
    assert timed["makespan_s"] == pytest.approx(found["makespan_s"], rel=1e-9)


@pytest.mark.parametrize("name", ["algorithms/knn_digits", "algorithms/mlp_training_digits"])
def test_twice_is_the_same(name: str) -> None:
    one, two = (hetsim.simulate(hetsim.load(name)).to_dict() for _ in range(2))
    for document in (one, two):
        del document["simulator"]
    assert json.dumps(one) == json.dumps(two)
