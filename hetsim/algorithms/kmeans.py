"""k-means with the data in the crossbars: Lloyd's iteration [Lloyd 1982] on inexact distances.

The data are stored once and the centroids stream in, so that nothing is rewritten. Of the squared distance
|x|² - 2 x·c + |c|² only x·c is analog; |c|² and the update are digital, and |x|² does not change the nearest
centroid. An analog assignment never stops changing, so the end is told by the within-cluster sum, which is
computed digitally from the update: Σ|x|² - Σ n_k |c_k|². The other way round, the centroids are stored and the data
stream in: few cells, but they are written anew in every iteration, which takes time and wears them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim import data
from hetsim.algorithms.builder import Builder, Stored
from hetsim.keys import key
from hetsim.workload import Call, Graph, Program, Workload, WorkloadSheet, register

if TYPE_CHECKING:
    from hetsim.workload import Array

PATIENCE = 2  # iterations that may fail to improve


class KMeansSheet(WorkloadSheet):
    """``tolerance`` is the relative improvement of the within-cluster sum that counts as one; ``stored`` says what
    sits in the crossbars."""

    algorithm: Literal["kmeans"]
    data: str = "digits"
    clusters: int = Field(default=10, ge=2)
    stored: Literal["data", "centroids"] = "data"
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    max_iterations: int = Field(default=100, ge=1)
    expected_iterations: int | None = Field(default=None, ge=1)
    seed: int = 0


@register
class KMeans(Workload):
    """Clusters real data; scored against the same algorithm in float64 from the same initial centroids."""

    kind, sheet_type, decides = "kmeans", KMeansSheet, True
    sheet: KMeansSheet

    def __init__(self, sheet: KMeansSheet, folder: Path | None = None) -> None:
        super().__init__(sheet, folder)

    @cached_property
    def _points(self) -> tuple[Array, Array | None]:
        """Centred data [n, d] (distances do not change, and signed cells are used in full), and the labels."""
        found = data.load(self.sheet.data, self.folder)
        points = found.inputs.reshape(len(found.inputs), -1).astype("float32")
        return points - points.mean(axis=0), found.labels

    @cached_property
    def _graph(self) -> Graph:
        return self._iteration(None, 0)

    def _iteration(self, written: Array | None, version: int) -> Graph:
        """One iteration; of stored centroids the numbers are those ``written`` last."""
        import numpy as np

        x = self._points[0]
        (n, d), k = x.shape, self.sheet.clusters
        b = Builder("kmeans iteration")
        old = b.input("centroids", (k, d))
        still = self.sheet.stored == "data"
        points = b.constant("points", x) if still else b.input("points", (n, d))
        if still:
            transposed = b.constant("points_stored", np.ascontiguousarray(x.T))
            products = b.op("MatMul", "products", old, transposed, shape=(k, n))
        else:
            load = None if written is None else lambda: np.ascontiguousarray(written.T)
            products = Stored(b, "centroids_stored", (d, k), load, version).forward(points, "products").transpose()
        norms = b.op("ReduceSumSquare", "norms", old, b.constant("axis1", np.array([1])), shape=(k, 1), keepdims=1)
        half = b.op("Mul", "half_norms", norms, b.constant("half", np.array(0.5, "float32")))
        scores = b.op("Sub", "scores", half, products)
        nearest = b.op("ArgMin", "nearest", scores, shape=(n, 1), dtype="int64", axis=0, keepdims=0)
        zeros, ones = (
            b.constant("zeros", np.zeros((k, d), "float32")),
            b.constant("ones", np.ones((n, 1), "float32")),
        )
        none = b.constant("none", np.zeros((k, 1), "float32"))
        sums = b.op("ScatterND", "sums", zeros, nearest, points, shape=(k, d), exact=True, reduction="add")
        counts = b.op("ScatterND", "counts", none, nearest, ones, shape=(k, 1), exact=True, reduction="add")
        filled = b.op("Max", "filled", counts, b.constant("one", np.array(1, "float32")))
        means = b.op("Div", "means", sums, filled)
        occupied = b.op("Greater", "occupied", counts, b.constant("nothing", np.array(0, "float32")), dtype="bool")
        new = b.op("Where", "new_centroids", occupied, means, old, dtype="float32")  # an empty cluster stays
        squares = b.op("ReduceSumSquare", "squares", new, b.constant("axis_1", np.array([1])), shape=(k, 1), keepdims=1)
        weighted = b.op("Mul", "weighted", counts, squares)
        between = b.op("ReduceSum", "between", weighted, shape=(1, 1), keepdims=1)
        total = b.constant("total", np.square(x, dtype="float64").sum().astype("float32").reshape(1, 1))
        within = b.op("Sub", "within", total, between)
        return b.graph([new, nearest, within])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        values = {"centroids": self._initial(request), "points": self._points[0]} if numbers else {}
        best, failures, iterations = float("inf"), 0, 0
        outputs: Mapping[str, Any] | None = None
        while iterations < self._most(numbers) and failures < PATIENCE:
            rewritten = self.sheet.stored == "centroids" and numbers
            graph = self._iteration(values["centroids"], iterations) if rewritten else self._graph
            outputs = yield Call(graph, values)
            iterations += 1
            if outputs is not None:
                values["centroids"], within = outputs["new_centroids"], float(outputs["within"].item())
                failures = failures + 1 if within > best * (1 - self.sheet.tolerance) else 0
                best = min(best, within)
        return None if outputs is None else (outputs["nearest"].ravel(), iterations, request)

    def _most(self, numbers: bool) -> int:
        return self.sheet.max_iterations if numbers else self.sheet.expected_iterations or 1

    def _initial(self, request: int) -> Array:
        """Distinct points of the data, drawn by key."""
        import numpy as np

        x = self._points[0]
        generator = np.random.Generator(np.random.Philox(key=key(self.sheet.seed, "centroids", request)))
        return x[np.sort(generator.choice(len(x), self.sheet.clusters, replace=False))]

    # --- scoring ---

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """Within-cluster sum recomputed in float64, its ratio to the float64 twin's, adjusted Rand index."""
        x, labels = self._points
        rows = []
        for nearest, iterations, request in answers:
            twin, twin_iterations = lloyd(x.astype("float64"), self._initial(request).astype("float64"), self.sheet)
            row = {
                "within_cluster_sum": within_cluster_sum(x, nearest),
                "iterations": iterations,
                "twin.within_cluster_sum": within_cluster_sum(x, twin),
                "twin.iterations": twin_iterations,
            }
            row["within_cluster_ratio"] = row["within_cluster_sum"] / row["twin.within_cluster_sum"]
            if labels is not None:
                row["adjusted_rand_index"] = adjusted_rand_index(labels, nearest)
                row["twin.adjusted_rand_index"] = adjusted_rand_index(labels, twin)
            rows.append(row)
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}


def within_cluster_sum(x: Array, nearest: Array) -> float:
    """Sum of squared distances to the mean of each point's cluster, in float64."""
    x = x.astype("float64")
    return float(sum(((x[nearest == k] - x[nearest == k].mean(axis=0)) ** 2).sum() for k in set(nearest.tolist())))


def lloyd(x: Array, centroids: Array, sheet: KMeansSheet) -> tuple[Array, int]:
    """The same algorithm with the same end, in float64 NumPy: assignment and iterations."""
    best, failures, iterations = float("inf"), 0, 0
    nearest = centroids
    while iterations < sheet.max_iterations and failures < PATIENCE:
        nearest = ((centroids**2).sum(axis=1)[:, None] / 2 - centroids @ x.T).argmin(axis=0)
        centroids = centroids.copy()
        for k in set(nearest.tolist()):
            centroids[k] = x[nearest == k].mean(axis=0)
        within = within_cluster_sum(x, nearest)
        failures = failures + 1 if within > best * (1 - sheet.tolerance) else 0
        best, iterations = min(best, within), iterations + 1
    return nearest, iterations


def adjusted_rand_index(a: Array, b: Array) -> float:
    """Agreement of two partitions, 0 for chance and 1 for equality [Hubert 1985]."""
    import numpy as np

    _, i = np.unique(a, return_inverse=True)
    _, j = np.unique(b, return_inverse=True)
    table = np.zeros((i.max() + 1, j.max() + 1))
    np.add.at(table, (i, j), 1)

    def pairs(counts: Array) -> float:
        return float((counts * (counts - 1) / 2).sum())

    rows, columns, n = pairs(table.sum(axis=1)), pairs(table.sum(axis=0)), pairs(np.array([len(a)]))
    expected = rows * columns / n
    most = (rows + columns) / 2
    return 1.0 if most == expected else (pairs(table) - expected) / (most - expected)
