"""Chips with a hierarchy: the mesh, tile buses, copies, gated units, buffers, stated energies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from operands import conv, dense
from pydantic import ValidationError
from test_analog_sheets import macro

from hetsim.hardware.component import Moment, Plan, Step
from hetsim.hardware.imc import Imc
from hetsim.hardware.imc_chip import ImcChip, ImcChipSheet, window
from hetsim.hardware.imc_sheet import ImcSheet
from hetsim.workload import Op, Tensor

LEVELS = {"core": {"holds": 2, "parts": {"adc": {"leakage": "3 mW"}}}, "tile": {"holds": 2}}
MESH = {"level": "tile", "columns": 4, "router": "5 ns", "bandwidth": "2 GB/s", "energy": "4 pJ/B"}
BASE: dict[str, Any] = macro(subtraction="digital", pipelined=True).model_dump(mode="json") | {
    "crossbars": 64, "bus": {"bandwidth": "1 GB/s", "energy": "1 pJ/B"},
    "digital": {"shift_add": "0.2 pJ", "accumulate": "0.1 pJ", "time": "2 ns"},
}  # fmt: skip


def chip(**changes: Any) -> ImcChip:
    """64 crossbars of 32 x 16 cells (32 x 8 weights), two in a core, two cores in a tile."""
    return ImcChip("chip", ImcChipSheet.model_validate(BASE | {"levels": LEVELS} | changes))


def step(plan: Plan, name: str) -> Step:
    return next(s for s in plan.steps if s.name == name)


def named(case: Op, name: str) -> Op:
    value = case.inputs[1].value  # type: ignore[union-attr]
    stored = Tensor(name, value.shape, load=lambda: value)
    inputs = (case.inputs[0], stored, *case.inputs[2:])
    return replace(case, inputs=inputs, matrix=replace(case.matrix, stored=stored))  # type: ignore[type-var]


def test_without_more_than_levels_it_is_a_plain_chip() -> None:
    plain, case = Imc("chip", ImcSheet.model_validate(BASE)), dense(5, 40, 12)[0]
    assert chip().plan(case, chip().residency()) == plain.plan(case, plain.residency())


def test_the_first_layer_is_at_the_port_and_the_next_beside_it() -> None:
    part = chip(mesh=MESH)
    first, second = named(dense(5, 60, 16)[0], "a"), named(dense(5, 60, 16)[0], "b")
    one = part.plan(first, part.residency())  # 2 x 2 crossbars: one tile
    assert one.after is not None
    assert all(s.name != "route" for s in one.steps)
    two = part.plan(second, one.after)
    taken = 5 * 60 * part.sheet.input_bits / 8
    assert step(two, "route").count == pytest.approx(taken)  # one hop
    assert step(two, "route").joules == 4e-12
    assert two.fill - one.fill == pytest.approx(5e-9 + taken / 5 / 2e9)


def test_partial_sums_of_a_layer_that_spans_tiles_cross_the_mesh() -> None:
    part = chip(mesh=MESH)
    plan = part.plan(dense(3, 100, 16)[0], part.residency())  # 4 x 2 crossbars: two tiles
    assert step(plan, "route").count == pytest.approx(3 * 100 * part.sheet.input_bits / 8 + 3 * 16 * 4)


def test_each_tile_has_a_bus_of_its_own() -> None:
    """Where the bus is what keeps a layer busy, two tiles of four crossbars load twice as fast as one bus for all."""
    slow = {"bus": {"bandwidth": "1 MB/s", "energy": "1 pJ/B"}}
    case = dense(3, 128, 8)[0]  # 4 crossbars down
    one = chip(mesh=MESH, levels={"tile": {"holds": 2}}, **slow)
    two = chip(mesh=MESH, levels={"tile": {"holds": 4}}, **slow)
    bits = one.sheet.input_bits
    assert one.plan(case, one.residency()).interval == pytest.approx((64 * bits / 8 + 8 * 4) / 1e6)
    assert two.plan(case, two.residency()).interval == pytest.approx((128 * bits / 8 + 8 * 4) / 1e6)


def test_copies_take_vectors_side_by_side() -> None:
    single, part = chip(mesh=MESH), chip(mesh=MESH, replicate=25)
    case = conv((1, 1, 12, 12), (4, 1, 3, 3))[0]  # 100 vectors on one crossbar
    alone, spread = (p.plan(case, p.residency()) for p in (single, part))
    assert spread.interval == pytest.approx(alone.interval / 4)
    assert spread.after is not None
    assert alone.deployment is not None
    assert spread.deployment is not None
    assert spread.after.free == 60
    assert spread.deployment.pulses == pytest.approx(4 * alone.deployment.pulses)
    assert spread.deployment.seconds == pytest.approx(4 * alone.deployment.seconds)  # written one after the other
    for name in ("drive", "integrate", "convert"):
        assert step(spread, name) == step(alone, name)


def test_copies_leave_half_of_the_chip_to_others() -> None:
    part = chip(replicate=1)
    plan = part.plan(conv((1, 1, 12, 12), (4, 1, 3, 3))[0], part.residency())
    assert plan.after is not None
    assert plan.after.free == 32


def test_copies_are_paid_for_with_numbers_too() -> None:
    case, x = conv((1, 1, 12, 12), (4, 1, 3, 3))
    pulses = []
    for part in (chip(), chip(replicate=25)):
        plan = part.plan(case, part.residency())
        outcome = part.compute(case, x, part.state(3), Moment(0.0, 1), plan)
        assert outcome.deployment is not None
        pulses.append(outcome.deployment.pulses)
    assert pulses[1] == pytest.approx(4 * pulses[0], rel=0.1)  # each replica's own


def test_gated_cores_leak_while_they_are_awake() -> None:
    gating = {"level": "core", "retained": 0.1, "time": "1 us", "energy": "7 pJ"}
    case = dense(5, 40, 12)[0]  # 2 x 2 crossbars: two cores
    open_, gated = chip(), chip(gating=gating)
    assert open_.static_power() == pytest.approx(32 * 3e-3)
    assert gated.static_power() == pytest.approx(32 * 3e-3 * 0.1)
    before, plan = open_.plan(case, open_.residency()), gated.plan(case, gated.residency())
    seconds = plan.fill + 4 * plan.interval
    assert plan.fill == pytest.approx(before.fill + 1e-6)
    assert step(plan, "wake").count * step(plan, "wake").joules == pytest.approx(2 * 7e-12)
    awake = step(plan, "stay awake")
    assert awake.count * awake.joules == pytest.approx(2 * seconds * 3e-3 * 0.9)


def test_gated_layers_take_whole_cores() -> None:
    part = chip(gating={"level": "core"})
    plan = part.plan(dense(5, 20, 8)[0], part.residency())
    assert plan.after is not None
    assert plan.after.free == 62


def test_inputs_have_to_find_place_in_the_buffers() -> None:
    case = conv((1, 2, 12, 12), (4, 2, 3, 3))[0]
    assert window(case) == (2 * 12 + 3) * 2
    assert window(dense(5, 40, 12)[0]) == 40
    bits = chip().sheet.input_bits
    enough, few = (f"{size} B" for size in (54 * bits / 8, 54 * bits / 8 - 1))
    assert not chip(buffer={"level": "tile", "capacity": enough}).supports(case)
    assert "for inputs" in chip(buffer={"level": "tile", "capacity": few}).supports(case)


@pytest.mark.parametrize("per", ["pulse", "integration"])
def test_a_stated_energy_stands_in_for_the_conductances(per: str) -> None:
    part = chip(array={"energy": "9 pJ", "per": per})
    case = dense(1, 32, 8)[0]  # a full crossbar
    plan = part.plan(case, part.residency())
    passes = part.sheet.passes(signed=True)
    times = sum(p.pulses if per == "pulse" else p.integrations for p in passes) / 2  # of one sign only
    total = step(plan, "integrate")
    assert total.count * total.joules == pytest.approx(times * 9e-12)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"crossbars": 30}, "no whole number of units of 4"),
        ({"mesh": MESH | {"level": "cluster"}}, "among the levels of the chip: core, tile"),
        ({"gating": {"level": "core", "retained": 1.5}}, "less than or equal to 1"),
        ({"levels": {"core": {"holds": 0}}}, "greater than or equal to 1"),
        ({"replicate": 0}, "greater than or equal to 1"),
    ],
)
def test_chips_that_make_no_sense_are_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        chip(**change)
