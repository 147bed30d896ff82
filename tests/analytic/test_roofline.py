"""Processors against the roofline [Williams 2009]: its corner, its two slopes, what overhead adds."""

from __future__ import annotations

import pytest

from hetsim.hardware.cpu import Cpu, CpuSheet
from hetsim.workload import Op, Tensor

RATE, BANDWIDTH, LAUNCH = 2e12, 1e11, 5e-6
PART = Cpu("cpu", CpuSheet.model_validate({
    "vector": {"fp32": "4 TFLOP/s"}, "efficiency": 0.5, "launch": "5 us",
    "memory": {"bandwidth": "125 GB/s", "efficiency": 0.8}, "energy": {"fp32": "1 pJ/OP"},
}))  # fmt: skip
RIDGE = RATE / BANDWIDTH  # operations a byte at which both limits meet


def rate(intensity: float, size: int) -> float:
    """Operations a second, launch left out, of an op that moves ``size`` bytes."""
    operations = round(intensity * size)
    op = Op("op", "Mul", (Tensor("x", (size // 8,)),), (Tensor("y", (size // 8,)),), element_ops=operations)
    plan = PART.plan(op, PART.residency())
    return operations / plan.fill


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0, 2.0, 10.0, 100.0])
def test_attained_rate_is_the_lower_of_the_two_roofs(share: float) -> None:
    expected = min(RATE, BANDWIDTH * RIDGE * share)
    assert rate(RIDGE * share, 800_000) == pytest.approx(expected, rel=1e-9)


def test_the_corner_is_where_both_limits_meet() -> None:
    below, above = rate(RIDGE * 0.999, 8_000_000), rate(RIDGE * 1.001, 8_000_000)
    assert below == pytest.approx(RATE, rel=1.1e-3)
    assert below < above == pytest.approx(RATE)


def test_small_ops_are_bound_by_their_launch() -> None:
    op = Op("op", "Neg", (Tensor("x", (1,)),), (Tensor("y", (1,)),), element_ops=1)
    plan = PART.plan(op, PART.residency())
    assert plan.setup + plan.fill == pytest.approx(LAUNCH, rel=1e-4)


def test_batch_one_products_are_bound_by_bandwidth_and_large_ones_by_compute() -> None:
    """A dense layer n x n on b vectors does 2 b n^2 operations on about 4 n^2 bytes: intensity b / 2."""
    n = 4096

    def seconds(batch: int) -> float:
        x, w, y = Tensor("x", (batch, n)), Tensor("w", (n, n), constant=True), Tensor("y", (batch, n))
        return PART.plan(Op("fc", "MatMul", (x, w), (y,), macs=batch * n * n), PART.residency()).fill

    assert seconds(1) == pytest.approx(4 * n * n / BANDWIDTH, rel=1e-3)
    assert seconds(2) == pytest.approx(seconds(1), rel=1e-3)  # twice the work in the same time
    assert seconds(400) == pytest.approx(2 * 400 * n * n / RATE, rel=1e-9)


# --- the hierarchy ---

CACHED = Cpu("cpu", CpuSheet.model_validate({
    "vector": {"fp32": "4 TFLOP/s"}, "efficiency": 0.5, "energy": {"fp32": "1 pJ/OP"},
    "caches": [{"capacity": "100 kB", "bandwidth": "1 TB/s"}, {"capacity": "10 MB", "bandwidth": "400 GB/s"}],
    "memory": {"bandwidth": "125 GB/s", "efficiency": 0.8},
}))  # fmt: skip


@pytest.mark.parametrize(("size", "bandwidth"), [(80_000, 1e12), (800_000, 4e11), (80_000_000, BANDWIDTH)])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0, 2.0])
def test_each_level_has_its_own_roof(size: int, bandwidth: float, share: float) -> None:
    """The working set decides which bandwidth bounds an op [Ilic 2014]."""
    ridge = RATE / bandwidth
    operations = round(share * ridge * size)
    op = Op("op", "Mul", (Tensor("x", (size // 8,)),), (Tensor("y", (size // 8,)),), element_ops=operations)
    assert operations / CACHED.plan(op, CACHED.residency()).fill == pytest.approx(min(RATE, RATE * share), rel=1e-4)


def test_weights_come_from_the_memory_however_small_they_are() -> None:
    x, w, y = Tensor("x", (1, 64)), Tensor("w", (64, 64), constant=True), Tensor("y", (1, 64))
    fill = CACHED.plan(Op("fc", "MatMul", (x, w), (y,), macs=64 * 64), CACHED.residency()).fill
    assert fill == pytest.approx(4 * 64 * 64 / BANDWIDTH)
