"""What is to be computed: tensors, ops, graphs, and workloads that emit graphs."""

from __future__ import annotations

import graphlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from hetsim.errors import InputError
from hetsim.registry import Registry
from hetsim.traffic import Traffic

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

ITEM_BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1, "byte": 1, "complex64": 8, "complex128": 16,
}  # fmt: skip


class Tensor:
    """A named array that flows between ops, or (``constant``) one that stays, such as a weight.

    The value of a constant is loaded on first use, so that a graph can be planned without its numbers.
    ``version`` grows when a program stores new numbers under the same name. A tensor is identified by its
    name and version. ``nonnegative`` promises that none of its numbers is negative, so that hardware may spend
    no bit or phase on signs. A constant that is ``trained`` is changed in place by ops of kind ``OuterUpdate``: its
    numbers are the state of the one component on which all ops run that use it.
    """

    __slots__ = (
        "_load", "_value", "constant", "dtype", "name", "nbytes", "nonnegative", "shape", "size", "trained", "version",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        load: Callable[[], Array] | None = None,
        constant: bool = False,
        version: int = 0,
        nonnegative: bool = False,
        trained: bool = False,
    ) -> None:
        self.name, self.shape, self.dtype, self.version = name, tuple(int(n) for n in shape), dtype, version
        self.trained = trained
        self.constant, self.nonnegative = constant or load is not None, nonnegative
        self.size = math.prod(self.shape)
        self.nbytes = self.size * ITEM_BYTES[dtype]
        self._load = load
        self._value: Array | None = None

    @property
    def value(self) -> Array:
        """The numbers of a constant; an error for one that is known by its shape only."""
        if self._value is None:
            if self._load is None:
                raise InputError.of(f"tensor {self.name!r} has a shape but no numbers", "use numerics: none")
            self._value = self._load()
        return self._value

    def renamed(self, name: str) -> Tensor:
        """The same tensor under another name; a constant's numbers are still loaded only once."""
        load = None if self._load is None else lambda: self.value
        return Tensor(
            name, self.shape, self.dtype, load=load, constant=self.constant, version=self.version,
            nonnegative=self.nonnegative, trained=self.trained,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.shape}, {self.dtype})"


@dataclass(frozen=True, slots=True)
class Matrix:
    """An op seen as ``vectors`` products of a row vector with a stored matrix of ``rows`` x ``columns``.

    ``groups`` such matrices stand side by side in a grouped convolution. ``stored`` is the constant operand,
    None when both operands move; ``transposed``: the matrix is its transpose, so that a part that can read both ways
    stores it once for ops that use it as it is and ops that use it transposed. Hardware that stores it does so
    ``copies`` times, and so many vectors go through at once.
    """

    rows: int
    columns: int
    vectors: int
    groups: int = 1
    stored: Tensor | None = None
    transposed: bool = False
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What an abstract task costs on one component: seconds and joules."""

    seconds: float
    joules: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """An operator as its ONNX file has it: a serialised NodeProto, and the versions of its operator sets by domain.

    ``captured`` are the outer tensors that its subgraphs read by name: the last inputs of the op, in this order.
    """

    node: bytes
    opsets: tuple[tuple[str, int], ...]
    captured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One tensor operation.

    ``kind`` is the name of the ONNX operator (``Conv``, ``MatMul``, ``MaxPool`` …), whose semantics it has, with
    its ``attributes``; ``inputs`` are in the operator's order, None for an optional one left out; an input may state
    a tensor in another shape of the same size (a view, which moves nothing). ``activation`` names an element-wise
    operator fused behind the op, a clip with its bounds: ``Clip(0,6)``. ``macs`` and ``element_ops`` are the exact
    arithmetic (1 MAC = 2 ops). ``exact`` ops may only run where their own dtype is computed (a solver's residual).
    ``written`` is the operator in its file's own words, which are what is computed; the attributes then only say what
    hardware has to know. An abstract task has kind ``Task``, a ``cost`` for each component and a ``release`` time in
    seconds.
    """

    name: str
    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    activation: str | None = None
    macs: int = 0
    element_ops: int = 0
    matrix: Matrix | None = None
    exact: bool = False
    cost: Mapping[str, Cost] | None = None
    release: float = 0.0
    written: Written | None = None

    @property
    def moving(self) -> tuple[Tensor, ...]:
        """The inputs that are not constants, in order, each once."""
        return tuple(dict.fromkeys(t for t in self.inputs if t is not None and not t.constant))

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """The inputs that are constants: weights, biases, stored data."""
        return tuple(t for t in self.inputs if t is not None and t.constant)

    @property
    def changed(self) -> Tensor | None:
        """The stored matrix that this op changes in place, if it does."""
        return self.inputs[2] if self.kind == "OuterUpdate" else None

    @property
    def operations(self) -> int:
        """Arithmetic operations: two for a MAC, one for an element-wise operation."""
        return 2 * self.macs + self.element_ops


class Graph:
    """Ops in an order in which every producer stands before its consumers, and the tensors between them.

    ``edges[i]`` lists ``(producer index or -1 for a graph input, output position, tensor)`` for op ``i``;
    ``consumers[i]`` the ops that read what op ``i`` writes. Among ops that may run at the same time the given
    order is kept. ``outputs`` are the tensors that the program gets back at the host.
    """

    def __init__(
        self, name: str, ops: Iterable[Op], inputs: Sequence[Tensor] = (), outputs: Sequence[Tensor] = ()
    ) -> None:
        self.name, self.inputs, self.outputs = name, tuple(inputs), tuple(outputs)
        self.ops = _sorted(name, list(ops), self.inputs)
        made = {t.name: (i, k, t) for i, op in enumerate(self.ops) for k, t in enumerate(op.outputs)}
        fed = {t.name: (-1, k, t) for k, t in enumerate(self.inputs)}
        self.edges = tuple(tuple((made.get(t.name) or fed[t.name]) for t in op.moving) for op in self.ops)
        self.producers = tuple(tuple(dict.fromkeys(p for p, _, _ in e if p >= 0)) for e in self.edges)
        consumers: list[list[int]] = [[] for _ in self.ops]
        for i, sources in enumerate(self.producers):
            for p in sources:
                consumers[p].append(i)
        self.consumers = tuple(tuple(c) for c in consumers)
        self.returned = tuple(made.get(t.name) or fed[t.name] for t in self.outputs)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Op name -> position."""
        return {op.name: i for i, op in enumerate(self.ops)}

    @cached_property
    def constants(self) -> tuple[Tensor, ...]:
        """Every constant of the graph, each once."""
        return tuple({(t.name, t.version): t for op in self.ops for t in op.constants}.values())

    @property
    def operations(self) -> int:
        """Arithmetic operations of one run of the graph."""
        return sum(op.operations for op in self.ops)


def _sorted(name: str, ops: list[Op], inputs: Sequence[Tensor]) -> tuple[Op, ...]:
    """Return the ops in topological order (stable), or raise InputError for a cycle or a missing producer."""
    maker: dict[str, int] = {}
    for i, op in enumerate(ops):
        for tensor in op.outputs:
            if tensor.name in maker:
                raise InputError.of(f"{name}: tensor {tensor.name!r} is written twice, last by op {op.name!r}")
            maker[tensor.name] = i
    fed = {t.name for t in inputs}
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for i, op in enumerate(ops):
        for tensor in op.moving:
            if tensor.name not in maker and tensor.name not in fed:
                raise InputError.of(f"{name}: op {op.name!r} reads {tensor.name!r}, which nothing produces")
        sorter.add(i, *(maker[t.name] for t in op.moving if t.name in maker))
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        names = " -> ".join(ops[i].name for i in error.args[1])
        raise InputError.of(f"{name}: the workload has a cycle: {names}", "a graph must be acyclic") from None
    order: list[int] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return tuple(ops[i] for i in order)


@dataclass(frozen=True, slots=True)
class Call:
    """A graph that a program wants run, with the numbers of its inputs by name (none in timing-only runs)."""

    graph: Graph
    feeds: Mapping[str, Array]


Outputs = Mapping[str, "Array"] | None
Program = Generator[Call, Outputs, Any]


class WorkloadSheet(BaseModel):
    """What every workload file may say. ``origin`` names the library file it came from and its hash.

    ``traffic``: when requests arrive, of one among several ``workloads`` that share a system.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    description: str = ""
    source: str = ""
    origin: Mapping[str, str] | None = None
    traffic: Traffic | None = None


class Workload(ABC):
    """A program that emits graphs: a network emits one a request, k-means one an iteration.

    A subclass sets ``kind``, the word by which a workload file says what it is (``onnx``, ``tasks``, or the value
    of ``algorithm``), and is registered by `register`. It is built from its validated sheet and the folder in
    which the files that the sheet names lie. ``requests`` is how many requests the data need; ``decides`` is true
    when the program looks at the numbers that come back to know what to do next: such a workload needs
    ``expected_iterations`` when there are none. ``passing`` are the settings that do not change what it stores: two
    workloads that differ in nothing else share it.
    """

    kind: ClassVar[str]
    sheet_type: ClassVar[type[WorkloadSheet]]
    passing: ClassVar[set[str]] = {"traffic", "description", "source"}
    requests: int = 1
    decides: bool = False

    def __init__(self, sheet: Any, folder: Path | None = None) -> None:
        self.sheet, self.folder = sheet, folder

    @property
    def tenants(self) -> Mapping[str, Workload]:
        """The workloads that share the system, by name; one alone has none."""
        return {"": self}

    @abstractmethod
    def graphs(self) -> Sequence[Graph]:
        """Every graph that the program may emit, for checks made before anything runs."""

    @abstractmethod
    def program(self, request: int, numbers: bool) -> Program:
        """The request's program: yields Calls, gets the outputs sent back (None without numbers), returns an
        answer that ``score`` understands. Between graphs it may only compare, index and loop."""

    def joined(self, graphs: Sequence[Graph]) -> Graph | None:
        """One graph that does the work of several at once, None where there is none.

        Its inputs and outputs are those of the graphs, one behind the other along their first axis. The same graphs
        give the same object.
        """
        return None

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """Metrics over the answers of all requests, in order of request."""
        return {}

    def remarks(self, answers: Sequence[Any]) -> Sequence[str]:
        """What a person should be told of the answers: a solver that diverged."""
        return ()


_KINDS = Registry("workload", ("hetsim.frontends", "hetsim.algorithms"), "hetsim.workloads")
register = _KINDS.register


def workload_kinds() -> Registry:
    """Every kind of workload: frontends, algorithms, and the entry points ``hetsim.workloads`` of others."""
    return _KINDS
