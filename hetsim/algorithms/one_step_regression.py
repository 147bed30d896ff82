"""Ridge regression in one step [Hoerl 1970; Sun 2019]: the normal equations are written into arrays in feedback.

(XᵀX/n + penalty) w = Xᵀy/n. The products of the data with themselves are digital; the matrix that comes out is then
written, and the circuit settles to the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet
from hetsim.algorithms.builder import Builder, Value
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class OneStepRegressionSheet(LearnerSheet):
    """Labels are quantities; ``penalty`` also bounds the smallest eigenvalue, and with it the time to settle."""

    algorithm: Literal["one_step_regression"]
    data: str = "diabetes"
    penalty: float = Field(default=0.1, gt=0)


@register
class OneStepRegression(Learner):
    """Scored by what the weights explain of the test labels, and by their distance from the exact ones."""

    kind, sheet_type, targets, decides = "one_step_regression", OneStepRegressionSheet, "quantities", False
    sheet: OneStepRegressionSheet

    @cached_property
    def _aims(self) -> tuple[Array, Array]:
        """Labels of the training and test samples, less the mean over the deviation of the first."""
        labels = self.split.y.astype("float64")
        mean, deviation = labels.mean(), labels.std() or 1.0
        return (labels - mean) / deviation, (self.split.y_test - mean) / deviation

    @cached_property
    def _products(self) -> Graph:
        import numpy as np

        n, d = self.split.x.shape
        b = Builder("normal equations", exact=True)
        x, y = b.input("samples", (n, d)), b.input("labels", (n, 1))
        turned = x.transpose()
        ridge = b.constant("ridge", self.sheet.penalty * np.eye(d, dtype="float32"))
        matrix = ((turned @ x) * (1 / n) + ridge).named("matrix")
        return b.graph([matrix, ((turned @ y) * (1 / n)).named("rhs")])

    def _solve(self, matrix: Array | None) -> Graph:
        d = self.split.x.shape[1]
        b = Builder("solve")
        load = None if matrix is None else lambda: matrix
        held = Value(b, "normal_matrix", (d, d), "float32", load=load, constant=True, version=1)
        return b.graph([b.op("AnalogSolve", "weights", held, b.input("rhs", (d, 1)), shape=(d, 1))])

    def graphs(self) -> Sequence[Graph]:
        return [self._products, self._solve(None)]

    def program(self, request: int, numbers: bool) -> Program:
        labels = self._aims[0].reshape(-1, 1).astype("float32")
        out = yield Call(self._products, {"samples": self.split.x, "labels": labels})
        graph = self._solve(None if out is None else out["matrix"])
        out = yield Call(graph, {} if out is None else {"rhs": out["rhs"]})
        return None if out is None else out["weights"].ravel()

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        import numpy as np

        x, n = self.split.x.astype("float64"), len(self.split.x)
        matrix = x.T @ x / n + self.sheet.penalty * np.eye(x.shape[1])
        twin = np.linalg.solve(matrix, x.T @ self._aims[0] / n)
        error = float(np.linalg.norm(answer - twin) / np.linalg.norm(twin))
        return {"explained_variance": self._explained(answer), "relative_error": error}, {
            "explained_variance": self._explained(twin)
        }

    def _explained(self, weights: Array) -> float:
        aims = self._aims[1]
        missed = ((self.split.x_test.astype("float64") @ weights - aims) ** 2).sum()
        return float(1 - missed / ((aims - aims.mean()) ** 2).sum())
