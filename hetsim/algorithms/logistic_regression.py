"""Logistic regression by gradient descent, one class against the rest [Cox 1958]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from hetsim.algorithms.algorithm import accuracy, one_hot
from hetsim.algorithms.builder import Value
from hetsim.algorithms.gradient_descent import Descent, DescentSheet
from hetsim.workload import register

if TYPE_CHECKING:
    from hetsim.workload import Array


class LogisticRegressionSheet(DescentSheet):
    """Labels are classes."""

    algorithm: Literal["logistic_regression"]
    data: str = "breast_cancer"


@register
class LogisticRegression(Descent):
    """Scored by the accuracy on the test samples."""

    kind, sheet_type = "logistic_regression", LogisticRegressionSheet

    def aims(self, labels: Array) -> Array:
        return one_hot(labels, self.split.classes).T.copy()

    def loss(self, scores: Value, aims: Value) -> tuple[Value, Value]:
        return scores.apply("Sigmoid") - aims, scores.apply("Softplus") - scores * aims

    def loss_twin(self, scores: Array, aims: Array) -> tuple[Array, Array]:
        import numpy as np

        return 0.5 + 0.5 * np.tanh(scores / 2) - aims, np.logaddexp(0, scores) - scores * aims

    def quality(self, scores: Array, labels: Array) -> Mapping[str, float]:
        return {"accuracy": accuracy(scores.argmax(axis=0), labels)}
