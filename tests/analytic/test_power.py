"""Clock and power of a processor against closed forms."""

from __future__ import annotations

from typing import Any

import pytest

from hetsim.hardware.component import Plan
from hetsim.hardware.gpu import Gpu, GpuSheet
from hetsim.workload import Op, Tensor

STATIC, RATE, ENERGY = 20.0, 1e13, 10e-12  # W; OP/s and J/OP at 1 GHz, where the voltage is 1 V


def gpu(cap: str = "1 GHz", **changes: Any) -> Gpu:
    """100 W of arithmetic at 1 GHz; the voltage is proportional to the clock from 0.5 GHz on."""
    points = [{"frequency": f"{f} GHz", "voltage": f"{f} V"} for f in (0.5, 1.0, 1.2)]
    return Gpu("gpu", GpuSheet.model_validate({
        "vector": {"fp16": f"{RATE} OP/s"}, "energy": {"fp16": f"{ENERGY} J/OP"}, "static_power": f"{STATIC} W",
        "clock": {"nominal": "1 GHz", "points": points, "cap": cap}, "memory": {"bandwidth": "100 GB/s"},
    } | changes))  # fmt: skip


def op(operations: int, size: int = 8) -> Op:
    """An op of so many operations on so many bytes of fp16."""
    x, y = Tensor("x", (size // 4,)), Tensor("y", (size // 4,))
    return Op("op", "Mul", (x,), (y,), element_ops=operations)


def power(part: Gpu, plan: Plan) -> float:
    joules = sum(step.count * step.joules for step in plan.steps)
    return part.static_power() + joules / plan.fill


HEAVY = op(10**10)


def test_a_part_below_its_limit_runs_at_its_highest_clock() -> None:
    plan = gpu(power_limit="120 W").plan(HEAVY, gpu().residency())
    assert plan == gpu().plan(HEAVY, gpu().residency())
    assert plan.fill == pytest.approx(1e10 / RATE)
    assert power(gpu(), plan) == pytest.approx(STATIC + RATE * ENERGY)


@pytest.mark.parametrize("limit", [100.0, 70.0, 45.0, 32.5])
def test_power_goes_with_the_cube_of_the_clock_while_the_voltage_follows(limit: float) -> None:
    """P = S + R e f^3 with f and V relative to nominal, so f = ((P - S) / (R e))^(1/3)."""
    part = gpu(power_limit=f"{limit} W")
    plan = part.plan(HEAVY, part.residency())
    clock = ((limit - STATIC) / (RATE * ENERGY)) ** (1 / 3)
    assert plan.fill == pytest.approx(1e10 / (RATE * clock), rel=1e-6)
    assert power(part, plan) == pytest.approx(limit, rel=1e-6)


def test_below_the_lowest_voltage_power_goes_with_the_clock() -> None:
    """P = S + R e f (1/2)^2."""
    part = gpu(power_limit="25 W")
    plan = part.plan(HEAVY, part.residency())
    assert plan.fill == pytest.approx(1e10 / (RATE * (25 - STATIC) / (RATE * ENERGY / 4)), rel=1e-6)


def test_a_higher_clock_costs_more_energy_for_the_same_work() -> None:
    fast, slow = gpu("1.2 GHz"), gpu("0.6 GHz")
    joules = [sum(s.count * s.joules for s in p.plan(HEAVY, p.residency()).steps) for p in (slow, gpu(), fast)]
    assert joules == pytest.approx([1e10 * ENERGY * v**2 for v in (0.6, 1.0, 1.2)])
    times = [p.plan(HEAVY, p.residency()).fill for p in (slow, gpu(), fast)]
    assert times == pytest.approx([1e10 / RATE / f for f in (0.6, 1.0, 1.2)])
    assert fast.peaks()["peak_ops_per_s"] == pytest.approx(1.2 * RATE)
    assert fast.peaks()["peak_power_W"] == pytest.approx(STATIC + 1.2**3 * RATE * ENERGY)


def test_an_op_bound_by_memory_does_not_slow_down_with_the_clock() -> None:
    """It needs the arithmetic half of the time: at half the clock and a quarter of the energy it takes as long."""
    size = 10**6
    balanced = op(round(RATE * size / 100e9 / 2), size)
    part = gpu(power_limit="32.5 W")
    plan, free = part.plan(balanced, part.residency()), gpu().plan(balanced, gpu().residency())
    assert power(gpu(), free) == pytest.approx(STATIC + RATE * ENERGY / 2)
    assert plan.fill == pytest.approx(free.fill, rel=1e-6) == size / 100e9
    assert power(part, plan) == pytest.approx(STATIC + RATE * ENERGY / 2 / 4, rel=1e-6)


def test_launches_cool_a_lone_stream() -> None:
    """Ops that take as long as their launches draw half the power, so the limit does not bite."""
    lone = gpu(power_limit="70 W", launch="1 ms")
    assert lone.plan(HEAVY, lone.residency()).fill == pytest.approx(1e10 / RATE)
    busy = gpu(power_limit="70 W", launch="1 ms", streams=2)
    asked = dict(busy.plan(HEAVY, busy.residency()).demands)["gpu.compute"]
    assert asked == pytest.approx(1e10 / 0.5 ** (1 / 3), rel=1e-6)
