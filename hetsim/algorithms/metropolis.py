"""Bayesian logistic regression by the Metropolis algorithm [Metropolis 1953].

The data sit in the crossbars and the proposals of several chains stream in, so that no sample is programmed and
nothing wears. Proposals are drawn by the host's generator; the noise of the reads makes the likelihood itself
uncertain, which widens and shifts what is sampled: the marks compare it with exact likelihoods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy
from hetsim.algorithms.builder import Builder, Stored
from hetsim.errors import InputError
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class MetropolisSheet(LearnerSheet):
    """``chains`` take ``samples`` proposals each, normal steps of deviation ``step``, and count those of the second
    half. Weights have a normal prior of deviation ``prior``. Two classes."""

    algorithm: Literal["metropolis"]
    data: str = "breast_cancer"
    chains: int = Field(default=16, ge=1)
    samples: int = Field(default=500, ge=2)
    step: float = Field(default=0.12, gt=0)
    prior: float = Field(default=1.0, gt=0)


@register
class Metropolis(Learner):
    """Scored by the accuracy of the mean prediction, the share of accepted proposals, and how far the posterior means
    are from the twin's, in the twin's deviations."""

    kind, sheet_type, decides = "metropolis", MetropolisSheet, False
    sheet: MetropolisSheet

    @cached_property
    def _lines(self) -> tuple[Array, Array]:
        """Training and test features with a column of ones for the bias."""
        import numpy as np

        if self.split.classes != 2:
            raise InputError.of(f"data {self.sheet.data!r} have {self.split.classes} classes", "2 are expected")
        parts = (self.split.x, self.split.x_test)
        train, test = (np.hstack([x, np.ones((len(x), 1), "float32")]) for x in parts)
        return train, test

    @cached_property
    def _graph(self) -> Graph:
        (x, _), k, sheet = self._lines, self.sheet.chains, self.sheet
        n, d = x.shape
        b = Builder("metropolis")
        old, old_log = b.input("weights", (k, d)), b.input("log_posterior", (k, 1))
        jump, threshold = b.input("jump", (k, d)), b.input("threshold", (k, 1))
        total, accepted = b.input("total", (k, d)), b.input("accepted", (k, 1))
        proposed = old + jump * sheet.step
        scores = Stored(b, "samples", (n, d), lambda: x).back(proposed, "scores")
        aims = b.constant("aims", self.split.y.reshape(1, -1).astype("float32"))
        likelihood = (scores * aims - scores.apply("Softplus")).sum(1)
        log = likelihood - proposed.square_sum(1) * (0.5 / sheet.prior**2)
        better = log - old_log > threshold
        new = better.where(proposed, old).named("new_weights")
        new_log = better.where(log, old_log).named("new_log_posterior")
        count = (accepted + better.cast("float32")).named("new_accepted")
        return b.graph([new, new_log, (total + new).named("new_total"), count])

    @cached_property
    def _test(self) -> Graph:
        """The mean prediction over the chains' last states."""
        x, k = self._lines[1], self.sheet.chains
        b = Builder("prediction")
        scores = b.input("weights", (k, x.shape[1])) @ b.constant("test_samples", x.T.copy())
        return b.graph([scores.named("test_scores").apply("Sigmoid").mean(0).named("prediction")])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph, self._test]

    def program(self, request: int, numbers: bool) -> Program:
        values: dict[str, Array] = {}
        for i in range(self.sheet.samples):
            if numbers:
                values = self._proposal(request, i, values)
            out = yield Call(self._graph, values)
            if out is not None:
                values = {name.removeprefix("new_"): value for name, value in out.items()}
        out = yield Call(self._test, {} if not numbers else {"weights": values["weights"]})
        return None if out is None else (out["prediction"].ravel(), values["total"], values["accepted"], request)

    def _proposal(self, request: int, i: int, values: Mapping[str, Array]) -> dict[str, Array]:
        """The state of the chains with the draws for the next proposals; sums start anew at half time."""
        import numpy as np

        shape, random = (self.sheet.chains, self._lines[0].shape[1]), self.draw("proposal", request, i)
        zero, narrow = np.zeros(shape, "float32"), np.zeros((shape[0], 1), "float32")
        state = {"weights": zero, "log_posterior": narrow - np.float32(3e38), "accepted": narrow, **values}
        if i in (0, self.sheet.samples // 2):
            state |= {"total": zero}
        draws = {
            "jump": random.standard_normal(shape).astype("float32"),
            "threshold": np.log(random.random((shape[0], 1))).astype("float32"),
        }
        return {**state, **draws}

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        import numpy as np

        prediction, total, accepted, request = answer
        twin, twin_accepted, weights = self._twin(request)
        counted = self.sheet.samples - self.sheet.samples // 2
        deviation = twin.reshape(-1, twin.shape[-1]).std(axis=0)
        mean, exact = total.astype("float64").mean(axis=0) / counted, twin.mean(axis=(0, 1))
        scores = weights @ self._lines[1].astype("float64").T
        labels = self.split.y_test
        mine = {
            "accuracy": accuracy(prediction > 0.5, labels),
            "accepted": float(accepted.mean()) / self.sheet.samples,
            "posterior_shift": float(np.sqrt((((mean - exact) / deviation) ** 2).mean())),
        }
        predicted = (0.5 + 0.5 * np.tanh(scores / 2)).mean(axis=0) > 0.5
        return mine, {"accuracy": accuracy(predicted, labels), "accepted": twin_accepted}

    def _twin(self, request: int) -> tuple[Array, float, Array]:
        """States of the second half [samples, chains, d], the share accepted, and the last states."""
        import numpy as np

        x, y, sheet = self._lines[0].astype("float64"), self.split.y, self.sheet
        state: dict[str, Array] = {}
        w, log, accepted, kept = np.zeros((sheet.chains, x.shape[1])), np.full(sheet.chains, -np.inf), 0.0, []
        for i in range(sheet.samples):
            state = self._proposal(request, i, state)
            proposed = w + sheet.step * state["jump"].astype("float64")
            scores = proposed @ x.T
            new = (scores * y - np.logaddexp(0, scores)).sum(axis=1) - (proposed**2).sum(axis=1) / 2 / sheet.prior**2
            better = new - log > state["threshold"][:, 0]
            w, log = np.where(better[:, None], proposed, w), np.where(better, new, log)
            accepted += float(better.mean())
            if i >= sheet.samples // 2:
                kept.append(w)
        return np.array(kept), accepted / sheet.samples, w
