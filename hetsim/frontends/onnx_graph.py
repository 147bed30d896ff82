"""From an ONNX file to a graph: constants folded, views left out, activations fused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hetsim.frontends import onnx_bodies
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_nodes import Node
from hetsim.frontends.onnx_shapes import Knowledge, Question
from hetsim.frontends.onnx_values import written
from hetsim.frontends.signs import nonnegative
from hetsim.operators import ACTIVATIONS, FUSING, VIEWS, arithmetic, fused_operations, matrix_view
from hetsim.workload import Graph, Op, Tensor


def build(file: OnnxFile, question: Question | int = 1, unsigned: bool = False) -> Graph:
    """Return the file's graph for a batch size, or for what else a question says of its inputs.

    ``unsigned`` says that the network's inputs are never negative. Raises InputError for what is wrong with the file.
    """
    asked = Question(question) if isinstance(question, int) else question
    try:
        return _Builder(file, asked, unsigned).graph()
    except (LookupError, ValueError, ArithmeticError, TypeError, AttributeError, AssertionError, RuntimeError) as error:
        broken = file.broken()
        if not broken:
            raise
        raise file.wrong(f"it is no valid model: {broken}", "export it again") from error


class _Builder:
    """Turns one file into one graph; used once.

    A view's output is its input's tensor in another shape: it keeps the producer's name, so that nothing is
    moved or run for it, and whoever reads it reshapes what it gets to the shape that its own op states.
    """

    def __init__(self, file: OnnxFile, question: Question, unsigned: bool) -> None:
        known = Knowledge(file, question)
        self.file, self.batch = file, question.batch
        self.nodes, self.shapes = known.nodes, known.shapes
        self.constants = {**file.constants, **known.constants}
        inputs = [given.name for given in file.inputs] if unsigned else []
        self.unsigned = nonnegative(self.nodes, inputs, self.constants)
        self.tensors: dict[str, Tensor] = {}
        self.root: dict[str, str] = {}  # what a view shows
        self.views = {n for n in self.nodes if _is_view(n) and n.inputs[0] not in self.constants}
        for node in self.nodes:
            if node in self.views:
                self._view(node)

    def _view(self, node: Node) -> None:
        """Note what a view shows."""
        source, output = node.inputs[0], node.outputs[0]
        before, after = self.tensor(source).shape, self.shapes[output].shape
        if math.prod(before) != math.prod(after):
            raise self.file.wrong(
                f"node {node.name!r} ({node.kind}) makes {after} of {before} at batch {self.batch}",
                "a batch size written into the file has to be left open",
            )
        self.root[output] = self.root.get(source, source)

    def tensor(self, name: str) -> Tensor:
        """The tensor that a node knows under a name: one object for each producer and shape."""
        if name in self.constants:
            return self.constants[name]
        if name not in self.tensors:
            if name not in self.shapes:
                raise self.file.wrong(f"nothing makes output {name!r}")
            shaped = self.shapes[name]
            self.tensors[name] = Tensor(
                self.root.get(name, name), shaped.shape, shaped.dtype, nonnegative=name in self.unsigned
            )
        return self.tensors[name]

    def graph(self) -> Graph:
        """Ops in file order with activations fused, between the file's inputs and outputs."""
        nodes = [node for node in self.nodes if node not in self.views]
        fused = self._fusions(nodes)
        taken = set(fused.values())
        ops = [self._op(node, fused.get(node)) for node in nodes if node not in taken]
        inputs = [self.tensor(given.name) for given in self.file.inputs]
        made = {t.name for op in ops for t in op.outputs} | {t.name for t in inputs}
        outputs = []
        for name in self.file.outputs:
            if name in self.constants:
                ops.append(self._given_out(name))
                outputs.append(ops[-1].outputs[0])
            else:
                outputs.append(self.tensor(name))
        made |= {t.name for t in outputs if t.constant} | {op.outputs[0].name for op in ops if op.kind == "Identity"}
        if stray := [t.name for t in outputs if t.name not in made]:
            raise self.file.wrong(f"nothing makes output {stray[0]!r}")
        return Graph(self.file.path.stem, ops, inputs, outputs)

    def _given_out(self, name: str) -> Op:
        """An output that no input decides is made by an op all the same, so that it costs what it takes to send it."""
        constant = self.constants[name]
        output = Tensor(f"{name}:out", constant.shape, constant.dtype)
        return Op(f"{name}:out", "Identity", (constant,), (output,))

    def _fusions(self, nodes: list[Node]) -> Mapping[Node, Node]:
        """Matrix operators and the activations that alone read them."""
        roots = [self.root.get(name, name) for node in nodes for name in node.inputs if name]
        readers = Counter([*roots, *(self.root.get(name, name) for name in self.file.outputs)])
        makers = {node.outputs[0]: node for node in nodes if node.kind in FUSING}
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
        names = (*node.inputs, *node.outer)
        inputs = tuple(self.tensor(name) if name else None for name in names)
        outputs = tuple(self.tensor(name) for name in node.outputs if name)
        attributes = _settled(node, inputs)
        own_words = written(self.file, node, (*inputs, *outputs))
        counted = inputs
        if node.kind in ("Softmax", "LogSoftmax") and self.file.opset < 13:
            attributes, counted = _as_rows(attributes, inputs)
            inputs = inputs if own_words else counted
        macs, element_ops = self._arithmetic(node, attributes, counted, outputs)
        matrix = matrix_view(node.kind, attributes, inputs, outputs)
        fused = None
        if activation is not None:
            fused = self._activation(activation)
            outputs = (self.tensor(activation.outputs[0]),)
            element_ops += fused_operations(fused, outputs[0])
        return Op(
            node.name, node.kind, inputs, outputs, attributes, fused, macs, element_ops, matrix, written=own_words
        )

    def _arithmetic(
        self, node: Node, attributes: Mapping[str, Any], inputs: tuple[Tensor | None, ...], outputs: tuple[Tensor, ...]
    ) -> tuple[int, int]:
        try:
            if node.kind in onnx_bodies.KINDS:
                return onnx_bodies.counted(node, inputs, self.file)
            return arithmetic(node.kind, attributes, inputs, outputs)
        except (KeyError, IndexError, ValueError, TypeError, AssertionError, ZeroDivisionError) as error:
            what = f"the inputs of node {node.name!r} ({node.kind}) are not what the operator takes"
            raise self.file.wrong(f"{what} ({type(error).__name__})") from None

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


def _is_view(node: Node) -> bool:
    """Whether a node gives the same numbers in another shape, and nothing else."""
    training = node.kind == "Dropout" and len(node.inputs) > 2
    return node.kind in VIEWS and any(node.inputs[:1]) and not any(node.outputs[1:]) and not training


def _settled(node: Node, inputs: tuple[Tensor | None, ...]) -> Mapping[str, Any]:
    """Attributes with automatic pads worked out, and casts to what numbers are carried in."""
    attributes = dict(node.attributes)
    if node.kind == "Cast" and attributes["to"] in (10, 16):  # 16-bit floats are carried in float32
        attributes["to"] = 1
    if node.kind in ("Conv", "ConvInteger"):
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
