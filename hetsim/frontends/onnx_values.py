"""Numbers of an ONNX file's tensors that are known before it runs: constants, what nodes make of them, given inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_nodes import Node
from hetsim.frontends.use import Shaped
from hetsim.operators import VIEWS
from hetsim.workload import ITEM_BYTES, Op, Tensor, Written

if TYPE_CHECKING:
    from hetsim.workload import Array

_LARGEST = 1 << 30  # bytes of a constant that nodes may make


class OpenShapeError(ValueError):
    """A shape depends on numbers that are not known before the run."""


class Values:
    """Constants by name, loaded or worked out when asked for, and ``shapes`` of the tensors that are none.

    ``given`` are numbers of inputs that hold in every request.
    """

    def __init__(self, file: OnnxFile, batch: int, given: Mapping[str, Array]) -> None:
        self.file, self.batch = file, batch
        self.shapes: dict[str, Shaped] = {}
        self.constants: dict[str, Tensor] = {}
        self._varying = set[str]()  # constants that an input's shape decides
        self._made_by: dict[str, Node] = {}
        self._values: dict[str, Array] = dict(given)

    def known(self, name: str, node: Node) -> Shaped:
        tensor = self.constant(name)
        if tensor is not None:
            return Shaped(tensor.shape, tensor.dtype)
        if name not in self.shapes:
            raise self.file.wrong(f"node {node.name!r} reads {name!r}, which nothing before it makes")
        return self.shapes[name]

    def constant(self, name: str) -> Tensor | None:
        found = self.constants.get(name)
        return self.file.constants.get(name) if found is None else found

    def value(self, name: str) -> Array:
        """The numbers of a tensor that inputs' numbers do not decide, or only those that the question gives."""
        order: list[Node] = []
        todo = [name]
        while todo:
            wanted = todo[-1]
            if self.constant(wanted) is not None or wanted in self._values or wanted in self._done(order):
                todo.pop()
                continue
            if wanted not in self._made_by:
                raise OpenShapeError(f"its shape depends on the numbers in {wanted!r}")
            maker = self._made_by[wanted]
            missing = [n for n in maker.reads if self.constant(n) is None and n not in self._values]
            missing = [n for n in missing if n not in self._done(order)]
            if missing:
                todo += missing
            else:
                order.append(maker)
        for node in order:
            self._values.update(zip([n for n in node.outputs if n], self._evaluated(node), strict=True))
        tensor = self.constant(name)
        return self._values[name] if tensor is None else tensor.value

    @staticmethod
    def _done(order: Sequence[Node]) -> set[str]:
        return {name for node in order for name in node.outputs}

    def fold(self, node: Node, results: Sequence[Shaped]) -> None:
        """Make constants of a node's outputs, whose numbers are worked out when asked for."""
        decided = node.kind in ("Shape", "Size") and self.constant(node.inputs[0]) is None
        varying = decided or bool(self._varying.intersection(node.reads))
        for position, (name, shaped) in enumerate(zip(node.outputs, results, strict=False)):
            if not name:
                continue
            size = math.prod(shaped.shape) * ITEM_BYTES[shaped.dtype]
            if size > _LARGEST:
                what = f"node {node.name!r} ({node.kind}) makes a constant of {size:.3g} B, {shaped.shape}"
                raise self.file.wrong(what, f"at most {_LARGEST} B are made")
            load = partial(self._output, node, sum(1 for n in node.outputs[:position] if n))
            unique = f"{name}@{self.batch}" if varying else name
            self.constants[name] = Tensor(unique, shaped.shape, shaped.dtype, load=load)
        if varying:
            self._varying.update(node.outputs)

    def evaluate(self, node: Node) -> list[Array]:
        """The numbers that a node makes, kept for those that need them."""
        for name in node.reads:
            self.value(name)
        values = self._evaluated(node)
        self._values.update(zip([n for n in node.outputs if n], values, strict=True))
        return values

    def _output(self, node: Node, position: int) -> Array:
        return self._evaluated(node)[position]

    def _evaluated(self, node: Node) -> list[Array]:
        """The numbers that a node makes of numbers that are known."""
        import numpy as np

        from hetsim.numerics import evaluated

        if node.kind in ("Shape", "Size"):
            sizes = self.known(node.inputs[0], node).shape
            part = slice(node.attributes.get("start"), node.attributes.get("end"))
            return [np.asarray(sizes[part] if node.kind == "Shape" else math.prod(sizes), np.int64)]
        if node.kind in VIEWS and len(node.outputs) == 1:
            return [self._read(node.inputs[0]).reshape(self._shape_of_view(node))]
        names = (*node.inputs, *node.outer)
        inputs = [self._tensor(name, node) if name else None for name in names]
        outputs = tuple(Tensor(name, ()) for name in node.outputs if name)
        op = Op(node.name, node.kind, tuple(inputs), outputs, node.attributes, written=written(self.file, node, inputs))
        return evaluated(op, [self._read(n) if n else None for n in names])

    def _tensor(self, name: str, node: Node) -> Tensor:
        shaped = self.known(name, node)
        return Tensor(name, shaped.shape, shaped.dtype)

    def _shape_of_view(self, node: Node) -> tuple[int, ...]:
        name = node.outputs[0]
        tensor = self.constant(name)
        return self.shapes[name].shape if tensor is None else tensor.shape

    def _read(self, name: str) -> Array:
        tensor = self.constant(name)
        return self._values[name] if tensor is None else tensor.value


def written(file: OnnxFile, node: Node, tensors: Sequence[Tensor | None]) -> Written | None:
    """The node in the file's own words; None for one of ours, and for bfloat16, which onnxruntime hardly computes."""
    if not node.raw or any(t is not None and t.dtype == "bfloat16" for t in tensors):
        return None
    return Written(node.raw, file.opsets, node.captured)
