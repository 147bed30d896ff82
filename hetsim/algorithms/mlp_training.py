"""Training a multilayer perceptron by stochastic gradient descent [Rumelhart 1986], its weights in the crossbars.

Forward and backward products are analog. The gradients' products and the update are digital, and after every ``every``
batches the new weights are written; or pulses update the stored weights in place, after every batch [Gokmen 2016]. Both
take time and energy, and wear the cells.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy, one_hot
from hetsim.algorithms.builder import Builder, Stored
from hetsim.algorithms.dense_net import DenseNet, InPlace, Weights, only_biases, renewed, updated
from hetsim.workload import Call, Graph, Outputs, Program, WorkloadSheet, register

if TYPE_CHECKING:
    from hetsim.workload import Array

# yields calls, and returns the biases, the graph that tests, and counts
Training = Generator[Call, Outputs, tuple[Weights, Graph, Mapping[str, float]]]


class MlpTrainingSheet(LearnerSheet):
    """``hidden`` layers, ``epochs`` over the training samples in batches of ``batch``, at a learning ``rate``.

    ``in_place``: the weights are changed where they are stored, by the scheme ``update`` in trains of at most ``train``
    pulses a sample; biases stay digital.
    """

    algorithm: Literal["mlp_training"]
    data: str = "digits"
    scale: Literal["each", "whole"] = "whole"
    hidden: tuple[int, ...] = (32,)
    epochs: int = Field(default=5, ge=1)
    batch: int = Field(default=32, ge=1)
    rate: float = Field(default=0.1, gt=0)
    every: int = Field(default=1, ge=1)
    in_place: bool = False
    update: Literal["parallel", "row_serial"] = "parallel"
    train: int = Field(default=31, ge=1, le=32)

    @model_validator(mode="after")
    def _one_way_of_updating(self) -> Self:
        if self.in_place and self.every > 1:
            raise ValueError("every says when weights are written anew, in_place that they never are: leave one out")
        usual = type(self).model_fields
        others = [name for name in ("train", "update") if getattr(self, name) != usual[name].default]
        if others and not self.in_place:
            raise ValueError(f"{' and '.join(others)} say how weights are updated in place: set in_place: true")
        return self


@register
class MlpTraining(Learner):
    """Scored by the accuracy on the test samples, as the hardware computes it; ``writings`` counts how often the
    weights were written, ``updates`` the batches after which they changed in place."""

    kind, decides = "mlp_training", False
    sheet_type: ClassVar[type[WorkloadSheet]] = MlpTrainingSheet
    sheet: MlpTrainingSheet

    @cached_property
    def _net(self) -> DenseNet:
        return DenseNet("net", (self.split.x.shape[1], *self.sheet.hidden, self.split.classes))

    @property
    def _in_place(self) -> InPlace | None:
        sheet = self.sheet
        return InPlace(sheet.rate, sheet.update, sheet.train) if sheet.in_place else None

    def _matrices(self, b: Builder, written: Weights | None, version: int, request: int) -> list[Stored]:
        """The weights in the crossbars as they were written; what a request trains in place is its own."""
        own = f"stored by request {request}" if self.sheet.in_place and request else "stored"
        return self._net.stored(b, written, version, self.sheet.in_place, own)

    def _step(self, size: int, written: Weights | None, version: int, request: int = 0) -> Graph:
        """A batch of so many samples, with the weights as ``written`` in the crossbars."""
        net, b = self._net, Builder("train")
        x, aims = b.input("x", (size, net.sizes[0])), b.input("aims", (size, net.sizes[-1]))
        weights = net.biases(b) if self.sheet.in_place else net.inputs(b)
        matrices = self._matrices(b, written, version, request)
        activations = net.forward(x, matrices, weights, "")
        chances = b.op("Softmax", "chances", activations[-1], axis=-1)
        error = (chances - aims) * (1 / size)
        slopes, _ = net.back(activations, error, matrices, "", in_place=self._in_place)
        return b.graph(updated(weights, slopes, self.sheet.rate))

    def _test(self, written: Weights | None, version: int, request: int = 0) -> Graph:
        net, b = self._net, Builder("test")
        x = b.input("x", self.split.x_test.shape)
        matrices = self._matrices(b, written, version, request)
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
        return [*(self._step(size, None, 1) for size in sizes), self._test(None, 1)]

    def program(self, request: int, numbers: bool) -> Program:
        run = self._trained_in_place if self.sheet.in_place else self._rewritten
        biases, test, counted = yield from run(request, numbers)
        out = yield Call(test, {**biases, "x": self.split.x_test})
        return None if out is None else (out["answer"].ravel(), counted, request)

    def _rewritten(self, request: int, numbers: bool) -> Training:
        """Train by writing new weights."""
        weights = self._net.initial(self.draw("weights", request))
        written, version = weights, 0
        for count, (x, aims) in enumerate(self._batches(request), 1):
            step = self._step(len(x), written if numbers else None, version)
            weights = renewed(weights, (yield Call(step, {**weights, "x": x, "aims": aims})))
            if count % self.sheet.every == 0:
                written, version = weights, version + 1
        test = self._test(weights if numbers else None, version + 1)
        return only_biases(weights), test, {"writings": version + 2}

    def _trained_in_place(self, request: int, numbers: bool) -> Training:
        """Train by pulses on the first weights; the program never sees what becomes of them."""
        first = self._net.initial(self.draw("weights", request))
        written, biases, updates = first if numbers else None, only_biases(first), 0
        steps: dict[int, Graph] = {}
        for x, aims in self._batches(request):
            updates += 1
            if len(x) not in steps:
                steps[len(x)] = self._step(len(x), written, 0, request)
            biases = renewed(biases, (yield Call(steps[len(x)], {**biases, "x": x, "aims": aims})))
        return biases, self._test(written, 0, request), {"updates": updates}

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        found, counted, request = answer
        labels = self.split.y_test
        weights = self._twin(request)
        twin = self._net.forward_twin(self.split.x_test.astype("float64"), weights)[-1].argmax(axis=1)
        return {"accuracy": accuracy(found, labels), **counted}, {"accuracy": accuracy(twin, labels)}

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
