"""Trials: runs of a scenario that a policy asks for before the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hetsim.engine.deviation import samples
from hetsim.engine.job import Job
from hetsim.engine.run import Options, Progress, Run
from hetsim.engine.summary import energy, metrics
from hetsim.engine.tenants import latency
from hetsim.engine.traffic import sources
from hetsim.scenario import Scenario
from hetsim.schedulers.fixed import Fixed
from hetsim.schedulers.scheduler import Decision, Scheduler
from hetsim.schedulers.trials import Places, Sample
from hetsim.workload import Graph, Op, Workload


def prepared(scenario: Scenario, progress: Progress | None = None, workload: Workload | None = None) -> Run:
    """A run of a scenario, with all tried that its policy wants to try before it; ``workload`` in place of its own."""
    workload, scheduler = scenario.check(workload), scenario.build_scheduler()
    changed = scenario
    if scheduler.prepares:
        changes = scheduler.prepare(Trials(scenario, workload))
        changed = scenario.changed(changes) if changes else scenario
    run = Run(changed, progress, workload=workload, scheduler=scheduler)
    run.question = scenario
    return run


class Trials:
    """What `schedulers.scheduler.Trials` promises."""

    def __init__(self, scenario: Scenario, workload: Workload) -> None:
        self._scenario, self._workload = scenario, workload
        self._system = scenario.system()
        self.components = tuple(self._system.components)
        self._shaping = scenario.shaping(self._system)
        self.graphs: Sequence[Graph] = [self._shaping.graph(graph) for graph in workload.graphs()]
        self._options = Options(self._shaping.pin, self._system)

    def options(self, graph: Graph, op: int) -> Sequence[str]:
        return self._options[graph.ops[op]]

    def of(
        self, scheduler: Scheduler[Any], *, requests: int | None = None, numbers: bool = False
    ) -> tuple[Mapping[str, float], dict[Graph, Places]]:
        run = self._run(scheduler, requests, numbers)
        first: dict[Graph, tuple[Job, list[Decision]]] = {}
        place = run.dispatcher.place

        def watched(job: Job, decision: Decision) -> None:
            if first.setdefault(job.graph, (job, []))[0] is job:
                first[job.graph][1].append(decision)
            place(job, decision)

        run.dispatcher.place = watched  # type: ignore[method-assign]
        run.go()
        return figures(run), {graph: _places(graph, decisions) for graph, (_, decisions) in first.items()}

    def placed(
        self, places: Mapping[Graph, Places], *, requests: int | None = None, numbers: bool = False
    ) -> Mapping[str, float]:
        run = self._run(Fixed(places), requests, numbers)
        run.go()
        return figures(run)

    def changed(self, changes: Mapping[str, Any]) -> Trials:
        scenario = self._scenario.changed(changes)
        return Trials(scenario, scenario.build_workload())

    def samples(self) -> Mapping[tuple[str, str], Sample]:
        """Without numbers there are no errors."""
        scenario = self._scenario
        if scenario.numerics == "none":
            return {(op.name, n): Sample(0.0, self._joules(op, n)) for g in self.graphs for op in g.ops
                    for n in self._options[op]}  # fmt: skip
        requests = [s.next() for s in sources(scenario, self._workload) for _ in range(s.total)]
        ideal = scenario.numerics == "ideal"
        return samples(self._workload, self._system, self._shaping, self._options, requests, scenario.seed, ideal)

    def _joules(self, op: Op, name: str) -> float:
        part = self._system.components[name]
        return sum(step.count * step.joules for step in part.plan(op, part.residency()).steps)

    def _run(self, scheduler: Scheduler[Any], requests: int | None, numbers: bool) -> Run:
        asked = self._scenario if requests is None else self._scenario.shortened(requests, self._workload)
        needed = any(
            part.decides and getattr(part.sheet, "expected_iterations", None) is None
            for part in self._workload.tenants.values()
        )
        if not numbers and not needed:
            asked = asked.model_copy(update={"numerics": "none"})
        return Run(asked, workload=self._workload, scheduler=scheduler, shaping=self._shaping)


def _places(graph: Graph, decisions: Sequence[Decision]) -> Places:
    """Where decisions put the ops, in order of their starts."""
    components = [""] * len(graph.ops)
    for decision in decisions:
        components[decision.op] = decision.offer.component
    starts = {d.op: d.start for d in decisions}
    order = sorted(starts, key=lambda op: (starts[op], op))
    return Places(components, order)


def figures(run: Run) -> Mapping[str, float]:
    """The figures of a run that objectives speak of (`schedulers.objective.FIGURES`)."""
    makespan, spent, scores, joules = run.meter.trace.seconds, latency(run), metrics(run), energy(run)
    total = joules["total"]
    found = {"makespan": makespan, "energy": total, "energy_delay": makespan * total}
    found["dynamic_energy"] = total - joules["static"]
    found["throughput"] = len(run.meter.trace.requests) / makespan if makespan else 0.0
    if spent is not None:
        found |= {"latency": spent["mean"], "p50": spent["p50"], "p95": spent["p95"], "p99": spent["p99"]}
    found |= {name: scores[name] for name in ("accuracy", "deadline_misses") if name in scores}
    worn = max((value for name, value in scores.items() if name.endswith(".wear")), default=0.0)
    found["lifetime"] = makespan / worn if worn else float("inf")
    return found
