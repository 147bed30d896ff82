"""The figures of a run: the object that ``result.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

from hetsim.engine import tenants
from hetsim.engine.meter import covered
from hetsim.engine.run import Run
from hetsim.units import TICK, ticks


def document(run: Run, wall: float) -> dict[str, Any]:
    """Return the result of a run that is over, in plain JSON types (DESIGN section 5)."""
    from hetsim import __version__

    makespan, requests = run.meter.trace.seconds, run.meter.trace.requests
    deployed, alternatives = run.meter.deployed, run.scheduler.alternatives()
    return {
        "schema": "hetsim.result/1",
        "scenario": run.scenario.name,
        "seed": run.scenario.seed,
        "makespan_s": makespan,
        "requests": len(requests),
        "dropped": sum(source.dropped for source in run.sources),
        "throughput_per_s": len(requests) / makespan if makespan else None,
        "latency_s": tenants.latency(run),
        "energy_J": energy(run),
        "deployment": {
            "time_s": fsum(d.seconds for d in deployed),
            "energy_J": fsum(d.joules for d in deployed),
            "pulses": fsum(d.pulses for d in deployed),
        },
        "components": components(run),
        "links": links(run),
        "metrics": metrics(run),
        **({"tenants": tenants.tenants(run)} if run.scenario.workloads else {}),
        "assignments": assignments(run),
        "notes": notes(run),
        **({"alternatives": [dict(each) for each in alternatives]} if alternatives else {}),
        "resolved": run.question.resolved(),
        "simulator": {"events": run.clock.events, "wall_s": wall, "version": __version__},
    }


def energy(run: Run) -> dict[str, Any]:
    """Joules in total, by component and by category; parts add up to the total."""
    parts = run.meter.trace.energy
    by_component: dict[str, list[float]] = {name: [] for name in (*run.system.components, *run.system.links)}
    by_category: dict[str, list[float]] = {}
    for (component, category), joules in parts.items():
        by_component[component].append(joules)
        by_category.setdefault(category, []).append(joules)
    dependent = run.meter.data_dependent(r for _, r in run.outlook.recipes())
    return {
        "total": fsum(parts.values()),
        "static": fsum(by_category.get("static", [])),
        "by_component": {name: fsum(p) for name, p in by_component.items()},
        "by_category": {name: fsum(p) for name, p in sorted(by_category.items())},
        "data_dependent": {f"{component}.{category}": j for (component, category), j in dependent.items()},
    }


def components(run: Run) -> dict[str, dict[str, Any]]:
    """What each component did."""
    makespan, parts = run.meter.trace.seconds, run.meter.trace.energy
    ops = dict.fromkeys(run.system.components, 0)
    for op, recipe in run.outlook.recipes():
        ops[recipe.component] += op.operations * recipe.runs
    paid: dict[str, list[float]] = {}
    for (name, _), j in parts.items():
        paid.setdefault(name, []).append(j)
    peaks: dict[int, Mapping[str, float]] = {}  # by the datasheet: thousands of tiles may have one
    out = {}
    for name, component in run.system.components.items():
        if id(component.sheet) not in peaks:
            peaks[id(component.sheet)] = component.peaks()
        busy = run.meter.busy[run.outlook.index[name]] * TICK
        joules = fsum(paid.get(name, ()))
        out[name] = {
            "busy_s": busy,
            "utilization": busy / makespan if makespan else 0.0,
            "ops": ops[name],
            "energy_J": joules,
            "energy_efficiency_ops_per_J": ops[name] / joules if joules else None,
            **{peak: float(value) for peak, value in peaks[id(component.sheet)].items()},
        }
    return out


def links(run: Run) -> dict[str, dict[str, Any]]:
    """What crossed each link. Busy is the time in which at least one transfer occupied it."""
    trace = run.meter.trace
    number, start, size = (trace.transfers.numpy(c) for c in ("link", "start", "size"))
    out = {}
    for i, (name, link) in enumerate(run.system.links.items()):
        mine = number == i
        kept = {int(n): ticks(link.occupancy(int(n))) for n in set(size[mine].tolist())}
        begins = start[mine]
        busy = covered(begins, begins + [kept[int(n)] for n in size[mine]]) * TICK if kept else 0.0
        out[name] = {
            "bytes": int(size[mine].sum()),
            "busy_s": busy,
            "utilization": min(1.0, busy / trace.seconds) if trace.end else 0.0,
            "energy_J": fsum(j for (place, _), j in trace.energy.items() if place == name),
            **{peak: float(value) for peak, value in link.peaks().items()},
        }
    return out


def metrics(run: Run) -> dict[str, float]:
    """What the workloads score, what the components counted, and what state they are left in."""
    out: dict[str, float] = {}
    for source in run.sources:
        prefix = f"{source.tenant}." if source.tenant else ""
        out.update({prefix + name: value for name, value in tenants.metrics(run, source).items()})
    out.update(tenants.punctuality(run, run.sources))
    for (part, count), value in sorted(run.meter.counts.items()):
        out[f"{part}.{count}"] = value
    if run.numbers is not None:
        for name, component in run.system.components.items():
            report: Mapping[str, float] = component.report(run.numbers.states[name], run.meter.trace.seconds)
            out.update({f"{name}.{metric}": value for metric, value in report.items()})
    out.update(run.dispatcher.stores.report())
    out.update({f"scheduler.{metric}": value for metric, value in run.scheduler.report().items()})
    return {name: float(value) for name, value in out.items()}


def assignments(run: Run) -> dict[str, list[str]]:
    """Op name -> the components that ran it, both in the order in which they are given."""
    ran: dict[str, set[str]] = {op.name: set() for graph in run.graphs for op in graph.ops}
    for op, recipe in run.outlook.recipes():
        if recipe.runs:
            ran[op.name].add(recipe.component)
    order = list(run.system.components)
    return {op: sorted(names, key=order.index) for op, names in ran.items()}


def notes(run: Run) -> list[str]:
    """Remarks for a person who reads the figures."""
    out = [
        remark for source in run.sources
        for remark in source.workload.remarks([source.answers[number] for number in sorted(source.answers)])
    ]  # fmt: skip
    out += run.scheduler.remarks()
    if run.numbers is None:
        dependent = run.meter.data_dependent(r for _, r in run.outlook.recipes())
        for component, category in dependent:
            out.append(f"numerics none: {component}.{category} is the datasheet's expectation, not measured")
    for source in run.sources:
        whose = f"{source.tenant}: " if source.tenant else ""
        if source.dropped:
            out.append(f"{whose}{source.dropped} requests were dropped: the queue was full")
        unfinished = source.asked - source.dropped - source.done
        if unfinished:
            out.append(f"{whose}{unfinished} requests were not done at max_time")
    return out
