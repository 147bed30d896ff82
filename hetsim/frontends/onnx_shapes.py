"""What is known of an ONNX file's tensors before it runs: shapes for a batch size, and constants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError, Problem
from hetsim.frontends.onnx_file import DTYPES, Declared, Node, OnnxFile, Stored
from hetsim.frontends.shapes import Shaped, Use, made
from hetsim.operators import OPSET, RULES, VIEWS
from hetsim.workload import Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array

_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")


class Knowledge:
    """Shapes of a file's tensors at a batch size, and its constants, those that nodes make of constants
    included.

    ``nodes`` are those that are left to run. Raises InputError for operators without a cost rule, for
    dimensions left open, and for shapes that do not fit.
    """

    def __init__(self, file: OnnxFile, batch: int) -> None:
        self.file, self.batch = file, batch
        constant_nodes, self._varying = _constant_nodes(file)
        self.nodes = [node for node in file.nodes if node not in constant_nodes]
        self._refuse_unknown()
        self.constants = dict(file.constants)
        self.shapes = {given.name: Shaped(self._sizes(given), given.dtype) for given in file.inputs}
        for node in file.nodes:
            if node in constant_nodes:
                self._fold(node)
            else:
                self.shapes.update(zip(node.outputs, self._made(node), strict=False))

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

    def _sizes(self, given: Declared) -> tuple[int, ...]:
        """Shape of an input: its first dimension, and every one of the same name, is the batch."""
        symbol = given.dims[0] if given.dims else ""
        sizes = [self.batch if i == 0 or n == symbol else n for i, n in enumerate(given.dims)]
        for i, size in enumerate(sizes):
            if isinstance(size, str) or size < 1:
                raise self.file.wrong(
                    f"dimension {i} ({size!r}) of input {given.name!r} is left open",
                    "only the first dimension, the batch, may be; export the model with the others fixed",
                )
        return tuple(int(size) for size in sizes)

    def _made(self, node: Node) -> list[Shaped]:
        """Shapes of what a node makes, from those of what it reads."""
        reads = [self._known(name, node) if name else None for name in node.inputs]
        use = Use(node.attributes, reads, len(node.outputs), lambda i: self._numbers(node, i))
        stated = DTYPES.get(node.attributes.get("to", 0), "") if node.kind == "Cast" else ""
        if node.kind == "ConstantOfShape":
            value = node.attributes.get("value")
            stated = value.dtype if isinstance(value, Stored) else "float32"
        try:
            return made(node.kind, use, stated)
        except ValueError as error:
            shapes = ", ".join(str(t.shape) for t in reads if t is not None)
            what = f"the inputs {shapes} of node {node.name!r} ({node.kind}) do not fit at batch {self.batch}: {error}"
            open_it = "leave the batch, the first dimension of the inputs, open in the file"
            raise self.file.wrong(what, open_it if self._fixed != self.batch else "") from None

    def _known(self, name: str, node: Node) -> Shaped:
        if name in self.constants:
            return Shaped(self.constants[name].shape, self.constants[name].dtype)
        if name not in self.shapes:
            raise self.file.wrong(f"node {node.name!r} reads {name!r}, which nothing before it makes")
        return self.shapes[name]

    def _numbers(self, node: Node, position: int) -> Sequence[int] | None:
        """The integers in a constant that a node reads."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.constants:
            raise ValueError(f"its shape depends on the numbers in {name!r}")
        numbers = self.file.integers(name)
        numbers = self.constants[name].value.reshape(-1).tolist() if numbers is None else numbers
        if (
            node.kind == "Reshape"
            and numbers[:1] == [self._fixed]
            and self.shapes[node.inputs[0]].shape[:1] == (self.batch,)
        ):
            return [self.batch, *numbers[1:]]  # a batch size written into the file, as that of its inputs
        return numbers

    @property
    def _fixed(self) -> int | str:
        """The batch size that the file itself states, a word when it is left open."""
        return next((given.dims[0] for given in self.file.inputs if given.dims), "")

    def _fold(self, node: Node) -> None:
        """Make constants of a node's outputs, whose numbers are worked out when asked for."""
        if node.kind in RULES or node.kind in ("Shape", "ConstantOfShape"):
            results = self._made(node)
        else:
            results = [Shaped(y.shape, y.dtype.name) for y in self._evaluated(node)]
        for position, (name, shaped) in enumerate(zip(node.outputs, results, strict=False)):
            unique = f"{name}@{self.batch}" if name in self._varying else name
            load = partial(self._output, node, position)
            self.constants[name] = Tensor(unique, shaped.shape, shaped.dtype, load=load)

    def _output(self, node: Node, position: int) -> Array:
        return self._evaluated(node)[position]

    def _evaluated(self, node: Node) -> list[Array]:
        """The numbers that a folded node makes, by the reference implementation of its operator."""
        import numpy as np
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        if node.kind == "Shape":
            sizes = self._known(node.inputs[0], node).shape
            part = slice(node.attributes.get("start"), node.attributes.get("end"))
            return [np.asarray(sizes[part], np.int64)]
        feeds = {read: self.constants[read].value for read in node.inputs if read}
        if node.kind in VIEWS:
            return [feeds[node.inputs[0]].reshape(self.constants[node.outputs[0]].shape)]
        attributes = {k: v.proto() if isinstance(v, Stored) else v for k, v in node.attributes.items()}
        today = helper.make_node(node.kind, node.inputs, node.outputs, **attributes)
        results: Any = ReferenceEvaluator(today, opsets={"": OPSET}).run(None, feeds)
        values = [np.asarray(y) for y in results]
        return [y.astype(np.float32) if y.dtype.name in ("float16", "bfloat16") else y for y in values]


def _constant_nodes(file: OnnxFile) -> tuple[set[Node], set[str]]:
    """Nodes whose outputs no input's numbers decide, and tensors that an input's shape decides."""
    known, varying = set(file.constants), set[str]()
    nodes = set[Node]()
    for node in file.nodes:
        reads = [name for name in node.inputs if name]
        if node.kind == "Shape" or (all(name in known for name in reads) and node.kind not in _RANDOM):
            nodes.add(node)
            known.update(node.outputs)
            if (node.kind == "Shape" and reads[0] not in known) or varying.intersection(reads):
                varying.update(node.outputs)
    return nodes, varying


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
