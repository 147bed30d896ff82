"""Workload kind ``layers``: a network by the shapes of its layers, without numbers, for timing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.errors import InputError
from hetsim.operators import RULES, arithmetic, fused_operations, matrix_view
from hetsim.workload import Call, Graph, Op, Program, Tensor, Workload, WorkloadSheet, register

Activation = Literal["Relu", "Sigmoid", "Tanh"]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Conv(_Form):
    """A square convolution with bias; ``pad`` keeps the size at stride 1 unless it is given."""

    out: int = Field(gt=0)
    kernel: int = Field(default=1, gt=0)
    stride: int = Field(default=1, gt=0)
    pad: int | None = Field(default=None, ge=0)
    groups: int = Field(default=1, gt=0)
    activation: Activation | None = None


class Dense(_Form):
    """A fully connected layer on the last axis; of images, on all channels and places together."""

    out: int = Field(gt=0)
    activation: Activation | None = None


class Pool(_Form):
    """Square windows, or without ``kernel`` the whole image."""

    kind: Literal["max", "average"] = "max"
    kernel: int | None = Field(default=None, gt=0)
    stride: int = Field(default=1, gt=0)
    pad: int = Field(default=0, ge=0)


class Attention(_Form):
    """Self-attention: query, key, value and output projections, scores, softmax, context."""

    heads: int = Field(gt=0)


class Repeat(_Form):
    """The same layers so many times, one after the other."""

    times: int = Field(gt=0)
    layers: tuple[Layer, ...] = Field(min_length=1)


Branches = tuple[tuple["Layer", ...], ...]


class Layer(_Form):
    """One layer, named ``name`` or by its kind and a number; it reads what the layer before it made.

    ``op`` is an element-wise ONNX operator with a single input (``Relu``, ``Softmax``, ``LayerNormalization``).
    ``sum`` and ``concat`` join branches, of which an empty one is the input itself; ``heads`` are branches whose
    ends are outputs of the network, and the layer after them reads what they read.
    """

    name: str = ""
    conv: Conv | None = None
    dense: Dense | None = None
    pool: Pool | None = None
    attention: Attention | None = None
    op: str | None = None
    sum: Branches | None = None
    concat: Branches | None = None
    heads: Branches | None = None
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [key for key in type(self).model_fields if key != "name" and getattr(self, key) is not None]
        if len(given) != 1:
            kinds = ", ".join(key for key in type(self).model_fields if key != "name")
            raise ValueError(f"a layer is one of {kinds}; found {' and '.join(given) or 'none'}")
        if self.op is not None and self.op not in RULES:
            raise ValueError(f"op {self.op!r} is no ONNX operator that hetsim knows the cost of")
        return self

    @property
    def what(self) -> str:
        """The key that says what it is."""
        return next(k for k in type(self).model_fields if k != "name" and getattr(self, k) is not None)


class LayersSheet(WorkloadSheet):
    """A network by the shapes of its layers. ``input`` is the shape of one sample; ``dtype`` that of its numbers."""

    input: tuple[int, ...] = Field(min_length=1)
    dtype: str = "float32"
    batch: int = Field(default=1, gt=0)
    layers: tuple[Layer, ...] = Field(min_length=1)


@register
class Layers(Workload):
    """Every request runs one batch. Weights have shapes only, so that there are no numbers to compute."""

    kind: ClassVar[str] = "layers"
    sheet_type: ClassVar[type[WorkloadSheet]] = LayersSheet
    passing: ClassVar[set[str]] = {*Workload.passing, "batch"}

    def __init__(self, sheet: LayersSheet, folder: Path | None = None) -> None:
        super().__init__(sheet, folder)
        self._graph = _Builder(sheet, sheet.batch).graph
        self._larger: dict[int, Graph] = {}

    def graphs(self) -> Sequence[Graph]:
        return (self._graph,)

    def joined(self, graphs: Sequence[Graph]) -> Graph:
        if len(graphs) not in self._larger:
            self._larger[len(graphs)] = _Builder(self.sheet, self.sheet.batch * len(graphs)).graph
        return self._larger[len(graphs)]

    def program(self, request: int, numbers: bool) -> Program:
        if numbers:
            raise InputError.of("a network given by the shapes of its layers has no numbers", "set numerics: none")
        yield Call(self._graph, {})
        return None


class _Builder:
    """Turns layers into ops; used once."""

    def __init__(self, sheet: LayersSheet, batch: int) -> None:
        self._ops, self._ends, self._counts = list[Op](), list[Tensor](), dict[str, int]()
        source = Tensor("input", (batch, *sheet.input), sheet.dtype)
        end = self._chain(sheet.layers, source)
        read = {t.name for op in self._ops for t in op.moving}
        outputs = self._ends + ([] if end.name in read else [end])
        self.graph = Graph("layers", self._ops, [source], outputs)

    def _chain(self, layers: Sequence[Layer], x: Tensor) -> Tensor:
        for layer in layers:
            x = getattr(self, f"_{layer.what}")(layer, getattr(layer, layer.what), x)
        return x

    def _append(
        self, kind: str, name: str, inputs: Sequence[Tensor], shape: Sequence[int], activation: str | None = None,
        **attributes: Any,
    ) -> Tensor:  # fmt: skip
        """Append an op; its result has its name."""
        if not name:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"{kind.lower()}{number}"
        made = Tensor(name, shape)
        macs, element_ops = arithmetic(kind, attributes, inputs, (made,))
        if activation is not None:
            element_ops += fused_operations(activation, made)
        view = matrix_view(kind, attributes, inputs, (made,))
        self._ops.append(Op(name, kind, tuple(inputs), (made,), attributes, activation, macs, element_ops, view))
        return made

    # --- layers, by the key that says what they are ---

    def _conv(self, layer: Layer, conv: Conv, x: Tensor) -> Tensor:
        batch, channels, *sizes = _image(x)
        pad = (conv.kernel - 1) // 2 if conv.pad is None else conv.pad
        if channels % conv.groups or conv.out % conv.groups:
            raise InputError.of(f"{channels} channels to {conv.out} do not make {conv.groups} equal groups")
        places = _places(sizes, conv.kernel, conv.stride, pad)
        weight = self._constant((conv.out, channels // conv.groups, conv.kernel, conv.kernel))
        inputs = (x, weight, self._constant((conv.out,)))
        return self._append(
            "Conv", layer.name, inputs, (batch, conv.out, *places), conv.activation,
            strides=(conv.stride,) * 2, pads=(pad,) * 4, group=conv.groups,
        )  # fmt: skip

    def _dense(self, layer: Layer, dense: Dense, x: Tensor) -> Tensor:
        batch, *rest = x.shape
        if len(rest) == 3:  # an image, seen as a row
            x, rest = Tensor(x.name, (batch, math.prod(rest)), x.dtype), [math.prod(rest)]
        weight = self._constant((rest[-1], dense.out))
        if len(rest) == 1:
            inputs = (x, weight, self._constant((dense.out,)))
            return self._append("Gemm", layer.name, inputs, (batch, dense.out), dense.activation)
        return self._append("MatMul", layer.name, (x, weight), (batch, *rest[:-1], dense.out), dense.activation)

    def _pool(self, layer: Layer, pool: Pool, x: Tensor) -> Tensor:
        batch, channels, *sizes = _image(x)
        if pool.kernel is None:
            return self._append(f"Global{pool.kind.title()}Pool", layer.name, (x,), (batch, channels, 1, 1))
        places = _places(sizes, pool.kernel, pool.stride, pool.pad)
        return self._append(
            f"{pool.kind.title()}Pool", layer.name, (x,), (batch, channels, *places),
            kernel_shape=(pool.kernel,) * 2, strides=(pool.stride,) * 2, pads=(pool.pad,) * 4,
        )  # fmt: skip

    def _attention(self, layer: Layer, attention: Attention, x: Tensor) -> Tensor:
        if len(x.shape) != 3:
            raise InputError.of(f"a sequence [length, channels] is expected here, found {x.shape[1:]}")
        batch, length, width = x.shape
        if width % attention.heads:
            raise InputError.of(f"{width} channels do not make {attention.heads} equal heads")
        size = (batch, attention.heads, length, width // attention.heads)
        query, key, value = (
            self._append("MatMul", "", (x, self._constant((width, width))), x.shape) for _ in range(3)
        )  # fmt: skip
        across = Tensor(key.name, (*size[:2], size[3], length))
        scores = self._append("MatMul", "", (Tensor(query.name, size), across), (*size[:3], length))
        shares = self._append("Softmax", "", (scores,), scores.shape, axis=-1)
        context = self._append("MatMul", "", (shares, Tensor(value.name, size)), size)
        seen = Tensor(context.name, x.shape)
        return self._append("MatMul", layer.name, (seen, self._constant((width, width))), x.shape)

    def _sum(self, layer: Layer, branches: Branches, x: Tensor) -> Tensor:
        ends = [self._chain(branch, x) for branch in branches]
        if len({t.shape for t in ends}) != 1:
            raise InputError.of(f"a sum joins branches of shapes {', '.join(str(t.shape) for t in ends)}")
        return self._append("Sum", layer.name, ends, ends[0].shape)

    def _concat(self, layer: Layer, branches: Branches, x: Tensor) -> Tensor:
        ends = [self._chain(branch, x) for branch in branches]
        if len({(t.shape[0], t.shape[2:]) for t in ends}) != 1:
            raise InputError.of(f"a concat joins branches of shapes {', '.join(str(t.shape) for t in ends)}")
        shape = (ends[0].shape[0], sum(t.shape[1] for t in ends), *ends[0].shape[2:])
        return self._append("Concat", layer.name, ends, shape, axis=1)

    def _heads(self, layer: Layer, branches: Branches, x: Tensor) -> Tensor:
        self._ends += [self._chain(branch, x) for branch in branches]
        return x

    def _op(self, layer: Layer, kind: str, x: Tensor) -> Tensor:
        return self._append(kind, layer.name, (x,), x.shape)

    def _repeat(self, layer: Layer, repeat: Repeat, x: Tensor) -> Tensor:
        for _ in range(repeat.times):
            x = self._chain(repeat.layers, x)
        return x

    def _constant(self, shape: Sequence[int]) -> Tensor:
        number = self._counts["constant"] = self._counts.get("constant", 0) + 1
        return Tensor(f"constant{number}", shape, constant=True)


def _image(x: Tensor) -> tuple[int, ...]:
    if len(x.shape) != 4:
        raise InputError.of(f"an image [channels, height, width] is expected here, found {x.shape[1:]}")
    return x.shape


def _places(sizes: Sequence[int], kernel: int, stride: int, pad: int) -> tuple[int, ...]:
    """Positions of a window in each dimension."""
    places = tuple((size + 2 * pad - kernel) // stride + 1 for size in sizes)
    if min(places) < 1:
        raise InputError.of(f"a window of {kernel} does not fit into {sizes} padded by {pad}")
    return places
