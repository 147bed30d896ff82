"""Q-learning [Watkins 1992] balances poles on carts [Barto 1983].

Random Fourier features of the state [Rahimi 2007], drawn once, sit in the crossbars; cosines, action values, the
choice and the update are digital. The carts are the world outside: their physics costs the machine nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Algorithm, AlgorithmSheet
from hetsim.algorithms.builder import Builder, Stored
from hetsim.algorithms.cart_pole import LIMIT, RANGES, fallen, moved
from hetsim.workload import Call, Graph, Outputs, Program, register

if TYPE_CHECKING:
    import numpy as np

    from hetsim.workload import Array


class QLearningSheet(AlgorithmSheet):
    """``carts`` are driven side by side for ``steps``, with a random push in a share ``explore`` of cases, and learn
    with ``rate`` and ``discount``; then as many are driven without learning, for 200 steps at most."""

    algorithm: Literal["q_learning"]
    carts: int = Field(default=16, ge=1)
    steps: int = Field(default=1000, ge=1)
    features: int = Field(default=100, ge=1)
    width: float = Field(default=0.7, gt=0)
    explore: float = Field(default=0.2, ge=0, le=1)
    rate: float = Field(default=0.3, gt=0)
    discount: float = Field(default=0.99, gt=0, lt=1)


@register
class QLearning(Algorithm):
    """Scored by the mean number of steps for which the poles stay up."""

    kind, sheet_type, decides = "q_learning", QLearningSheet, True
    sheet: QLearningSheet

    @cached_property
    def _projection(self) -> tuple[Array, Array]:
        """Directions [4, features] and phases [1, features]."""
        import numpy as np

        random, n = self.draw("features"), self.sheet.features
        directions = random.standard_normal((len(RANGES), n)) / self.sheet.width
        return directions.astype("float32"), np.asarray(random.uniform(0, 2 * np.pi, (1, n)), "float32")

    @cached_property
    def _act(self) -> Graph:
        """States to features, action values and the better action."""
        directions, phases = self._projection
        m, n = self.sheet.carts, self.sheet.features
        b = Builder("act")
        states, values = b.input("states", (m, len(RANGES))), b.input("values", (n, 2))
        scaled = states * b.constant("ranges", 1 / RANGES)
        waves = Stored(b, "directions", directions.shape, lambda: directions).forward(scaled, "projected")
        seen = ((waves + b.constant("phases", phases)).apply("Cos") * (2 / n) ** 0.5).named("seen")
        q = (seen @ values).named("q")
        return b.graph([seen, q, q.argmax(1).named("action")])

    @cached_property
    def _learn(self) -> Graph:
        """values += rate featuresᵀ (reward + discount max q' - q) of the action taken, a sum over the carts."""
        m, n, sheet = self.sheet.carts, self.sheet.features, self.sheet
        b = Builder("learn")
        seen, q, taken = b.input("seen", (m, n)), b.input("q", (m, 2)), b.input("taken", (m, 2))
        reward, future, next_q = b.input("reward", (m, 1)), b.input("future", (m, 1)), b.input("next_q", (m, 2))
        values = b.input("values", (n, 2))
        missed = (reward + next_q.largest(1) * future * sheet.discount - q) * taken
        new = values + (seen.transpose() @ missed) * sheet.rate
        return b.graph([new.named("new_values")])

    def graphs(self) -> Sequence[Graph]:
        return [self._act, self._learn]

    def program(self, request: int, numbers: bool) -> Program:
        if not numbers:
            for _ in range(self.most(False, self.sheet.steps)):
                for graph in (self._act, self._act, self._learn):
                    yield Call(graph, {})
            for _ in range(LIMIT + 1):
                yield Call(self._act, {})
            return None
        return (yield from self._play(request)), request

    def _play(self, request: int) -> Generator[Call, Outputs, Array]:
        """Learn, then drive: the steps for which each pole stays up."""
        import numpy as np

        sheet, world = self.sheet, self.draw("world", request)
        values = np.zeros((sheet.features, 2), "float32")
        states = world.uniform(-0.05, 0.05, (sheet.carts, 4))
        now = yield Call(self._act, {"states": states.astype("float32"), "values": values})
        for _ in range(sheet.steps):
            assert now is not None
            actions = np.where(
                world.random(sheet.carts) < sheet.explore, world.integers(0, 2, sheet.carts), now["action"].ravel()
            )
            down = fallen(after := moved(states, actions))
            then = yield Call(self._act, {"states": after.astype("float32"), "values": values})
            assert then is not None
            told = self._told(now, actions, down, then["q"])
            out = yield Call(self._learn, {**told, "values": values})
            assert out is not None
            values = out["new_values"]
            states = np.where(down[:, None], world.uniform(-0.05, 0.05, after.shape), after)
            now = yield Call(self._act, {"states": states.astype("float32"), "values": values})
        return (yield from self._drive(world, values))

    def _told(self, now: Mapping[str, Array], actions: Array, down: Array, next_q: Array) -> dict[str, Array]:
        """What the update reads."""
        import numpy as np

        up = (~down).astype("float32").reshape(-1, 1)
        taken = np.eye(2, dtype="float32")[actions]
        return {"seen": now["seen"], "q": now["q"], "taken": taken, "reward": up, "future": up, "next_q": next_q}

    def _drive(self, world: np.random.Generator, values: Array) -> Generator[Call, Outputs, Array]:
        import numpy as np

        states, steps = world.uniform(-0.05, 0.05, (self.sheet.carts, 4)), np.zeros(self.sheet.carts)
        down = np.zeros(self.sheet.carts, bool)
        for _ in range(LIMIT):
            out = yield Call(self._act, {"states": states.astype("float32"), "values": values})
            assert out is not None
            states = moved(states, out["action"].ravel())
            down |= fallen(states)
            steps += ~down
            if down.all():
                break
        return steps

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        steps, request = answer
        return {"steps_up": float(steps.mean())}, {"steps_up": float(self._twin(request).mean())}

    def _twin(self, request: int) -> Array:
        """The same play, with every call answered in float64 NumPy."""
        play = self._play(request)
        call = next(play)
        while True:
            feeds = {name: value.astype("float64") for name, value in call.feeds.items()}
            answered = self._act_twin(feeds) if call.graph is self._act else self._learn_twin(feeds)
            try:
                call = play.send(answered)
            except StopIteration as end:
                steps: Array = end.value
                return steps

    def _act_twin(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        import numpy as np

        directions, phases = (part.astype("float64") for part in self._projection)
        seen = np.cos(feeds["states"] / RANGES @ directions + phases) * (2 / self.sheet.features) ** 0.5
        q = seen @ feeds["values"]
        return {"seen": seen, "q": q, "action": q.argmax(axis=1)}

    def _learn_twin(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        best = feeds["next_q"].max(axis=1, keepdims=True) * self.sheet.discount * feeds["future"]
        missed = (feeds["reward"] + best - feeds["q"]) * feeds["taken"]
        return {"new_values": feeds["values"] + self.sheet.rate * feeds["seen"].T @ missed}
