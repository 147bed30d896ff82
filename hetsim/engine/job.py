"""One graph in the run: what is placed where, what has arrived, what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetsim.schedulers.scheduler import FOREVER
from hetsim.units import ticks
from hetsim.workload import Call, Graph

if TYPE_CHECKING:
    from hetsim.deferred import Pool
    from hetsim.engine.recipe import Recipe

WAITING, STARTED, DONE = 0, 1, 2
HOST = -1  # stands for the host among the readers of a tensor


class Shape:
    """What the engine needs to know of a graph, worked out once for all its runs.

    ``inputs[i]`` lists ``(producer or -1, tensor number)`` of op i; ``readers[p]`` lists ``(tensor number, reader)``
    of what op p writes, the reader an op or `HOST`; ``position[t]`` is the output position of tensor t;
    ``releases`` are the ops that may not start before so many ticks after the graph's arrival; ``trained`` the ops that
    use constants that are changed in place, with those.
    """

    def __init__(self, graph: Graph, number: int) -> None:
        self.graph, self.number = graph, number
        made = [(-1, k, t) for k, t in enumerate(graph.inputs)]
        made += [(i, k, t) for i, op in enumerate(graph.ops) for k, t in enumerate(op.outputs)]
        ids = {(p, k): t for t, (p, k, _) in enumerate(made)}
        self.tensors = tuple(t for _, _, t in made)
        self.position = tuple(k for _, k, _ in made)
        self.inputs = tuple(tuple((p, ids[p, k]) for p, k, _ in edges) for edges in graph.edges)
        readers: list[list[tuple[int, int]]] = [[] for _ in graph.ops]
        for i, edges in enumerate(self.inputs):
            for p, t in edges:
                if p >= 0:
                    readers[p].append((t, i))
        for p, k, _ in graph.returned:
            if p >= 0:
                readers[p].append((ids[p, k], HOST))
        self.readers = tuple(tuple(r) for r in readers)
        self.returns = sum(1 for p, _, _ in graph.returned if p >= 0)
        self.returned = tuple(ids[p, k] for p, k, _ in graph.returned)
        self.ids, self.size = ids, len(graph.ops)
        self.sources = tuple(i for i, p in enumerate(graph.producers) if not p)
        reads = [t for edges in self.inputs for _, t in edges] + list(self.returned)
        self.users = tuple(reads.count(t) for t in range(len(made)))
        self.releases = tuple((i, ticks(op.release)) for i, op in enumerate(graph.ops) if op.release)
        used = {i: tuple(t for t in op.constants if t.trained) for i, op in enumerate(graph.ops)}
        self.trained = {i: tensors for i, tensors in used.items() if tensors}
        self.by_name = {tensor.name: t for t, tensor in enumerate(self.tensors)}


class Job:
    """The state of one graph run. Lists are indexed by op."""

    __slots__ = (
        "arrival", "call", "copies", "deadline", "delta", "draws", "ends", "graph", "joules", "left", "missing",
        "ordered", "placed", "pool", "priority", "progress", "rank", "ready", "recipes", "request", "returns",
        "run", "shape", "start", "starts", "status", "users", "values",
    )  # fmt: skip

    def __init__(
        self, run: int, request: int, call: int, shape: Shape, arrival: int, deadline: int = FOREVER, priority: int = 0
    ) -> None:
        n = shape.size
        self.deadline, self.priority, self.rank = deadline, priority, (0, 0)
        self.run, self.request, self.call, self.shape, self.graph = run, request, call, shape, shape.graph
        self.arrival, self.start, self.joules = arrival, -1, 0.0
        self.placed: list[str | None] = [None] * n
        self.recipes: list[Recipe] = [None] * n  # type: ignore[list-item]  # filled when placed
        self.ordered: list[bool] = [False] * n
        self.status = [WAITING] * n
        self.missing = [0] * n
        self.ready, self.starts, self.ends = [0] * n, [0] * n, [0] * n
        self.progress: list[tuple[int, ...] | None] = [None] * n
        self.copies: dict[tuple[int, str], list[int] | None] = {}
        self.left, self.returns = n, shape.returns
        self.values: dict[int, Any] = {}
        self.users: list[int] = []
        self.draws: tuple[str | int, ...] = (request,)  # what keys the draws of its request
        self.pool: Pool | None = None  # digital ops whose numbers are put off
        self.delta: dict[int, float] = {}  # measured minus expected energy of ops that run now

    def feed(self, call: Call) -> None:
        """Put the numbers of the graph's inputs in place."""
        for k, tensor in enumerate(self.graph.inputs):
            self.values[self.shape.ids[-1, k]] = call.feeds[tensor.name]
        self.users = list(self.shape.users)
