"""Layers of an in-memory computing chip that are stored in ways of their own, and matrices that are read both ways."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from operands import dense, matmul, op, random
from pydantic import ValidationError
from test_analog_sheets import device, macro
from test_imc import NOW, computed, counts, energies, imc, named, planned, unsigned
from test_scenario import wrong

from hetsim.hardware.component import Residency
from hetsim.hardware.imc import Imc
from hetsim.workload import Op, Tensor

FINE = {"kind": "sar", "bits": 14, "columns": 4, "reference": {"bits": 8, "energy": "2.5 pJ", "time": "10 ns"}}


def both_ways(rows: int = 30, columns: int = 12, batch: int = 5) -> tuple[Op, Op, Any, Any, Any]:
    """x @ W and y @ W.T with one stored tensor, and their operands."""
    weights = random((rows, columns), seed=2)
    stored = Tensor("W", weights.shape, load=lambda: weights)
    x, y = random((batch, rows), seed=3), random((batch, columns), seed=4)
    forward, _ = op("MatMul", [x, weights], (batch, columns), (1,))
    back, _ = op("Gemm", [y, weights], (batch, rows), (1,), transB=1)
    ops = [replace(o, inputs=(o.inputs[0], stored), matrix=replace(o.matrix, stored=stored)) for o in (forward, back)]  # type: ignore[type-var]
    return ops[0], ops[1], x, y, weights


def test_the_operator_says_which_way_a_matrix_is_used() -> None:
    weights = random((6, 4))
    cases = [
        (op("MatMul", [random((2, 6)), weights], (2, 4), (1,)), False),
        (op("Gemm", [random((2, 6)), weights], (2, 4), (1,)), False),
        (op("Gemm", [random((2, 4)), weights], (2, 6), (1,), transB=1), True),
        (op("MatMul", [weights, random((4, 2))], (6, 2), (0,)), True),
        (op("Gemm", [weights, random((6, 2))], (4, 2), (0,), transA=1), False),
    ]
    from hetsim.numerics import lower

    for (case, values), transposed in cases:
        assert case.matrix is not None
        assert case.matrix.transposed == transposed
        np.testing.assert_array_equal(lower(case, values)[1], weights.T if transposed else weights)


def chip(**changes: Any) -> Imc:
    return imc(adc=FINE, bidirectional=True, device=device(levels=256).model_dump(mode="json"), **changes)


@pytest.mark.parametrize("first", [0, 1])
def test_a_bidirectional_chip_stores_a_matrix_once(first: int) -> None:
    part, bank = chip(), chip().state(3)
    forward, back, x, y, weights = both_ways()
    order = [(forward, x, x @ weights), (back, y, y @ weights.T)]
    residency = part.residency()
    for case, operand, exact in (order[first], order[1 - first]):
        plan = part.plan(case, residency)
        residency = plan.after or residency
        found = part.compute(case, [operand, weights], bank, NOW, plan).outputs[0]
        np.testing.assert_allclose(found, exact, atol=0.03 * np.abs(exact).max())
    assert len(residency.placed) == 1 and len(bank.stored) == 1
    assert plan.deployment is None and plan.setup == 0
    assert residency.placed[0].transposed == bool(first)


def test_another_chip_stores_it_both_ways() -> None:
    part = imc(adc=FINE, device=device(levels=256).model_dump(mode="json"))
    bank, residency = part.state(3), part.residency()
    forward, back, x, y, weights = both_ways()
    for case, operand, exact in ((forward, x, x @ weights), (back, y, y @ weights.T), (forward, x, x @ weights)):
        plan = part.plan(case, residency)
        residency = plan.after or residency
        found = part.compute(case, [operand, weights], bank, NOW, plan).outputs[0]
        np.testing.assert_allclose(found, exact, atol=0.03 * np.abs(exact).max())
    assert [p.transposed for p in residency.placed] == [False, True]
    assert len(bank.stored) == 2
    newer = named(forward, "W", 1)
    assert newer.matrix is not None
    later = part.plan(newer, residency)
    assert later.after is not None
    assert [(p.tensor, p.version) for p in later.after.placed] == [("W", 1)]
    part.compute(newer, [x, weights], bank, NOW, later)
    assert list(bank.stored) == [("W", 1)]


def test_what_a_transposed_read_takes() -> None:
    part = chip()
    forward, back, x, y, weights = both_ways()
    residency = part.plan(forward, part.residency()).after or Residency()
    ahead, around = part.plan(unsigned(forward), residency), part.plan(unsigned(back), residency)
    # 12 columns of weights on two tiles: 24 bit lines; each polarity is driven and converted in turn
    assert counts(around)["drive"] == 5 * 24 * 8
    assert counts(around)["convert"] == 5 * 2 * 30 * 2 * 8
    assert counts(around)["integrate"] == 2 * counts(ahead)["integrate"]
    assert energies(around)["integrate"] == pytest.approx(energies(ahead)["integrate"])
    assert counts(around)["load"] == 5 * 12 and counts(around)["move"] == 5 * 30
    bank = part.state(3)
    part.compute(forward, [x, weights], bank, NOW, ahead)
    outcome = part.compute(back, [y, weights], bank, NOW, around)
    assert outcome.counts["adc_conversions"] == counts(around)["convert"] / 8 * 14  # the numbers are signed


def test_slices_take_columns_conversions_and_pulses() -> None:
    case, values = dense(batch=5, taken=30, made=4)
    plain, sliced = imc(), imc(layers={"gemm": {"slices": [2, 3]}})
    a, b = planned(plain, case), planned(sliced, case)
    assert b.deployment is not None and a.deployment is not None
    assert b.deployment.pulses == 2 * a.deployment.pulses
    assert counts(b)["convert"] == 2 * counts(a)["convert"]
    assert computed(sliced, case, values).counts["adc_conversions"] == counts(b)["convert"]
    exact = values[0] @ values[1].T + values[2]
    errors = [np.std(computed(part, case, values, ideal=True).outputs[0] - exact)
              for part in (imc(adc=FINE), imc(adc=FINE, layers={"in1": {"slices": [2, 3]}}))]  # fmt: skip
    assert errors[1] < errors[0] / 3


def test_replicas_share_the_vectors() -> None:
    case, values = matmul(batch=64, taken=30, made=8)
    part = imc(layers={"mat*": {"replicas": 4}})
    one, four = planned(imc(), case), planned(part, case)
    assert four.interval == pytest.approx(one.interval / 4)
    assert four.fill == one.fill
    assert counts(four)["convert"] == counts(one)["convert"]
    assert four.after is not None and four.after.free == 8 - 4
    bank = part.state(3)
    outcome = computed(part, case, values, bank)
    assert len(bank.stored["in1", 0].crossbars) == 4
    assert outcome.counts["adc_conversions"] == counts(four)["convert"]
    assert imc(layers={"*": {"replicas": 9}}).supports(case) == "the matrix takes 9 crossbars, the chip has 8"


def test_further_arrays_are_read_back_and_written() -> None:
    case, values = matmul(batch=8, taken=30, made=8)
    noisy = device(programming={"unit": "1 uS", "polynomial": [0.5]}).model_dump(mode="json")
    one, two = (imc(device=noisy, adc=FINE, deploy="cold", layers=n) for n in ({}, {"*": {"arrays": 2}}))
    a, b = planned(one, case), planned(two, case)
    assert counts(b)["program"] == 2 * counts(a)["program"]
    assert counts(b)["read-back"] == 2 * 30 * 8
    assert b.setup == pytest.approx(2 * a.setup + 30 * 50e-9)
    assert counts(b)["convert"] == 2 * counts(a)["convert"]
    assert counts(b)["accumulate"] == 8 * 8
    exact = values[0] @ values[1]
    outcomes = [computed(part, case, values) for part in (one, two)]
    assert outcomes[1].setup == pytest.approx(b.setup, rel=0.2)
    errors = [np.std(outcome.outputs[0] - exact) for outcome in outcomes]
    assert errors[1] < errors[0] / 3


def test_an_offset_is_taken_off_digitally() -> None:
    case, values = matmul(batch=8, taken=30, made=8)
    more: dict[str, Any] = {"mapping": "offset", "pair": None, "device": device(levels=256).model_dump(mode="json")}
    exact = values[0] @ values[1]
    for subtraction, columns in (("digital", 8), ("unit", 9)):
        part = imc(subtraction=subtraction, adc=FINE | {"bits": 16}, **more)
        plan = planned(part, case)
        assert counts(plan)["convert"] == 8 * columns * 14
        assert counts(plan)["accumulate"] == 8 * 8 + (8 * 30 if subtraction == "digital" else 0)
        found = computed(part, case, values)
        assert found.counts["adc_conversions"] == counts(plan)["convert"]
        np.testing.assert_allclose(found.outputs[0], exact, atol=0.05 * np.abs(exact).max())


def test_an_code_checks_are_steps_and_counts() -> None:
    unit = FINE | {"range": {"policy": "unit"}}
    part = imc(adc=unit, columns=60, layers={"*": {"slices": [3, 3, 3], "weight_bits": 5, "an_code": 19}})
    case, values = matmul(batch=8, taken=60, made=8)
    plan = planned(part, case)
    outcome = computed(part, case, values)
    assert counts(plan)["check"] == outcome.counts["an_checked"] == 8 * 8 * 2 * 14
    assert energies(plan)["check"] == pytest.approx(8 * 8 * 2 * 14 * 0.2e-12)
    assert outcome.counts["an_wrong"] == 0


def test_groups_of_rows_take_turns() -> None:
    case, _ = matmul(batch=8, taken=30, made=8)
    a, b = planned(imc(pipelined=False), case), planned(imc(pipelined=False, active_rows=8), case)
    assert b.interval == pytest.approx(4 * a.interval)
    for name in ("integrate", "convert", "shift-add"):
        assert counts(b)[name] == 4 * counts(a)[name]
    assert counts(b)["drive"] == counts(a)["drive"]
    assert energies(b)["integrate"] == pytest.approx(energies(a)["integrate"])


def test_a_layer_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"layers\.conv1: a slice of 4 bits takes 16 levels, the device has 8"):
        imc(layers={"conv1": {"slices": [4]}})
    with pytest.raises(ValidationError, match="Extra inputs"):
        imc(layers={"conv1": {"slice": [4]}})


def test_two_ops_that_store_one_tensor_differently_are_told() -> None:
    from hetsim.errors import RunError

    part = chip(layers={"gemm": {"copies": 2}})
    forward, back, x, y, weights = both_ways()
    bank = part.state(3)
    plan = planned(part, forward)
    part.compute(forward, [x, weights], bank, NOW, plan)
    with pytest.raises(RunError, match="'W' is stored as another op's layer has it"):
        part.compute(back, [y, weights], bank, NOW, part.plan(back, plan.after or Residency()))


def test_layers_name_ops(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = wrong(
        """\
        system:
          components:
            cpu: {use: cpus/xeon_platinum_8180}
            imc: {use: imc/rram_yao_nature_2020, override: {layers: {conv9: {copies: 2}}}}
          links:
            bus: {use: links/axi4_128b, between: [cpu, imc]}
        workload: {use: cnn/yao_2020_mnist, data: "mnist/test[:10]"}
        """,
        check=True,
    )
    assert found[0][1] == "system.components.imc.layers.conv9"
    assert "matches no op" in found[0][2]


def test_peaks_count_what_a_matrix_takes() -> None:
    part = imc(arrays=2)
    assert part.peaks()["peak_ops_per_s"] == pytest.approx(imc().peaks()["peak_ops_per_s"] / 2)
    assert macro(arrays=2).scheme == macro().scheme
