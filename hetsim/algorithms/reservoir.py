"""An echo-state network [Jaeger 2001] reads pictures row by row and says what they show.

The fixed input and recurrent weights, drawn once, sit in the crossbars as one matrix; tanh and leak are digital, and
so is the readout: ridge regression on the states that the hardware really made, solved directly. Nodes may be volatile
memristors instead [Du 2017], which forget by themselves and are only driven: then nothing is recurrent.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hetsim.algorithms.algorithm import Learner, LearnerSheet, accuracy, one_hot
from hetsim.algorithms.builder import Builder, Stored
from hetsim.errors import InputError
from hetsim.workload import Call, Graph, Outputs, Program, Tensor, register

if TYPE_CHECKING:
    from hetsim.workload import Array


class Fading(BaseModel):
    """What volatile nodes do in a step, as `hetsim.extensions` defines ``FadingMemory``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decay: float = Field(default=0.6, ge=0, lt=1)
    gain: float = Field(default=0.7, gt=0)
    steepness: float = Field(default=3.0, gt=0, le=50)


class ReservoirSheet(LearnerSheet):
    """``steps`` parts of each sample come one after the other to ``size`` nodes with a ``leak`` and recurrent weights
    of the spectral ``radius``; the readout sees the last state and the mean of all. ``volatile`` nodes (as the float64
    twin and a processor have them; a component has its own) see half plus the inputs times weights of the ``gain``."""

    algorithm: Literal["reservoir"]
    data: str = "digits"
    scale: Literal["each", "whole"] = "whole"
    steps: int = Field(default=8, ge=1)
    size: int = Field(default=100, ge=1)
    radius: float = Field(default=0.9, gt=0)
    leak: float = Field(default=0.5, gt=0, le=1)
    gain: float = Field(default=0.5, gt=0)
    penalty: float = Field(default=1.0, gt=0)
    volatile: Fading | None = None


@register
class Reservoir(Learner):
    """Scored by the accuracy on the test samples."""

    kind, sheet_type, decides = "reservoir", ReservoirSheet, False
    sheet: ReservoirSheet

    @cached_property
    def _weights(self) -> Array:
        """Input weights, above recurrent ones if there are any, float32 [inputs + size, size]."""
        import numpy as np

        random, n = self.draw("weights"), self.sheet.size
        given = self.sheet.gain * random.uniform(-1, 1, (self._parts, n))
        if self.sheet.volatile is not None:
            return given.astype("float32")
        inner = random.standard_normal((n, n))
        inner *= self.sheet.radius / np.abs(np.linalg.eigvals(inner)).max()
        return np.vstack([given, inner]).astype("float32")

    @property
    def _parts(self) -> int:
        d: int = self.split.x.shape[1]
        if d % self.sheet.steps:
            raise InputError.of(f"{d} features cannot be read in {self.sheet.steps} equal steps")
        return d // self.sheet.steps

    @cached_property
    def _step(self) -> Mapping[int, Graph]:
        """A step, or all of them, for each number of samples: those to learn from and those of the test."""
        graph = self._graph if self.sheet.volatile is None else self._fading
        return {len(x): graph(len(x)) for x in (self.split.x, self.split.x_test)}

    def _graph(self, m: int) -> Graph:
        sheet, weights = self.sheet, self._weights
        b = Builder(f"reservoir{m}")
        given, state, total = b.input("given", (m, self._parts)), b.input("state", (m, sheet.size)), None
        total = b.input("total", (m, sheet.size))
        driven = Stored(b, "weights", weights.shape, lambda: weights).forward(b.concat(given, state), f"driven{m}")
        new = (state * (1 - sheet.leak) + driven.apply("Tanh") * sheet.leak).named(f"new_state{m}")
        return b.graph([new, (total + new).named(f"new_total{m}")])

    def _fading(self, m: int) -> Graph:
        """All steps of volatile nodes; ``given`` [m x steps, inputs]."""
        import numpy as np

        sheet, weights, law = self.sheet, self._weights, self.sheet.volatile
        assert law is not None
        b = Builder(f"reservoir{m}")
        given, shape = b.input("given", (m * sheet.steps, self._parts)), (m, sheet.steps, sheet.size)
        driven = Stored(b, "weights", weights.shape, lambda: weights).forward(given, f"driven{m}") + 0.5
        sequences = Tensor(driven.name, shape)  # the same numbers in another shape
        states = b.op("FadingMemory", f"fading{m}", sequences, **law.model_dump())
        final, axis = b.constant("final", np.array(sheet.steps - 1)), b.constant("axis", np.array([1]))
        last = b.op("Gather", f"new_state{m}", states, final, shape=(m, sheet.size), axis=1)
        total = b.op("ReduceSum", f"new_total{m}", states, axis, shape=(m, sheet.size), keepdims=0)
        return b.graph([last, total])

    @cached_property
    def _learn(self) -> Graph:
        """(SᵀS + penalty) W = SᵀY in float64, with a column of ones in S."""
        import numpy as np

        m, n, y = len(self.split.x), self.sheet.size, self.split.y
        b = Builder("readout", exact=True)
        ones = b.constant("ones", np.ones((m, 1), "float32"))
        states = b.concat(b.input("state", (m, n)), b.input("total", (m, n)) * (1 / self.sheet.steps), ones)
        wide = states.cast("float64")
        turned = wide.transpose()
        ridge = b.constant("ridge", self.sheet.penalty * np.eye(2 * n + 1))
        aims = b.constant("aims", one_hot(y, self.split.classes), "float64")
        shape = (2 * n + 1, self.split.classes)
        solved = b.op("AnalogSolve", "solve", turned @ wide + ridge, turned @ aims, shape=shape)
        return b.graph([solved.cast("float32").named("readout")])

    @cached_property
    def _answer(self) -> Graph:
        import numpy as np

        m, n = len(self.split.x_test), self.sheet.size
        b = Builder("answer")
        ones = b.constant("test_ones", np.ones((m, 1), "float32"))
        states = b.concat(b.input("state", (m, n)), b.input("total", (m, n)) * (1 / self.sheet.steps), ones)
        readout = b.input("weights", (2 * n + 1, self.split.classes))
        return b.graph([(states @ readout).named("scores").argmax(1).named("answer")])

    def graphs(self) -> Sequence[Graph]:
        return [*self._step.values(), self._learn, self._answer]

    def program(self, request: int, numbers: bool) -> Program:
        learnt = yield from self._run(self.split.x)
        out = yield Call(self._learn, learnt)
        readout = {} if out is None else {"weights": out["readout"]}
        tested = yield from self._run(self.split.x_test)
        out = yield Call(self._answer, {**tested, **readout})
        return None if out is None else out["answer"].ravel()

    def _run(self, x: Array) -> Generator[Call, Outputs, dict[str, Array]]:
        """Final states and sums of states of all samples, step by step."""
        import numpy as np

        m = len(x)
        if self.sheet.volatile is not None:
            out = yield Call(self._step[m], {"given": x.reshape(m * self.sheet.steps, -1)})
            return {} if out is None else {"state": out[f"new_state{m}"], "total": out[f"new_total{m}"]}
        values = {"state": np.zeros((m, self.sheet.size), "float32")}
        values["total"] = values["state"]
        for part in np.split(x, self.sheet.steps, axis=1):
            out = yield Call(self._step[m], {**values, "given": part})
            if out is not None:
                values = {"state": out[f"new_state{m}"], "total": out[f"new_total{m}"]}
        return values

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        import numpy as np

        states, test = (self._twin_states(x) for x in (self.split.x, self.split.x_test))
        aims, ridge = one_hot(self.split.y, self.split.classes), self.sheet.penalty * np.eye(states.shape[1])
        readout = np.linalg.solve(states.T @ states + ridge, states.T @ aims)
        twin, labels = (test @ readout).argmax(axis=1), self.split.y_test
        mine = {"accuracy": accuracy(answer, labels), "agreement": accuracy(answer, twin)}
        return mine, {"accuracy": accuracy(twin, labels)}

    def _twin_states(self, x: Array) -> Array:
        import numpy as np

        from hetsim import extensions

        weights, leak = self._weights.astype("float64"), self.sheet.leak
        if (law := self.sheet.volatile) is not None:
            drive = 0.5 + x.reshape(len(x), self.sheet.steps, -1) @ weights
            states = extensions.faded(drive, law.decay, law.gain, law.steepness)
            return np.hstack([states[:, -1], states.mean(axis=1), np.ones((len(x), 1))])
        state = total = np.zeros((len(x), self.sheet.size))
        for part in np.split(x.astype("float64"), self.sheet.steps, axis=1):
            state = (1 - leak) * state + leak * np.tanh(np.hstack([part, state]) @ weights)
            total = total + state
        return np.hstack([state, total / self.sheet.steps, np.ones((len(x), 1))])
