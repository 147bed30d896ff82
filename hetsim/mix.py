"""A mix: several workloads on one system, each under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hetsim.workload import Call, Graph, Op, Program, Tensor, Workload

if TYPE_CHECKING:
    from hetsim.workload import Array


class Tenant(Workload):
    """A workload beside others: its ops and tensors bear its name, as in ``camera/conv1``.

    Its constants bear the name ``stored``: that of another tenant that stores the same, so that both use one copy.
    """

    kind = "tenant"

    def __init__(self, name: str, workload: Workload, stored: str) -> None:
        super().__init__(workload.sheet, workload.folder)
        self._inner, self._prefix, self._stored = workload, f"{name}/", f"{stored}/"
        self.requests, self.decides = workload.requests, workload.decides
        self._graphs: dict[Graph, Graph] = {}
        self._originals: dict[Graph, Graph] = {}
        self._constants: dict[Tensor, Tensor] = {}

    def graphs(self) -> Sequence[Graph]:
        return [self._named(graph) for graph in self._inner.graphs()]

    def program(self, request: int, numbers: bool) -> Program:
        inner, outputs = self._inner.program(request, numbers), None
        try:
            while True:
                call = inner.send(outputs)
                feeds = {self._prefix + name: value for name, value in call.feeds.items()}
                answer = yield Call(self._named(call.graph), feeds)
                outputs = None if answer is None else self._bare(answer)
        except StopIteration as stop:
            return stop.value

    def joined(self, graphs: Sequence[Graph]) -> Graph | None:
        graph = self._inner.joined([self._originals[graph] for graph in graphs])
        return None if graph is None else self._named(graph)

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        return self._inner.score(answers)

    def remarks(self, answers: Sequence[Any]) -> Sequence[str]:
        return [f"{self._prefix[:-1]}: {remark}" for remark in self._inner.remarks(answers)]

    def _bare(self, outputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return {name.removeprefix(self._prefix): value for name, value in outputs.items()}

    def _named(self, graph: Graph) -> Graph:
        """The graph under the tenant's name; the same object for the same graph."""
        found = self._graphs.get(graph)
        if found is None:
            tensors: dict[Tensor, Tensor] = {}
            ops = [self._op(op, tensors) for op in graph.ops]
            ends = [[self._tensor(t, tensors) for t in side] for side in (graph.inputs, graph.outputs)]
            found = self._graphs[graph] = Graph(self._prefix + graph.name, ops, *ends)
            self._originals[found] = graph
        return found

    def _op(self, op: Op, tensors: dict[Tensor, Tensor]) -> Op:
        inputs = tuple(None if t is None else self._tensor(t, tensors) for t in op.inputs)
        outputs = tuple(self._tensor(t, tensors) for t in op.outputs)
        matrix = op.matrix
        if matrix is not None and matrix.stored is not None:
            matrix = replace(matrix, stored=self._tensor(matrix.stored, tensors))
        return replace(op, name=self._prefix + op.name, inputs=inputs, outputs=outputs, matrix=matrix)

    def _tensor(self, tensor: Tensor, tensors: dict[Tensor, Tensor]) -> Tensor:
        """The tensor under its new name: one object for each, a constant's for all graphs."""
        known = self._constants if tensor.constant else tensors
        found = known.get(tensor)
        if found is None:
            shared = tensor.constant and not tensor.trained  # what a tenant trains is its own
            prefix = self._stored if shared else self._prefix
            found = known[tensor] = tensor.renamed(prefix + tensor.name)
        return found


class Mix(Workload):
    """Several workloads as one. Of T tenants the one at position k has the requests k, k + T, k + 2 T …"""

    kind = "mix"

    def __init__(self, workloads: Mapping[str, Workload]) -> None:
        super().__init__(None)
        stored = {name: next(o for o in workloads if _same(workloads[o], w)) for name, w in workloads.items()}
        self._tenants = [Tenant(name, workload, stored[name]) for name, workload in workloads.items()]
        self._names = tuple(workloads)
        self.decides = any(workload.decides for workload in workloads.values())

    @property
    def tenants(self) -> Mapping[str, Workload]:
        return dict(zip(self._names, self._tenants, strict=True))

    def graphs(self) -> Sequence[Graph]:
        return [graph for tenant in self._tenants for graph in tenant.graphs()]

    def program(self, request: int, numbers: bool) -> Program:
        number, k = divmod(request, len(self._tenants))
        return self._tenants[k].program(number, numbers)


def _same(one: Workload, other: Workload) -> bool:
    """Whether two workloads store the same numbers under the same names."""
    return one is other or (
        type(one) is type(other)
        and one.folder == other.folder
        and one.sheet.model_dump(exclude=one.passing) == other.sheet.model_dump(exclude=one.passing)
    )
