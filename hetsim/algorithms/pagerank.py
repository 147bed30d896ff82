"""PageRank by power iteration [Brin 1998].

The crossbars store the links as zeros and ones, which any cell can hold; a node's rank is divided by its number of
links before it is driven, so that the product is that of the column-stochastic matrix. Damping, the share of nodes
without links, and the sum that keeps ranks a distribution are digital.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Algorithm, AlgorithmSheet
from hetsim.algorithms.builder import Builder, Stored
from hetsim.algorithms.network import adjacency, edges
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array

PATIENCE = 3  # iterations that may fail to improve


class PagerankSheet(AlgorithmSheet):
    """``edges`` is a CSV file of links; ends when ranks change by less than ``tolerance`` in sum, or no longer less."""

    algorithm: Literal["pagerank"]
    edges: str
    directed: bool = False
    damping: float = Field(default=0.85, gt=0, lt=1)
    tolerance: float = Field(default=1e-6, gt=0, lt=1)
    max_iterations: int = Field(default=100, ge=1)


@register
class Pagerank(Algorithm):
    """Scored by the sum of errors against the exact ranks, and by how many of the ten highest are found."""

    kind, sheet_type = "pagerank", PagerankSheet
    sheet: PagerankSheet

    @cached_property
    def _links(self) -> Array:
        return adjacency(edges(self.sheet.edges, self.folder), self.sheet.directed)

    @cached_property
    def _graph(self) -> Graph:
        links, damping = self._links, self.sheet.damping
        n, out = len(links), links.sum(axis=1).reshape(1, -1)
        b = Builder("pagerank")
        old = b.input("ranks", (1, n), nonnegative=True)
        shares = old * b.constant("shares", ((out > 0) / (out + (out == 0))).astype("float32"))
        shares.nonnegative = True
        followed = Stored(b, "links", (n, n), lambda: links).forward(shares, "followed")
        lost = (old * b.constant("dangling", (out == 0).astype("float32"))).sum() if (out == 0).any() else None
        spread = followed if lost is None else followed + lost * (1 / n)
        mixed = (spread * damping + (1 - damping) / n).maximum(0.0)
        new = (mixed / mixed.sum()).named("new_ranks")
        return b.graph([new, (new - old).apply("Abs").sum().named("change")])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        import numpy as np

        n = len(self._links)
        ranks, best, failures, iterations = np.full((1, n), 1 / n, "float32"), float("inf"), 0, 0
        while iterations < self.most(numbers, self.sheet.max_iterations) and failures < PATIENCE:
            out = yield Call(self._graph, {"ranks": ranks})
            iterations += 1
            if out is not None:
                ranks, change = out["new_ranks"], float(out["change"].item())
                failures = 0 if change < best else failures + 1
                best = min(best, change)
                if change < self.sheet.tolerance:
                    break
        return (ranks.ravel(), iterations) if numbers else None

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        ranks, iterations = answer
        twin, twin_iterations = self._twin()
        return self._told(ranks, iterations), self._told(twin, twin_iterations)

    def _told(self, ranks: Array, iterations: int) -> Mapping[str, float]:
        import numpy as np

        matrix, n = self._stochastic, len(ranks)
        exact = np.linalg.solve(np.eye(n) - self.sheet.damping * matrix, np.full(n, (1 - self.sheet.damping) / n))
        top = min(10, n)
        same = set(np.argsort(-ranks)[:top].tolist()) & set(np.argsort(-exact)[:top].tolist())
        return {"error": float(np.abs(ranks - exact).sum()), "top_found": len(same) / top, "iterations": iterations}

    @cached_property
    def _stochastic(self) -> Array:
        """The column-stochastic matrix in float64."""
        links = self._links.astype("float64")
        links[links.sum(axis=1) == 0] = 1
        matrix: Array = (links / links.sum(axis=1, keepdims=True)).T
        return matrix

    def _twin(self) -> tuple[Array, int]:
        import numpy as np

        n, d = len(self._links), self.sheet.damping
        ranks, iterations, change = np.full(n, 1 / n), 0, float("inf")
        while iterations < self.sheet.max_iterations and change >= self.sheet.tolerance:
            new = d * (self._stochastic @ ranks) + (1 - d) / n
            ranks, change, iterations = new, float(np.abs(new - ranks).sum()), iterations + 1
        return ranks, iterations
