"""What each tenant had of a run: its requests, its time, its share of the energy."""

from __future__ import annotations

from math import fsum
from typing import Any

from hetsim.engine.meter import covered
from hetsim.engine.run import Run
from hetsim.engine.traffic import Source
from hetsim.units import TICK, ticks


def tenants(run: Run) -> dict[str, dict[str, Any]]:
    """By tenant its part of the result; counts, throughputs and dynamic energies add up to those of the run.

    ``energy_J.dynamic`` is that of its ops and transfers, without static power and what stored weights before t = 0;
    ``busy_s`` of a component is the time in which at least one of its ops ran there.
    """
    spent = {source.tenant: _joules(run, source) for source in run.sources}
    total = fsum(spent.values())
    makespan = run.meter.trace.seconds
    return {
        source.tenant: {
            "requests": source.done,
            "dropped": source.dropped,
            "throughput_per_s": source.done / makespan if makespan else None,
            "end_s": _end(run, source),
            "latency_s": latency(run, source),
            "energy_J": {"dynamic": joules, "share": joules / total if total else None},
            "busy_s": _busy(run, source),
            "metrics": metrics(run, source),
        }
        for source, joules in zip(run.sources, spent.values(), strict=True)
    }


def latency(run: Run, source: Source | None = None) -> dict[str, float] | None:
    """Seconds from a request's arrival to its end, of one tenant or of all, without the first ``warmup`` of each."""
    import numpy as np

    requests, count = run.meter.trace.requests, len(run.sources)
    number, spent = requests.numpy("request"), requests.numpy("end") - requests.numpy("arrival")
    counted = number // count >= run.scenario.warmup
    if source is not None:
        counted &= number % count == source.position
    spent = spent[counted] * TICK
    if not len(spent):
        return None
    p50, p95, p99 = (float(np.percentile(spent, p)) for p in (50, 95, 99))
    return {"mean": float(spent.mean()), "p50": p50, "p95": p95, "p99": p99, "max": float(spent.max())}


def metrics(run: Run, source: Source) -> dict[str, float]:
    """What a tenant's workload scores, and its punctuality."""
    answers = [source.answers[number] for number in sorted(source.answers)]
    scores = dict(source.workload.score(answers)) if answers else {}
    found = {**scores, **punctuality(run, [source])}
    return {name: float(value) for name, value in found.items()}


def punctuality(run: Run, sources: list[Source]) -> dict[str, float]:
    """``deadline_misses``: requests of some tenants with a deadline that did not end in time, and their share of those.

    A request that was dropped, or that ``max_time`` left open, has missed its deadline.
    """
    due = {source.position: source.traffic.due for source in sources if source.traffic.deadline is not None}
    asked = sum(source.asked for source in sources if source.position in due)
    if not due:
        return {}
    requests, count, met = run.meter.trace.requests, len(run.sources), 0
    for number, arrival, end in zip(requests["request"], requests["arrival"], requests["end"], strict=True):
        own, position = divmod(number, count)
        limit = due[position](own) if position in due else None
        met += limit is not None and end - arrival <= ticks(limit)
    return {"deadline_misses": asked - met, "deadline_miss_rate": 1 - met / asked if asked else 0.0}


def _end(run: Run, source: Source) -> float:
    """When the tenant's last request was done."""
    requests = run.meter.trace.requests
    number, end = requests.numpy("request"), requests.numpy("end")
    return float(end[number % len(run.sources) == source.position].max(initial=0) * TICK)


def _joules(run: Run, source: Source) -> float:
    trace, count = run.meter.trace, len(run.sources)
    parts = []
    for table in (trace.spans, trace.transfers):
        parts.append(fsum(table.numpy("joules")[table.numpy("request") % count == source.position]))
    return fsum(parts)


def _busy(run: Run, source: Source) -> dict[str, float]:
    spans = run.meter.trace.spans
    request, component, start, end = (spans.numpy(name) for name in ("request", "component", "start", "end"))
    mine = request % len(run.sources) == source.position
    return {
        name: covered(start[on], end[on]) * TICK
        for k, name in enumerate(run.system.components) if (on := mine & (component == k)).any()
    }  # fmt: skip
