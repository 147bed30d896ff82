"""Linear models by gradient descent: what linear, ridge and logistic regression and the linear SVM share.

The data X sit in the crossbars and are read both ways: scores S = W Xᵀ and gradient G = E X, with E the error that
the loss assigns to each score. Bias, error, loss and update are digital. The end is told by the loss.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet
from hetsim.algorithms.builder import Builder, Stored, Value
from hetsim.workload import Call, Graph, Program

if TYPE_CHECKING:
    from hetsim.workload import Array

PATIENCE = 2  # iterations that may fail to improve


class DescentSheet(LearnerSheet):
    """``rate`` of the steps, ``penalty`` on |W|²/2; an improvement is a loss lower by ``tolerance`` of itself."""

    rate: float = Field(default=0.5, gt=0)
    penalty: float = Field(default=0.0, ge=0)
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    max_iterations: int = Field(default=200, ge=1)


class Descent(Learner):
    """A row of weights and a bias for each output; what the loss is, a subclass says."""

    sheet: DescentSheet

    @abstractmethod
    def aims(self, labels: Array) -> Array:
        """What scores are compared with, float32 [outputs, n]."""

    @abstractmethod
    def loss(self, scores: Value, aims: Value) -> tuple[Value, Value]:
        """The error [outputs, n] of each score (the derivative of its loss), and its loss [outputs, n]."""

    @abstractmethod
    def loss_twin(self, scores: Array, aims: Array) -> tuple[Array, Array]:
        """The same in float64 NumPy."""

    @abstractmethod
    def quality(self, scores: Array, labels: Array) -> Mapping[str, float]:
        """The metric of scores [outputs, n] on the test samples."""

    @cached_property
    def _step(self) -> Graph:
        x, aims, sheet = self.split.x, self.aims(self.split.y), self.sheet
        (n, d), k = x.shape, len(aims)
        b = Builder("descent")
        weights, bias = b.input("weights", (k, d)), b.input("bias", (k, 1))
        samples = Stored(b, "samples", (n, d), lambda: x)
        scores = samples.back(weights, "scores") + bias
        error, losses = self.loss(scores, b.constant("aims", aims))
        loss = losses.mean(1).sum()
        if sheet.penalty:
            loss = loss + weights.square_sum() * (sheet.penalty / 2)
        slope = samples.forward(error, "gradient") * (1 / n)
        if sheet.penalty:
            slope = slope + weights * sheet.penalty
        made = (weights - slope * sheet.rate).named("new_weights")
        moved = (bias - error.mean(1) * sheet.rate).named("new_bias")
        return b.graph([made, moved, loss.named("loss")])

    @cached_property
    def _test(self) -> Graph:
        """Scores of the test samples, with weights that move: the model is not stored."""
        x, k = self.split.x_test, len(self.aims(self.split.y))
        b = Builder("test")
        weights, bias = b.input("weights", (k, x.shape[1])), b.input("bias", (k, 1))
        scores = weights @ b.constant("test_samples", x.T.copy())
        return b.graph([(scores.named("test_scores") + bias).named("answer")])

    def graphs(self) -> Sequence[Graph]:
        return [self._step, self._test]

    def program(self, request: int, numbers: bool) -> Program:
        import numpy as np

        k, d = len(self.aims(self.split.y[:1])), self.split.x.shape[1]
        model = {"weights": np.zeros((k, d), "float32"), "bias": np.zeros((k, 1), "float32")}
        best, failures, iterations = float("inf"), 0, 0
        while iterations < self.most(numbers, self.sheet.max_iterations) and failures < PATIENCE:
            out = yield Call(self._step, model)
            iterations += 1
            if out is not None:
                model, loss = {"weights": out["new_weights"], "bias": out["new_bias"]}, float(out["loss"].item())
                failures = 0 if loss < best * (1 - self.sheet.tolerance) else failures + 1
                best = min(best, loss)
        out = yield Call(self._test, model)
        return None if out is None else (out["answer"], iterations)

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        scores, iterations = answer
        labels, (twin, twin_iterations) = self.split.y_test, self._twin()
        return (
            {**self.quality(scores.astype("float64"), labels), "iterations": iterations},
            {**self.quality(twin, labels), "iterations": twin_iterations},
        )

    def _twin(self) -> tuple[Array, int]:
        import numpy as np

        x, aims, sheet = self.split.x.astype("float64"), self.aims(self.split.y).astype("float64"), self.sheet
        w, c = np.zeros((len(aims), x.shape[1])), np.zeros((len(aims), 1))
        best, failures, iterations = float("inf"), 0, 0
        while iterations < sheet.max_iterations and failures < PATIENCE:
            error, losses = self.loss_twin(w @ x.T + c, aims)
            loss = float(losses.mean(axis=1).sum() + sheet.penalty / 2 * (w**2).sum())
            w = w - sheet.rate * (error @ x / len(x) + sheet.penalty * w)
            c, iterations = c - sheet.rate * error.mean(axis=1, keepdims=True), iterations + 1
            failures = 0 if loss < best * (1 - sheet.tolerance) else failures + 1
            best = min(best, loss)
        return w @ self.split.x_test.astype("float64").T + c, iterations
