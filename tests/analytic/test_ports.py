"""Shared-rate ports against queueing theory: processor sharing, Little's law, and the latency of a loaded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hetsim
from hetsim.engine.clock import Clock
from hetsim.engine.ports import Port
from hetsim.units import ticks

SERVICE = 1e-3  # seconds of a mean demand that is alone


def stays(demands: np.ndarray, load: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrival and departure, in seconds, of demands that come to a port at random."""
    at = np.cumsum(np.random.default_rng(seed).exponential(SERVICE / load, len(demands)))
    clock, left = Clock(None), np.zeros(len(demands))
    port = Port("p", 1 / SERVICE, clock)

    def done(k: int) -> None:
        left[k] = clock.now * 1e-12

    for k, time in enumerate(at):
        clock.alarm(ticks(time), lambda k: port.join(demands[k], done, k), k)
    clock.run()
    assert port.served == pytest.approx(demands.sum())
    return at, left


def batched(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of a correlated sequence."""
    batches = values[: len(values) // 30 * 30].reshape(30, -1).mean(axis=1)
    return values.mean(), batches.std(ddof=1) / np.sqrt(30)


@pytest.mark.parametrize("kind", ["fixed", "exponential", "mixed"])
@pytest.mark.parametrize("load", [0.3, 0.7])
def test_the_mean_stay_at_a_shared_port_depends_on_the_mean_demand_alone(kind: str, load: float) -> None:
    """M/G/1 processor sharing: service / (1 - load), whatever the distribution [Kleinrock 1976, section 4.4]."""
    count, random = 20_000, np.random.default_rng(4)
    made = {"fixed": np.ones(count), "exponential": random.exponential(1, count),
            "mixed": random.choice([0.25, 3.25], count, p=[0.75, 0.25])}  # fmt: skip
    at, left = stays(made[kind], load, 6)
    mean, error = batched(left - at)
    assert mean == pytest.approx(SERVICE / (1 - load), abs=4 * error)
    assert error < 0.07 * mean


def test_a_long_demand_stays_in_proportion() -> None:
    """The mean stay of a demand x is x / (1 - load): nobody pays for being long beyond that."""
    demands = np.random.default_rng(8).choice([0.25, 3.25], 40_000, p=[0.75, 0.25])
    at, left = stays(demands, 0.6, 9)
    for size in (0.25, 3.25):
        mean, error = batched((left - at)[demands == size])
        assert mean == pytest.approx(size * SERVICE / 0.4, abs=4 * error)


def test_littles_law_holds_at_a_shared_port() -> None:
    """L = rate x stay, and the number at the port is geometric: P(n) = (1 - load) load^n."""
    at, left = stays(np.random.default_rng(1).exponential(1, 40_000), 0.6, 2)
    times = np.random.default_rng(3).uniform(0, at[-1], 100_000)
    number = np.searchsorted(at, times, "right") - np.searchsorted(np.sort(left), times, "right")
    assert number.mean() == pytest.approx(len(at) / at[-1] * (left - at).mean(), abs=4 * number.std() / 1e5**0.5)
    for n in range(4):
        assert (number == n).mean() == pytest.approx(0.4 * 0.6**n, abs=0.02)


def loaded(load: float, requests: int) -> tuple[np.ndarray, float]:
    """Latencies of reads of a DRAM at random times, and that of one that is alone."""
    elements, rate = 1 << 18, 10e9
    service = 2 * 4 * elements / rate
    scenario: dict[str, Any] = {
        "seed": 11,
        "system": {
            "host": "gpu",
            "components": {
                "gpu": {
                    "kind": "gpu", "format": "fp32", "vector": {"fp32": "1000 TFLOP/s"}, "streams": 400,
                    "energy": {"fp32": "1 pJ/OP"}, "memory": "dram",
                },
                "dram": {"kind": "memory", "bandwidth": f"{rate} B/s", "latency": "80 ns"},
            },
        },
        "workload": {"input": [elements], "layers": [{"op": "Relu"}]},
        "traffic": {"kind": "poisson", "rate": f"{load / service} 1/s", "requests": requests}, "numerics": "none",
    }  # fmt: skip
    requested = hetsim.simulate(hetsim.load(scenario)).trace.requests
    found = np.array(requested["end"]) - np.array(requested["arrival"])
    return found[np.argsort(requested["arrival"])] * 1e-12, service


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_latency_of_a_dram_rises_with_the_offered_load(load: float) -> None:
    """The datasheet has the idle latency and the bandwidth alone: idle + service / (1 - load) comes out."""
    latencies, service = loaded(load, 12_000)
    mean, error = batched(latencies)
    assert mean == pytest.approx(80e-9 + service / (1 - load), abs=4 * error)
    assert error < 0.15 * mean
    assert latencies.min() == pytest.approx(80e-9 + service, rel=1e-6)
