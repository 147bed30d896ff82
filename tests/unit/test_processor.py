"""Processors: time, energy and arithmetic of an op."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from operands import conv, dense, matmul, op, pool, random
from pydantic import ValidationError
from sheets import OWN_MEMORY, cpu, gpu

from hetsim.hardware.component import Component, Moment, Plan
from hetsim.hardware.cpu import Cpu, CpuSheet
from hetsim.numerics import run
from hetsim.workload import Cost, Op, Tensor

NOW = Moment(0.0, 1)


def planned(part: Component, case: Op) -> Plan:
    return part.plan(case, part.residency())


def joules(plan: Plan, category: str) -> float:
    return sum(s.count * s.joules for s in plan.steps if s.category == category)


def test_compute_bound_and_memory_bound_ops() -> None:
    part = cpu()
    heavy, _ = matmul(batch=512, taken=512, made=512)
    plan = planned(part, heavy)
    assert plan.setup == pytest.approx(1.1e-6)
    assert plan.fill == pytest.approx(2 * 512**3 / 1e12)
    assert (plan.holds, plan.demands, plan.chunks) == (("cpu.stream",), (), 1)
    light, _ = matmul(batch=1, taken=512, made=512)
    assert planned(part, light).fill == pytest.approx(4 * (512 + 512 * 512 + 512) / 50e9)


def test_energy_is_by_operation_and_by_byte() -> None:
    case, _ = dense(batch=8, taken=64, made=16)
    plan = planned(cpu(), case)
    operations = 2 * 8 * 64 * 16 + 8 * 16
    size = 4 * (8 * 64 + 64 * 16 + 16 + 8 * 16)
    assert joules(plan, "compute") == pytest.approx(operations * 5e-12)
    assert joules(plan, "memory") == pytest.approx(size * 10e-12)
    assert plan.output_bytes == (4 * 8 * 16,)


def test_a_gpu_moves_half_the_bytes_and_multiplies_on_its_matrix_units() -> None:
    case, _ = dense(batch=8, taken=64, made=16)
    part = gpu()
    plan = planned(part, case)
    demands = dict(plan.demands)
    assert demands["gpu.memory"] == 2 * (8 * 64 + 64 * 16 + 16 + 8 * 16)
    seconds = 2 * case.macs / 50e12 + case.element_ops / 5e12
    assert demands["gpu.compute"] / part.ports()["gpu.compute"] == pytest.approx(seconds)
    assert plan.fill == 0.0
    assert plan.output_bytes == (2 * 8 * 16,)
    assert part.capacities() == {"gpu.stream": 2}
    assert part.ports() == {"gpu.compute": 50e12, "gpu.memory": 50e9}


def test_one_stream_and_many_take_the_same_time_alone() -> None:
    for case, _ in (matmul(512, 512, 512), matmul(1, 512, 512), pool((4, 8, 32, 32)), conv()):
        single, several = planned(gpu(streams=1), case), planned(gpu(), case)
        rates = gpu().ports()
        shared = max(amount / rates[name] for name, amount in several.demands)
        assert single.demands == ()
        assert single.setup + single.fill == pytest.approx(several.setup + shared, rel=1e-12)
        assert single.steps == several.steps


def test_doubles_run_at_their_own_rate_and_size() -> None:
    case, values = matmul(batch=256, taken=256, made=256, dtype="float64")
    plan = planned(cpu(), case)
    assert plan.fill == pytest.approx(2 * 256**3 / 0.25e12)
    assert plan.output_bytes == (8 * 256 * 256,)
    assert joules(plan, "compute") == pytest.approx(2 * 256**3 * 20e-12)
    (y,) = cpu().compute(case, values, {}, NOW, plan).outputs
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, values[0] @ values[1], rtol=1e-12, atol=1e-12)
    assert gpu().supports(case) == "does not compute float64"


def test_exact_ops_run_only_where_their_dtype_is_computed() -> None:
    exact, _ = op("Sub", [random((4,)), random((4,))], (4,), exact=True)
    assert cpu().supports(exact) == ""
    assert gpu().supports(exact) == "computes float32 in fp16, and the op must be exact"
    assert gpu(format="fp32").supports(exact) == ""
    task = Op("t", "Task", (), (Tensor("y", (1,), "byte"),), cost={"cpu": Cost(1.0)})
    assert "not a Task" in cpu().supports(task)


def test_integers_keep_their_size() -> None:
    case = Op("best", "ArgMax", (Tensor("x", (3, 4)),), (Tensor("y", (3,), "int64"),), {"axis": 1})
    assert planned(gpu(), case).output_bytes == (24,)


@pytest.mark.parametrize(("form", "kind"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_numbers_are_rounded_on_their_way_in_and_out(form: str, kind: type) -> None:
    rates = {"fp16": "1 TFLOP/s", "bf16": "1 TFLOP/s"}
    part = gpu(format=form, vector=rates, matrix={}, energy={"fp16": "1 pJ/OP", "bf16": "1 pJ/OP"})
    case, values = conv()
    state = part.state(1)
    (y,) = part.compute(case, values, state, NOW, planned(part, case)).outputs
    narrow = [v.astype(kind).astype(np.float32) for v in values]
    expected = run(case, narrow)[0]
    np.testing.assert_array_equal(y, expected.astype(kind).astype(np.float32))
    assert not np.array_equal(y, run(case, values)[0])
    assert set(state) == {("in1", 0), ("in2", 0)}  # weights are rounded once a run
    (again,) = part.compute(case, values, state, NOW, planned(part, case)).outputs
    np.testing.assert_array_equal(again, y)


def test_new_numbers_under_a_name_are_not_mistaken_for_old_ones() -> None:
    part, state = gpu(), {}
    for version in (0, 1):
        w = random((6, 3), seed=version)
        stored = Tensor("w", w.shape, version=version, load=lambda w=w: w)
        case = Op("mm", "MatMul", (Tensor("x", (2, 6)), stored), (Tensor("y", (2, 3)),))
        x = np.ones((2, 6), np.float32)
        (y,) = part.compute(case, [x, w], state, NOW, planned(part, case)).outputs
        np.testing.assert_allclose(y, w.sum(0, keepdims=True).repeat(2, 0), rtol=0.01, atol=0.01)


def test_single_precision_is_computed_as_it_is() -> None:
    case, values = dense()
    (y,) = cpu().compute(case, values, {}, NOW, planned(cpu(), case)).outputs
    np.testing.assert_array_equal(y, run(case, values)[0])


def element_wise(kind: str, size: int = 100_000, inputs: int = 1) -> Op:
    return op(kind, [random((size,), seed=i) for i in range(inputs)], (size,))[0]


def test_an_operator_without_a_tuned_kernel_has_a_rate_of_its_own() -> None:
    slow = cpu(operators={"Exp": "1 MOP/s"})
    assert planned(slow, element_wise("Exp")).fill == pytest.approx(0.1)
    assert planned(slow, element_wise("Sin")) == planned(cpu(), element_wise("Sin"))


def test_fused_ops_have_no_launch_and_move_only_what_the_op_before_them_does_not() -> None:
    part = cpu(fusion=True)
    relu, total = planned(part, element_wise("Relu")), planned(part, element_wise("Add", inputs=2))
    assert (relu.setup, total.setup) == (0, 0)
    assert relu.fill == pytest.approx(100_000 / 1e12)
    assert total.fill == pytest.approx(400_000 / 50e9)  # the second input
    assert joules(total, "memory") == pytest.approx(400_000 * 10e-12)
    pooled, _ = pool()
    assert planned(part, pooled) == planned(cpu(), pooled)


def test_depthwise_convolutions_run_on_vector_units() -> None:
    deep, _ = conv((1, 64, 32, 32), (64, 1, 3, 3))
    plain, _ = conv((1, 64, 32, 32), (64, 64, 3, 3))
    part = gpu(streams=1, launch="0 s", memory=OWN_MEMORY | {"bandwidth": "1 PB/s", "latency": "0 s"})
    for case, rate in ((deep, 5e12), (plain, 50e12)):
        assert planned(part, case).fill == pytest.approx(2 * case.macs / rate + case.element_ops / 5e12)


def test_a_table_is_read_where_it_is_asked() -> None:
    table, index = Tensor("table", (100_000, 64), constant=True), Tensor("index", (8,), "int64")
    case = Op("look", "Gather", (table, index), (Tensor("y", (8, 64)),), {"axis": 0})
    size = 2 * 4 * 8 * 64 + 8 * 8
    assert planned(cpu(), case).fill == pytest.approx(size / 50e9)
    rare = cpu(memory=OWN_MEMORY | {"scattered": 0.1})
    assert planned(rare, case).fill == pytest.approx(size / 10e9)
    light, _ = matmul(batch=1, taken=512, made=512)
    assert planned(rare, light) == planned(cpu(), light)


def test_scattered_bytes_ask_the_port_for_more_time() -> None:
    index = Tensor("index", (8,), "int64")
    case = Op("look", "Gather", (Tensor("x", (99, 64)), index), (Tensor("y", (8, 64)),), {"axis": 0})
    part = gpu(memory=OWN_MEMORY | {"scattered": 0.1})
    usual, asked = (dict(planned(p, case).demands)["gpu.memory"] for p in (gpu(), part))
    assert asked == pytest.approx(5 * usual)


def test_what_does_not_fit_into_the_memory_is_refused() -> None:
    case, _ = dense(batch=8, taken=64, made=16)
    size = 4 * (8 * 64 + 64 * 16 + 16 + 8 * 16)
    assert cpu(memory=OWN_MEMORY | {"capacity": f"{size} B"}).supports(case) == ""
    assert f"takes {size} B" in cpu(memory=OWN_MEMORY | {"capacity": f"{size - 1} B"}).supports(case)


def test_a_product_with_one_vector_may_have_fewer_cores() -> None:
    part = cpu(units=4, unit_bandwidth="10 GB/s", gemv_units=1)
    one, _ = matmul(batch=1, taken=512, made=512)
    two, _ = matmul(batch=2, taken=512, made=512)
    assert planned(part, one).fill == pytest.approx(4 * (512 + 512 * 512 + 512) / 10e9)
    assert planned(part, two).fill == pytest.approx(4 * (1024 + 512 * 512 + 1024) / 40e9)


def test_bytes_of_a_cache_cost_its_energy() -> None:
    part = cpu(caches=[{"capacity": "1 MB", "bandwidth": "200 GB/s", "energy": "1 pJ/B"}])
    plan = planned(part, element_wise("Relu"))
    assert joules(plan, "buffer") == pytest.approx(800_000 * 1e-12)
    assert joules(plan, "memory") == 0
    assert plan.fill == pytest.approx(800_000 / 200e9)


def test_narrow_formats_move_fewer_bytes() -> None:
    case, _ = matmul(batch=3, taken=33, made=5)
    for form, bits in (("int8", 8), ("int4", 4), ("tf32", 32)):
        part = gpu(format=form, vector={form: "10 TFLOP/s"}, matrix={}, energy={form: "1 pJ/OP"})
        assert planned(part, case).output_bytes == (-(-15 * bits // 8),)


def test_peaks_are_the_datasheets_and_power_is_the_sustained() -> None:
    peaks = gpu().peaks()
    assert peaks["peak_ops_per_s"] == 100e12
    assert peaks["peak_power_W"] == pytest.approx(30 + 50e12 * 1e-12 + 100e9 * 10e-12)
    assert peaks["peak_ops_per_J"] == pytest.approx(100e12 / peaks["peak_power_W"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format": "fp16"}, "format is fp16, but vector gives no peak rate"),
        ({"matrix": {"bf16": "1 TFLOP/s"}}, "energy gives nothing for bf16"),
        ({"vector": {"fp32": "0 OP/s"}}, "greater than 0"),
        ({"vector": {"fp23": "1 OP/s"}}, "fp64"),
        ({"efficiency": 0}, "greater than 0"),
        ({"memory": OWN_MEMORY | {"bandwidth": "7 J"}}, "an energy"),
        ({"caches": [{"capacity": "2 kB", "bandwidth": "9 GB/s"}, {"capacity": "1 kB", "bandwidth": "9 GB/s"}]},
         "from the innermost"),
        ({"power_limit": "5 W"}, "needs a clock"),
    ],
)  # fmt: skip
def test_datasheets_that_make_no_sense_are_refused(change: dict, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        cpu(**change)


def test_a_sheet_written_back_reads_the_same() -> None:
    sheet = cpu().sheet
    assert CpuSheet.model_validate_json(sheet.model_dump_json()) == sheet
    named = cpu(memory="dram").sheet
    assert Cpu("cpu", CpuSheet.model_validate_json(named.model_dump_json())).sheet == named
