"""Workload kind ``onnx``: a network from an ONNX file; a request is the next batch of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hetsim.errors import InputError
from hetsim.workload import Call, Graph, Program, Workload, WorkloadSheet, register

if TYPE_CHECKING:
    from hetsim.data import Data
    from hetsim.frontends.onnx_file import OnnxFile
    from hetsim.workload import Array

SYNTHETIC = "synthetic"


class OnnxSheet(WorkloadSheet):
    """A network and what goes through it.

    ``onnx`` is the file, beside this one. ``data`` names a data set, or is ``synthetic`` for random inputs in
    0..1 without labels; or ``inputs`` is a NumPy archive with an array for each input of the network, by its name,
    which every request takes as they are. ``shapes`` tells the dimensions of inputs that the file leaves open; the
    word ``batch`` stands for the batch size. ``scores`` says what the outputs are held against: the labels (largest
    output), what onnxruntime makes of the whole file (``deviation``), or nothing. ``unsigned`` promises that the inputs
    are never negative (pixels), so that no hardware spends a bit or a phase on their signs. ``unroll`` takes an LSTM
    apart into the matrix products of its steps, which in-memory computing can do; without it, it is one op.
    """

    onnx: str
    data: str | None = None
    inputs: str | None = None
    shapes: Mapping[str, tuple[int | Literal["batch"], ...]] = Field(default_factory=dict)
    batch: int = Field(default=1, gt=0)
    scores: Literal["accuracy", "deviation", "none"] = "accuracy"
    unsigned: bool = False
    unroll: bool = False

    @model_validator(mode="after")
    def _is_fed_once(self) -> Self:
        if self.data is not None and self.inputs is not None:
            raise ValueError("data and inputs both say what goes into the network; give one of them")
        return self


@register
class Network(Workload):
    """An ONNX network: a request runs its graph on the next ``batch`` samples, the last on the rest."""

    kind: ClassVar[str] = "onnx"
    sheet_type: ClassVar[type[WorkloadSheet]] = OnnxSheet
    passing: ClassVar[set[str]] = {*Workload.passing, "data", "inputs", "shapes", "batch", "scores", "unsigned"}
    sheet: OnnxSheet

    def __init__(self, sheet: OnnxSheet, folder: Path | None = None) -> None:
        super().__init__(sheet, folder)
        self._graphs: dict[int, Graph] = {}
        self.requests = max(-(-self._samples // sheet.batch), 1)

    @cached_property
    def _samples(self) -> int:
        """How many samples the data have, 0 without data."""
        if self.sheet.data in (None, SYNTHETIC):
            return 0
        from hetsim import data

        samples = data.size(str(self.sheet.data), self.folder)
        if samples < 1:
            raise InputError.of(f"data {self.sheet.data!r} have no samples")
        return samples

    @cached_property
    def _file(self) -> OnnxFile:
        from hetsim.frontends.onnx_file import OnnxFile

        return OnnxFile((self.folder or Path()) / self.sheet.onnx, self.sheet.onnx)

    @cached_property
    def _data(self) -> Data:
        from hetsim import data

        return data.load(str(self.sheet.data), self.folder)

    def _graph(self, batch: int) -> Graph:
        """One Graph object for each batch size, so that plans made for it are found again."""
        if batch not in self._graphs:
            from hetsim.frontends.onnx_graph import build
            from hetsim.frontends.onnx_shapes import Question

            shapes = {
                name: tuple(batch if size == "batch" else size for size in shape)
                for name, shape in self.sheet.shapes.items()
            }
            unknown = set(shapes) - {given.name for given in self._file.inputs}
            if unknown:
                names = ", ".join(given.name for given in self._file.inputs)
                raise self._file.wrong(f"it has no input {min(unknown)!r} to give a shape to", f"its inputs: {names}")
            question = Question(batch, shapes, self._inputs, self.sheet.unroll)
            self._graphs[batch] = build(self._file, question, self.sheet.unsigned)
        return self._graphs[batch]

    @cached_property
    def _inputs(self) -> Mapping[str, Array]:
        """The arrays of ``inputs``, none without it."""
        if self.sheet.inputs is None:
            return {}
        from hetsim import data

        arrays = data.arrays(self.sheet.inputs, self.folder)
        names = [given.name for given in self._file.inputs]
        if set(arrays) != set(names):
            what = f"{self.sheet.inputs!r} has arrays {', '.join(sorted(arrays)) or 'none'}"
            raise InputError.of(f"{what}; {self.sheet.onnx} takes {', '.join(names) or 'none'}")
        return arrays

    def _span(self, request: int) -> tuple[int, int]:
        """First and last (exclusive) sample of a request; requests beyond the data start over."""
        first = request % self.requests * self.sheet.batch
        last = first + self.sheet.batch
        return first, min(last, self._samples) if self._samples else last

    def graphs(self) -> Sequence[Graph]:
        sizes = {stop - start for start, stop in (self._span(0), self._span(self.requests - 1))}
        return [self._graph(size) for size in sorted(sizes, reverse=True)]

    def joined(self, graphs: Sequence[Graph]) -> Graph:
        return self._graph(sum(graph.inputs[0].shape[0] for graph in graphs))

    def program(self, request: int, numbers: bool) -> Program:
        """One call. The answer is (class of each sample, its label); to be compared, (request, outputs by name)."""
        start, stop = self._span(request)
        graph = self._graph(stop - start)
        outputs = yield Call(graph, self._feeds(graph, start, stop, request) if numbers else {})
        if outputs is None or self.sheet.scores == "none":
            return None
        if self.sheet.scores == "deviation":
            named = zip(self._file.outputs, graph.outputs, strict=True)
            return request, {name: outputs[t.name].reshape(t.shape).astype(t.dtype) for name, t in named}
        if self.sheet.data in (None, SYNTHETIC) or self._data.labels is None:
            return None
        scores = outputs[graph.outputs[0].name].reshape(stop - start, -1)
        return scores.argmax(axis=1), self._data.labels[start:stop]

    def _feeds(self, graph: Graph, start: int, stop: int, request: int) -> Mapping[str, Array]:
        import numpy as np

        from hetsim.keys import key

        if self.sheet.inputs is not None:
            return {t.name: np.ascontiguousarray(self._inputs[t.name]).reshape(t.shape) for t in graph.inputs}
        if self.sheet.data is None:
            raise InputError.of(
                f"{self.sheet.onnx}: numbers need data",
                "give the workload `data:` (a data set, or synthetic) or `inputs:`, or set numerics: none",
            )
        if self.sheet.data == SYNTHETIC:
            return {
                t.name: np.random.Generator(np.random.Philox(key=key(SYNTHETIC, request, t.name)))
                .random(t.shape, np.float32)
                .astype(t.dtype)
                for t in graph.inputs
            }
        if len(graph.inputs) != 1:
            raise InputError.of(f"{self.sheet.onnx} has {len(graph.inputs)} inputs; data feed exactly one")
        target, samples = graph.inputs[0], self._data.inputs[start:stop]
        if samples.size != target.size:
            raise InputError.of(
                f"a sample of {self.sheet.data!r} has shape {samples.shape[1:]}, "
                f"but {self.sheet.onnx} takes {target.shape[1:]}"
            )
        if self.sheet.unsigned and samples.min() < 0:
            raise InputError.of(f"{self.sheet.data!r} have negative numbers, but the workload says unsigned: true")
        return {target.name: np.ascontiguousarray(samples, target.dtype).reshape(target.shape)}

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """``accuracy``: the share of samples, over all requests, whose largest output is the label's.

        ``deviation.NAME`` of an output: the norm of its difference from onnxruntime's, over that one's norm.
        """
        given = [answer for answer in answers if answer is not None]
        if not given:
            return {}
        if self.sheet.scores == "deviation":
            return self._deviation(given)
        right = sum(int((classes == labels).sum()) for classes, labels in given)
        return {"accuracy": right / sum(len(labels) for _, labels in given)}

    def _deviation(self, answers: Sequence[tuple[int, Mapping[str, Array]]]) -> Mapping[str, float]:
        from hetsim.frontends.onnx_reference import Deviation, whole

        network, found = whole(self._file), Deviation()
        for request, outputs in answers:
            start, stop = self._span(request)
            graph = self._graph(stop - start)
            found.add(outputs, network(self._feeds(graph, start, stop, request)))
        return found.metrics()

    def remarks(self, answers: Sequence[Any]) -> Sequence[str]:
        from hetsim.frontends import onnx_bodies
        from hetsim.operators import RULES

        ops = [op for graph in self._graphs.values() for op in graph.ops]
        kinds = {op.kind for op in ops} - RULES.keys() - set(onnx_bodies.KINDS)
        loops = {op.name for op in ops if onnx_bodies.endless(op.kind, op.inputs)}
        told = (
            ("counted as one operation for each element made", kinds),
            ("loops counted once, since the file does not say how often they run", loops),
        )
        return [f"{what}: {', '.join(sorted(names))}" for what, names in told if names]
