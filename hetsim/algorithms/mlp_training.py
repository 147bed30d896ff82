"""Training a multilayer perceptron by stochastic gradient descent [Rumelhart 1986], its weights in the crossbars.

Forward and backward products are analog. Either the gradients' products and the update are digital, and after every
``every`` batches the new weights are written, which takes time and energy and wears the cells; or activations and
errors pulse the cells in place [Gokmen 2016], without reading or verifying.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy, one_hot
from hetsim.algorithms.builder import Builder
from hetsim.algorithms.dense_net import DenseNet, Weights, renewed, updated
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class MlpTrainingSheet(LearnerSheet):
    """``hidden`` layers, ``epochs`` over the training samples in batches of ``batch``; ``in_place`` updates the cells
    of the weights after each batch, while the host keeps the biases."""

    algorithm: Literal["mlp_training"]
    data: str = "digits"
    scale: Literal["each", "whole"] = "whole"
    hidden: tuple[int, ...] = (32,)
    epochs: int = Field(default=5, ge=1)
    batch: int = Field(default=32, ge=1)
    rate: float = Field(default=0.1, gt=0)
    every: int = Field(default=1, ge=1)
    in_place: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.in_place and self.every > 1:
            raise ValueError("in place, weights are updated after every batch: leave every out")
        return self


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

    def _errors(self, size: int, written: Weights | None, version: int) -> Graph:
        """A batch of so many samples: what pulses the rows and columns of every matrix, and new biases."""
        net, b = self._net, Builder("errors")
        x, aims, old = b.input("x", (size, net.sizes[0])), b.input("aims", (size, net.sizes[-1])), net.biases(b)
        matrices = net.stored(b, written, version)
        activations = net.forward(x, matrices, old, "")
        chances = b.op("Softmax", "chances", activations[-1], axis=-1)
        errors, _ = net.errors(activations, (chances - aims) * (1 / size), matrices, "")
        slopes = {f"net.b{i}": error.sum(0) for i, error in enumerate(errors)}
        rows = [a.named(f"x{i}") for i, a in enumerate(activations[1:-1], 1)]
        columns = [error.named(f"d{i}") for i, error in enumerate(errors)]
        return b.graph([*rows, *columns, *updated(old, slopes, self.sheet.rate)])

    def _update(self, size: int, written: Weights | None, version: int) -> Graph:
        """The outer products of all samples of a batch, into the cells."""
        net, b = self._net, Builder("update")
        made = []
        for i, matrix in enumerate(net.stored(b, written, version)):
            x, d = (b.input(f"{letter}{i}", (size, net.sizes[i + k])) for k, letter in enumerate("xd"))
            made.append(matrix.update(x, d, -self.sheet.rate, f"net.update{i}"))
        return b.graph(made)

    def _test(self, written: Weights | None, version: int) -> Graph:
        net, b = self._net, Builder("test")
        x = b.input("x", self.split.x_test.shape)
        matrices = net.stored(b, written, version)
        scores = net.forward(x, matrices, net.biases(b), "_test")[-1]
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
        kinds = (self._errors, self._update) if self.sheet.in_place else (self._step,)
        return [*(kind(size, None, 1) for size in sizes for kind in kinds), self._test(None, 1)]

    def program(self, request: int, numbers: bool) -> Program:
        weights = self._net.initial(self.draw("weights", request))
        if self.sheet.in_place:
            return (yield from self._pulsed(request, weights, numbers))
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

    def _pulsed(self, request: int, weights: dict[str, Array], numbers: bool) -> Program:
        """Training in place: each batch leaves the next version of every matrix."""
        version = 0
        for version, (x, aims) in enumerate(self._batches(request), 1):
            known = weights if numbers else None
            biases = {name: value for name, value in weights.items() if ".b" in name}
            out = yield Call(self._errors(len(x), known, version - 1), {**biases, "x": x, "aims": aims})
            weights = renewed(weights, out)
            pulsing = {} if out is None else {"x0": x, **{n: out[n] for n in out if n[0] in "xd"}}
            done = yield Call(self._update(len(x), known, version - 1), pulsing)
            if done is not None:
                weights |= {f"net.w{i}": done[f"net.update{i}"] for i in range(self._net.depth)}
        biases = {name: value for name, value in weights.items() if ".b" in name}
        out = yield Call(self._test(weights if numbers else None, version), {**biases, "x": self.split.x_test})
        return None if out is None else (out["answer"].ravel(), 1, request)

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
