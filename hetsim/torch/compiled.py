"""Compiled modules: callables that compute through simulated hardware."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from hetsim import files
from hetsim.engine import answered
from hetsim.errors import InputError
from hetsim.frontends.onnx import Network, OnnxSheet
from hetsim.frontends.onnx_reference import Deviation
from hetsim.scenario import Scenario, load
from hetsim.torch.capture import Captured, capture
from hetsim.workload import Graph

if TYPE_CHECKING:
    from hetsim.result import Result
    from hetsim.workload import Array

FILE = "model.onnx"
_KEPT = ("numerics", "marks", "threads", "scheduler")  # what a scenario says beside its system and its workload


class Module(Network):
    """A captured module as a workload: one request, whose outputs are held against PyTorch's own."""

    given: Mapping[str, Array]
    expected: Mapping[str, Array]

    def _feeds(self, graph: Graph, start: int, stop: int, request: int) -> Mapping[str, Array]:
        return self.given

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """``deviation.NAME`` and ``max_difference.NAME`` of each output, see `Network.score`."""
        found = Deviation()
        for _, outputs in answers:
            found.add(outputs, self.expected)
        return found.metrics()


class Compiled:
    """A module on a system: called with tensors, it gives what the simulated hardware makes of them.

    ``result`` is hetsim's answer to the last call: time, energy, metrics (``deviation`` from PyTorch's own outputs)
    and plots. ``ops`` are the names by which a scheduler's ``pin`` knows the ops. Calls with the same seed are of the
    same chip, with the same noise.
    """

    def __init__(self, module: Any, captured: Captured, scenario: Scenario) -> None:
        self.module, self.scenario, self._captured = module, scenario, captured
        self._folder = tempfile.TemporaryDirectory(prefix="hetsim-")
        folder = Path(self._folder.name)
        folder.joinpath(FILE).write_bytes(captured.model)
        assert isinstance(scenario.workload, OnnxSheet)
        self._workload = Module(scenario.workload, folder)
        self._result: Result | None = None
        scenario.check(self._workload)

    @property
    def ops(self) -> Sequence[str]:
        """Names of the ops that are run."""
        return [op.name for graph in self._workload.graphs() for op in graph.ops]

    @property
    def result(self) -> Result:
        """The answer to the last call; InputError before the first."""
        if self._result is None:
            raise InputError.of("the compiled module has not been called yet", "call it with tensors first")
        return self._result

    @property
    def deviation(self) -> float:
        """Norm of the difference between the last call's outputs and PyTorch's, over the norm of PyTorch's.

        The largest one of several outputs.
        """
        metrics = self.result.document["metrics"]
        return float(max(value for name, value in metrics.items() if name.startswith("deviation.")))

    def __call__(self, *inputs: Any) -> Any:
        """The module's result for tensors of the captured shapes, in the structure that the module itself gives."""
        given = self._captured.tensors(inputs)
        if self._workload.sheet.unsigned and any(bool((x < 0).any()) for x in given.values()):
            raise InputError.of("inputs have negative numbers, but were said to be unsigned")
        workload, names = self._workload, self._captured.outputs
        workload.given = {name: x.detach().cpu().numpy() for name, x in given.items()}
        exact = self._exact(inputs)
        workload.expected = {name: x.numpy() for name, x in zip(names, exact, strict=True)}
        self._result, answers = answered(self.scenario, workload)
        made = answers[0][1]
        tensors = {name: torch.tensor(made[name], dtype=x.dtype) for name, x in zip(names, exact, strict=True)}
        return self._captured.result(tensors)

    def _exact(self, inputs: Sequence[Any]) -> list[Any]:
        """What PyTorch makes of the inputs, output by output."""
        with torch.no_grad():
            whole = self.module(*inputs)
        return [x.detach().cpu() for x in torch.utils._pytree.tree_leaves(whole) if isinstance(x, torch.Tensor)]

    def save(self, folder: str | Path) -> Path:
        """Write the model, the last call's inputs and the scenario, for ``hetsim run``; return the scenario's file."""
        self.result  # noqa: B018  # there is no scenario without inputs
        document = self.scenario.resolved()
        document["workload"] |= {"inputs": "inputs.npz"}
        with files.whole(folder) as path:
            path.joinpath(FILE).write_bytes(self._captured.model)
            np.savez(path / "inputs.npz", **self._workload.given)  # type: ignore[arg-type]  # NumPy's own flag
            path.joinpath("scenario.yaml").write_text(json.dumps(document, indent=1), encoding="utf-8")
        return Path(folder) / "scenario.yaml"


def compile(
    module: Any,
    example_inputs: Any,
    *,
    system: str | Path | Mapping[str, Any] | Scenario,
    scheduler: str | Mapping[str, Any] | None = None,
    numerics: Literal["analog", "ideal"] = "analog",
    seed: int = 0,
    unsigned: bool = False,
) -> Compiled:
    """Return a callable that computes a module on a system of simulated hardware.

    ``example_inputs`` is a tensor or a tuple of them, as the module takes them; their shapes are fixed. ``system`` is a
    scenario (a name of the library, a path, plain data), of which the system and the settings of the run are taken, or
    plain data with ``components`` and ``links``. ``scheduler`` is a kind, or a mapping with a kind and its settings
    (default: the scenario's own without its pins, which name other ops). The module is captured in evaluation mode;
    ``unsigned`` promises inputs that are never negative. Raises InputError for all that cannot be run.
    """
    if numerics not in ("analog", "ideal"):
        raise InputError.of(f"numerics {numerics!r} gives no tensors", "analog or ideal")
    example = tuple(example_inputs) if isinstance(example_inputs, tuple | list) else (example_inputs,)
    captured = capture(module, example)
    still = copy.deepcopy(module).eval()
    shapes = {name: list(shape) for name, shape, _ in captured.inputs}
    batch = next((shape[0] for shape in shapes.values() if shape), 1)
    workload = {"onnx": FILE, "shapes": shapes, "batch": batch, "scores": "deviation", "unsigned": unsigned}
    scenario = load(_question(system, workload, scheduler) | {"numerics": numerics, "seed": seed})
    return Compiled(still, captured, scenario)


def _question(system: Any, workload: Mapping[str, Any], scheduler: Any) -> dict[str, Any]:
    """A scenario's data with another workload."""
    if isinstance(system, Mapping) and "system" not in system:
        found: dict[str, Any] = {"system": dict(system)}
    elif isinstance(system, Mapping):
        found = {key: value for key, value in system.items() if key in ("system", *_KEPT)}
    else:
        scenario = system if isinstance(system, Scenario) else load(system)
        whole = scenario.resolved()
        found = {key: whole[key] for key in ("system", *_KEPT)}
        found["scheduler"] = {key: found["scheduler"][key] for key in ("kind", "objective")}
    if scheduler is not None:
        found["scheduler"] = {"kind": scheduler} if isinstance(scheduler, str) else dict(scheduler)
    return found | {"workload": dict(workload)}
