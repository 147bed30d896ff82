"""What is known of an ONNX file's tensors before it runs: shapes for a batch size, and constants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hetsim.errors import InputError, Problem
from hetsim.frontends.onnx_file import Declared, OnnxFile
from hetsim.frontends.onnx_infer import NoTensorError, inferred, known
from hetsim.frontends.onnx_nodes import DTYPES, Node, Stored, Subgraph
from hetsim.frontends.onnx_unroll import Unrolled, unrolls
from hetsim.frontends.onnx_values import OpenShapeError, Values
from hetsim.frontends.shapes import RULED, made
from hetsim.frontends.use import Shaped, UnruledError, Use
from hetsim.workload import ITEM_BYTES

if TYPE_CHECKING:
    from hetsim.workload import Array

_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")
_SINGLE = {"Loop": 2, "If": 1}  # so many first inputs are single numbers, which onnxruntime does not check
_TELLING = 4096  # elements of a constant that may tell a shape


@dataclass(frozen=True)
class Question:
    """For which inputs a file is asked: a batch size, shapes of some inputs by name, and numbers of some.

    Numbers fix the shape of their input, and whatever depends on them. ``unroll`` takes recurrent layers apart into the
    matrix products of their steps.
    """

    batch: int = 1
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    numbers: Mapping[str, Array] = field(default_factory=dict)
    unroll: bool = False


class Knowledge(Values):
    """Shapes of a file's tensors for some inputs, and its constants, those that nodes make of constants included.

    ``nodes`` are those that are left to run. Raises InputError for operators that nobody knows, for dimensions left
    open, for shapes that depend on numbers, and for shapes that do not fit.
    """

    def __init__(self, file: OnnxFile, question: Question) -> None:
        super().__init__(file, question.batch, question.numbers)
        self.question = question
        self._refuse_unknown()
        self.nodes: list[Node] = []
        self.shapes = {given.name: self._given(given) for given in file.inputs}
        for node in file.nodes:
            self._take(node)

    def _take(self, node: Node) -> None:
        """Learn what a node makes: a constant, or a tensor of some shape."""
        if not any(node.outputs):
            return  # it makes nothing that anybody could read
        self._refuse_odd(node)
        branch = self._branch(node)
        if branch is not None:
            for inner in self.file.inlined(node, branch):
                self._take(inner)
            return
        stored = [self.constant(name) if name else None for name in node.inputs]
        if self.question.unroll and unrolls(node, stored):
            steps, batch, _ = self.known(node.inputs[0], node).shape
            apart = Unrolled(node, steps, batch, stored)
            self.constants.update(apart.constants)
            for inner in apart.nodes:
                self._take(inner)
            return
        constant = all(self.constant(name) is not None for name in node.reads) and node.kind not in _RANDOM
        results = self._made(node)
        self._made_by.update({name: node for name in node.outputs if name})
        if constant or node.kind in ("Shape", "Size"):
            self.fold(node, results)
            return
        self.nodes.append(node)
        self.shapes.update((name, shaped) for name, shaped in zip(node.outputs, results, strict=False) if name)

    def _refuse_odd(self, node: Node) -> None:
        """What a node reads has to be there, what it writes must not, and a Loop and an If ask for single numbers."""
        reads = {name: self.known(name, node) for name in node.reads}
        twice = [name for name in node.outputs if name in self.shapes or (name and self.constant(name) is not None)]
        if twice:
            raise self.file.wrong(f"node {node.name!r} writes {twice[0]!r}, which is there already")
        for name in node.inputs[: _SINGLE.get(node.kind, 0)]:
            if name and math.prod(reads[name].shape) != 1:
                what = f"{name!r} has shape {reads[name].shape}"
                raise self.file.wrong(f"node {node.name!r} ({node.kind}) takes a single number, but {what}")

    def _refuse_unknown(self) -> None:
        """Every operator that neither we nor ONNX know is named, each with its nodes."""
        unknown: dict[str, list[str]] = {}
        for node in _all(self.file.nodes):
            if node.kind not in RULED and not known(node.kind):
                unknown.setdefault(node.kind, []).append(node.name)
        if unknown:
            raise InputError(
                Problem(f"{self.file.title}: operator {kind} is not known (nodes: {_listed(names)})",
                        "export the model without it")
                for kind, names in unknown.items()
            )  # fmt: skip

    # --- what goes in ---

    def _given(self, given: Declared) -> Shaped:
        """Shape of an input: what is asked for, else its first dimension, and every one of that name, is the batch."""
        numbers, shape = self.question.numbers.get(given.name), self.question.shapes.get(given.name)
        if numbers is not None:
            if numbers.dtype.name not in (given.dtype, "float32" if given.dtype == "float16" else given.dtype):
                raise self.file.wrong(f"input {given.name!r} takes {given.dtype}, given are numbers of {numbers.dtype}")
            shape = numbers.shape
        if shape is None:
            return Shaped(self._sizes(given), given.dtype)
        stated = given.dims
        if stated is not None and len(stated) != len(shape):
            raise self.file.wrong(f"input {given.name!r} takes {len(stated)} dimensions, given are {len(shape)}")
        for i, (size, said) in enumerate(zip(shape, stated or (), strict=False)):
            if isinstance(said, int) and said > 0 and said != size:
                raise self.file.wrong(f"dimension {i} of input {given.name!r} is {said} in the file, given is {size}")
        return Shaped(tuple(shape), given.dtype)

    def _sizes(self, given: Declared) -> tuple[int, ...]:
        if given.dims is None:
            raise self.file.wrong(f"input {given.name!r} has no shape", "give the workload `shapes:`")
        symbol = given.dims[0] if given.dims else ""
        sizes = [self.batch if i == 0 or n == symbol else n for i, n in enumerate(given.dims)]
        for i, size in enumerate(sizes):
            if isinstance(size, str) or size < 1:
                raise self.file.wrong(
                    f"dimension {i} ({size!r}) of input {given.name!r} is left open",
                    "only the first dimension, the batch, may be; give the workload `shapes:` for the others",
                )
        return tuple(int(size) for size in sizes)

    # --- what a node makes ---

    def _made(self, node: Node) -> list[Shaped]:
        """Shapes of what a node makes, from those of what it reads."""
        reads = [self.known(name, node) if name else None for name in node.inputs]
        try:
            found = self._by_rule(node, reads) or self._by_inference(node)
        except OpenShapeError as error:
            hint = "give the workload its `inputs:`, with which shapes are worked out, or export it with fixed shapes"
            raise self.file.wrong(f"node {node.name!r} ({node.kind}): {error}", hint) from None
        except ValueError as error:
            shapes = ", ".join(str(t.shape) for t in reads if t is not None)
            what = f"the inputs {shapes} of node {node.name!r} ({node.kind}) do not fit at batch {self.batch}: {error}"
            open_it = "leave the batch, the first dimension of the inputs, open in the file"
            raise self.file.wrong(what, open_it if self._fixed != self.batch else "") from None
        for shaped in found:
            if shaped.dtype not in ITEM_BYTES:
                what = f"node {node.name!r} ({node.kind}) makes a tensor of dtype {shaped.dtype}"
                raise self.file.wrong(what, f"known: {', '.join(ITEM_BYTES)}")
        return found

    def _by_rule(self, node: Node, reads: list[Shaped | None]) -> list[Shaped] | None:
        if node.kind not in RULED:
            return None
        use = Use(node.attributes, reads, len(node.outputs), lambda i: self._numbers(node, i))
        stated = DTYPES.get(node.attributes.get("to", 0), "") if node.kind == "Cast" else ""
        if node.kind == "ConstantOfShape":
            value = node.attributes.get("value")
            stated = value.dtype if isinstance(value, Stored) else "float32"
        try:
            return made(node.kind, use, stated)
        except UnruledError as error:
            if not node.raw or not known(node.kind):
                raise ValueError(str(error)) from None
            return None

    def _by_inference(self, node: Node) -> list[Shaped]:
        """Shapes by ONNX's own inference, and of the numbers themselves where it needs them and they are known."""
        inner = (*node.inputs, *node.captured)
        names = {i: o for i, o in zip(inner, (*node.inputs, *node.outer), strict=True) if i}
        reads = {i: self.known(o, node) for i, o in names.items()}
        numbers = {}
        for i, o in names.items():
            if reads[i].dtype not in ("float16", "bfloat16") and math.prod(reads[i].shape) <= _TELLING:
                tensor = self.constant(o)
                value = self._values.get(o) if tensor is None else tensor.value
                if value is not None:
                    numbers[i] = value
        made = [name for name in node.outputs if name]
        problem: ValueError | None = None
        try:
            found = inferred(node, self.file.opsets, reads, numbers)
        except NoTensorError:
            raise
        except ValueError as error:
            problem, found = error, [(None, "")] * len(made)
        if any(shape is None or not dtype for shape, dtype in found):
            try:
                values = self.evaluate(node)
            except (OpenShapeError, InputError) as error:
                raise problem or error from None
            found = [(y.shape, dtype or y.dtype.name) for y, (_, dtype) in zip(values, found, strict=True)]
        shaped = {name: Shaped(shape or (), dtype) for name, (shape, dtype) in zip(made, found, strict=True)}
        return [shaped.get(name, Shaped((), "float32")) for name in node.outputs]

    def _numbers(self, node: Node, position: int) -> Sequence[int] | None:
        """The integers in an input of a node that decides its shape."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        if not name:
            return None
        numbers: Sequence[int] | None = self.file.integers(name)
        if numbers is None:
            numbers = self.value(name).reshape(-1).tolist()
        if (
            node.kind == "Reshape"
            and not self.question.numbers
            and list(numbers[:1]) == [self._fixed]
            and self.known(node.inputs[0], node).shape[:1] == (self.batch,)
        ):
            return [self.batch, *numbers[1:]]  # a batch size written into the file, as that of its inputs
        return numbers

    @property
    def _fixed(self) -> int | str:
        """The batch size that the file itself states, a word when it is left open."""
        return next((given.dims[0] for given in self.file.inputs if given.dims), "")

    def _branch(self, node: Node) -> Subgraph | None:
        """The branch of an If whose condition is known."""
        if node.kind != "If" or not node.inputs or self.constant(node.inputs[0]) is None:
            return None
        taken = "then_branch" if self.value(node.inputs[0]).reshape(-1)[:1].any() else "else_branch"
        branch = node.attributes.get(taken)
        if not isinstance(branch, Subgraph) or len(branch.outputs) != len(node.outputs):
            raise self.file.wrong(f"node {node.name!r} (If) has no {taken.replace('_', ' ')} that fits")
        return branch


def _all(nodes: Sequence[Node]) -> Iterator[Node]:
    """Nodes and those inside their subgraphs."""
    for node in nodes:
        yield node
        for value in node.attributes.values():
            for graph in value if isinstance(value, tuple) else (value,):
                if isinstance(graph, Subgraph):
                    yield from _all([inner for inner in graph.nodes if inner.kind != "Constant"])


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
