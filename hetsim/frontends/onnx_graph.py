"""From an ONNX file to a graph: constants folded, views left out, activations fused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError, Problem
from hetsim.frontends.onnx_file import SMALL, Node, OnnxFile, Shaped
from hetsim.operators import (
    ACTIVATIONS,
    MATRIX_OPERATORS,
    OPSET,
    RULES,
    VIEWS,
    arithmetic,
    fused_operations,
    matrix_view,
)
from hetsim.workload import Graph, Op, Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array

_RANDOM = (
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
)


def build(file: OnnxFile, batch: int) -> Graph:
    """Return the file's graph for a batch size; InputError for operators without a cost or shapes left
    open.
    """
    return _Builder(file, batch).graph()


def folded(file: OnnxFile) -> tuple[list[Node], set[str]]:
    """The nodes whose outputs depend on no input's numbers, and the tensors that depend on an input's
    shape.
    """
    known, varying = set(file.constants), set[str]()
    nodes = []
    for node in file.nodes:
        reads = [name for name in node.inputs if name]
        if node.kind == "Shape" or (all(name in known for name in reads) and node.kind not in _RANDOM):
            nodes.append(node)
            known.update(node.outputs)
            if (node.kind == "Shape" and reads[0] not in known) or varying.intersection(reads):
                varying.update(node.outputs)
    return nodes, varying


class _Builder:
    """Turns one file into one graph; used once.

    A view's output is its input's tensor in another shape: it keeps the producer's name, so that nothing is
    moved or run for it, and whoever reads it reshapes what it gets to the shape that its own op states.
    """

    def __init__(self, file: OnnxFile, batch: int) -> None:
        self.file, self.batch = file, batch
        constant_nodes, self.varying = folded(file)
        skipped = set(constant_nodes)
        self.nodes = [node for node in file.nodes if node not in skipped]
        self._refuse_unknown()
        self.shapes: Mapping[str, Shaped] = {}
        self.constants: dict[str, Tensor] = {}
        self._infer(constant_nodes)
        self.tensors: dict[str, Tensor] = {}
        self.root: dict[str, str] = {}  # what a view shows
        for node in self.nodes:
            if node.kind in VIEWS:
                self.root[node.outputs[0]] = self.root.get(node.inputs[0], node.inputs[0])
                self._check_view(node)

    def _refuse_unknown(self) -> None:
        """Every operator without a cost rule is named, each with its nodes."""
        unknown: dict[str, list[str]] = {}
        for node in self.nodes:
            if node.kind not in RULES:
                unknown.setdefault(node.kind, []).append(node.name)
        if unknown:
            raise InputError(
                Problem(f"{self.file.title}: operator {kind} is not known (nodes: {_listed(names)})",
                        "add its rule to the operators' costs, or export the model without it")
                for kind, names in unknown.items()
            )  # fmt: skip

    def _infer(self, constant_nodes: list[Node]) -> None:
        """Shapes and constants. A constant that decides a shape is worked out, and shapes are inferred
        again.
        """
        known: dict[str, Array] = {}
        while True:
            self.shapes = self.file.shapes(self.batch, known)
            self.constants = dict(self.file.constants)
            for node in constant_nodes:
                made = (name for name in node.outputs if name in self.shapes)
                self.constants.update({name: self._folded(node, name) for name in made})
            wanted = {
                name
                for node in self.nodes
                for name in node.inputs
                if node.outputs[0] not in self.shapes and name in self.constants.keys() - known.keys()
            }
            wanted = {
                name for name in wanted - self.file.constants.keys() if self.constants[name].size <= SMALL
            }
            if not wanted:
                return
            known |= {name: self.constants[name].value for name in wanted}

    def _folded(self, node: Node, name: str) -> Tensor:
        shaped = self._shape(name, node)
        unique = f"{name}@{self.batch}" if name in self.varying else name
        return Tensor(unique, shaped.shape, shaped.dtype, load=lambda: self._evaluated(node, name))

    def _evaluated(self, node: Node, name: str) -> Array:
        """The numbers of a folded constant, by the reference implementation of its operator."""
        import numpy as np
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        if node.kind == "Shape" and node.inputs[0] not in self.constants:
            sizes = self._shape(node.inputs[0], node).shape
            return np.asarray(
                sizes[slice(node.attributes.get("start"), node.attributes.get("end"))], np.int64
            )
        feeds = {read: self.constants[read].value for read in node.inputs if read}
        if node.kind in VIEWS:
            return feeds[node.inputs[0]].reshape(self._shape(name, node).shape)
        today = helper.make_node(node.kind, node.inputs, node.outputs, **node.attributes)
        results: Any = ReferenceEvaluator(today, opsets={"": OPSET}).run(None, feeds)
        value = np.asarray(results[node.outputs.index(name)])
        return value.astype(np.float32) if value.dtype.name in ("float16", "bfloat16") else value

    def _shape(self, name: str, node: Node) -> Shaped:
        if name not in self.shapes:
            raise self.file.wrong(
                f"the shape of {name!r} (node {node.name!r}, {node.kind}) is left open",
                "export the model with fixed shapes",
            )
        return self.shapes[name]

    def _check_view(self, node: Node) -> None:
        before, after = self.tensor(node.inputs[0], node), self.tensor(node.outputs[0], node)
        if before.size != after.size:
            what = f"{after.shape} of {before.shape} at batch {self.batch}"
            raise self.file.wrong(
                f"node {node.name!r} ({node.kind}) makes {what}",
                "a batch size written into the file has to be left open",
            )

    def tensor(self, name: str, node: Node) -> Tensor:
        """The tensor that a node knows under a name: one object for each producer and shape."""
        if name in self.constants:
            return self.constants[name]
        if name not in self.tensors:
            shaped = self._shape(name, node)
            self.tensors[name] = Tensor(self.root.get(name, name), shaped.shape, shaped.dtype)
        return self.tensors[name]

    def graph(self) -> Graph:
        """Ops in file order with activations fused, between the file's inputs and outputs."""
        nodes = [node for node in self.nodes if node.kind not in VIEWS]
        fused = self._fusions(nodes)
        ops = [self._op(node, fused.get(node)) for node in nodes if node not in fused.values()]
        last = self.nodes[-1] if self.nodes else self.file.nodes[-1]
        made = {t.name for op in ops for t in op.outputs} | {i.name for i in self.file.inputs}
        outputs = [self.tensor(name, last) for name in self.file.outputs]
        if stray := [t.name for t in outputs if t.name not in made]:
            raise self.file.wrong(f"output {stray[0]!r} does not depend on any input")
        inputs = [self.tensor(given.name, last) for given in self.file.inputs]
        return Graph(self.file.path.stem, ops, inputs, outputs)

    def _fusions(self, nodes: list[Node]) -> Mapping[Node, Node]:
        """Matrix operators and the activations that alone read them."""
        roots = [self.root.get(name, name) for node in nodes for name in node.inputs if name]
        readers = Counter([*roots, *(self.root.get(name, name) for name in self.file.outputs)])
        makers = {node.outputs[0]: node for node in nodes if node.kind in MATRIX_OPERATORS}
        fusions: dict[Node, Node] = {}
        for node in nodes:
            if node.kind not in ACTIVATIONS:
                continue
            source = self.root.get(node.inputs[0], node.inputs[0])
            constant_bounds = all(not name or name in self.constants for name in node.inputs[1:])
            if source in makers and readers[source] == 1 and constant_bounds:
                fusions[makers[source]] = node
        return fusions

    def _op(self, node: Node, activation: Node | None) -> Op:
        inputs = tuple(self.tensor(name, node) if name else None for name in node.inputs)
        outputs = tuple(self.tensor(name, node) for name in node.outputs if name)
        attributes = _settled(node, inputs)
        if node.kind in ("Softmax", "LogSoftmax") and self.file.opset < 13:
            attributes, inputs = _as_rows(attributes, inputs)
        macs, element_ops = arithmetic(node.kind, attributes, inputs, outputs)
        matrix = matrix_view(node.kind, attributes, inputs, outputs)
        fused = None
        if activation is not None:
            fused = self._activation(activation)
            outputs = (self.tensor(activation.outputs[0], activation),)
            element_ops += fused_operations(fused, outputs[0])
        return Op(node.name, node.kind, inputs, outputs, attributes, fused, macs, element_ops, matrix)

    def _activation(self, node: Node) -> str:
        """The activation's name, with the bounds of a Clip behind it."""
        if node.kind != "Clip":
            return node.kind
        bounds = [*node.inputs[1:], "", ""]
        low, high = (
            float(self.constants[name].value) if name else default
            for name, default in zip(bounds, (float("-inf"), float("inf")), strict=False)
        )
        return f"Clip({low},{high})"


def _settled(node: Node, inputs: tuple[Tensor | None, ...]) -> Mapping[str, Any]:
    """Attributes with a convolution's automatic pads worked out, and casts within what numbers are carried
    in.
    """
    attributes = dict(node.attributes)
    if node.kind == "Cast" and attributes["to"] in (10, 16):  # 16-bit floats are carried in float32
        attributes["to"] = 1
    if node.kind == "Conv":
        mode = attributes.pop("auto_pad", "NOTSET")
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            attributes["pads"] = _same(mode, attributes, inputs)
    return attributes


def _as_rows(
    attributes: Mapping[str, Any], inputs: tuple[Tensor | None, ...]
) -> tuple[Mapping[str, Any], tuple[Tensor | None, ...]]:
    """Before opset 13 a softmax took its input as a matrix, with all axes from ``axis`` on in a row."""
    source = inputs[0]
    assert source is not None
    axis = attributes.get("axis", 1) % len(source.shape)
    rows = math.prod(source.shape[:axis])
    matrix = Tensor(source.name, (rows, source.size // rows), source.dtype)
    return {**attributes, "axis": -1}, (matrix,)


def _same(mode: str, attributes: Mapping[str, Any], inputs: tuple[Tensor | None, ...]) -> tuple[int, ...]:
    """Pads with which a convolution's output has its input's size over the stride, rounded up."""
    data, kernel = inputs[0], inputs[1]
    assert data is not None and kernel is not None
    sizes, ones = data.shape[2:], (1,) * (len(data.shape) - 2)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    starts, ends = [], []
    for size, k, stride, dilation in zip(sizes, kernel.shape[2:], strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        starts.append((total + (mode == "SAME_LOWER")) // 2)
        ends.append(total - starts[-1])
    return (*starts, *ends)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
