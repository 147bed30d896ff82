"""Deviation: the error of each op on each component, computed there on exact inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hetsim.hardware.component import Moment
from hetsim.keys import key
from hetsim.schedulers.trials import Sample
from hetsim.shaping import Shaping
from hetsim.system import System
from hetsim.workload import Graph, Op, Workload

Pair = tuple[str, str]  # an op and a component, by name


def samples(
    workload: Workload, system: System, shaping: Shaping, options: Mapping[Op, Sequence[str]], requests: Iterable[int],
    seed: int, ideal: bool,
) -> Mapping[Pair, Sample]:
    """The error of each op's first output, and the energy, on each component that may run it.

    Measured over ``requests``, on the devices of the scenario's seed, as they are at t = 0.
    """
    bench = _Bench(system, options, seed, ideal)
    for request in requests:
        program = workload.program(request, True)
        outputs: Any = None
        try:
            while True:
                outputs = bench.compute(shaping.graph((call := program.send(outputs)).graph), call.feeds, request)
        except StopIteration:
            continue
    return {
        pair: Sample((off / total) ** 0.5 if total else 0.0, joules / count)
        for pair, (off, total, joules, count) in bench.sums.items()
    }


class _Bench:
    """The components of a system side by side, each asked for every op that it may run."""

    def __init__(self, system: System, options: Mapping[Op, Sequence[str]], seed: int, ideal: bool) -> None:
        self._parts, self._options, self._seed, self._ideal = system.components, options, seed, ideal
        self._states = {name: part.state(key(seed, name)) for name, part in self._parts.items()}
        self._stored = {name: part.residency() for name, part in self._parts.items()}
        self.sums: dict[Pair, tuple[float, float, float, int]] = {}

    def compute(self, graph: Graph, feeds: Mapping[str, Any], request: int) -> Mapping[str, Any]:
        """The graph's outputs, exactly; on the way every op is computed everywhere."""
        from hetsim.numerics import run

        values: dict[str, Any] = dict(feeds)
        for op in [op for op in graph.ops if op.changed is None]:
            inputs = [None if t is None else t.value if t.constant else values[t.name] for t in op.inputs]
            made = run(op, inputs)
            values |= {tensor.name: y for tensor, y in zip(op.outputs, made, strict=True)}
            for name in self._options[op]:
                self._compare(op, name, inputs, made[0], request)
        return {tensor.name: values[tensor.name] for tensor in graph.outputs}

    def _compare(self, op: Op, name: str, inputs: Sequence[Any], exact: Any, request: int) -> None:
        import numpy as np

        part = self._parts[name]
        plan = part.plan(op, self._stored[name])
        moment = Moment(0.0, key(self._seed, name, request, "error", op.name), self._ideal)
        outcome = part.compute(op, inputs, self._states[name], moment, plan)
        self._stored[name] = plan.after or self._stored[name]
        off, total, joules, count = self.sums.get((op.name, name), (0.0, 0.0, 0.0, 0))
        wanted = np.asarray(exact, np.float64)
        off += float(np.square(wanted - outcome.outputs[0]).sum())
        total += float(np.square(wanted).sum())
        for step in plan.steps:
            measured = outcome.steps.get(step.name)
            joules += step.count * step.joules if measured is None else measured.joules
        self.sums[op.name, name] = off, total, joules, count + 1
