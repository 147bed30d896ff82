"""The vector unit: a small roofline close to its memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operands import matmul, op, random
from sheets import dram

from hetsim.hardware.component import Moment
from hetsim.hardware.vector import VectorSheet, VectorUnit


def vector(**changes: Any) -> VectorUnit:
    """8 lanes at 1 GHz, 4 GB/s, fp16."""
    sheet = {
        "lanes": 8, "frequency": "1 GHz", "launch": "1 us", "energy": "1 pJ/OP",
        "memory": {"bandwidth": "4 GB/s", "latency": "50 ns", "energy": "2 pJ/B"},
    }  # fmt: skip
    return VectorUnit("unit", VectorSheet.model_validate(sheet | changes))


SUM, VALUES = op("Add", [random((1000,), seed=1), random((1000,), seed=2)], (1000,))


def test_accumulating_is_bound_by_memory_or_by_lanes() -> None:
    plan = vector().plan(SUM, vector().residency())
    assert plan.setup == pytest.approx(1.05e-6)
    assert plan.fill == pytest.approx(3 * 1000 * 2 / 4e9)
    near = vector(memory={"bandwidth": "1 TB/s"})
    assert near.plan(SUM, near.residency()).fill == pytest.approx(125e-9)
    spent = {step.name: step.count * step.joules for step in plan.steps}
    assert spent == {"launch": 0.0, "element-wise": pytest.approx(1e-9), "move": pytest.approx(12e-9)}


def test_a_shared_memory_is_asked_for_the_bytes() -> None:
    part = vector(memory="dram")
    part.bind({"dram": dram()})
    plan = part.plan(SUM, part.residency())
    assert plan.demands == (("dram.port", 6000.0),)
    assert plan.fill == pytest.approx(125e-9)
    assert {step.component for step in plan.steps if step.category == "memory"} == {"dram"}


def test_it_runs_what_it_lists() -> None:
    assert vector().supports(SUM) == ""
    assert vector(kinds=["Relu"]).supports(SUM) == "has no unit for Add"
    assert vector().supports(matmul()[0]) == "has no unit for MatMul"


def test_numbers_are_rounded_to_its_format() -> None:
    part = vector()
    (y,) = part.compute(SUM, VALUES, None, Moment(0.0, 1), part.plan(SUM, part.residency())).outputs
    half = VALUES[0].astype(np.float16).astype(np.float32) + VALUES[1].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(y, half.astype(np.float16).astype(np.float32))


def test_peaks() -> None:
    peaks = vector().peaks()
    assert peaks["peak_ops_per_s"] == 8e9
    assert peaks["peak_power_W"] == pytest.approx(8e-3 + 8e-3)
