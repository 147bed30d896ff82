"""Write the tables of docs/completeness.md: every algorithm beside its float64 twin, and the map of the refinement.

    python tools/completeness_table.py            # rewrite what stands between the markers; takes about ten minutes
    python tools/completeness_table.py --check    # change nothing; exit status 1 when something would change

Needs the extra `datasets`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import hetsim  # noqa: E402
from hetsim.algorithms.refinement import Refinement  # noqa: E402
from hetsim.figures import engineering, plain  # noqa: E402

PAGE = ROOT / "docs" / "completeness.md"
CHIPS = 5
SEEDS = range(7, 7 + CHIPS)


class Row(NamedTuple):
    """An algorithm: its scenario, the metric of its field, what sits in arrays, and what stays digital."""

    scenario: str
    metric: str
    stored: str
    digital: str


ROWS = (
    Row("kmeans_digits", "adjusted_rand_index", "the data", "norms, assignment, update"),
    Row("algorithms/kmeans_rewritten_digits", "adjusted_rand_index", "the centroids", "norms, assignment, update"),
    Row("algorithms/kmeans_photo", "within_cluster_sum", "the pixels", "norms, assignment, update"),
    Row("algorithms/knn_digits", "accuracy", "the references", "norms, choice, vote"),
    Row("algorithms/kernel_svm_cancer", "accuracy", "the support vectors", "training, norms, exponentials, sum"),
    Row("algorithms/linear_svm_digits", "accuracy", "the data, both ways", "hinge, bias, update"),
    Row("algorithms/naive_bayes_wine", "accuracy", "log-likelihoods of x and x²", "squares, choice"),
    Row("algorithms/naive_bayes_digits", "accuracy", "log-likelihoods of bits", "bits, choice"),
    Row("algorithms/linear_regression_diabetes", "explained_variance", "the data, both ways", "error, bias, update"),
    Row("algorithms/ridge_regression_diabetes", "explained_variance", "the data, both ways", "error, bias, update"),
    Row("algorithms/logistic_regression_cancer", "accuracy", "the data, both ways", "sigmoid, bias, update"),
    Row("algorithms/pca_digits", "explained_variance", "the data, both ways", "Gram-Schmidt"),
    Row("algorithms/pca_oja_digits", "explained_variance", "the data, both ways", "lower triangle, update"),
    Row("algorithms/sparse_coding_digits", "reconstruction_error", "the dictionary, both ways", "thresholds, leak"),
    Row("algorithms/sparse_coding_photo", "reconstruction_error", "the dictionary, both ways", "thresholds, leak"),
    Row("algorithms/rbm_digits", "wrong_pixels", "the weights, both ways", "sigmoids, dice"),
    Row("algorithms/max_cut_karate", "mean_cut_ratio", "the couplings", "signs, counting the cut"),
    Row("algorithms/pagerank_karate", "error", "the links", "division by links, damping"),
    Row("algorithms/reservoir_digits", "accuracy", "input and recurrent weights", "tanh, leak, readout"),
    Row("algorithms/reservoir_vowels", "accuracy", "input and recurrent weights", "tanh, leak, readout"),
    Row("algorithms/reservoir_volatile_vowels", "accuracy", "input weights; volatile nodes", "readout"),
    Row("algorithms/conjugate_gradients_diabetes", "relative_residual", "the off-diagonal part", "vectors, diagonal"),
    Row("solver_refinement", "relative_residual", "the off-diagonal part", "vectors, diagonal, exact residual"),
    Row("algorithms/one_step_regression_diabetes", "explained_variance", "the normal matrix", "normal equations"),
    Row("algorithms/decision_forest_cancer", "accuracy", "leaves as intervals", "votes"),
    Row("algorithms/metropolis_cancer", "accuracy", "the data", "proposals, softplus, acceptance"),
    Row("algorithms/mlp_training_digits", "accuracy", "the weights, both ways", "gradients, update"),
    Row("algorithms/mlp_in_place_digits", "accuracy", "the weights, trained there", "activations, biases"),
    Row("algorithms/mlp_in_place_asymmetric_digits", "accuracy", "the weights, trained there", "activations, biases"),
    Row("algorithms/cnn_in_place_digits", "accuracy", "the weights, trained there", "activations, biases"),
    Row("algorithms/gan_digits", "frechet_distance", "the weights of both nets", "gradients, update"),
    Row("algorithms/q_learning_cart_pole", "steps_up", "random features", "cosines, values, update"),
)


def line(row: Row) -> str:
    """A line of the table, from runs of all chips and one on the CPU alone."""
    runs = [hetsim.simulate(hetsim.load(row.scenario, seed=seed)).document for seed in SEEDS]
    cpu = hetsim.simulate(hetsim.load(row.scenario, ['scheduler.pin={"*": cpu}'])).document
    metric = median(run["metrics"][row.metric] for run in runs)
    twin = runs[0]["metrics"][f"twin.{row.metric}"]
    name = row.scenario.removeprefix("algorithms/")
    cells = (
        f"`{name}`",
        row.stored,
        row.digital,
        row.metric.replace("_", " "),
        number(metric),
        number(twin),
        f"{seconds(middle(runs, 'makespan_s'))} / {seconds(cpu['makespan_s'])}",
        f"{joules(median(dynamic(run) for run in runs))} / {joules(dynamic(cpu))}",
        number(median(writes(run) for run in runs)),
    )
    return "| " + " | ".join(cells) + " |"


def dynamic(document: Mapping[str, Any]) -> float:
    return float(document["energy_J"]["total"] - document["energy_J"]["static"])


def writes(document: Mapping[str, Any]) -> float:
    """Write pulses of the most written cell, or the mean where that is all that is known."""
    found = [v for k, v in document["metrics"].items() if k.endswith(("max_write_pulses", "mean_write_pulses"))]
    return max(found, default=0.0)


def middle(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(median(run[key] for run in runs))


def number(value: float) -> str:
    return plain(value, 3)


def seconds(value: float) -> str:
    return engineering(value, "s").replace("u", "µ")


def joules(value: float) -> str:
    return engineering(value, "J").replace("u", "µ")


HEAD = (
    "| scenario | in the arrays | digital | metric | median chip | float64 | time, with arrays / CPU alone "
    "| energy, with arrays / CPU alone | writes of a cell |",
    "|---|---|---|---|---|---|---|---|---|",
)


# --- the map of the refinement ---

LEVELS, DEVICES, CONDITIONS = (8, 16, 32), (1, 4), (5, 10, 100)
IMC = "system.components.imc."


class Point(NamedTuple):
    """A point of the map: what the error model predicts, and what came out."""

    condition: int
    levels: int
    devices: int
    spectral: float
    radius: float
    converged: bool
    iterations: int

    @property
    def predicted(self) -> float:
        """Outer iterations to the tolerance, infinite where the model diverges."""
        return np.log(1e-12) / np.log(self.radius) if self.radius < 1 else float("inf")


def point(condition: int, levels: int, devices: int) -> Point:
    sets = [
        f"workload.condition_number={condition}", f"workload.devices={devices}", "workload.tolerance=1e-12",
        "workload.max_iterations=200", f"{IMC}device.levels={levels}", f"{IMC}crossbars=512",
        'scheduler.pin={"stored_product*": imc}',
    ]  # fmt: skip
    scenario = hetsim.load("solver_refinement", sets)
    found = hetsim.simulate(scenario).document["metrics"]
    spectral, radius = model(scenario, devices)
    return Point(
        condition, levels, devices, spectral, radius, found["converged"] == 1, round(found["outer_iterations"])
    )


def model(scenario: hetsim.Scenario, devices: int) -> tuple[float, float]:
    """The spectral norm of the array's error over the smallest eigenvalue, and by how much an outer iteration with it
    shrinks the residual: the spectral radius of E (A + E)⁻¹ for independent normal errors of the datasheet's size.

    A weight misses by rounding, uniform within a step, and by the programming errors of its two cells, which alone
    are averaged over the devices.
    """
    workload = scenario.build_workload()
    assert isinstance(workload, Refinement)
    matrix, n = workload.problem[0], workload.sheet.size
    device = scenario.parts.components["imc"].device
    largest = np.abs(matrix - np.diag(np.diag(matrix))).max()
    step = largest / (device.levels - 1)
    middle = np.array([(device.g_min + device.g_max) / 2])
    cell = float(device.programming.at(middle)[0]) / device.step
    sigma = step * np.sqrt(2 * cell**2 / devices + 1 / 12)
    error = np.random.default_rng(1).normal(0, sigma, (n, n))
    smallest = np.linalg.eigvalsh(matrix)[0]
    radius = np.abs(np.linalg.eigvals(error @ np.linalg.inv(matrix + error))).max()
    return float(np.linalg.norm(error, 2) / smallest), float(radius)


def points() -> Iterator[Point]:
    for condition in CONDITIONS:
        for levels in LEVELS:
            for devices in DEVICES:
                yield point(condition, levels, devices)


def map_lines(found: Sequence[Point]) -> Iterator[str]:
    yield "| condition number | levels | devices | error / smallest eigenvalue | predicted | outer iterations |"
    yield "|---|---|---|---|---|---|"
    for p in found:
        predicted = f"{p.predicted:.0f}" if p.predicted < float("inf") else "diverges"
        measured = str(p.iterations) if p.converged else "diverges"
        yield f"| {p.condition} | {p.levels} | {p.devices} | {number(p.spectral)} | {predicted} | {measured} |"


def rewritten(text: str, parts: Mapping[str, Sequence[str]]) -> str:
    """The page with what stands between each pair of markers made anew."""
    for name, lines in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text = pattern.sub(lambda m, lines=lines: m[1] + "\n".join(lines) + "\n" + m[2], text)
    return text


def main(arguments: Sequence[str]) -> int:
    parts = {"algorithms": [*HEAD, *(line(row) for row in ROWS)], "refinement": list(map_lines(list(points())))}
    text = PAGE.read_text(encoding="utf-8")
    new = rewritten(text, parts)
    if "--check" in arguments:
        if new != text:
            print(f"{PAGE.relative_to(ROOT)} is out of date: python tools/completeness_table.py", file=sys.stderr)
        return int(new != text)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
