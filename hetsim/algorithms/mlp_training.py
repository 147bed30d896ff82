"""Training a multilayer perceptron by stochastic gradient descent [Rumelhart 1986], its weights in the crossbars.

Forward and backward products are analog, the gradients' products and the update digital. After every ``every``
batches the new weights are written: that takes time and energy, and wears the cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy, one_hot
from hetsim.algorithms.builder import Builder
from hetsim.algorithms.dense_net import DenseNet, Weights, renewed, updated
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class MlpTrainingSheet(LearnerSheet):
    """``hidden`` layers, ``epochs`` over the training samples in batches of ``batch``."""

    algorithm: Literal["mlp_training"]
    data: str = "digits"
    scale: Literal["each", "whole"] = "whole"
    hidden: tuple[int, ...] = (32,)
    epochs: int = Field(default=5, ge=1)
    batch: int = Field(default=32, ge=1)
    rate: float = Field(default=0.1, gt=0)
    every: int = Field(default=1, ge=1)


@register
class MlpTraining(Learner):
    """Scored by the accuracy on the test samples, as the hardware computes it; ``writings`` counts the new weights."""

    kind, sheet_type, decides = "mlp_training", MlpTrainingSheet, False
    sheet: MlpTrainingSheet

    @cached_property
    def _net(self) -> DenseNet:
        return DenseNet("net", (self.split.x.shape[1], *self.sheet.hidden, self.split.classes))

    def _step(self, size: int, written: Weights | None, version: int) -> Graph:
        """A batch of so many samples, with the weights as ``written`` in the crossbars."""
        net, b = self._net, Builder("train")
        x, aims, weights = b.input("x", (size, net.sizes[0])), b.input("aims", (size, net.sizes[-1])), net.inputs(b)
        matrices = net.stored(b, written, version)
        activations = net.forward(x, matrices, weights, "")
        chances = b.op("Softmax", "chances", activations[-1], axis=-1)
        slopes, _ = net.back(activations, (chances - aims) * (1 / size), matrices, "")
        return b.graph(updated(weights, slopes, self.sheet.rate))

    def _test(self, written: Weights | None, version: int) -> Graph:
        net, b = self._net, Builder("test")
        x = b.input("x", self.split.x_test.shape)
        matrices = net.stored(b, written, version)
        biases = {f"net.b{i}": b.input(f"net.b{i}", (1, n)) for i, n in enumerate(net.sizes[1:])}
        scores = net.forward(x, matrices, biases, "_test")[-1]
        return b.graph([scores.argmax(1).named("answer")])

    def _batches(self, request: int) -> Iterator[tuple[Array, Array]]:
        """Samples and aims, in an order of their own in each epoch."""
        aims = one_hot(self.split.y, self.split.classes)
        for epoch in range(self.sheet.epochs):
            order = self.draw("order", request, epoch).permutation(len(aims))
            for first in range(0, len(order), self.sheet.batch):
                chosen = order[first : first + self.sheet.batch]
                yield self.split.x[chosen], aims[chosen]

    def graphs(self) -> Sequence[Graph]:
        n, batch = len(self.split.x), self.sheet.batch
        sizes = dict.fromkeys((min(batch, n), n % batch or batch))
        return [*(self._step(size, None, 1) for size in sizes), self._test(None, 1)]

    def program(self, request: int, numbers: bool) -> Program:
        weights = self._net.initial(self.draw("weights", request))
        written, version = weights, 0
        for count, (x, aims) in enumerate(self._batches(request), 1):
            step = self._step(len(x), written if numbers else None, version)
            weights = renewed(weights, (yield Call(step, {**weights, "x": x, "aims": aims})))
            if count % self.sheet.every == 0:
                written, version = weights, version + 1
        biases = {name: value for name, value in weights.items() if ".b" in name}
        test = self._test(weights if numbers else None, version + 1)
        out = yield Call(test, {**biases, "x": self.split.x_test})
        return None if out is None else (out["answer"].ravel(), version + 2, request)

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        found, writes, request = answer
        labels = self.split.y_test
        weights = self._twin(request)
        twin = self._net.forward_twin(self.split.x_test.astype("float64"), weights)[-1].argmax(axis=1)
        return {"accuracy": accuracy(found, labels), "writings": writes}, {"accuracy": accuracy(twin, labels)}

    def _twin(self, request: int) -> Weights:
        import numpy as np

        net = self._net
        weights = {name: w.astype("float64") for name, w in net.initial(self.draw("weights", request)).items()}
        written = weights
        for count, (x, aims) in enumerate(self._batches(request), 1):
            used = {name: (written if ".w" in name else weights)[name] for name in weights}
            activations = net.forward_twin(x.astype("float64"), used)
            raised = np.exp(activations[-1] - activations[-1].max(axis=1, keepdims=True))
            error = (raised / raised.sum(axis=1, keepdims=True) - aims) / len(x)
            slopes, _ = net.back_twin(activations, error, used)
            weights = {name: w - self.sheet.rate * slopes[name] for name, w in weights.items()}
            if count % self.sheet.every == 0:
                written = weights
        return weights
