"""A small generative adversarial network [Goodfellow 2014], both nets in the crossbars and trained there.

In turn the discriminator learns to tell real pictures from generated ones and the generator to be taken for real:
its error comes back through the discriminator's matrices. New weights are written after every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.algorithms.algorithm import Algorithm, AlgorithmSheet, centred
from hetsim.algorithms.builder import Builder, Value
from hetsim.algorithms.dense_net import DenseNet, Weights, renewed, updated
from hetsim.workload import Call, Graph, Program, register

if TYPE_CHECKING:
    from hetsim.workload import Array

FEATURES = 8  # principal components in which distributions are compared


class GanSheet(AlgorithmSheet):
    """``steps`` with ``batch`` real and as many generated pictures, out of ``noise`` normal numbers each."""

    algorithm: Literal["gan"]
    data: str = "digits"
    noise: int = Field(default=8, ge=1)
    hidden: int = Field(default=64, ge=1)
    steps: int = Field(default=200, ge=1)
    batch: int = Field(default=32, ge=2)
    rate: float = Field(default=0.2, gt=0)


@register
class Gan(Algorithm):
    """Scored by the Fréchet distance [Heusel 2017] of generated from real pictures in the first principal components,
    beside that of the untrained generator."""

    kind, sheet_type, decides = "gan", GanSheet, False
    sheet: GanSheet

    @cached_property
    def _pictures(self) -> Array:
        return centred(self.sheet.data, self.folder)[0]

    @cached_property
    def _nets(self) -> tuple[DenseNet, DenseNet]:
        """The generator and the discriminator."""
        d, sheet = self._pictures.shape[1], self.sheet
        return DenseNet("gen", (sheet.noise, sheet.hidden, d)), DenseNet("dis", (d, sheet.hidden, 1))

    def _step(self, written: Weights | None, version: int) -> Graph:
        """Both nets learn from the same generated pictures. With s the chance of being real, the errors at the
        discriminator's output are s - 1 for real and s for generated pictures, and s - 1 for the generator."""
        (gen, dis), sheet, b = self._nets, self.sheet, Builder("adversarial")
        real = b.input("real", (sheet.batch, dis.sizes[0]))
        noise = b.input("noise", (sheet.batch, gen.sizes[0]))
        weights = {**gen.inputs(b), **dis.inputs(b)}
        made, judged = gen.stored(b, written, version), dis.stored(b, written, version)
        drawn = gen.forward(noise, made, weights, "")
        seen = dis.forward(b.concat(real, drawn[-1], axis=0), judged, weights, "")
        chances = seen[-1].apply("Sigmoid")
        _, fooled = chances.split(2)
        error = (chances - b.constant("truth", self._truth)) * (1 / sheet.batch)
        slopes, _ = dis.back(seen, error, judged, "")
        half = [seen[0].split(2)[1], *(layer.split(2)[1] for layer in seen[1:-1])]
        blame = self._blame(half, (fooled - 1.0) * (1 / sheet.batch), judged)
        gen_slopes, _ = gen.back(drawn, blame, made, "")
        return b.graph(updated(weights, {**slopes, **gen_slopes}, sheet.rate))

    def _blame(self, layers: Sequence[Value], error: Value, matrices: Any) -> Value:
        """The generator's error, back through the discriminator to its input."""
        for i in reversed(range(self._nets[1].depth)):
            error = matrices[i].back(error, f"dis.back{i}_to_generator")
            if i:
                error = error * (layers[i] > 0.0).cast("float32")
        return error

    @property
    def _truth(self) -> Array:
        import numpy as np

        return np.repeat(np.array([[1], [0]], "float32"), self.sheet.batch, axis=0)

    def _sample(self, written: Weights | None, version: int) -> Graph:
        gen, b = self._nets[0], Builder("sample")
        noise = b.input("noise", (len(self._pictures), gen.sizes[0]))
        biases = {f"gen.b{i}": b.input(f"gen.b{i}", (1, n)) for i, n in enumerate(gen.sizes[1:])}
        return b.graph([gen.forward(noise, gen.stored(b, written, version), biases, "_sample")[-1].named("pictures")])

    def graphs(self) -> Sequence[Graph]:
        return [self._step(None, 1), self._sample(None, 1)]

    def _draws(self, request: int, step: int) -> dict[str, Array]:
        """Real pictures and noise of a step."""
        import numpy as np

        random, batch = self.draw("step", request, step), self.sheet.batch
        real = self._pictures[random.integers(0, len(self._pictures), batch)]
        return {"real": real, "noise": np.asarray(random.standard_normal((batch, self.sheet.noise)), "float32")}

    def _seeds(self, request: int) -> Array:
        import numpy as np

        shape = len(self._pictures), self.sheet.noise
        return np.asarray(self.draw("sample", request).standard_normal(shape), "float32")

    def _initial(self, request: int) -> dict[str, Array]:
        gen, dis = self._nets
        return {**gen.initial(self.draw("gen", request)), **dis.initial(self.draw("dis", request))}

    def program(self, request: int, numbers: bool) -> Program:
        weights = self._initial(request)
        for step in range(self.sheet.steps):
            graph = self._step(weights if numbers else None, step)
            weights = renewed(weights, (yield Call(graph, {**weights, **self._draws(request, step)})))
        graph = self._sample(weights if numbers else None, self.sheet.steps)
        biases = {name: value for name, value in weights.items() if name.startswith("gen.b")}
        out = yield Call(graph, {**biases, "noise": self._seeds(request)})
        return None if out is None else (out["pictures"], request)

    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        pictures, request = answer
        gen, seeds = self._nets[0], self._seeds(request).astype("float64")
        untrained = gen.forward_twin(seeds, self._initial(request))[-1]
        twin = gen.forward_twin(seeds, self._twin(request))[-1]
        mine = {"frechet_distance": self._distance(pictures), "untrained_distance": self._distance(untrained)}
        return mine, {"frechet_distance": self._distance(twin)}

    def _twin(self, request: int) -> Weights:
        import numpy as np

        (gen, dis), sheet = self._nets, self.sheet
        weights: Weights = {name: w.astype("float64") for name, w in self._initial(request).items()}
        for step in range(sheet.steps):
            draws = self._draws(request, step)
            drawn = gen.forward_twin(draws["noise"].astype("float64"), weights)
            seen = dis.forward_twin(np.vstack([draws["real"], drawn[-1]]), weights)
            chances = 0.5 + 0.5 * np.tanh(seen[-1] / 2)
            slopes, _ = dis.back_twin(seen, (chances - self._truth) / sheet.batch, weights)
            half = [layer[sheet.batch :] for layer in seen]
            _, blame = dis.back_twin(half, (chances[sheet.batch :] - 1) / sheet.batch, weights)
            more, _ = gen.back_twin(drawn, blame, weights)
            weights = {name: w - sheet.rate * {**slopes, **more}[name] for name, w in weights.items()}
        return weights

    def _distance(self, pictures: Array) -> float:
        """|μ - ν|² + tr(C + D - 2 (C D)^½) of normal fits to real and generated pictures."""
        import numpy as np

        x = self._pictures.astype("float64")
        axes = np.linalg.svd(x, full_matrices=False)[2][:FEATURES].T
        a, b = x @ axes, pictures.astype("float64") @ axes
        c, d = np.cov(a.T), np.cov(b.T)
        roots = np.sqrt(np.maximum(np.linalg.eigvals(c @ d).real, 0)).sum()
        return float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * roots)
