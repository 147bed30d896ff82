"""Several workloads on one system against queueing theory, and what must hold whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hetsim


def queue(tenants: dict[str, dict[str, Any]], scheduler: str = "greedy", seed: int = 5, **rest: Any) -> Any:
    """One server P1, and for each tenant its traffic and the ``cost`` of its only task."""
    workloads = {
        name: {
            "tasks": {"task": {"cost": {"P1": block["cost"]}, "energy": {"P1": block.get("energy", "0 J")}}},
            "traffic": {key: value for key, value in block.items() if key not in ("cost", "energy")},
        }
        for name, block in tenants.items()
    }
    system = {"components": {"P1": {"kind": "abstract"}}}
    question = {"seed": seed, "system": system, "workloads": workloads, "scheduler": {"kind": scheduler}, **rest}
    return hetsim.simulate(hetsim.load({"numerics": "none", **question}))


def poisson(rate: float, cost: str, requests: int, **rest: Any) -> dict[str, Any]:
    return {"kind": "poisson", "rate": f"{rate} 1/s", "cost": cost, "requests": requests, **rest}


def waits(result: Any, tenant: str) -> np.ndarray:
    """Seconds that each request of a tenant waited, in order of arrival."""
    trace = result.trace
    number, ready, start = (trace.spans.numpy(name) for name in ("request", "ready", "start"))
    mine = number % len(trace.tenants) == trace.tenants.index(tenant)
    order = np.argsort(number[mine])
    return (start - ready)[mine][order] * 1e-12


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of a correlated sequence and its standard error, by batch means."""
    batches = values[: len(values) // 30 * 30].reshape(30, -1).mean(axis=1)
    return float(values.mean()), float(batches.std(ddof=1) / np.sqrt(30))


def test_poisson_streams_of_two_tenants_wait_as_one_m_d_1() -> None:
    """Superposed Poisson streams are one [Pollaczek 1930, Khinchine 1932]: W = λ E[S²] / 2 (1 - ρ), for both alike."""
    result = queue({"a": poisson(20, "10 ms", 20_000), "b": poisson(40, "10 ms", 40_000)})
    load = 0.6
    for tenant in ("a", "b"):
        mean, error = mean_and_error(waits(result, tenant))
        assert mean == pytest.approx(load * 0.010 / (2 * (1 - load)), abs=4 * error)
        assert error < 0.1 * mean


def test_tenants_of_unequal_service_wait_as_m_g_1() -> None:
    result = queue({"short": poisson(40, "5 ms", 40_000), "long": poisson(10, "40 ms", 10_000)})
    residual, load = (40 * 0.005**2 + 10 * 0.040**2) / 2, 0.6
    for tenant in ("short", "long"):
        mean, error = mean_and_error(waits(result, tenant))
        assert mean == pytest.approx(residual / (1 - load), abs=4 * error)
        assert error < 0.1 * mean


def test_priorities_wait_as_cobham_says() -> None:
    """Two classes, first come first served within each, nothing interrupted [Cobham 1954]."""
    tenants = {"low": poisson(10, "40 ms", 10_000), "high": poisson(40, "5 ms", 40_000, priority=1)}
    result = queue(tenants, "priority")
    residual, load_high, load = (40 * 0.005**2 + 10 * 0.040**2) / 2, 0.2, 0.6
    expected = {"high": residual / (1 - load_high), "low": residual / (1 - load_high) / (1 - load)}
    for tenant, wait in expected.items():
        mean, error = mean_and_error(waits(result, tenant))
        assert mean == pytest.approx(wait, abs=4 * error), tenant
        assert error < 0.1 * mean


def test_a_tenant_of_high_priority_is_held_up_by_one_op_of_others_at_most() -> None:
    high, block = poisson(50, "8 ms", 2_000, priority=1), 0.025
    alone = waits(queue({"high": high}, "priority"), "high")
    low = {"low": {"kind": "closed", "concurrency": 3, "requests": 4_000, "cost": f"{block} s"}}
    shared = waits(queue({"high": high, **low}, "priority"), "high")
    late = shared - alone
    assert late.min() >= 0 and late.max() <= block + 1e-12
    assert late.max() > 0.9 * block  # and so much it is
    first_come = waits(queue({"high": high, **low}), "high") - alone
    assert first_come.max() > 2 * block


def test_the_earliest_deadline_first_meets_what_first_come_first_served_misses() -> None:
    """At t = 0 four slow requests due after 10 s and, behind them, two of 1 s due after 5 s."""
    tenants = {
        "slow": {"requests": 4, "cost": "2 s", "deadline": "10 s"},
        "quick": {"requests": 2, "cost": "1 s", "deadline": "5 s"},
    }
    first_come, edf = queue(tenants).document, queue(tenants, "edf").document
    assert first_come["makespan_s"] == edf["makespan_s"] == 10
    assert [first_come["metrics"][f"{name}.deadline_misses"] for name in tenants] == [0, 2]
    assert [edf["metrics"][f"{name}.deadline_misses"] for name in tenants] == [0, 0]
    assert first_come["metrics"]["deadline_misses"] == 2
    assert first_come["metrics"]["deadline_miss_rate"] == pytest.approx(2 / 6)
    assert first_come["tenants"]["quick"]["metrics"] == {"deadline_misses": 2, "deadline_miss_rate": 1}
    assert edf["tenants"]["quick"]["latency_s"]["max"] == 4  # the first slow one had begun


def test_what_the_tenants_have_adds_up() -> None:
    tenants = {
        "a": poisson(50, "10 ms", 400, energy="2 J", queue=4, deadline="30 ms"),
        "b": {"kind": "closed", "concurrency": 2, "requests": 300, "cost": "7 ms", "energy": "1 J"},
        "c": {"kind": "trace", "times": ["0 s", "1 s"], "cost": "1 s", "energy": "5 J", "deadline": "10 s"},
    }
    found = queue(tenants).document
    parts = found["tenants"].values()
    assert sum(p["requests"] for p in parts) == found["requests"]
    assert sum(p["dropped"] for p in parts) == found["dropped"] > 0
    assert found["requests"] + found["dropped"] == 702
    assert sum(p["throughput_per_s"] for p in parts) == pytest.approx(found["throughput_per_s"], rel=1e-12)
    assert sum(p["energy_J"]["dynamic"] for p in parts) == pytest.approx(found["energy_J"]["total"], rel=1e-12)
    assert sum(p["energy_J"]["share"] for p in parts) == pytest.approx(1, rel=1e-12)
    assert sum(p["busy_s"]["P1"] for p in parts) == pytest.approx(found["components"]["P1"]["busy_s"], rel=1e-12)
    assert max(p["end_s"] for p in parts) == found["makespan_s"]
    misses = [found["metrics"][f"{name}.deadline_misses"] for name in "ac"]
    assert sum(misses) == found["metrics"]["deadline_misses"] > 0
    mean = sum(p["requests"] * p["latency_s"]["mean"] for p in parts) / found["requests"]
    assert mean == pytest.approx(found["latency_s"]["mean"], rel=1e-12)


def test_each_tenant_has_its_own_warmup_and_arrivals() -> None:
    tenants = {"a": poisson(50, "1 us", 100), "b": poisson(50, "1 us", 100)}
    result = queue(tenants, warmup=99)
    number, arrival, end = (result.trace.requests.numpy(name) for name in ("request", "arrival", "end"))
    last = {name: number == 2 * 99 + k for k, name in enumerate("ab")}
    for name, mine in last.items():
        assert result.document["tenants"][name]["latency_s"]["max"] == (end - arrival)[mine][0] * 1e-12
    times = [np.sort(arrival[number % 2 == k]) for k in range(2)]
    assert not np.array_equal(*times)
    alone = queue({"b": tenants["b"]}).trace.requests.numpy("arrival")
    assert np.array_equal(np.sort(alone), times[1])  # whoever else is there
