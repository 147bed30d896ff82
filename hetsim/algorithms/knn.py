"""k nearest neighbours with the reference set in the crossbars [Fix 1951; Cover 1967].

Queries stream in. Of the squared distance |x|² - 2 q·x + |q|² only q·x is analog; |x|² is stored digitally, |q|²
changes no order, and choosing the nearest and the vote are digital.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy, distances, one_hot
from hetsim.algorithms.builder import Builder, Stored
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class KnnSheet(LearnerSheet):
    """The ``neighbours`` nearest vote; a request asks for ``batch`` queries."""

    algorithm: Literal["knn"]
    data: str = "digits"
    scale: Literal["each", "whole"] = "whole"
    neighbours: int = Field(default=5, ge=1)
    batch: int = Field(default=32, ge=1)


@register
class Knn(Learner):
    """Classifies the test samples; scored by accuracy and by how many answers are the twin's."""

    kind, sheet_type, decides = "knn", KnnSheet, False
    sheet: KnnSheet

    @property
    def requests(self) -> int:  # type: ignore[override]
        return -(-len(self.split.x_test) // self.sheet.batch)

    def _batch(self, request: int) -> slice:
        first = request % self.requests * self.sheet.batch
        return slice(first, min(first + self.sheet.batch, len(self.split.x_test)))

    @cached_property
    def _graphs(self) -> Mapping[int, Graph]:
        """A graph for each size of a batch."""
        sizes = {len(self.split.x_test[self._batch(request)]) for request in (0, self.requests - 1)}
        return {size: self._graph(size) for size in sizes}

    def _graph(self, queries: int) -> Graph:
        x, labels = self.split.x, self.split.y
        n, d = x.shape
        b = Builder("knn")
        asked = b.input("queries", (queries, d))
        products = Stored(b, "references", (d, n), lambda: x.T.copy()).forward(asked, "products")
        apart = b.constant("half_norms", (x**2).sum(axis=1, keepdims=True).T / 2) - products
        _, nearest = apart.smallest(min(self.sheet.neighbours, n))
        votes = b.constant("votes", one_hot(labels, self.split.classes)).gather(nearest).sum(1)
        return b.graph([votes.argmax(2).named("answer")])

    def graphs(self) -> Sequence[Graph]:
        return list(self._graphs.values())

    def program(self, request: int, numbers: bool) -> Program:
        queries = self.split.x_test[self._batch(request)]
        out = yield Call(self._graphs[len(queries)], {"queries": queries})
        return None if out is None else (request, out["answer"].ravel())

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        import numpy as np

        batches = [self._batch(request) for request, _ in answers]
        labels = np.concatenate([self.split.y_test[batch] for batch in batches])
        found = np.concatenate([answer for _, answer in answers])
        twin = np.concatenate([self._twin(self.split.x_test[batch]) for batch in batches])
        return {
            "accuracy": accuracy(found, labels),
            "agreement": accuracy(found, twin),
            "twin.accuracy": accuracy(twin, labels),
        }

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        raise NotImplementedError  # all answers are scored together

    def _twin(self, queries: Array) -> Array:
        import numpy as np

        nearest = np.argsort(distances(queries, self.split.x), axis=1, kind="stable")[:, : self.sheet.neighbours]
        votes = one_hot(self.split.y, self.split.classes)[nearest].sum(axis=1)
        return np.asarray(votes.argmax(axis=1))
