"""Principal components by power iteration [von Mises 1929] or by the generalised Hebbian rule [Sanger 1989].

The data X sit in the crossbars and are read both ways: Y = V Xᵀ, then Y X. What keeps the components apart,
Gram-Schmidt or the lower triangle of Y Yᵀ, is digital; so is the variance that tells the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Algorithm, AlgorithmSheet, centred
from hetsim.algorithms.builder import Builder, Stored, Value
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array

PATIENCE = 2  # iterations that may fail to improve


class PcaSheet(AlgorithmSheet):
    """``method``: ``power`` iteration, or ``oja``, small steps of a ``rate`` (one component: Oja's rule)."""

    algorithm: Literal["pca"]
    data: str = "digits"
    method: Literal["power", "oja"] = "power"
    components: int = Field(default=4, ge=1)
    rate: float = Field(default=0.05, gt=0)
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    max_iterations: int = Field(default=200, ge=1)


@register
class Pca(Algorithm):
    """Scored by the share of the variance in the span of what was found, recomputed in float64."""

    kind, sheet_type = "pca", PcaSheet
    sheet: PcaSheet

    @cached_property
    def _points(self) -> Array:
        return centred(self.sheet.data, self.folder)[0]

    @cached_property
    def _graph(self) -> Graph:
        x, k = self._points, self.sheet.components
        n, d = x.shape
        b = Builder("pca")
        old = b.input("components", (k, d))
        samples = Stored(b, "samples", (n, d), lambda: x)
        projected = samples.back(old, "projected")
        image = samples.forward(projected, "image") * (1 / n)
        variance = (projected.square_sum() * (1 / n)).named("variance")
        new = self._orthonormal(image) if self.sheet.method == "power" else self._hebbian(old, projected, image)
        return b.graph([new.named("new_components"), variance])

    def _orthonormal(self, image: Value) -> Value:
        """Gram-Schmidt, row by row."""
        done: list[Value] = []
        for row in image.split(self.sheet.components):
            for other in done:
                row = row - other * (row * other).sum()
            done.append(row / row.norm())
        return image.builder.concat(*done, axis=0)

    def _hebbian(self, old: Value, projected: Value, image: Value) -> Value:
        """V + rate (Y X / n - lower(Y Yᵀ / n) V)."""
        import numpy as np

        k = self.sheet.components
        lower = old.builder.constant("lower", np.tril(np.ones((k, k), "float32")) / len(self._points))
        return old + (image - (projected @ projected.transpose()) * lower @ old) * self.sheet.rate

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        found, best, failures, iterations = self._start(request), 0.0, 0, 0
        out = None
        while iterations < self.most(numbers, self.sheet.max_iterations) and failures < PATIENCE:
            out = yield Call(self._graph, {"components": found})
            iterations += 1
            if out is not None:
                found, variance = out["new_components"], float(out["variance"].item())
                failures = 0 if variance > best * (1 + self.sheet.tolerance) else failures + 1
                best = max(best, variance)
        return None if out is None else (found, iterations, request)

    def _start(self, request: int) -> Array:
        """Orthonormal rows, drawn by key."""
        import numpy as np

        shape = self._points.shape[1], self.sheet.components
        q, _ = np.linalg.qr(self.draw("start", request).standard_normal(shape))
        return np.ascontiguousarray(q.T, "float32")

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        found, iterations, request = answer
        twin, twin_iterations = self._twin(request)
        return (
            {"explained_variance": self._explained(found), "iterations": iterations},
            {"explained_variance": self._explained(twin), "iterations": twin_iterations},
        )

    def _explained(self, components: Array) -> float:
        import numpy as np

        x = self._points.astype("float64")
        q, _ = np.linalg.qr(components.astype("float64").T)
        return float(((x @ q) ** 2).sum() / (x**2).sum())

    def _twin(self, request: int) -> tuple[Array, int]:
        import numpy as np

        x, v, sheet = self._points.astype("float64"), self._start(request).astype("float64"), self.sheet
        best, failures, iterations = 0.0, 0, 0
        while iterations < sheet.max_iterations and failures < PATIENCE:
            y = v @ x.T
            if sheet.method == "power":
                v = np.linalg.qr((y @ x).T)[0].T
            else:
                v = v + sheet.rate * (y @ x - np.tril(y @ y.T) @ v) / len(x)
            variance, iterations = float((y**2).sum()), iterations + 1
            failures = 0 if variance > best * (1 + sheet.tolerance) else failures + 1
            best = max(best, variance)
        return v, iterations
