"""A linear support vector machine by subgradient descent on the hinge loss, one class against the rest
[Shalev-Shwartz 2011, whole data at each step]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from hetsim.algorithms.algorithm import accuracy, one_hot
from hetsim.algorithms.builder import Value
from hetsim.algorithms.gradient_descent import Descent, DescentSheet
from hetsim.workload import register

if TYPE_CHECKING:
    from hetsim.workload import Array


class LinearSvmSheet(DescentSheet):
    """Labels are classes; ``penalty`` is the regularisation that gives the margin its width."""

    algorithm: Literal["linear_svm"]
    data: str = "digits"
    scale: Literal["each", "whole"] = "whole"
    rate: float = 0.3
    penalty: float = 0.01


@register
class LinearSvm(Descent):
    """Scored by the accuracy on the test samples."""

    kind, sheet_type = "linear_svm", LinearSvmSheet

    def aims(self, labels: Array) -> Array:
        return 2 * one_hot(labels, self.split.classes).T - 1

    def loss(self, scores: Value, aims: Value) -> tuple[Value, Value]:
        losses = (1.0 - scores * aims).maximum(0.0)
        return (losses > 0.0).where(aims * -1.0, 0.0), losses

    def loss_twin(self, scores: Array, aims: Array) -> tuple[Array, Array]:
        margins = 1 - scores * aims
        return -aims * (margins > 0), margins * (margins > 0)

    def quality(self, scores: Array, labels: Array) -> Mapping[str, float]:
        return {"accuracy": accuracy(scores.argmax(axis=0), labels)}
