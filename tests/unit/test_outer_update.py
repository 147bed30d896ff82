"""Updates in place as an op: exact on processors, pulses on crossbars, and what cannot be updated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operands import random
from test_analog_sheets import device
from test_imc import NOW, counts, energies, imc

import hetsim
from hetsim.algorithms.builder import Builder, Stored
from hetsim.analog.update import outer
from hetsim.catalog import filled, locate, stripped
from hetsim.document import read
from hetsim.errors import InputError, RunError
from hetsim.hardware.component import kinds
from hetsim.workload import Graph, Op

STEP = {"up": {"step": "0.02 uS", "saturation": 0}, "down": {"step": "0.03 uS", "saturation": 0.5}, "cycle": 0.2}
FINE = {"kind": "sar", "bits": 14, "columns": 4, "reference": {"bits": 8, "energy": "2.5 pJ", "time": "10 ns"}}
X, D, W, Y = random((6, 30), seed=1), random((6, 8), seed=2), random((30, 8), seed=3), random((2, 8), seed=4)


def graph(scheme: str = "parallel", length: int = 31, after: bool = False) -> Graph:
    """An update of W, then y Wᵀ, then x W."""
    b = Builder("g")
    x, d, y = b.input("x", X.shape), b.input("d", D.shape), b.input("y", Y.shape)
    matrix = Stored(b, "W", W.shape, lambda: W, trained=True)
    back = matrix.back(y, "back")
    matrix.update(x, d, -0.05, "update", back if after else None, scheme=scheme, length=length)
    return b.graph([back, matrix.forward(x, "forward")])


def by_name(found: Graph, name: str) -> Op:
    return found.ops[found.index[name]]


def chip(**changes: Any) -> Any:
    cells = device(levels=256, update=STEP).model_dump(mode="json")
    return imc(**({"adc": FINE, "bidirectional": True, "device": cells, "headroom": 2.0} | changes))


def processor(**changes: Any) -> Any:
    file = locate("cpus/xeon_platinum_8180")
    data = filled(stripped(read(file)[0]), [file.parent]).plain()
    kind = kinds()[data["kind"]]
    return kind("cpu", kind.sheet_type.model_validate(data | changes))


def test_what_it_costs() -> None:
    op = by_name(graph(), "update")
    assert (op.macs, op.element_ops) == (6 * 30 * 8, 6 * 8 + 30 * 8)
    assert op.matrix is not None
    assert (op.matrix.vectors, op.matrix.rows, op.matrix.columns) == (30, 6, 8)
    assert op.outputs == () and op.changed is not None and op.changed.name == "W"


def test_a_processor_adds_the_product_exactly_and_reads_it_afterwards() -> None:
    part, made = processor(), graph()
    state = part.state(1)
    update, forward = by_name(made, "update"), by_name(made, "forward")
    plan = part.plan(update, part.residency())
    assert plan.output_bytes == ()
    for times in (1, 2):
        assert part.compute(update, [X, D, W], state, NOW, plan).outputs == ()
        found = part.compute(forward, [X, W], state, NOW, part.plan(forward, part.residency())).outputs[0]
        np.testing.assert_allclose(found, X @ (W - times * 0.05 * X.T @ D), rtol=1e-5, atol=1e-5)
    fresh = part.compute(forward, [X, W], part.state(1), NOW, plan).outputs[0]
    np.testing.assert_allclose(fresh, X @ W, rtol=1e-5, atol=1e-5)


def test_a_processor_reads_and_writes_the_matrix_and_not_what_it_waits_for() -> None:
    part = processor(caches=[])
    moved = {
        after: counts(part.plan(by_name(graph(after=after), "update"), part.residency()))["move"]
        for after in (False, True)
    }
    assert moved[False] == moved[True] == 4 * (6 * 30 + 6 * 8 + 2 * 30 * 8)


@pytest.mark.parametrize("scheme", ["parallel", "row_serial"])
@pytest.mark.parametrize("first", ["forward", "back"])
def test_a_crossbar_is_pulsed_as_the_law_says(scheme: str, first: str) -> None:
    part, made = chip(), graph(scheme)
    bank, twin, residency = part.state(3), part.state(3), part.residency()
    op, update = by_name(made, first), by_name(made, "update")
    plan = part.plan(op, residency)
    for each in (bank, twin):
        part.compute(op, [X if first == "forward" else Y, W], each, NOW, plan)
    assert plan.after is not None
    later = part.plan(update, plan.after)
    assert later.after is None and later.deployment is None and not later.streams
    before = bank.stored["W", 0].crossbars[0].pulses.copy()
    outcome = part.compute(update, [X, D, W], bank, NOW, later)
    bar = twin.stored["W", 0].crossbars[0]
    sides = (X, D) if first == "forward" else (D, X)
    took = outer(bar, *sides, -0.05, NOW.time, NOW.key, scheme=scheme)  # type: ignore[arg-type]
    kept = bank.stored["W", 0].crossbars[0]
    np.testing.assert_array_equal(kept.conductances(NOW.time), bar.conductances(NOW.time))
    np.testing.assert_array_equal(kept.pulses - before, took.pulses)
    assert outcome.outputs == ()
    assert outcome.setup == took.seconds
    assert outcome.steps["pulse"].joules == took.joules == pytest.approx(took.pulses.sum() * 6e-12)
    assert outcome.counts["update_pulses"] == took.pulses.sum() > 0
    # the wear of the tiles is that of the cells on them
    worn = sum(int(tile.pulses.sum(dtype=np.int64)) for tile in bank._worn.values())
    assert worn == int(kept.pulses.sum(dtype=np.int64))


def test_reads_see_the_update_from_both_sides() -> None:
    part, made = chip(), graph()
    bank, residency = part.state(3), part.residency()
    found = {}
    for name, operand in (("forward", X), ("update", None), ("forward", X), ("back", Y)):
        op = by_name(made, name)
        plan = part.plan(op, residency)
        residency = plan.after or residency
        values = [X, D, W] if operand is None else [operand, W]
        outcome = part.compute(op, values, bank, NOW, plan)
        if operand is not None:
            found[name, len(bank.trained)] = outcome.outputs[0]
    aim = W - 0.05 * X.T @ D
    old, new = (np.abs(found["forward", trained] - X @ aim).mean() for trained in (0, 1))
    assert new < old / 2
    assert np.abs(found["back", 1] - Y @ aim.T).mean() < np.abs(Y @ W.T - Y @ aim.T).mean() / 2
    assert len(residency.placed) == 1


def test_what_an_update_takes_without_numbers() -> None:
    part = chip()
    for scheme, rows in (("parallel", 1), ("row_serial", 30)):
        plan = part.plan(by_name(graph(scheme, length=16), "update"), part.residency())
        assert plan.setup == pytest.approx(2 * 16 * 6 * rows * 50e-9)
        assert plan.fill == pytest.approx((6 * 30 + 6 * 8) * 1e-9)
        share = 4 if scheme == "parallel" else 8
        assert counts(plan)["pulse"] == 6 * share * 2 * 30 * 8
        assert energies(plan)["pulse"] == pytest.approx(counts(plan)["pulse"] * 6e-12)
        assert plan.deployment is not None and plan.after is not None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"device": device(levels=256).model_dump(mode="json")}, "has no update"),
        ({"slices": [2, 3]}, "pairs of one cell"),
        ({"copies": 2}, "pairs of one cell"),
        ({"mapping": "offset", "pair": None}, "pairs of one cell"),
        ({"replicas": 2}, "2 arrays"),
        ({"arrays": 2}, "2 arrays"),
        ({"compensation": {"interval": "1 h"}}, "drift compensation"),
    ],
)
def test_what_cannot_be_updated_is_refused_before_the_run(changes: dict[str, Any], why: str) -> None:
    made = graph()
    for name in ("update", "forward", "back"):
        assert why in chip(**changes).supports(by_name(made, name))
        assert chip().supports(by_name(made, name)) == ""


def test_a_chip_that_reads_one_way_cannot_train_both_ways() -> None:
    part, made = chip(bidirectional=False), graph()
    bank, residency = part.state(3), part.residency()
    forward, back = by_name(made, "forward"), by_name(made, "back")
    plan = part.plan(forward, residency)
    part.compute(forward, [X, W], bank, NOW, plan)
    assert plan.after is not None
    with pytest.raises(RunError, match="bidirectional"):
        part.compute(back, [Y, W], bank, NOW, part.plan(back, plan.after))


def test_a_trained_matrix_that_lost_its_crossbars_is_not_written_from_its_first_numbers() -> None:
    part, made = chip(), graph()
    bank, forward, update = part.state(3), by_name(made, "forward"), by_name(made, "update")
    plan = part.plan(update, part.residency())
    part.compute(update, [X, D, W], bank, NOW, plan)
    bank.release(("W", 0))
    with pytest.raises(RunError, match="others took its crossbars"):
        part.compute(forward, [X, W], bank, NOW, part.plan(forward, part.residency()))


def test_an_accelerator_changes_nothing_in_place() -> None:
    file = locate("accelerators/tpu_v1")
    data = filled(stripped(read(file)[0]), [file.parent]).plain()
    kind = kinds()[data["kind"]]
    part = kind("npu", kind.sheet_type.model_validate(data))
    assert "in place" in part.supports(by_name(graph(), "update"))


# --- training ---


def training(*changes: str) -> Any:
    pytest.importorskip("sklearn")
    return hetsim.load("algorithms/mlp_in_place_digits", ["workload.epochs=1", *changes])


def test_all_uses_of_a_trained_matrix_are_on_one_component() -> None:
    with pytest.raises(InputError, match="trained in place on 'cpu'"):
        hetsim.simulate(training('scheduler.pin={"net.forward*": cpu, "net.update*": imc, "*": cpu}'))


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(InputError, match="leave one out"):
        training("workload.every=2")
    with pytest.raises(InputError, match="in_place: true"):
        training("workload.in_place=false", "workload.train=7")


def test_digital_training_in_place_is_training() -> None:
    """On a CPU the weights follow the float64 twin."""
    found = hetsim.simulate(training("scheduler.pin={}", "scheduler.kind=greedy", 'scheduler.pin={"*": cpu}'))
    metrics = found.to_dict()["metrics"]
    assert metrics["accuracy"] == pytest.approx(metrics["twin.accuracy"], abs=0.004)
    assert metrics["twin.accuracy"] > 0.85


def test_training_reports_pulses_wear_and_energy() -> None:
    found = hetsim.simulate(training()).to_dict()
    metrics, spent = found["metrics"], found["energy_J"]
    assert metrics["accuracy"] > 0.95 * metrics["twin.accuracy"]
    assert metrics["updates"] == 40
    assert metrics["imc.update_pulses"] > 0
    assert spent["by_category"]["program"] == pytest.approx(metrics["imc.update_pulses"] * 42e-18)
    assert 0 < metrics["imc.first_failure_years_95_percent"] < metrics["imc.first_failure_years"]
    assert metrics["imc.wear"] == metrics["imc.max_write_pulses"] / 1e9


def test_timing_alone_takes_as_long_in_parallel() -> None:
    """Trains on all lines take their time, whatever the numbers."""
    timed = hetsim.simulate(training("numerics=none")).to_dict()
    assert timed["makespan_s"] == pytest.approx(hetsim.simulate(training()).to_dict()["makespan_s"], rel=1e-9)
    assert timed["energy_J"]["by_category"]["program"] > 0


def test_a_second_request_trains_weights_of_its_own() -> None:
    two = hetsim.simulate(training("traffic.kind=closed", "traffic.requests=2", "traffic.concurrency=2")).to_dict()
    assert two["metrics"]["accuracy"] > 0.95 * two["metrics"]["twin.accuracy"]
