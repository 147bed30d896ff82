"""Max-Cut on a Hopfield network of Ising spins [Hopfield 1982; Cai 2020].

The adjacency matrix sits in the crossbars, with its zero diagonal; each spin of a random half of them turns against
the field of its neighbours. Where a field is nearly zero the noise of the read decides, which carries the network
out of ties and plateaus: the noise is the annealer. Without noise ties stay as they are. The cut of each state is
counted digitally, edge by edge, and the best state is kept.
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


class MaxCutSheet(AlgorithmSheet):
    """``edges`` is a CSV file; ``starts`` random states are tried side by side, until the best cut has not grown for
    ``patience`` updates. ``optimum`` is the best cut there is, where it is known."""

    algorithm: Literal["max_cut"]
    edges: str
    starts: int = Field(default=16, ge=1)
    patience: int = Field(default=20, ge=1)
    max_iterations: int = Field(default=200, ge=1)
    optimum: int | None = Field(default=None, ge=1)


@register
class MaxCut(Algorithm):
    """Scored by the best cut and the mean cut of all starts, as shares of the optimum if that is given."""

    kind, sheet_type = "max_cut", MaxCutSheet
    sheet: MaxCutSheet

    @cached_property
    def _edges(self) -> Array:
        return edges(self.sheet.edges, self.folder)

    @cached_property
    def _graph(self) -> Graph:
        links, k = adjacency(self._edges), self.sheet.starts
        n = len(links)
        b = Builder("max cut")
        spins, chosen = b.input("spins", (k, n)), b.input("chosen", (k, n))
        fields = Stored(b, "couplings", (n, n), lambda: links).forward(spins, "fields")
        wanted = fields.apply("Sign") * -1.0
        new = (spins + (wanted - spins) * chosen * wanted.apply("Abs")).named("new_spins")
        ends = [b.constant(f"ends{i}", self._edges[:, i].copy()) for i in (0, 1)]
        columns = new.transpose()
        across = columns.gather(ends[0]) * columns.gather(ends[1])
        cuts = ((1.0 - across) * 0.5).sum(0).named("cuts")
        return b.graph([new, cuts])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        spins, best, since, iterations = self._start(request), 0.0, 0, 0
        found = [0.0] * self.sheet.starts
        while iterations < self.most(numbers, self.sheet.max_iterations) and since < self.sheet.patience:
            out = yield Call(self._graph, {"spins": spins, "chosen": self._chosen(request, iterations)})
            iterations += 1
            if out is not None:
                spins, since = out["new_spins"], since + 1
                found = [max(pair) for pair in zip(found, out["cuts"].ravel().tolist(), strict=True)]
                if sum(found) > best:
                    best, since = sum(found), 0
        return (found, iterations, request) if numbers else None

    def _shape(self) -> tuple[int, int]:
        return self.sheet.starts, int(self._edges.max()) + 1

    def _start(self, request: int) -> Array:
        import numpy as np

        return np.asarray(self.draw("start", request).integers(0, 2, self._shape()) * 2 - 1, "float32")

    def _chosen(self, request: int, iteration: int) -> Array:
        """Which spins may turn: which op touches which spin is control, not arithmetic."""
        import numpy as np

        return np.asarray(self.draw("chosen", request, iteration).integers(0, 2, self._shape()), "float32")

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        found, iterations, request = answer
        return self._told(found, iterations), self._told(*self._twin(request))

    def _told(self, cuts: Sequence[float], iterations: int) -> Mapping[str, float]:
        mean, optimum = sum(cuts) / len(cuts), self.sheet.optimum
        row = {"cut": max(cuts), "mean_cut": mean, "iterations": iterations}
        return row if optimum is None else {**row, "cut_ratio": max(cuts) / optimum, "mean_cut_ratio": mean / optimum}

    def _twin(self, request: int) -> tuple[Sequence[float], int]:
        import numpy as np

        links, spins = adjacency(self._edges).astype("float64"), self._start(request).astype("float64")
        found, best, since, iterations = np.zeros(self.sheet.starts), 0.0, 0, 0
        while iterations < self.sheet.max_iterations and since < self.sheet.patience:
            fields = spins @ links
            turn = (self._chosen(request, iterations) > 0) & (fields != 0)
            spins = np.where(turn, -np.sign(fields), spins)
            a, b = self._edges.T
            found = np.maximum(found, (spins[:, a] != spins[:, b]).sum(axis=1))
            iterations, since = iterations + 1, since + 1
            if found.sum() > best:
                best, since = float(found.sum()), 0
        return found.tolist(), iterations
