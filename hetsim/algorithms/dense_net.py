"""Dense networks that are trained: forward through stored matrices, the error back through the same, and new weights.

Products with stored weights may run in crossbars. What multiplies two moving operands (gradients), activations and the
update are digital; the host keeps the weights that it updates in full precision [Nandakumar 2020] and writes them anew.
Or the stored weights are updated in place, by pulses, and nothing else keeps them [Gokmen 2016].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hetsim.algorithms.builder import Builder, Stored, Value

if TYPE_CHECKING:
    import numpy as np

    from hetsim.workload import Array

Weights = Mapping[str, "Array"]


@dataclass(frozen=True, slots=True)
class InPlace:
    """Updates at a ``rate`` on the stored weights themselves, by a ``scheme`` in trains of ``length`` pulses."""

    rate: float
    scheme: str
    length: int


class DenseNet:
    """Layers of ``sizes`` [inputs, hidden …, outputs] with rectifiers between them and linear outputs.

    Tensors and ops are named after the net: ``net.w0`` [inputs, hidden] and ``net.b0`` [1, hidden] are those of the
    first layer.
    """

    def __init__(self, name: str, sizes: Sequence[int]) -> None:
        self.name, self.sizes = name, tuple(sizes)

    @property
    def depth(self) -> int:
        return len(self.sizes) - 1

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        """Weights of variance 2 / inputs [He 2015], biases of zero, float32."""
        import numpy as np

        made = {}
        for i, (k, n) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            made[f"{self.name}.w{i}"] = random.normal(0, (2 / k) ** 0.5, (k, n)).astype("float32")
            made[f"{self.name}.b{i}"] = np.zeros((1, n), "float32")
        return made

    def inputs(self, b: Builder) -> dict[str, Value]:
        """The weights and biases as inputs of a graph, so that they can be updated."""
        made = {}
        for i, (k, n) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            made[f"{self.name}.w{i}"] = b.input(f"{self.name}.w{i}", (k, n))
            made[f"{self.name}.b{i}"] = b.input(f"{self.name}.b{i}", (1, n))
        return made

    def biases(self, b: Builder) -> dict[str, Value]:
        """The biases alone, as inputs of a graph."""
        return {f"{self.name}.b{i}": b.input(f"{self.name}.b{i}", (1, n)) for i, n in enumerate(self.sizes[1:])}

    def stored(
        self, b: Builder, weights: Weights | None, version: int, trained: bool = False, use: str = "stored"
    ) -> list[Stored]:
        """The matrices as they were written last, or before they were ``trained`` in place; without numbers by their
        shapes."""
        made = []
        for i in range(self.depth):
            value = None if weights is None else weights[f"{self.name}.w{i}"]
            load = None if value is None else lambda value=value: value
            shape = (self.sizes[i], self.sizes[i + 1])
            made.append(Stored(b, f"{self.name}.w{i} {use}", shape, load, version, trained))
        return made

    def forward(self, x: Value, matrices: Sequence[Stored], biases: Mapping[str, Value], use: str) -> list[Value]:
        """Activations of every layer, the input first; op names end in ``use``."""
        made = [x]
        for i, matrix in enumerate(matrices):
            y = matrix.forward(made[-1], f"{self.name}.forward{i}{use}") + biases[f"{self.name}.b{i}"]
            made.append(y.apply("Relu") if i < self.depth - 1 else y)
        return made

    def back(
        self, activations: Sequence[Value], error: Value, matrices: Sequence[Stored], use: str, to_input: bool = False,
        in_place: InPlace | None = None,
    ) -> tuple[dict[str, Value], Value]:
        """The gradient for every weight, and the error at the input if it is asked ``to_input``, else at the first
        layer. Matrices that are updated ``in_place`` have no gradient, but change after they were read."""
        slopes = {}
        for i in reversed(range(self.depth)):
            if in_place is None:
                slopes[f"{self.name}.w{i}"] = activations[i].transpose() @ error
            slopes[f"{self.name}.b{i}"] = error.sum(0)
            at_output, read = error, None
            if i or to_input:
                error = read = matrices[i].back(error, f"{self.name}.back{i}{use}")
            if in_place is not None:
                matrices[i].update(
                    activations[i], at_output, -in_place.rate, f"{self.name}.update{i}{use}", read,
                    scheme=in_place.scheme, length=in_place.length,
                )  # fmt: skip
            if i:
                error = error * (activations[i] > 0.0).cast("float32")
        return slopes, error

    # --- the same in NumPy, in the dtype of its operands ---

    def forward_twin(self, x: Array, weights: Weights) -> list[Array]:
        made = [x]
        for i in range(self.depth):
            y = made[-1] @ weights[f"{self.name}.w{i}"] + weights[f"{self.name}.b{i}"]
            made.append(y * (y > 0) if i < self.depth - 1 else y)
        return made

    def back_twin(self, activations: Sequence[Array], error: Array, weights: Weights) -> tuple[dict[str, Array], Array]:
        slopes = {}
        for i in reversed(range(self.depth)):
            slopes[f"{self.name}.w{i}"] = activations[i].T @ error
            slopes[f"{self.name}.b{i}"] = error.sum(axis=0, keepdims=True)
            error = error @ weights[f"{self.name}.w{i}"].T
            if i:
                error = error * (activations[i] > 0)
        return slopes, error


def updated(old: Mapping[str, Value], slopes: Mapping[str, Value], rate: float) -> list[Value]:
    """Weights a step down their slopes, named ``new …``."""
    return [(old[name] - slopes[name] * rate).named(f"new {name}") for name in slopes]


def only_biases(weights: Weights) -> dict[str, Array]:
    """The biases among weights."""
    return {name: value for name, value in weights.items() if ".b" in name}


def renewed(weights: Weights, out: Weights | None) -> dict[str, Array]:
    """The weights that came back under their old names; unchanged without numbers."""
    if out is None:
        return dict(weights)
    return {name: out.get(f"new {name}", value) for name, value in weights.items()}
