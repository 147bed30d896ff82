"""In-memory computing chips: what an op takes, what is stored where, and what is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from operands import conv, dense, matmul, op, pool, random
from test_analog_sheets import WRITE, device, macro

from hetsim.catalog import filled, locate, stripped
from hetsim.document import read
from hetsim.errors import RunError
from hetsim.hardware.component import Deployment, Moment, Outcome, Plan, Residency, kinds
from hetsim.hardware.imc import Imc, ImcSheet
from hetsim.numerics import run
from hetsim.workload import Op, Tensor

NOW = Moment(10.0, 5)
UNIT = {"rate": "1 GHz", "energy": "0.5 pJ"}


def imc(**changes: Any) -> Imc:
    """8 crossbars of 32 x 16 cells, bit-serial, converters shared by 4 columns and subtracted digitally."""
    sheet: dict[str, Any] = macro(subtraction="digital", pipelined=True).model_dump(mode="json")
    sheet |= {
        "crossbars": 8, "bus": {"bandwidth": "1 GB/s", "energy": "1 pJ/B"}, "static_power": "1 mW",
        "digital": {"shift_add": "0.2 pJ", "accumulate": "0.1 pJ", "time": "2 ns"},
        "activation": UNIT | {"kinds": ["Relu"]}, "pooling": UNIT | {"kinds": ["MaxPool"], "count": 2},
    }  # fmt: skip
    return Imc("imc", ImcSheet.model_validate(sheet | changes))


def shipped(name: str, **changes: Any) -> Imc:
    file = locate(name)
    data = filled(stripped(read(file)[0]), [file.parent]).plain()
    kind = kinds()[data["kind"]]
    return kind("imc", kind.sheet_type.model_validate(data | changes))


def unsigned(case: Op) -> Op:
    """The op, its moving operand known to have no negative numbers."""
    inputs = [t if t is None or t.constant else Tensor(t.name, t.shape, "uint8") for t in case.inputs]
    return replace(case, inputs=tuple(inputs))


def named(case: Op, name: str, version: int = 0) -> Op:
    """The op with its stored operand under another name or version."""
    value = case.inputs[1].value  # type: ignore[union-attr]
    stored = Tensor(name, value.shape, load=lambda: value, version=version)
    inputs = (case.inputs[0], stored, *case.inputs[2:])
    return replace(case, inputs=inputs, matrix=replace(case.matrix, stored=stored))  # type: ignore[type-var]


def planned(part: Imc, case: Op) -> Plan:
    return part.plan(case, part.residency())


def computed(part: Imc, case: Op, values: list[Any], state: Any = None, **moment: Any) -> Outcome:
    state = part.state(3) if state is None else state
    return part.compute(case, values, state, replace(NOW, **moment), planned(part, case))


def energies(plan: Plan) -> dict[str, float]:
    return {step.name: step.count * step.joules for step in plan.steps}


def counts(plan: Plan) -> dict[str, float]:
    return {step.name: step.count for step in plan.steps}


def test_vectors_follow_each_other_at_the_pace_of_the_slowest_stage() -> None:
    case, _ = matmul(batch=10, taken=32, made=8)
    plan = planned(imc(), unsigned(case))
    # 8 steps of 50 ns, converting 4 x 10 ns in the next one; 32 B in and 32 B out at 1 GB/s
    assert plan.interval == pytest.approx(8 * 50e-9)
    assert plan.fill == pytest.approx(32e-9 + 8 * 50e-9 + 40e-9 + 32e-9)
    assert (plan.chunks, plan.setup, plan.streams) == (10, 0, True)
    signed = planned(imc(), case)
    assert signed.interval == pytest.approx(14 * 50e-9)  # two phases of 7 magnitude bits
    slow_bus = planned(imc(bus={"bandwidth": "0.1 GB/s", "energy": "1 pJ/B"}), unsigned(case))
    assert slow_bus.interval == pytest.approx(640e-9)


def test_a_large_matrix_spans_tiles_that_work_at_once() -> None:
    case, _ = dense(batch=5, taken=70, made=12)  # 3 x 2 tiles, biased
    plan = planned(imc(), unsigned(case))
    assert plan.after is not None
    assert plan.after.free == 8 - 6
    assert plan.holds == ("imc.tiles:in1",)
    assert plan.interval == pytest.approx(8 * 50e-9)
    assert counts(plan) == {
        "load": 5 * 70, "drive": 5 * 70 * 2 * 8, "integrate": 5 * 6 * 8, "sample": 5 * 12 * 2 * 3 * 8,
        "convert": 5 * 12 * 2 * 3 * 8, "shift-add": 5 * 12 * 2 * 3 * 8, "accumulate": 5 * 12 * 3, "move": 5 * 12,
    }  # fmt: skip
    spent = energies(plan)
    assert spent["drive"] == pytest.approx(5 * 70 * 2 * 8 * 10e-15)
    assert spent["convert"] == pytest.approx(5 * 12 * 2 * 3 * 8 * 2.5e-12)
    assert spent["integrate"] == pytest.approx(5 * 4 * 70 * 12 * 2 * 11e-6 * 0.04 * 50e-9)
    assert spent["move"] == pytest.approx(5 * 12 * 4e-12)
    assert [s.name for s in plan.steps if s.expected] == ["integrate"]


def test_fused_activation_is_a_step() -> None:
    case, _ = conv(activation="Relu")
    assert counts(planned(imc(), case))["activate"] == case.outputs[0].size
    assert "Relu" in imc(activation=None).supports(case)


def test_what_it_does_not_run() -> None:
    part = imc()
    assert part.supports(dense()[0]) == ""
    assert part.supports(dense(batch=2, taken=300, made=10)[0]) == "the matrix takes 20 crossbars, the chip has 8"
    assert "exact" in part.supports(replace(dense()[0], exact=True))
    assert "stored matrix" in part.supports(op("MatMul", [random((3, 4)), random((4, 5))], (3, 5))[0])
    assert part.supports(pool()[0]) == ""
    assert imc(pooling=None).supports(pool()[0]) != ""


def test_weights_that_fit_are_there_before_the_run() -> None:
    case, values = dense()
    part = imc()
    plan = planned(part, case)
    cells = 2 * 30 * 7
    assert plan.setup == 0
    assert plan.deployment is not None
    assert plan.deployment.pulses == cells * 8.5
    assert plan.deployment.joules == pytest.approx(cells * 8.5 * (6e-12 + 2.5e-12))
    rounds = device().write.rounds(14)
    assert plan.deployment.seconds == pytest.approx(30 * rounds * 100e-9)
    assert part.plan(case, plan.after or Residency()).deployment is None
    outcome = computed(part, case, values)
    assert outcome.setup is None
    assert set(outcome.steps) == {"integrate"}
    assert isinstance(outcome.deployment, Deployment)
    assert outcome.deployment.pulses == pytest.approx(plan.deployment.pulses, rel=0.2)
    assert outcome.deployment.seconds == pytest.approx(plan.deployment.seconds, rel=0.2)
    assert outcome.deployment.pulses != plan.deployment.pulses


def test_cold_weights_are_written_in_the_run() -> None:
    case, values = dense()
    part = imc(deploy="cold")
    plan = planned(part, case)
    assert plan.deployment is None
    assert plan.setup == pytest.approx(30 * device().write.rounds(14) * 100e-9)
    assert counts(plan)["program"] == counts(plan)["verify"] == 2 * 30 * 7 * 8.5
    bank = part.state(3)
    outcome = part.compute(case, values, bank, NOW, plan)
    assert outcome.setup == pytest.approx(plan.setup, rel=0.2)
    assert outcome.setup == bank.stored["in1", 0].written.seconds
    assert outcome.steps["program"].count == bank.stored["in1", 0].written.pulses
    assert outcome.steps["program"].joules == pytest.approx(outcome.steps["program"].count * 6e-12)
    assert bank.stored["in1", 0].crossbars[0].time == NOW.time
    assert plan.after is not None
    again = part.plan(case, plan.after)
    assert (again.setup, again.after) == (0, None)
    assert part.compute(case, values, bank, NOW, again).setup is None


def test_a_full_chip_evicts_the_oldest() -> None:
    part = imc(crossbars=3)
    first, second, third = (named(dense(taken=30, made=n)[0], f"w{n}") for n in (8, 12, 5))  # 1, 2 and 1 crossbars
    residency, plans = part.residency(), []
    for case in (first, second, third, second):
        plans.append(part.plan(case, residency))
        residency = plans[-1].after or residency
    assert [p.setup > 0 for p in plans] == [False, False, True, False]
    assert plans[2].holds == ("imc.tiles:w5", "imc.tiles:w8")
    assert [p.tensor for p in residency.placed] == ["w12", "w5"]
    assert residency.free == 0
    back = part.plan(first, residency)
    assert back.holds == ("imc.tiles:w8", "imc.tiles:w12")
    assert back.after is not None
    assert back.after.free == 1


def test_a_new_version_takes_the_place_of_the_old_one() -> None:
    part = imc()
    case, values = dense(taken=30, made=8)
    old, new = named(case, "w", 0), named(case, "w", 1)
    plan = planned(part, old)
    assert plan.after is not None
    later = part.plan(new, plan.after)
    assert later.setup > 0
    assert later.holds == ("imc.tiles:w",)
    assert later.after is not None
    assert [(p.tensor, p.version) for p in later.after.placed] == [("w", 1)]
    assert later.after.free == 7
    bank = part.state(3)
    part.compute(old, values, bank, NOW, plan)
    part.compute(new, values, bank, NOW, later)
    assert list(bank.stored) == [("w", 1)]
    assert part.report(bank, 1.0)["max_write_pulses"] > 2


@pytest.mark.parametrize("case", [conv(), conv(image=(2, 4, 7, 7), kernel=(6, 2, 3, 3)), dense(), matmul()])
def test_products_are_near_the_exact_ones(case: tuple[Op, list[Any]]) -> None:
    the_op, values = case
    part = imc(adc=macro().adc.model_dump(mode="json") | {"bits": 12})
    exact = run(the_op, values)[0]
    ideal = computed(part, the_op, values, ideal=True).outputs[0]
    assert ideal.shape == exact.shape
    assert ideal.dtype == exact.dtype
    weights = np.abs(values[1]).max() / 7  # of a code: the error of rounding is a twelfth of its square
    fan_in = the_op.matrix.rows if the_op.matrix else 0
    assert np.std(ideal - exact) < 1.5 * weights * np.sqrt(fan_in / 12)


def test_errors_and_noise_act_unless_the_run_is_ideal() -> None:
    noisy = device(
        programming={"unit": "1 uS", "polynomial": [0.75]}, read_noise={"relative": {"polynomial": [0.01]}}
    ).model_dump(mode="json")
    case, values = dense(batch=40)
    clean, rough = (computed(imc(**kind), case, values, ideal=ideal).outputs[0]
                    for kind, ideal in (({"device": noisy}, True), ({"device": noisy}, False)))  # fmt: skip
    np.testing.assert_array_equal(clean, computed(imc(), case, values, ideal=True).outputs[0])
    assert 0 < np.std(rough - clean) < 0.5 * np.std(clean)
    other = computed(imc(device=noisy), case, values, key=6).outputs[0]
    assert 0 < np.std(rough - other) < np.std(rough - clean)


def test_measured_energy_replaces_the_expected_one() -> None:
    case, values = dense(batch=200)
    plan = planned(imc(), case)
    outcome = computed(imc(), case, values)
    integrate = next(step for step in plan.steps if step.name == "integrate")
    assert outcome.steps["integrate"].count == integrate.count
    assert 0.2 < outcome.steps["integrate"].joules / (integrate.count * integrate.joules) < 1
    silent = computed(imc(), case, [0 * values[0], *values[1:]])
    assert silent.steps["integrate"].joules == 0
    assert outcome.counts["adc_conversions"] == counts(plan)["convert"]


def test_numbers_that_cannot_be_computed_with_are_an_error() -> None:
    case, values = dense()
    with pytest.raises(RunError, match="op 'gemm' on 'imc': unsigned inputs are expected"):
        computed(imc(), unsigned(case), values)
    with pytest.raises(RunError, match="finite"):
        computed(imc(), case, [values[0] * np.inf, *values[1:]])
    with pytest.raises(RunError, match="finite"):
        computed(imc(), case, [values[0], values[1] * np.nan, *values[2:]])


def test_pooling_units_take_an_op_each() -> None:
    case, values = pool(image=(2, 4, 8, 8))
    part = imc()
    plan = planned(part, case)
    assert plan.holds == ("imc.pooling",)
    assert part.capacities()["imc.pooling"] == 2
    assert plan.chunks == 2 * 16
    windows = case.element_ops / 32
    assert plan.interval == pytest.approx(max(windows * 1e-9, (16 + 4) * 4 / 1e9))
    assert energies(plan)["pool"] == pytest.approx(case.element_ops * 0.5e-12)
    np.testing.assert_array_equal(computed(part, case, values).outputs[0], run(case, values)[0])


def test_age_counts_from_before_the_run() -> None:
    drift = {"time": "1 s", "mean": {"polynomial": [0.1]}, "deviation": {"polynomial": [0.0]}}
    cell = device(g_min="0 S", drift=drift).model_dump(mode="json")
    case, values = matmul(batch=20)
    adc = macro(adc={"bits": 14}).adc.model_dump(mode="json")
    parts = (imc(device=cell, adc=adc, age=age) for age in ("1 s", "1000 s"))
    fresh, old = (computed(part, case, values, time=0.0).outputs[0] for part in parts)
    slope = (fresh * old).sum() / (fresh * fresh).sum()
    assert slope == pytest.approx(1000**-0.1, rel=0.02)


def test_yaos_core_adds_up_to_its_table() -> None:
    """128 x 128 cells as one crossbar: the paper's energies of a step, without the array, and its rate in cells."""
    part = shipped("imc/rram_yao_nature_2020", columns=128, crossbars=1)
    case, _ = matmul(batch=1, taken=128, made=64)
    plan = planned(part, unsigned(case))
    spent = energies(plan)
    assert spent["drive"] / 8 == pytest.approx(1.72e-12)
    assert spent["sample"] / 8 == pytest.approx(19.2e-12)
    assert spent["convert"] / 8 == pytest.approx(326.4e-12)
    assert spent["shift-add"] / 8 == pytest.approx(23.66e-12, rel=1e-4)
    assert plan.interval == pytest.approx(400e-9)
    assert part.peaks()["peak_ops_per_s"] == pytest.approx(81.92e9 / 2)  # a weight is two of the paper's cells


def test_yaos_network_fits_its_chip() -> None:
    part = shipped("imc/rram_yao_nature_2020")
    tiles = [part.sheet.tiling(*shape).tiles for shape in ((9, 8), (72, 12), (192, 10))]
    assert tiles == [1, 2, 4]


@pytest.mark.parametrize(
    ("inputs", "outputs", "seconds"), [(2, 3, 1.48e-6), (3, 5, 2.70e-6), (5, 7, 5.99e-6), (7, 9, 9.15e-6)]
)
def test_neurrams_time_for_a_product(inputs: int, outputs: int, seconds: float) -> None:
    """Ext. Data Fig. 12 of Wan 2022; its 1-bit inputs are a sign alone, which takes one pulse as 2 bits do here."""
    part = shipped("imc/rram_wan_nature_2022")
    adc = part.sheet.adc.model_dump(mode="json") | {"bits": outputs}
    part = shipped("imc/rram_wan_nature_2022", input_bits=inputs, adc=adc)
    assert part.sheet.pace(True, 256)[1] == pytest.approx(seconds, rel=0.08)


def test_write_pulses_of_one_are_all_the_wear() -> None:
    part = imc(device=device(write=WRITE | {"pulses": 1}, endurance=100).model_dump(mode="json"))
    case, values = dense()
    bank = part.state(3)
    computed(part, case, values, bank)
    assert part.report(bank, 1.0) == {"max_write_pulses": 1.0, "mean_write_pulses": 1.0, "wear": 0.01}


def test_denoising_is_a_step_of_programming() -> None:
    still = {"remaining": 0.1, "pulses": 10, "time": "1 us", "energy": "1 pJ"}
    write = WRITE | {"denoising": still}
    part = imc(deploy="cold", device=macro(device(write=write)).device.model_dump(mode="json"))
    plan = planned(part, dense()[0])
    (step,) = (step for step in plan.steps if step.name == "denoise")
    assert (step.count, step.seconds, step.joules) == (2 * 30 * 7, pytest.approx(10e-6), pytest.approx(10e-12))
    assert not any(step.name == "denoise" for step in planned(imc(deploy="cold"), dense()[0]).steps)
