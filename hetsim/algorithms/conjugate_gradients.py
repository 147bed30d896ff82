"""Conjugate gradients on an inexact product [Hestenes 1952]: kernel ridge regression as a linear system.

(K + penalty) a = y with a Gaussian kernel K of real data. The off-diagonal part sits in the crossbars; the diagonal
stays digital, because it would eat the conductance range. The residual that the iteration carries along stops
meaning much once it is below the array's error; the marks tell the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, gaussian
from hetsim.algorithms.builder import Builder, Value
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array


def iteration(matrix: Array, product: Callable[[Value], Value] | None = None) -> Graph:
    """One iteration for a symmetric matrix [n, n]: a product with what is stored, and vectors.

    ``product`` appends the product of a row [1, n] with the off-diagonal part; by default one op, with all of it.
    """
    import numpy as np

    n = len(matrix)
    b = Builder("conjugate gradients")
    z, r, p = (b.input(name, (1, n)) for name in "zrp")
    rr = b.input("rr", (1, 1))
    diagonal = b.constant("diagonal", np.diag(matrix).reshape(1, n), "float32")
    if product is None:
        stored = b.constant("off_diagonal", matrix - np.diag(np.diag(matrix)), "float32")
        off = (p @ stored).named("stored_product")
    else:
        off = product(p)
    q = (off + (diagonal * p).named("diagonal_product")).named("q")
    alpha = (rr / (p * q).named("pq").sum().named("curvature")).named("alpha")
    new_z = (z + (alpha * p).named("alpha_p")).named("new_z")
    new_r = (r - (alpha * q).named("alpha_q")).named("new_r")
    new_rr = new_r.square_sum().named("new_rr")
    beta = (new_rr / rr).named("beta")
    new_p = (new_r + (beta * p).named("beta_p")).named("new_p")
    return b.graph([new_z, new_r, new_p, new_rr])


class ConjugateGradientsSheet(LearnerSheet):
    """``width`` of the kernel exp(-|x - y|² / (width x features)); ends when the carried residual is ``tolerance`` of
    the right-hand side."""

    algorithm: Literal["conjugate_gradients"]
    data: str = "diabetes"
    width: float = Field(default=1.0, gt=0)
    penalty: float = Field(default=10.0, gt=0)
    tolerance: float = Field(default=1e-2, gt=0, lt=1)
    max_iterations: int = Field(default=100, ge=1)


@register
class ConjugateGradients(Learner):
    """Scored by the true residual, by the error against the exact solution, and by what the fit explains."""

    kind, sheet_type, targets = "conjugate_gradients", ConjugateGradientsSheet, "quantities"
    sheet: ConjugateGradientsSheet

    def _kernel(self, x: Array) -> Array:
        """Of ``x`` with the training samples, in float64."""
        return gaussian(x, self.split.x, self.sheet.width)

    @cached_property
    def problem(self) -> tuple[Array, Array]:
        """The matrix [n, n] and the right-hand side [n] in float64."""
        import numpy as np

        labels = self.split.y.astype("float64")
        matrix = self._kernel(self.split.x) + self.sheet.penalty * np.eye(len(labels))
        return matrix, (labels - labels.mean()) / (labels.std() or 1.0)

    @cached_property
    def _step(self) -> Graph:
        return iteration(self.problem[0])

    @cached_property
    def _start(self) -> Graph:
        b = Builder("start")
        return b.graph([b.input("r", (1, len(self.problem[1]))).square_sum().named("rr")])

    def graphs(self) -> Sequence[Graph]:
        return [self._start, self._step]

    def program(self, request: int, numbers: bool) -> Program:
        r = self.problem[1].astype("float32").reshape(1, -1)
        out = yield Call(self._start, {"r": r})
        state = {"z": r * 0, "r": r, "p": r} | ({} if out is None else {"rr": out["rr"]})
        first, count = None if out is None else float(out["rr"].item()), 0
        while count < self.most(numbers, self.sheet.max_iterations):
            out = yield Call(self._step, state)
            count += 1
            if out is not None and first is not None:
                state = {name: out[f"new_{name}"] for name in ("z", "r", "p", "rr")}
                if not float(out["new_rr"].item()) > self.sheet.tolerance**2 * first:
                    break
        return (state["z"].ravel(), count) if numbers else None

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        found, count = answer
        twin, twin_count = self._twin()
        return self._told(found.astype("float64"), count), self._told(twin, twin_count)

    def _told(self, found: Array, count: int) -> Mapping[str, float]:
        import numpy as np

        matrix, rhs = self.problem
        exact = np.linalg.solve(matrix, rhs)
        labels = self.split.y.astype("float64")
        aims = (self.split.y_test - labels.mean()) / (labels.std() or 1.0)
        missed = ((self._kernel(self.split.x_test) @ found - aims) ** 2).sum()
        return {
            "relative_residual": float(np.linalg.norm(rhs - matrix @ found) / np.linalg.norm(rhs)),
            "relative_error": float(np.linalg.norm(found - exact) / np.linalg.norm(exact)),
            "explained_variance": float(1 - missed / ((aims - aims.mean()) ** 2).sum()),
            "iterations": count,
        }

    def _twin(self) -> tuple[Array, int]:
        import numpy as np

        matrix, r = self.problem
        z, p, rr, count = np.zeros_like(r), r, float(r @ r), 0
        first = rr
        while count < self.sheet.max_iterations and rr > self.sheet.tolerance**2 * first:
            q = matrix @ p
            alpha = rr / float(p @ q)
            z, r = z + alpha * p, r - alpha * q
            rr, old = float(r @ r), rr
            p, count = r + rr / old * p, count + 1
        return z, count
