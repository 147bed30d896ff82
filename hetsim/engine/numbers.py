"""The numbers of a run: each op computed when it starts, in the arithmetic of the component it runs on."""

from __future__ import annotations

from typing import Any

from hetsim.deferred import Pool, may_wait, taken
from hetsim.engine.job import Job
from hetsim.engine.meter import Meter
from hetsim.hardware.component import Moment, Outcome
from hetsim.keys import key
from hetsim.system import System
from hetsim.units import TICK, ticks


class Numbers:
    """Holds the state of every component (conductances, wear) and the values of tensors while they are needed."""

    def __init__(self, system: System, meter: Meter, seed: int, ideal: bool, threads: int) -> None:
        self._components, self._meter, self._seed = system.components, meter, seed
        self._ideal, self._threads = ideal, threads
        self.states = {name: c.state(key(seed, name)) for name, c in system.components.items()}

    def compute(self, job: Job, i: int, now: int) -> int:
        """Compute op i at this time, keep its outputs, and return the ticks its setup took."""
        op, recipe = job.graph.ops[i], job.recipes[i]
        name = recipe.component
        component = self._components[name]
        outputs: tuple[Any, ...]
        if component.plain(op) and may_wait(op):
            if job.pool is None:
                job.pool = Pool(self._threads)
            moving = [None if t is None or t.constant else self._value(job, t.name) for t in op.inputs]
            outputs, outcome = job.pool.promise(op, moving), Outcome(())
        else:
            inputs = [
                None if t is None else t.value if t.constant else taken(self._value(job, t.name)) for t in op.inputs
            ]
            own = key(self._seed, name, *job.draws, job.call, op.name)
            moment = Moment(now * TICK, own, self._ideal, self._threads)
            outcome = component.compute(op, inputs, self.states[name], moment, recipe.plan)
            outputs = outcome.outputs
        for k, value in enumerate(outputs):
            t = job.shape.ids[i, k]
            if job.users[t]:
                job.values[t] = value
        self._meter.outcome(job, i, outcome)
        if recipe.plan.deployment is not None:
            self._meter.deployed.append(outcome.deployment or recipe.plan.deployment)
        return recipe.setup if outcome.setup is None else ticks(outcome.setup)

    def returned(self, job: Job) -> dict[str, Any]:
        """The numbers of the graph's outputs, by name."""
        values = [job.values[t] for t in job.shape.returned]
        return {tensor.name: taken(value) for tensor, value in zip(job.graph.outputs, values, strict=True)}

    def read(self, job: Job, i: int) -> None:
        """Op i is done with its inputs: forget those that nobody needs any more."""
        for _, t in job.shape.inputs[i]:
            job.users[t] -= 1
            if not job.users[t]:
                del job.values[t]

    def _value(self, job: Job, name: str) -> Any:
        return job.values[job.shape.by_name[name]]
