"""Sparse coding by the locally competitive algorithm [Rozell 2008].

The dictionary D sits in the crossbars and is read both ways: what the code explains, a D, and how what is left
resembles the atoms, r Dᵀ. Thresholds, the leaky integration and the objective, which tells the end, are digital.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim import data
from hetsim.algorithms.algorithm import Algorithm, AlgorithmSheet
from hetsim.algorithms.builder import Builder, Stored
from hetsim.errors import InputError
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array

PATIENCE = 3  # iterations that may fail to improve


class SparseCodingSheet(AlgorithmSheet):
    """Of ``data``, ``atoms`` samples scaled to length one are the dictionary, and ``signals`` others are coded; with
    ``contrast`` each sample less its mean.

    The objective is |x - a D|²/2 + ``threshold`` Σa with no code negative; ``rate`` is a step over the time constant.
    """

    algorithm: Literal["sparse_coding"]
    data: str = "digits"
    atoms: int = Field(default=128, ge=1)
    signals: int = Field(default=64, ge=1)
    contrast: bool = False
    threshold: float = Field(default=0.1, gt=0)
    rate: float = Field(default=0.05, gt=0, le=1)
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    max_iterations: int = Field(default=300, ge=1)


@register
class SparseCoding(Algorithm):
    """Scored by the share of the signals' energy that is left, the share of active atoms, and the objective."""

    kind, sheet_type = "sparse_coding", SparseCodingSheet
    sheet: SparseCodingSheet

    @cached_property
    def _parts(self) -> tuple[Array, Array]:
        """The dictionary [atoms, d] and the signals [m, d], all of length one."""
        import numpy as np

        x = data.load(self.sheet.data, self.folder).inputs
        x = x.reshape(len(x), -1)
        x = x - x.mean(axis=1, keepdims=True) if self.sheet.contrast else x
        x = x[np.linalg.norm(x, axis=1) > 0]
        wanted = self.sheet.atoms + self.sheet.signals
        if len(x) < wanted:
            raise InputError.of(f"data {self.sheet.data!r} have {len(x)} samples", f"{wanted} are asked for")
        picked = x[self.draw("samples").permutation(len(x))[:wanted]]
        picked = picked / np.linalg.norm(picked, axis=1, keepdims=True)
        return picked[: self.sheet.atoms], picked[self.sheet.atoms :]

    @cached_property
    def _graph(self) -> Graph:
        (atoms, signals), sheet = self._parts, self.sheet
        (k, d), m = atoms.shape, len(signals)
        b = Builder("lca")
        state = b.input("state", (m, k))
        dictionary = Stored(b, "dictionary", (k, d), lambda: atoms)
        code = (state - sheet.threshold).maximum(0.0).named("code")
        left = (b.constant("signals", signals) - dictionary.forward(code, "explained")).named("left")
        drive = dictionary.back(left, "resembles") + code
        new = (state + (drive - state) * sheet.rate).named("new_state")
        objective = (left.square_sum() * 0.5 + code.sum() * sheet.threshold).named("objective")
        return b.graph([new, code, objective])

    def graphs(self) -> Sequence[Graph]:
        return [self._graph]

    def program(self, request: int, numbers: bool) -> Program:
        import numpy as np

        shape = self.sheet.signals, self.sheet.atoms
        state, best, failures, iterations = np.zeros(shape, "float32"), float("inf"), 0, 0
        out = None
        while iterations < self.most(numbers, self.sheet.max_iterations) and failures < PATIENCE:
            out = yield Call(self._graph, {"state": state})
            iterations += 1
            if out is not None:
                state, objective = out["new_state"], float(out["objective"].item())
                quiet = iterations > 1 / self.sheet.rate  # codes stay zero until the state has charged
                failures = failures + 1 if quiet and objective > best * (1 - self.sheet.tolerance) else 0
                best = min(best, objective)
        return None if out is None else (out["code"], iterations)

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        code, iterations = answer
        twin, twin_iterations = self._twin()
        return self._told(code.astype("float64"), iterations), self._told(twin, twin_iterations)

    def _told(self, code: Array, iterations: int) -> Mapping[str, float]:
        atoms, signals = (part.astype("float64") for part in self._parts)
        left = float(((signals - code @ atoms) ** 2).sum())
        return {
            "reconstruction_error": left / float((signals**2).sum()),
            "active": float((code > 0).mean()),
            "objective": left / 2 + self.sheet.threshold * float(code.sum()),
            "iterations": iterations,
        }

    def _twin(self) -> tuple[Array, int]:
        import numpy as np

        (atoms, signals), sheet = (part.astype("float64") for part in self._parts), self.sheet
        state = code = np.zeros((len(signals), len(atoms)))
        best, failures, iterations = float("inf"), 0, 0
        while iterations < sheet.max_iterations and failures < PATIENCE:
            code = np.maximum(state - sheet.threshold, 0)
            left = signals - code @ atoms
            state = state + sheet.rate * (left @ atoms.T + code - state)
            objective, iterations = float((left**2).sum() / 2 + sheet.threshold * code.sum()), iterations + 1
            quiet = iterations > 1 / sheet.rate
            failures = failures + 1 if quiet and objective > best * (1 - sheet.tolerance) else 0
            best = min(best, objective)
        return code, iterations
