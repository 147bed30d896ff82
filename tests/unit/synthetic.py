"""A small run made up by hand, for tests of what comes after the engine."""

from __future__ import annotations

from typing import Any

from hetsim.result import GraphShape, Result, Trace

OPS = ("conv1", "pool1", "conv2", "dense")
PLACES = (1, 0, 1, 0)  # imc, cpu, imc, cpu
DURATION = (40_000_000, 10_000_000, 60_000_000, 25_000_000)  # ticks
JOULES = (3e-6, 8e-6, 5e-6, 2e-5)
HOP, HOP_JOULES, SIZE = 5_000_000, 1e-7, 1024


def trace(requests: int = 6, gap: int = 70_000_000, energy: bool = True) -> Trace:
    """Requests ``gap`` ticks apart run conv1 and conv2 on ``imc``, pool1 and dense on ``cpu``."""
    edges = tuple((i, i + 1) for i in range(len(OPS) - 1))
    made = Trace(["cpu", "imc", "gpu"], ["bus"], [GraphShape("net", OPS, edges)], [f"{op}.out" for op in OPS])
    rows: list[tuple[int, dict[str, Any]]] = []
    hops: list[dict[str, Any]] = []
    for r in range(requests):
        now = r * gap
        for op, (place, length) in enumerate(zip(PLACES, DURATION, strict=True)):
            if op:
                hops.append(
                    {
                        "run": r,
                        "request": r,
                        "tensor": op - 1,
                        "link": 0,
                        "source": PLACES[op - 1],
                        "target": place,
                        "asked": now,
                        "start": now,
                        "end": now + HOP,
                        "size": SIZE,
                        "joules": HOP_JOULES * energy,
                    }
                )
                now += HOP
            rows.append(
                (
                    now + length,
                    {
                        "run": r,
                        "request": r,
                        "call": 0,
                        "graph": 0,
                        "op": op,
                        "component": place,
                        "ready": now,
                        "start": now,
                        "end": now + length,
                        "joules": JOULES[op] * energy,
                    },
                )
            )
            now += length
        for name, value in {"request": r, "arrival": r * gap, "start": r * gap, "end": now}.items():
            made.requests[name].append(value)
        for name, value in {
            "run": r,
            "request": r,
            "call": 0,
            "graph": 0,
            "start": r * gap,
            "end": now,
            "joules": (sum(JOULES) + 3 * HOP_JOULES) * energy,
        }.items():
            made.calls[name].append(value)
    for _, row in sorted(rows, key=lambda pair: pair[0]):
        for name, value in row.items():
            made.spans[name].append(value)
    for row in hops:
        for name, value in row.items():
            made.transfers[name].append(value)
    made.end = max((end for end, _ in rows), default=0)
    if energy and requests:
        made.energy = _energy(made, requests)
    return made


def _energy(made: Trace, n: int) -> dict[tuple[str, str], float]:
    return {
        ("bus", "link"): 3 * n * HOP_JOULES,
        ("cpu", "compute"): n * (JOULES[1] + JOULES[3]),
        ("cpu", "static"): 2.0 * made.seconds,
        ("gpu", "static"): 1.5 * made.seconds,
        ("imc", "adc"): n * 5e-6,
        ("imc", "array"): n * 2e-6,
        ("imc", "dac"): n * 1e-6,
        ("imc", "static"): 0.1 * made.seconds,
    }


def result(requests: int = 6) -> Result:
    """The run above with the figures that the engine would report."""
    made = trace(requests)
    total, static = sum(made.energy.values()), sum(j for (_, c), j in made.energy.items() if c == "static")
    parts = {name: sum(j for (p, _), j in made.energy.items() if p == name) for name in ("cpu", "imc", "gpu", "bus")}
    document = {
        "schema": "hetsim.result/1",
        "scenario": "synthetic",
        "seed": 7,
        "makespan_s": made.seconds,
        "requests": requests,
        "dropped": 0,
        "throughput_per_s": requests / made.seconds,
        "latency_s": {"mean": 1.5e-4, "p50": 1.5e-4, "p95": 1.5e-4, "p99": 1.5e-4, "max": 1.5e-4},
        "energy_J": {
            "total": total,
            "static": static,
            "by_component": parts,
            "by_category": {},
            "data_dependent": {},
        },
        "deployment": {"time_s": 1.25, "energy_J": 0.0034, "pulses": 123456.0},
        "components": {
            name: {
                "busy_s": 1e-4,
                "utilization": 0.25,
                "ops": 20_000_000 if name != "gpu" else 0,
                "energy_J": parts[name],
                "energy_efficiency_ops_per_J": 1e11 if name != "gpu" else None,
            }
            for name in made.components
        },
        "links": {
            "bus": {
                "bytes": 3 * requests * SIZE,
                "busy_s": 9e-5,
                "utilization": 0.18,
                "energy_J": parts["bus"],
            }
        },
        "metrics": {"accuracy": 0.9640, "imc.adc_clipped": 12.0},
        "assignments": {"conv1": ["imc"], "pool1": ["cpu"], "conv2": ["imc"], "dense": ["cpu"]},
        "notes": ["numerics none: imc.array is the datasheet's expectation, not measured"],
        "resolved": {"seed": 7},
        "simulator": {"events": 123, "wall_s": 0.01, "version": "0.1.0"},
    }
    return Result(document, made)
