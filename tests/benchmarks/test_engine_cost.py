"""What the engine costs: bare SimPy timeouts for each (request, op), at 1,000 and at 100,000 requests, and memory.

Run with `make bench`. Everything is measured in one run, floor and engine in turn, so that a noisy machine slows
both; the figures are printed, never asserted.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

import pytest
import simpy

import hetsim
from hetsim.engine.run import Run

TIMING = ["numerics=none", "traffic.kind=closed", "traffic.concurrency=4"]


def bare_timeout(count: int = 100_000) -> float:
    """Seconds of one timeout of a bare SimPy process."""

    def process(env: simpy.Environment) -> Any:
        for _ in range(count):
            yield env.timeout(1)

    env = simpy.Environment()
    env.process(process(env))
    started = time.process_time()
    env.run()
    return (time.process_time() - started) / count


def engine(name: str, requests: int, *sets: str) -> float:
    """Seconds for each (request, op) of a timing-only run."""
    run = Run(hetsim.load(name, [*TIMING, f"traffic.requests={requests}", *sets]))
    started = time.process_time()
    run.go()
    return (time.process_time() - started) / len(run.meter.trace.spans)


@pytest.mark.parametrize("name", ["mnist_heterogeneous", "mnist_streaming"])
@pytest.mark.parametrize("scheduler", ["heft", "greedy"])
def test_timeouts_per_op(name: str, scheduler: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine(name, 100)  # imports, plans
    ratios = []
    for _ in range(7):
        floor = bare_timeout()
        cost = engine(name, 1000, f"scheduler.kind={scheduler}")
        ratios.append(2 * cost / (floor + bare_timeout()))
    with capsys.disabled():
        told = ", ".join(f"{r:.1f}" for r in sorted(ratios))
        print(f"\n{name}, {scheduler}: {statistics.median(ratios):.1f} timeouts per op (aim 25; {told})")


@pytest.mark.parametrize("name", ["mnist_heterogeneous", "mnist_streaming"])
def test_a_long_run_costs_the_same_per_request(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ratios = []
    for _ in range(3):
        cost: dict[int, list[float]] = {1000: [], 100_000: []}
        for requests in (1000, 100_000, 1000):
            floor = bare_timeout()
            spent = engine(name, requests)
            cost[requests].append(2 * spent / (floor + bare_timeout()))
        ratios.append(cost[100_000][0] / statistics.mean(cost[1000]))
    with capsys.disabled():
        told = ", ".join(f"{r:.2f}" for r in sorted(ratios))
        print(f"\n{name}: at 100,000 requests an op costs {statistics.median(ratios):.2f} of 1,000 (aim 1.15; {told})")


MEMORY = """
import sys, hetsim
result = hetsim.simulate(hetsim.load(sys.argv[1], {sets!r} + ["traffic.requests=" + sys.argv[2]]))
# not ru_maxrss: a child inherits its parent's
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, len(result.trace.spans))
"""


def test_memory_per_op(capsys: pytest.CaptureFixture[str]) -> None:
    def peak(requests: int) -> tuple[int, int]:
        command = [sys.executable, "-c", MEMORY.format(sets=TIMING), "mnist_heterogeneous", str(requests)]
        kib, ops = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return int(kib) * 1024, int(ops)

    (low, few), (high, many) = peak(1000), peak(40_000)
    with capsys.disabled():
        print(f"\npeak memory grows by {(high - low) / (many - few):.0f} B per op run (aim under 1024)")
