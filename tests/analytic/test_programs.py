"""Programs that decide on their own numbers: k-means and refinement on crossbars, against float64."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

import hetsim
from hetsim.algorithms.kmeans import adjusted_rand_index
from hetsim.algorithms.refinement import Refinement, RefinementSheet


@pytest.mark.slow
def test_kmeans_on_crossbars_is_as_good_as_in_float64() -> None:
    """Median of five chips with five starts: within 1.03 of the twin's within-cluster sum."""
    pytest.importorskip("sklearn")
    ratios = [
        hetsim.simulate(hetsim.load("kmeans_digits", [f"workload.seed={s}"], seed=s)).document["metrics"][
            "within_cluster_ratio"
        ]
        for s in range(5)
    ]
    assert statistics.median(ratios) <= 1.03


def test_one_kmeans_chip_and_its_trace() -> None:
    pytest.importorskip("sklearn")
    result = hetsim.simulate(hetsim.load("kmeans_digits"))
    metrics, calls = result.document["metrics"], result.trace.calls
    assert metrics["within_cluster_ratio"] <= 1.03
    assert len(calls) == metrics["iterations"]
    assert (calls.numpy("end") > calls.numpy("start")).all() and (calls.numpy("joules") > 0).all()
    assert result.document["assignments"]["products"] == ["imc"]


def test_all_digital_kmeans_is_the_twin() -> None:
    pytest.importorskip("sklearn")
    metrics = hetsim.simulate(hetsim.load("kmeans_digits", ['scheduler.pin={"*": cpu}'])).document["metrics"]
    assert metrics["within_cluster_ratio"] == pytest.approx(1, abs=1e-3)


def test_adjusted_rand_index() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    for _ in range(5):
        a, b = rng.integers(0, 5, 200), rng.integers(0, 7, 200)
        assert adjusted_rand_index(a, b) == pytest.approx(metrics.adjusted_rand_score(a, b))
    assert adjusted_rand_index(a, a) == 1


def test_refinement_reaches_1e_10() -> None:
    result = hetsim.simulate(hetsim.load("solver_refinement"))
    metrics = result.document["metrics"]
    assert metrics["converged"] == 1
    assert metrics["relative_residual"] <= 1e-10
    calls = result.trace.calls
    assert len(calls) == 1 + metrics["outer_iterations"] + metrics["inner_iterations"]
    assert (calls.numpy("joules") > 0).all()
    assert result.document["assignments"]["stored_product"] == ["imc"]
    assert result.document["assignments"]["exact_product"] == ["cpu"]


def test_a_refinement_that_diverges_says_so() -> None:
    document = hetsim.simulate(hetsim.load("solver_refinement", ["workload.condition_number=100"])).document
    assert document["metrics"]["converged"] == 0
    assert any("the refinement diverges" in note for note in document["notes"])


def test_the_system_has_the_spectrum_it_says() -> None:
    sheet = RefinementSheet(algorithm="refinement", size=60, condition_number=7)
    matrix, solution, rhs = Refinement(sheet).problem
    assert np.linalg.eigvalsh(matrix) == pytest.approx(np.geomspace(1, 7, 60))
    assert matrix @ solution == pytest.approx(rhs)


@pytest.mark.parametrize("name", ["kmeans_digits", "solver_refinement"])
def test_without_numbers_the_expected_iterations_are_timed(name: str) -> None:
    document = hetsim.simulate(hetsim.load(name, ["numerics=none"])).document
    assert document["makespan_s"] > 0 and not document["metrics"]
    with pytest.raises(hetsim.InputError, match="decides on its numbers"):
        hetsim.simulate(hetsim.load(name, ["numerics=none", "workload.expected_iterations=null"]))
