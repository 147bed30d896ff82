"""Training a convolutional network by stochastic gradient descent [LeCun 1998], its weights in the crossbars.

A layer of kernels over a square grey image, as products of its patches, and dense layers behind it. All else is as in
`hetsim.algorithms.mlp_training`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hetsim.algorithms.builder import Builder, Stored, Value
from hetsim.algorithms.dense_net import DenseNet, InPlace, Weights
from hetsim.algorithms.mlp_training import MlpTraining, MlpTrainingSheet
from hetsim.errors import InputError
from hetsim.workload import WorkloadSheet, register

if TYPE_CHECKING:
    import numpy as np

    from hetsim.workload import Array


class ConvNet(DenseNet):
    """``filters`` of ``kernel`` x ``kernel`` pixels every ``stride`` pixels of an image of ``side`` x ``side``, a
    rectifier, and a dense net to ``sizes``.

    The kernels are the one layer of a net ``conv``, which takes patches [images x places, kernel²].
    """

    def __init__(self, name: str, side: int, kernel: int, stride: int, filters: int, sizes: Sequence[int]) -> None:
        super().__init__(name, (side * side, *sizes))
        self._side, self._kernel, self._stride, self._filters = side, kernel, stride, filters
        self._width = (side - kernel) // stride + 1
        self._conv = DenseNet("conv", (kernel * kernel, filters))
        self._dense = DenseNet(name, (self._width**2 * filters, *sizes))

    @cached_property
    def _pixels(self) -> Array:
        """The pixel of each place and kernel position, [places, kernel²]."""
        import numpy as np

        starts, offsets = np.arange(self._width) * self._stride, np.arange(self._kernel)
        places = (starts[:, None] * self._side + starts).reshape(-1, 1)
        return np.asarray(places + (offsets[:, None] * self._side + offsets).reshape(-1))

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        return {**self._conv.initial(random), **self._dense.initial(random)}

    def inputs(self, b: Builder) -> dict[str, Value]:
        return {**self._conv.inputs(b), **self._dense.inputs(b)}

    def biases(self, b: Builder) -> dict[str, Value]:
        return {**self._conv.biases(b), **self._dense.biases(b)}

    def stored(
        self, b: Builder, weights: Weights | None, version: int, trained: bool = False, use: str = "stored"
    ) -> list[Stored]:
        return [
            *self._conv.stored(b, weights, version, trained, use),
            *self._dense.stored(b, weights, version, trained, use),
        ]

    def forward(self, x: Value, matrices: Sequence[Stored], biases: Mapping[str, Value], use: str) -> list[Value]:
        """Patches, sums of the kernels, and the activations of the dense net, its input first."""
        b, images, pixels = x.builder, x.shape[0], self._pixels
        chosen = b.constant("pixels", pixels.reshape(-1))
        gathered = b.op("Gather", "", x, chosen, shape=(images, pixels.size), axis=1)
        patches = _shaped(gathered, images * len(pixels), pixels.shape[1])
        sums = self._conv.forward(patches, matrices[:1], biases, use)[-1]
        seen = _shaped(sums.apply("Relu"), images, len(pixels) * self._filters)
        return [patches, sums, *self._dense.forward(seen, matrices[1:], biases, use)]

    def back(
        self, activations: Sequence[Value], error: Value, matrices: Sequence[Stored], use: str, to_input: bool = False,
        in_place: InPlace | None = None,
    ) -> tuple[dict[str, Value], Value]:  # fmt: skip
        patches, sums, *seen = activations
        slopes, before = self._dense.back(seen, error, matrices[1:], use, True, in_place)
        before = _shaped(before, *sums.shape) * (sums > 0.0).cast("float32")
        more, before = self._conv.back([patches, sums], before, matrices[:1], use, to_input, in_place)
        return {**slopes, **more}, before

    def forward_twin(self, x: Array, weights: Weights) -> list[Array]:
        pixels = self._pixels
        patches = x[:, pixels].reshape(-1, pixels.shape[1])
        sums = self._conv.forward_twin(patches, weights)[-1]
        return [patches, sums, *self._dense.forward_twin((sums * (sums > 0)).reshape(len(x), -1), weights)]

    def back_twin(self, activations: Sequence[Array], error: Array, weights: Weights) -> tuple[dict[str, Array], Array]:
        patches, sums, *seen = activations
        slopes, before = self._dense.back_twin(seen, error, weights)
        more, before = self._conv.back_twin([patches, sums], before.reshape(sums.shape) * (sums > 0), weights)
        return {**slopes, **more}, before


class CnnTrainingSheet(MlpTrainingSheet):
    """``filters`` kernels of ``kernel`` x ``kernel`` pixels every ``stride`` pixels, then ``hidden`` dense layers; the
    rest is that of `mlp_training`."""

    algorithm: Literal["cnn_training"]  # type: ignore[assignment]  # another algorithm
    hidden: tuple[int, ...] = ()
    kernel: int = Field(default=3, ge=1)
    stride: int = Field(default=1, ge=1)
    filters: int = Field(default=8, ge=1)


@register
class CnnTraining(MlpTraining):
    """Scored as `MlpTraining`."""

    kind = "cnn_training"
    sheet_type: ClassVar[type[WorkloadSheet]] = CnnTrainingSheet
    sheet: CnnTrainingSheet

    @cached_property
    def _net(self) -> DenseNet:
        sheet, pixels = self.sheet, self.split.x.shape[1]
        side = math.isqrt(pixels)
        if side * side != pixels:
            raise InputError.of(f"samples of {sheet.data!r} have {pixels} features", "square grey images are needed")
        if sheet.kernel > side:
            raise InputError.of(f"a kernel of {sheet.kernel} pixels does not fit into images of {side} x {side}")
        return ConvNet("net", side, sheet.kernel, sheet.stride, sheet.filters, (*sheet.hidden, self.split.classes))


def _shaped(value: Value, *shape: int) -> Value:
    """The same numbers in another shape, which moves nothing."""
    import numpy as np

    wanted = value.builder.constant("shape " + " x ".join(map(str, shape)), np.array(shape))
    return value.builder.op("Reshape", "", value, wanted, shape=shape)
