"""Why an op was placed where it was: its plan on each component, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetsim.engine.run import Run
from hetsim.engine.trials import prepared
from hetsim.errors import InputError, did_you_mean
from hetsim.hardware.component import Plan
from hetsim.schedulers.scheduler import Decision
from hetsim.units import TICK

if TYPE_CHECKING:
    from hetsim.engine.job import Job
    from hetsim.scenario import Scenario


def explanation(scenario: Scenario, op: str) -> list[dict[str, Any]]:
    """An entry for each component: its plan for the op, the expected finish, and whether it was chosen.

    The first run of the op in the first request is looked at, with everything placed that was placed before it.
    """
    run = prepared(scenario)
    names = {o.name for graph in run.workload.graphs() for o in graph.ops}
    if op not in names:
        raise InputError.of(f"the workload has no op {op!r}", did_you_mean(op, names))
    place = run.dispatcher.place

    def watch(job: Job, decision: Decision) -> None:
        if job.graph.ops[decision.op].name == op:
            raise _Found(_entries(run, job, decision.op, decision.offer.component))
        place(job, decision)

    run.dispatcher.place = watch  # type: ignore[method-assign]
    try:
        run.go()
    except _Found as found:
        return found.entries
    return []


class _Found(Exception):  # noqa: N818  it ends a run that has answered the question
    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries


def _entries(run: Run, job: Job, i: int, chosen: str) -> list[dict[str, Any]]:
    op, outlook = job.graph.ops[i], run.outlook
    entries = []
    for name, component in run.system.components.items():
        refusal = component.supports(op)
        if refusal:
            entries.append({"component": name, "chosen": False, "reason": refusal})
            continue
        offer = outlook.offer(job, i, name)
        plan = offer.plan
        arrival = outlook.arrival(job, i, name)
        free = max((outlook.free(hold) for hold in plan.holds), default=outlook.now)
        finish = (max(arrival, free) + offer.duration) * TICK
        reason = f"inputs there at {arrival * TICK:.4g} s, free at {free * TICK:.4g} s, expected end {finish:.4g} s"
        if name not in outlook.options(job, i):
            reason = "pinned elsewhere; " + reason
        entries.append({"component": name, "chosen": name == chosen, "reason": reason, **_told(plan),
                        "duration_s": offer.duration * TICK, "energy_J": outlook.joules(job, i, offer)})  # fmt: skip
    return entries


def _told(plan: Plan) -> dict[str, Any]:
    return {
        "holds": list(plan.holds),
        "setup_s": plan.setup,
        "fill_s": plan.fill,
        "interval_s": plan.interval,
        "chunks": plan.chunks,
        "demands": dict(plan.demands),
        "steps": [
            {
                "name": s.name, "count": s.count, "seconds": s.seconds, "joules": s.joules,
                "category": s.category, "component": s.component, "expected": s.expected,
            }
            for s in plan.steps
        ],
    }  # fmt: skip
