"""Naive Bayes with its log-likelihoods in the crossbars [Hand 2001].

Log-likelihoods are linear in [x, x²] (Gaussian features) or in x (binary features): a matrix of classes x features
with a row for what does not depend on x. Of each row its mean over the classes is left out: that changes no answer
and leaves the conductance range to what tells classes apart. Fitting is counting, done before t = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy
from hetsim.algorithms.builder import Builder, Stored
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class NaiveBayesSheet(LearnerSheet):
    """``features``: ``gaussian``, or ``binary``: whether above the mean. ``floor`` is the least variance of a Gaussian
    feature in units of its variance over all classes, and the count added to binary ones."""

    algorithm: Literal["naive_bayes"]
    data: str = "wine"
    features: Literal["gaussian", "binary"] = "gaussian"
    floor: float = Field(default=1e-2, gt=0)


@register
class NaiveBayes(Learner):
    """Classifies the test samples at once; scored by accuracy."""

    kind, sheet_type, decides = "naive_bayes", NaiveBayesSheet, False
    sheet: NaiveBayesSheet

    @cached_property
    def likelihoods(self) -> Array:
        """Coefficients [rows, classes] in float64, the last row for the constant."""
        import numpy as np

        x, y = self.split.x.astype("float64"), self.split.y
        groups = [x[y == c] for c in range(self.split.classes)]
        prior = np.log([(len(g) + 1) / (len(x) + len(groups)) for g in groups])
        if self.sheet.features == "binary":
            floor = self.sheet.floor
            on = np.array([((g > 0).sum(axis=0) + floor) / (len(g) + 2 * floor) for g in groups]).T
            rows = [np.log(on) - np.log(1 - on), np.log(1 - on).sum(axis=0) + prior]
        else:
            mean = np.array([g.mean(axis=0) for g in groups]).T
            variance = np.array([np.maximum(g.var(axis=0), self.sheet.floor) for g in groups]).T
            rest = -(mean**2 / variance + np.log(variance)).sum(axis=0) / 2 + prior
            rows = [mean / variance, -0.5 / variance, rest]
        matrix = np.vstack(rows)
        return np.asarray(matrix - matrix.mean(axis=1, keepdims=True))

    @cached_property
    def _graph(self) -> Graph:
        import numpy as np

        m, d = self.split.x_test.shape
        matrix = self.likelihoods.astype("float32")
        b = Builder("naive bayes")
        x = b.input("samples", (m, d))
        one = b.constant("one", np.ones((m, 1), "float32"))
        if self.sheet.features == "binary":
            lines = b.concat((x > 0.0).cast("float32"), one)
            lines.nonnegative = True
        else:
            lines = b.concat(x, x * x, one)
        scores = Stored(b, "likelihoods", matrix.shape, lambda: matrix).forward(lines, "scores")
        return b.graph([scores.argmax(1).named("answer")])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        out = yield Call(self._graph, {"samples": self.split.x_test})
        return None if out is None else out["answer"].ravel()

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        import numpy as np

        x = self.split.x_test.astype("float64")
        one = np.ones((len(x), 1))
        lines = np.hstack([x > 0, one] if self.sheet.features == "binary" else [x, x**2, one])
        twin = (lines @ self.likelihoods).argmax(axis=1)
        labels = self.split.y_test
        mine = {"accuracy": accuracy(answer, labels), "agreement": accuracy(answer, twin)}
        return mine, {"accuracy": accuracy(twin, labels)}
