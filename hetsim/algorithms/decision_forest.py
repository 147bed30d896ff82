"""A random forest [Breiman 2001] as one search: each leaf is a box of intervals, one for each feature [Pedretti 2021].

A sample lies in exactly one box of each tree, which an analog content-addressable memory finds in a step; the votes of
the boxes found are added up digitally. Trees are grown before t = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy
from hetsim.algorithms.builder import Builder
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.algorithms.trees import Node
    from hetsim.workload import Array


class DecisionForestSheet(LearnerSheet):
    """``trees`` of ``depth``, each grown on a sample drawn with replacement, with the square root of the features
    tried at each question."""

    algorithm: Literal["decision_forest"]
    data: str = "breast_cancer"
    trees: int = Field(default=20, ge=1)
    depth: int = Field(default=6, ge=1, le=16)


@register
class DecisionForest(Learner):
    """Scored by the accuracy on the test samples and by how many answers are those of walking the trees."""

    kind, sheet_type, decides = "decision_forest", DecisionForestSheet, False
    sheet: DecisionForestSheet

    @cached_property
    def _trees(self) -> Sequence[Node]:
        from hetsim.algorithms.trees import grow

        x, y, classes = self.split.x, self.split.y, self.split.classes
        tried = max(1, round(x.shape[1] ** 0.5))
        made = []
        for tree in range(self.sheet.trees):
            random = self.draw("tree", tree)
            drawn = random.integers(0, len(x), len(x))
            made.append(grow(x[drawn], y[drawn], classes, self.sheet.depth, tried, random))
        return made

    @cached_property
    def _graph(self) -> Graph:
        import numpy as np

        from hetsim.algorithms.trees import boxes

        m, d = self.split.x_test.shape
        parts = [boxes(tree, d) for tree in self._trees]
        low, high, shares = (np.concatenate([part[i] for part in parts]) for i in range(3))
        b = Builder("forest")
        samples = b.input("samples", (m, d))
        bounds = b.constant("low", low), b.constant("high", high)
        found = b.op("CamSearch", "search", samples, *bounds, shape=(m, len(low)), dtype="bool")
        votes = b.constant("votes", shares.astype("float32"))
        counted = b.op("MatMul", "count", found.cast("float32"), votes, shape=(m, shares.shape[1]), exact=True)
        return b.graph([counted.argmax(1).named("answer")])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        out = yield Call(self._graph, {"samples": self.split.x_test})
        return None if out is None else out["answer"].ravel()

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        twin, labels = self._twin(), self.split.y_test
        mine = {"accuracy": accuracy(answer, labels), "agreement": accuracy(answer, twin)}
        return mine, {"accuracy": accuracy(twin, labels)}

    def _twin(self) -> Array:
        """Each tree walked from its root."""
        from hetsim.algorithms.trees import walked

        votes: Array = sum(walked(tree, self.split.x_test) for tree in self._trees)  # type: ignore[assignment]
        found: Array = votes.argmax(axis=1)
        return found
