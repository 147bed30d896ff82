"""A support vector machine with a Gaussian kernel, one class against the rest [Cortes 1995].

Training is digital: projected gradient ascent on the dual, with the bias inside the kernel. The support vectors that
come out of it are written into the crossbars, since no one knows them before; then the test samples stream in. Of
|s - q|² only s·q is analog; norms, exponentials and the sum over the support vectors are digital.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy, gaussian, one_hot
from hetsim.algorithms.builder import Builder, Stored, Value
from hetsim.workload import Call, Graph, Outputs, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class KernelSvmSheet(LearnerSheet):
    """``width`` of the kernel exp(-|s - q|² / (width x features)), ``cost`` of a margin error; training ends when the
    dual grows by less than ``tolerance`` of itself. Without numbers every training sample counts as a support vector.
    """

    algorithm: Literal["kernel_svm"]
    data: str = "breast_cancer"
    width: float = Field(default=1.0, gt=0)
    cost: float = Field(default=1.0, gt=0)
    tolerance: float = Field(default=1e-4, gt=0, lt=1)
    max_iterations: int = Field(default=500, ge=1)


@register
class KernelSvm(Learner):
    """Scored by the accuracy on the test samples, and by the number of support vectors."""

    kind, sheet_type = "kernel_svm", KernelSvmSheet
    sheet: KernelSvmSheet

    @cached_property
    def _aims(self) -> Array:
        return 2 * one_hot(self.split.y, self.split.classes).T - 1

    def _kernel(self, products: Value, norms: Value, others: Value) -> Value:
        """The kernel plus one, from products [m, n] and norms [m, 1] and [1, n]."""
        scale: float = -1 / (self.sheet.width * self.split.x.shape[1])
        return (((norms + others) - products * 2.0) * scale).apply("Exp") + 1.0

    @cached_property
    def _gram(self) -> Graph:
        x = self.split.x
        b = Builder("gram", exact=True)
        samples, turned = b.constant("samples", x), b.constant("samples transposed", x.T.copy())
        norms = samples.square_sum(1)
        return b.graph([self._kernel(samples @ turned, norms, norms.transpose()).named("gram")])

    @cached_property
    def _ascent(self) -> Graph:
        """A step that cannot overshoot: its length is one over a bound of the largest eigenvalue, the largest sum of
        a row. The dual is Σα - α Q α / 2."""
        k, n = self._aims.shape
        b = Builder("ascent", exact=True)
        gram, alpha, step = b.input("kernel", (n, n)), b.input("alpha", (k, n)), b.input("step", (1, 1))
        aims = b.constant("aims", self._aims)
        pull = aims * (aims * alpha @ gram)
        dual = (alpha * (2.0 - pull)).sum().named("dual")
        raised = (alpha + (1.0 - pull) * step).maximum(0.0).minimum(self.sheet.cost)
        return b.graph([raised.named("new_alpha"), dual])

    @cached_property
    def _bound(self) -> Graph:
        n = len(self.split.x)
        b = Builder("bound", exact=True)
        rows = b.input("kernel", (n, n)).sum(1)
        largest = rows.largest(0)
        return b.graph([(b.number(1.0) / largest).named("step")])

    def _decision(self, chosen: Array | None, alpha: Array | None) -> Graph:
        """Test samples against the ``chosen`` support vectors; shapes only without numbers."""
        import numpy as np

        queries, aims = self.split.x_test, self._aims
        vectors = self.split.x if chosen is None else self.split.x[chosen]
        weights = np.zeros(aims.shape) if alpha is None else aims * alpha
        weights = weights if chosen is None else weights[:, chosen]
        b = Builder("decision")
        asked = b.input("queries", queries.shape)
        stored = Stored(b, "support_vectors", vectors.T.shape, lambda: vectors.T.copy(), version=1)
        norms = b.constant("norms", (vectors**2).sum(axis=1).reshape(1, -1))
        kernel = self._kernel(stored.forward(asked, "products"), asked.square_sum(1), norms)
        coefficients = b.constant("coefficients", weights.T.astype("float32"), version=1)
        shape = (len(queries), len(aims))
        scores = b.op("MatMul", "decision", kernel, coefficients, shape=shape, exact=True)
        return b.graph([scores.argmax(1).named("answer")])

    def graphs(self) -> Sequence[Graph]:
        return [self._gram, self._bound, self._ascent, self._decision(None, None)]

    def program(self, request: int, numbers: bool) -> Program:
        import numpy as np

        alpha = yield from self._train(numbers)
        chosen = None if alpha is None else np.flatnonzero((alpha > 0).any(axis=0))
        out = yield Call(self._decision(chosen, alpha), {"queries": self.split.x_test})
        return None if out is None or chosen is None else (out["answer"].ravel(), len(chosen))

    def _train(self, numbers: bool) -> Generator[Call, Outputs, Array | None]:
        import numpy as np

        out = yield Call(self._gram, {})
        gram = {} if out is None else {"kernel": out["gram"]}
        out = yield Call(self._bound, gram)
        step = {} if out is None else {"step": out["step"]}
        alpha, best = np.zeros(self._aims.shape, "float32"), 0.0
        for _ in range(self.most(numbers, self.sheet.max_iterations)):
            out = yield Call(self._ascent, {**gram, **step, "alpha": alpha})
            if out is not None:
                alpha, dual = out["new_alpha"], float(out["dual"].item())
                if 0 < dual <= best * (1 + self.sheet.tolerance):
                    break
                best = dual
        return alpha if numbers else None

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        found, vectors = answer
        twin, twin_vectors = self._twin()
        labels = self.split.y_test
        return (
            {"accuracy": accuracy(found, labels), "support_vectors": vectors},
            {"accuracy": accuracy(twin, labels), "support_vectors": twin_vectors},
        )

    def _twin(self) -> tuple[Array, int]:
        import numpy as np

        x, aims, sheet = self.split.x, self._aims.astype("float64"), self.sheet
        gram = gaussian(x, x, sheet.width) + 1
        alpha, best, step = np.zeros(aims.shape), 0.0, 1 / gram.sum(axis=1).max()
        for _ in range(sheet.max_iterations):
            pull = aims * (aims * alpha @ gram)
            dual = float((alpha * (2 - pull)).sum())
            alpha = np.clip(alpha + step * (1 - pull), 0, sheet.cost)
            if 0 < dual <= best * (1 + sheet.tolerance):
                break
            best = dual
        scores = (gaussian(self.split.x_test, x, sheet.width) + 1) @ (aims * alpha).T
        return scores.argmax(axis=1), int((alpha > 0).any(axis=0).sum())
