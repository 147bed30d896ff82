"""A restricted Boltzmann machine completes pictures by Gibbs sampling [Smolensky 1986; Hinton 2002].

The weights sit in the crossbars and are read both ways, from visible to hidden units and back. Sigmoids and the
comparison with random numbers, which come with the graph from the host's generator, are digital. Learning, by
contrastive divergence in float64, is done before t = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet
from hetsim.algorithms.builder import Builder, Stored
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class RbmSheet(LearnerSheet):
    """Binary pictures (above half of the largest value) with ``hidden`` units; of each test picture the features from
    ``given`` of them on are unknown, and estimated by the mean of ``sweeps`` Gibbs sweeps after as many to settle."""

    algorithm: Literal["rbm"]
    data: str = "digits"
    hidden: int = Field(default=64, ge=1)
    epochs: int = Field(default=30, ge=1)
    rate: float = Field(default=0.1, gt=0)
    given: float = Field(default=0.5, gt=0, lt=1)
    sweeps: int = Field(default=20, ge=1)


@register
class Rbm(Learner):
    """Scored by the share of unknown pixels that are completed wrongly."""

    kind, sheet_type, decides = "rbm", RbmSheet, False
    sheet: RbmSheet

    @cached_property
    def _pictures(self) -> tuple[Array, Array]:
        """Training and test pictures of zeros and ones, float32."""
        x = self.samples[0]
        order = self.draw("split").permutation(len(x))
        count = max(1, min(len(x) - 1, round(self.sheet.test * len(x))))
        binary = (x > x.max() / 2).astype("float32")
        return binary[order[count:]], binary[order[:count]]

    @cached_property
    def _model(self) -> tuple[Array, Array, Array]:
        """Weights [visible, hidden], visible and hidden biases, float32: one step of contrastive divergence a batch."""
        import numpy as np

        v_all, random = self._pictures[0].astype("float64"), self.draw("learning")
        w = random.normal(0, 0.05, (v_all.shape[1], self.sheet.hidden))
        bias, hidden_bias = np.zeros(len(w)), np.zeros(w.shape[1])
        for _ in range(self.sheet.epochs):
            order = random.permutation(len(v_all))
            for batch in np.array_split(order, max(1, len(order) // 32)):
                v = v_all[batch]
                h = sigmoid(v @ w + hidden_bias)
                dreamt = sigmoid((h > random.random(h.shape)) @ w.T + bias)
                again = sigmoid(dreamt @ w + hidden_bias)
                step = self.sheet.rate / len(v)
                w = w + step * (v.T @ h - dreamt.T @ again)
                bias = bias + step * (v - dreamt).sum(axis=0)
                hidden_bias = hidden_bias + step * (h - again).sum(axis=0)
        return w.astype("float32"), bias.astype("float32"), hidden_bias.astype("float32")

    @cached_property
    def _graph(self) -> Graph:
        (w, bias, hidden_bias), m = self._model, len(self._pictures[1])
        d, k = w.shape
        b = Builder("gibbs")
        v, total = b.input("visible", (m, d), nonnegative=True), b.input("total", (m, d))
        dice, hidden_dice = b.input("dice", (m, d)), b.input("hidden_dice", (m, k))
        weights = Stored(b, "weights", (d, k), lambda: w)
        excited = (weights.forward(v, "up") + b.constant("hidden_bias", hidden_bias)).apply("Sigmoid")
        h = (excited > hidden_dice).cast("float32")
        h.nonnegative = True
        p = (weights.back(h, "down") + b.constant("bias", bias)).apply("Sigmoid")
        drawn = (p > dice).cast("float32")
        new = b.op("Where", "new_visible", b.constant("known", self._known), v, drawn, dtype="float32")
        return b.graph([new, (total + p).named("new_total")])

    @property
    def _known(self) -> Array:
        import numpy as np

        d = self._pictures[1].shape[1]
        return np.asarray(np.arange(d) < self.sheet.given * d)

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        values: dict[str, Array] = {}
        for sweep in range(2 * self.sheet.sweeps):
            if numbers:
                values = self._sweep(request, sweep, values)
            out = yield Call(self._graph, values)
            if out is not None:
                values = {"visible": out["new_visible"], "total": out["new_total"]}
        return (values["total"], request) if numbers else None

    def _sweep(self, request: int, sweep: int, values: Mapping[str, Array]) -> dict[str, Array]:
        """What a sweep starts from; the mean is taken over the second half."""
        import numpy as np

        pictures, random = self._pictures[1], self.draw("dice", request, sweep)
        visible = values.get("visible", np.where(self._known, pictures, 0).astype("float32"))
        total = np.zeros_like(pictures) if sweep in (0, self.sheet.sweeps) else values["total"]
        dice, hidden = random.random(pictures.shape), random.random((len(pictures), self.sheet.hidden))
        return {
            "visible": visible,
            "total": total,
            "dice": np.asarray(dice, "float32"),
            "hidden_dice": np.asarray(hidden, "float32"),
        }

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        import numpy as np

        total, request = answer
        values: dict[str, Array] = {}
        w, bias, hidden_bias = (part.astype("float64") for part in self._model)
        for sweep in range(2 * self.sheet.sweeps):
            values = self._sweep(request, sweep, values)
            h = sigmoid(values["visible"] @ w + hidden_bias) > values["hidden_dice"]
            p = sigmoid(h @ w.T + bias)
            visible = np.asarray(np.where(self._known, values["visible"], p > values["dice"]), "float32")
            values = {"visible": visible, "total": values["total"] + p}
        return self._told(total), self._told(values["total"])

    def _told(self, total: Array) -> Mapping[str, float]:
        pictures, unknown = self._pictures[1], ~self._known
        return {"wrong_pixels": float(((total > self.sheet.sweeps / 2) != (pictures > 0))[:, unknown].mean())}


def sigmoid(x: Array) -> Array:
    import numpy as np

    return np.asarray(0.5 + 0.5 * np.tanh(x / 2))
