"""Linear regression by gradient descent, with ``penalty`` ridge regression [Hoerl 1970]."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from hetsim.algorithms.builder import Value
from hetsim.algorithms.gradient_descent import Descent, DescentSheet
from hetsim.workload import register

if TYPE_CHECKING:
    from hetsim.workload import Array


class LinearRegressionSheet(DescentSheet):
    """Labels are quantities; they are learned less their mean over their deviation."""

    algorithm: Literal["linear_regression"]
    data: str = "diabetes"
    rate: float = 0.2


@register
class LinearRegression(Descent):
    """Scored by the share of the variance of the test labels that it explains (R²)."""

    kind, sheet_type, targets = "linear_regression", LinearRegressionSheet, "quantities"

    @cached_property
    def _scale(self) -> tuple[float, float]:
        labels = self.split.y.astype("float64")
        return float(labels.mean()), float(labels.std()) or 1.0

    def aims(self, labels: Array) -> Array:
        mean, deviation = self._scale
        return ((labels - mean) / deviation).astype("float32").reshape(1, -1)

    def loss(self, scores: Value, aims: Value) -> tuple[Value, Value]:
        error = scores - aims
        return error, error * error * 0.5

    def loss_twin(self, scores: Array, aims: Array) -> tuple[Array, Array]:
        return scores - aims, (scores - aims) ** 2 / 2

    def quality(self, scores: Array, labels: Array) -> Mapping[str, float]:
        aims = self.aims(labels).astype("float64")
        return {"explained_variance": float(1 - ((scores - aims) ** 2).sum() / ((aims - aims.mean()) ** 2).sum())}
