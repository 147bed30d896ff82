"""A linear solve by mixed-precision iterative refinement [Le Gallo 2018].

A x = b for a symmetric positive definite A. The off-diagonal part sits in the crossbars; the diagonal stays
digital, because it would eat the conductance range. Each outer iteration solves A z = r roughly, by conjugate
gradients on the inexact product, adds z to x, and computes the residual r = b - A x exactly in float64. It
converges while the spectral norm of the array's error stays under the smallest eigenvalue, however small the
residual is to become; if it does not, the residual grows and the run says so.

Two ways make the error smaller. The same matrix on several ``devices``, whose products are averaged, divides what
differs from cell to cell by the root of their number [Le Gallo 2018]; rounding to levels stays. A compensation reads
the arrays back with the rows of a Hadamard matrix of random signs, and stores what is missing, at its own finer scale,
in arrays of its own [Song 2024].
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.builder import Builder, Value
from hetsim.algorithms.conjugate_gradients import iteration
from hetsim.keys import key
from hetsim.workload import Call, Graph, Outputs, Program, Workload, WorkloadSheet, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class RefinementSheet(WorkloadSheet):
    """``size`` unknowns, eigenvalues geometric from 1 to ``condition_number``, random eigenvectors from ``seed``.

    ``inner_tolerance`` ends the conjugate gradients, ``tolerance`` the refinement, both relative residuals.
    """

    algorithm: Literal["refinement"]
    size: int = Field(default=500, ge=2)
    condition_number: float = Field(default=5.0, ge=1)
    tolerance: float = Field(default=1e-10, gt=0, lt=1)
    inner_tolerance: float = Field(default=1e-2, gt=0, lt=1)
    devices: int = Field(default=1, ge=1)
    compensations: int = Field(default=0, ge=0)
    max_iterations: int = Field(default=100, ge=1)
    max_inner_iterations: int = Field(default=50, ge=1)
    expected_iterations: int | None = Field(default=None, ge=1)
    expected_inner_iterations: int = Field(default=8, ge=1)
    divergence: float = Field(default=1e3, gt=1)
    seed: int = 0


@register
class Refinement(Workload):
    """Solves a seeded system; scored by the relative residual and the error against the known solution."""

    kind, sheet_type, decides = "refinement", RefinementSheet, True
    sheet: RefinementSheet

    @cached_property
    def problem(self) -> tuple[Array, Array, Array]:
        """A [n, n] in float64, the solution x [n], and b = A x."""
        import numpy as np

        n = self.sheet.size
        generator = np.random.Generator(np.random.Philox(key=key(self.sheet.seed, "refinement")))
        vectors, _ = np.linalg.qr(generator.standard_normal((n, n)))
        matrix = (vectors * np.geomspace(1, self.sheet.condition_number, n)) @ vectors.T
        matrix = (matrix + matrix.T) / 2
        solution = generator.standard_normal(n)
        return matrix, solution, matrix @ solution

    @cached_property
    def _off_diagonal(self) -> Array:
        import numpy as np

        matrix = self.problem[0]
        return (matrix - np.diag(np.diag(matrix))).astype("float32")

    def _step(self, layers: Sequence[Array | None]) -> Graph:
        """An iteration of conjugate gradients with what the ``layers`` of arrays hold; None where that is not known."""
        return iteration(self.problem[0], lambda p: self._product(p, layers, "stored_product"))

    def _product(self, p: Value, layers: Sequence[Array | None], name: str) -> Value:
        """Sum over the layers of the mean over the devices, one op for each array."""
        total: Value | None = None
        n = self.sheet.size
        for layer, value in enumerate(layers):
            load = None if value is None else lambda value=value: value
            parts = []
            for device in range(self.sheet.devices):
                mark = (f"_layer{layer}" if layer else "") + (f"_device{device}" if device else "")
                held = Value(
                    p.builder, f"off_diagonal{mark}", (n, n), "float32", load=load, constant=True, version=min(layer, 1)
                )
                parts.append((p @ held).named(name + mark))
            product = sum(parts[1:], parts[0])
            product = product * (1 / len(parts)) if len(parts) > 1 else product
            total = product if total is None else total + product
        assert total is not None
        return total

    def _read_back(self, layers: Sequence[Array | None]) -> Graph:
        """What the arrays miss: the matrix less Hᵀ (H M) / m, where H [m, n] has orthogonal columns of ±1."""
        n, b = self.sheet.size, Builder(f"compensation{len(layers)}")
        probes = b.input("probes", (hadamard_order(n), n))
        read = self._product(probes, layers, f"read_back{len(layers)}") * (1 / hadamard_order(n))
        held = b.op("MatMul", "", probes.transpose(), read, shape=(n, n))
        wanted = b.constant("wanted", self._off_diagonal)
        return b.graph([(wanted - held).named(f"missing{len(layers)}")])

    @cached_property
    def _probes(self) -> Array:
        """Rows of a Hadamard matrix with keyed signs of its columns, so that none of them drives all lines alike."""
        import numpy as np

        generator = np.random.Generator(np.random.Philox(key=key(self.sheet.seed, "probes")))
        signs = generator.integers(0, 2, self.sheet.size) * 2 - 1
        return (hadamard(self.sheet.size) * signs).astype("float32")

    def _prepared(self, numbers: bool) -> Generator[Call, Outputs, Graph]:
        """Compensate, and return the iteration with all layers."""
        layers: list[Array | None] = [self._off_diagonal]
        for i in range(1, self.sheet.compensations + 1):
            out = yield Call(self._read_back(layers), {"probes": self._probes} if numbers else {})
            layers.append(None if out is None else out[f"missing{i}"])
        return self._step(layers)

    @cached_property
    def _outer(self) -> Graph:
        """Correct x, and compute the residual exactly in float64."""
        matrix, _, rhs = self.problem
        n = self.sheet.size
        b = Builder("refinement")
        x, z = b.input("x", (1, n), "float64"), b.input("z", (1, n))
        wide = b.op("Cast", "z_wide", z, dtype="float64", to=11)
        new_x = b.op("Add", "new_x", x, wide, exact=True)
        product = b.op("MatMul", "exact_product", new_x, b.constant("matrix", matrix), shape=(1, n), exact=True)
        residual = b.op("Sub", "residual", b.constant("rhs", rhs.reshape(1, n)), product, exact=True)
        norm = b.op("ReduceL2", "norm", residual, shape=(1, 1), exact=True, keepdims=1)
        narrow = b.op("Cast", "residual_narrow", residual, dtype="float32", to=1)
        square = b.op("ReduceSumSquare", "square", narrow, shape=(1, 1), keepdims=1)
        return b.graph([new_x, norm, narrow, square])

    def graphs(self) -> Sequence[Graph]:
        unknown: list[Array | None] = [None] * (self.sheet.compensations + 1)
        reads = [self._read_back(unknown[:i]) for i in range(1, len(unknown))]
        return [*reads, self._step(unknown), self._outer]

    def program(self, request: int, numbers: bool) -> Program:
        if not numbers:
            return (yield from self._timed())
        import numpy as np

        n, limit = self.sheet.size, self.sheet.tolerance
        step = yield from self._prepared(numbers)
        x, z = np.zeros((1, n)), np.zeros((1, n), "float32")
        history: list[float] = []
        inner: list[int] = []
        while True:
            out = yield Call(self._outer, {"x": x, "z": z})
            assert out is not None
            x, norm = out["new_x"], float(out["norm"].item())
            history.append(norm)
            grown = not np.isfinite(norm) or norm > self.sheet.divergence * history[0]
            if norm <= limit * history[0] or grown or len(history) > self.sheet.max_iterations:
                return x.ravel(), history, inner
            z, count = yield from self._solve(step, out["residual_narrow"], out["square"])
            inner.append(count)

    def _solve(self, step: Graph, r: Array, rr: Array) -> Generator[Call, Outputs, tuple[Array, int]]:
        """Conjugate gradients from zero, to the inner tolerance."""
        z, p, start, count = r * 0, r, float(rr.item()), 0
        while count < self.sheet.max_inner_iterations:
            out = yield Call(step, {"z": z, "r": r, "p": p, "rr": rr})
            assert out is not None
            z, r, p, rr = out["new_z"], out["new_r"], out["new_p"], out["new_rr"]
            count += 1
            if not float(rr.item()) > self.sheet.inner_tolerance**2 * start:
                break
        return z, count

    def _timed(self) -> Program:
        """The expected number of iterations, without numbers."""
        step = yield from self._prepared(False)
        for _ in range(self.sheet.expected_iterations or 1):
            yield Call(self._outer, {})
            for _ in range(self.sheet.expected_inner_iterations):
                yield Call(step, {})
        yield Call(self._outer, {})
        return None

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """Iterations, the relative residual recomputed in float64, and the error of the solution."""
        import numpy as np

        matrix, solution, rhs = self.problem
        rows = []
        for x, history, inner in answers:
            with np.errstate(all="ignore"):
                residual = float(np.linalg.norm(rhs - matrix @ x) / np.linalg.norm(rhs))
                error = float(np.linalg.norm(x - solution) / np.linalg.norm(solution))
            rows.append({
                "converged": float(history[-1] <= self.sheet.tolerance * history[0]),
                "outer_iterations": len(history) - 1,
                "inner_iterations": sum(inner),
                "relative_residual": residual,
                "relative_error": error,
                "twin.outer_iterations": self._twin[0],
                "twin.relative_residual": self._twin[1],
            })  # fmt: skip
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}

    @cached_property
    def _twin(self) -> tuple[int, float]:
        """The same refinement with the inner products in float64 too: outer iterations, and the residual reached."""
        import numpy as np

        matrix, _, rhs = self.problem
        x, r, sheet = np.zeros_like(rhs), rhs, self.sheet
        first, count = float(np.linalg.norm(rhs)), 0
        while np.linalg.norm(r) > sheet.tolerance * first and count < sheet.max_iterations:
            z, left, p, inner = np.zeros_like(r), r, r, 0
            start = rr = float(r @ r)
            while inner < sheet.max_inner_iterations and (inner == 0 or rr > sheet.inner_tolerance**2 * start):
                q = matrix @ p
                alpha = rr / float(p @ q)
                z, left, old = z + alpha * p, left - alpha * q, rr
                rr = float(left @ left)
                p, inner = left + rr / old * p, inner + 1
            x = x + z
            r, count = rhs - matrix @ x, count + 1
        return count, float(np.linalg.norm(r)) / first

    def remarks(self, answers: Sequence[Any]) -> Sequence[str]:
        out = []
        for _, history, _ in answers:
            if history[-1] > self.sheet.tolerance * history[0]:
                what = "diverges" if history[-1] > history[0] else "does not converge"
                out.append(
                    f"the refinement {what}: after {len(history) - 1} outer iterations the residual went from "
                    f"{history[0]:.3g} to {history[-1]:.3g}; the array's error is too large for the smallest "
                    "eigenvalue: use more levels, less programming error, or a smaller condition number"
                )
        return out


def hadamard_order(n: int) -> int:
    """The smallest power of two that is no less than n."""
    return 1 << (n - 1).bit_length()


def hadamard(n: int) -> Array:
    """The first n columns of a Hadamard matrix [Sylvester 1867]: ±1, float32, orthogonal to each other."""
    import numpy as np

    matrix = np.ones((1, 1), "float32")
    while len(matrix) < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.ascontiguousarray(matrix[:, :n])
