"""Digital accelerators: what an op takes on a systolic and on a spatial array, and their integer arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from operands import conv, dense, matmul, op, pool, random
from sheets import dram, systolic

from hetsim.hardware.component import Component, Moment, Plan
from hetsim.hardware.systolic import SystolicSheet
from hetsim.numerics import run
from hetsim.workload import Cost, Op, Tensor

NOW = Moment(0.0, 1)


def planned(part: Component, case: Op) -> Plan:
    return part.plan(case, part.residency())


def counts(plan: Plan) -> dict[str, float]:
    return {step.name: step.count for step in plan.steps}


def test_a_small_product_streams_through_one_tile() -> None:
    case, _ = matmul(batch=10, taken=8, made=4)
    plan = planned(systolic(), case)
    assert plan.setup == 1e-6
    assert plan.fill == pytest.approx((8 + 10 + 8 + 4 - 2) * 1e-9 + 32 / 50e9)  # nothing to do while the weights come
    assert plan.holds == ("npu.array",)
    assert counts(plan) == {
        "launch": 1, "load_weights": 32, "matrix_multiply": 320, "buffer": 80 + 40
    }  # fmt: skip
    assert plan.output_bytes == (40,)


def test_large_layers_span_tiles_and_wait_for_accumulators() -> None:
    case, _ = matmul(batch=40, taken=20, made=10)  # 3 x 3 tiles; 16 vectors at a time: passes of 16, 16, 8
    plan = planned(systolic(), case)
    cycles = 8 + 9 * (16 + 16) + 9 * 8 + 10
    assert plan.fill == pytest.approx(cycles * 1e-9 + 600 / 50e9 / 27)  # a first fetch for 27 tiles' passes
    assert counts(plan)["load_weights"] == 3 * 200
    assert counts(plan)["buffer"] == 3 * 40 * 20 + 400  # inputs are read for each column of tiles
    flat, _ = matmul(batch=40, taken=8, made=10)  # one row of tiles: sums leave as they come
    assert counts(planned(systolic(), flat))["load_weights"] == 80


def test_weights_bound_the_time_when_memory_is_slow() -> None:
    slow = systolic(memory={"bandwidth": "1 MB/s"})
    case, _ = matmul(batch=10, taken=8, made=4)
    assert planned(slow, case).fill == pytest.approx(32 / 1e6 + 28e-9)
    part, memory = systolic(memory="dram"), dram()
    part.bind({"dram": memory})
    plan = planned(part, case)
    assert plan.demands == (("dram.port", 32.0),)
    assert plan.fill == pytest.approx(28e-9)
    assert next(s for s in plan.steps if s.name == "load_weights").component == "dram"


def test_groups_are_tiles_of_their_own() -> None:
    case, _ = conv(image=(1, 4, 6, 6), kernel=(4, 1, 3, 3))  # 4 groups of 9 x 1: two tiles each
    plan = planned(systolic(accumulators="4 KiB"), case)
    assert plan.fill == pytest.approx((8 + 8 * 16 + 10) * 1e-9 + 36 / 50e9 / 8)
    assert counts(plan)["load_weights"] == 36


def test_element_wise_work_goes_at_the_activation_units_rate() -> None:
    case, _ = pool((2, 4, 8, 8))
    plan = planned(systolic(), case)
    assert plan.fill == pytest.approx(case.element_ops / 4 * 1e-9)
    assert "matrix_multiply" not in counts(plan)
    fused, _ = matmul(batch=10, taken=8, made=4)
    busy = Op(*(getattr(fused, f) for f in ("name", "kind", "inputs", "outputs", "attributes")), "Relu",
              fused.macs, 4000, fused.matrix)  # fmt: skip
    assert planned(systolic(), busy).fill == pytest.approx(1000e-9)


def test_energy_counts_multiplications_lanes_and_bytes() -> None:
    case, _ = dense(batch=10, taken=8, made=4)
    spent = {s.name: s.count * s.joules for s in planned(systolic(), case).steps}
    assert spent["matrix_multiply"] == pytest.approx(320 * 2 * 0.5e-12)
    assert spent["activate"] == pytest.approx(40 * 1e-12)
    assert spent["buffer"] == pytest.approx(120 * 2e-12)
    assert spent["load_weights"] == pytest.approx(32 * 10e-12)


def test_reasons_for_refusing() -> None:
    part = systolic()
    assert part.supports(matmul()[0]) == part.supports(pool()[0]) == ""
    assert "float64" in part.supports(matmul(dtype="float64")[0])
    assert "exact" in part.supports(op("Add", [random((4,))] * 2, (4,), exact=True)[0])
    both, _ = op("MatMul", [random((4, 4))] * 2, (4, 4))
    assert part.supports(both) == "has no unit for MatMul without constant weights"
    assert (
        part.supports(op("Softmax", [random((4, 4))], (4, 4))[0]) == "has no unit for Softmax without constant weights"
    )
    assert "exceed its buffer of 65536 B" in part.supports(op("Relu", [random((40_000,))], (40_000,))[0])
    deep = Op("mm", "MatMul", (), (Tensor("y", (1, 1)),), matrix=matmul(1, 140_000, 1)[0].matrix)
    assert "overflow its 32-bit" in systolic(buffer="1 MiB").supports(deep)
    assert "not a Task" in part.supports(Op("t", "Task", (), (Tensor("y", (1,), "byte"),), cost={"npu": Cost(1.0)}))


def int8(x: np.ndarray, axis: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    scale = np.abs(x).max(axis=axis, keepdims=True) / np.float32(127)
    return np.rint(x / scale).astype(np.int64), scale


@pytest.mark.parametrize("bias", [True, False])
def test_numbers_are_int8_products_summed_exactly(bias: bool) -> None:
    case, values = dense() if bias else matmul()
    part = systolic()
    (y,) = part.compute(case, values, None, NOW, planned(part, case)).outputs
    x, x_scale = int8(values[0])
    w, w_scale = int8(values[1].T if bias else values[1], axis=0)
    real = (x @ w) * (x_scale * w_scale).astype(np.float64) + (values[2] if bias else 0)
    codes, scale = int8(real.astype(np.float32))
    np.testing.assert_allclose(y, codes * scale, rtol=1e-6)
    assert y.dtype == np.float32


def test_int8_is_near_the_real_numbers_and_the_fused_activation_is_applied() -> None:
    case, values = conv(activation="Relu", kernel=(8, 2, 3, 2), pads=(1, 0, 1, 0))
    part = systolic()
    (y,) = part.compute(case, values, None, NOW, planned(part, case)).outputs
    expected = run(case, values)[0]
    assert y.min() == 0
    assert y.shape == expected.shape
    assert 0 < np.abs(y - expected).max() < 0.05 * expected.max()


def test_pooling_is_exact_on_codes() -> None:
    case, (x,) = pool()
    part = systolic()
    codes, scale = int8(x)
    (y,) = part.compute(case, [x], None, NOW, planned(part, case)).outputs
    np.testing.assert_allclose(y, run(case, [(codes * scale).astype(np.float32)])[0], rtol=1e-6)


def test_sums_get_codes_of_their_own() -> None:
    case, values = op("Add", [random((50,), seed=1), random((50,), seed=2)], (50,))
    (y,) = systolic().compute(case, values, None, NOW, planned(systolic(), case)).outputs
    codes, scale = int8(y)
    np.testing.assert_allclose(y, codes * scale, rtol=1e-6)
    np.testing.assert_allclose(y, values[0] + values[1], atol=1.5 * scale.item())


def test_peaks_of_the_full_array() -> None:
    peaks = systolic().peaks()
    assert peaks["peak_ops_per_s"] == 2 * 32 * 1e9
    assert peaks["peak_power_W"] == pytest.approx(1 + 64e9 * 0.5e-12 + 8e9 * 2e-12 + 100e9 * 10e-12)


def test_a_sheet_written_back_reads_the_same() -> None:
    sheet = systolic().sheet
    assert SystolicSheet.model_validate_json(sheet.model_dump_json()) == sheet
    assert sheet.depth == 16
