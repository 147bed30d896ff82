"""Ops split into parts, and matrices stored several times: the numbers stay, times follow the plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from operands import conv, dense, matmul, op, pool, random
from pydantic import ValidationError

import hetsim
from hetsim.errors import InputError
from hetsim.numerics import run
from hetsim.schedulers.scheduler import SchedulerSheet
from hetsim.schedulers.splitting import Split, parted, ways
from hetsim.shaping import Shaping
from hetsim.workload import Graph, Op

CASES = {
    "conv": lambda: conv(image=(9, 9, 5, 6), kernel=(8, 9, 3, 2), activation="Relu", pads=(1, 1, 1, 1)),
    "grouped": lambda: conv(image=(9, 6, 5, 5), kernel=(6, 2, 3, 3)),
    "dense": lambda: dense(batch=9, made=9, activation="Relu"),
    "scaled": lambda: dense(batch=9, made=9, alpha=0.5, beta=2.0),
    "matmul": lambda: matmul(batch=9, made=9),
    "sequence": lambda: op("MatMul", [random((1, 9, 9), seed=1), random((9, 9), seed=2)], (1, 9, 9), (1,)),
    "double": lambda: dense(batch=9, made=9, dtype="float64"),
}


def computed(case: Op, values: list[Any], split: Split) -> np.ndarray:
    """What the parts make together, each op computed on its own."""
    parts, around = parted(case, split)
    graph = Graph("split", [*parts, *around], [t for t in case.moving], case.outputs)
    known: dict[str, Any] = {t.name: v for t, v in zip(case.inputs, values, strict=True) if t and not t.constant}
    for each in graph.ops:
        made = run(each, [None if t is None else t.value if t.constant else known[t.name] for t in each.inputs])
        known |= {t.name: y for t, y in zip(each.outputs, made, strict=True)}
    return known[case.outputs[0].name]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("by", ["rows", "columns", "depth"])
@settings(max_examples=12, deadline=None)
@given(shares=st.lists(st.floats(0.5, 2), min_size=2, max_size=3))
def test_parts_make_what_the_whole_makes(name: str, by: Any, shares: list[float]) -> None:
    case, values = CASES[name]()
    if by not in ways(case):
        with pytest.raises(InputError, match=f"cannot be split by {by}"):
            parted(case, Split(by=by, parts=2))
        return
    split = Split(by=by, parts=len(shares), shares=tuple(shares))
    np.testing.assert_allclose(computed(case, values, split), run(case, values)[0], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_parts_do_the_work_of_the_whole(name: str) -> None:
    case, _ = CASES[name]()
    for by in ways(case):
        parts, _ = parted(case, Split(by=by, parts=3))
        assert sum(part.macs for part in parts) == case.macs
        weights = [part.inputs[1].size for part in parts]  # type: ignore[union-attr]
        assert sum(weights) == case.inputs[1].size * (3 if by == "rows" else 1)  # type: ignore[union-attr]


def test_shares_are_kept_as_nearly_as_whole_rows_go() -> None:
    case, _ = matmul(batch=10)
    parts, _ = parted(case, Split(by="rows", over=("a", "b"), shares=(1, 3)))
    assert [part.outputs[0].shape[0] for part in parts] == [2, 8]
    with pytest.raises(InputError, match="10 rows and cannot be split into 2"):
        parted(case, Split(by="rows", over=("a", "b"), shares=(1, 999)))


def test_what_is_no_product_is_not_split() -> None:
    case, _ = pool()
    with pytest.raises(InputError, match="cannot be split by rows"):
        parted(case, Split(by="rows", parts=2))


@pytest.mark.parametrize("block", [
    {"by": "rows"}, {"by": "rows", "parts": 1}, {"by": "rows", "over": ["a"]}, {"by": "k", "parts": 2},
    {"by": "rows", "parts": 2, "over": ["a", "b"]}, {"by": "rows", "parts": 2, "shares": [1, 2, 3]},
])  # fmt: skip
def test_splits_that_make_no_sense_are_refused(block: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Split.model_validate(block)


# --- in a run ---

CHIP = {"use": "imc/rram_yao_nature_2020"}
MNIST = {
    "seed": 3,
    "system": {
        "components": {
            "cpu": {"use": "cpus/xeon_platinum_8180"},
            "gpu": {"use": "gpus/nvidia_v100_sxm2", "override": {"format": "fp32"}}, "imc": CHIP, "imc2": CHIP,
        },
        "links": {
            "pcie": {"use": "links/pcie3_x16", "between": ["cpu", "gpu"]},
            "bus": {"use": "links/axi4_128b", "between": ["cpu", "imc", "imc2"]},
        },
    },
    "workload": {"use": "cnn/yao_2020_mnist", "batch": 8, "data": "mnist/test[:64]"},
    "numerics": "ideal",
}  # fmt: skip


def simulated(**scheduler: Any) -> dict[str, Any]:
    return hetsim.simulate(hetsim.load(MNIST | {"scheduler": scheduler})).document


def test_parts_run_where_they_are_sent_and_the_answers_stay() -> None:
    split = {
        "conv1": {"by": "rows", "over": ["cpu", "gpu"]}, "conv2": {"by": "columns", "over": ["gpu", "cpu"]},
        "dense": {"by": "depth", "over": ["cpu", "gpu"], "shares": [3, 1]},
    }  # fmt: skip
    whole, parts = simulated(pin={"*": "cpu"}), simulated(split=split, pin={"pool*": "cpu"})
    assert parts["metrics"]["accuracy"] == whole["metrics"]["accuracy"]
    for name, first, second in (("conv1", "cpu", "gpu"), ("conv2", "gpu", "cpu"), ("dense", "cpu", "gpu")):
        assert parts["assignments"][f"{name}/0"] == [first] and parts["assignments"][f"{name}/1"] == [second]
    assert parts["links"]["pcie"]["bytes"] > 0


def test_a_matrix_too_large_for_a_chip_is_split_over_two() -> None:
    small = {"crossbars": 2}
    raw = MNIST | {"scheduler": {"pin": {"dense": ["imc", "imc2"]}}}
    system: Any = {**MNIST["system"], "components": {  # type: ignore[dict-item]
        **MNIST["system"]["components"], "imc": CHIP | {"override": small}, "imc2": CHIP | {"override": small},  # type: ignore[index]
    }}  # fmt: skip
    with pytest.raises(InputError, match="no component can run op 'dense'"):
        hetsim.simulate(hetsim.load(raw | {"system": system}))
    split = {"dense": {"by": "columns", "over": ["imc", "imc2"]}}
    document = hetsim.simulate(hetsim.load(raw | {"system": system, "scheduler": {"split": split}})).document
    assert document["assignments"]["dense/1"] == ["imc2"]
    assert document["metrics"]["accuracy"] > 0.9


def test_split_auto_pays_where_an_op_is_large_and_not_where_it_is_small() -> None:
    link = {"kind": "serial", "bandwidth": "50 GB/s", "between": ["a", "b"]}
    cpu = {"use": "cpus/xeon_platinum_8180"}
    found = {}
    for size in (64, 4096):
        layers = [{"dense": {"out": size}}]
        raw: dict[str, Any] = {
            "system": {"components": {"a": cpu, "b": cpu}, "links": {"net": link}}, "numerics": "none",
            "workload": {"input": [size], "batch": size, "layers": layers},
        }  # fmt: skip
        for split in ("none", "auto"):
            document = hetsim.simulate(hetsim.load(raw | {"scheduler": {"split": split}})).document
            found[size, split] = document["makespan_s"], len(document["assignments"])
    assert found[64, "auto"] == found[64, "none"] and found[64, "auto"][1] == 1
    assert found[4096, "auto"][1] > 1
    assert 0.5 < found[4096, "auto"][0] / found[4096, "none"][0] < 0.9


def test_names_that_match_nothing_are_told() -> None:
    with pytest.raises(InputError, match="the split 'convv' matches no op"):
        simulated(split={"convv": {"by": "rows", "parts": 2}})
    with pytest.raises(InputError, match="the replicate 'x' matches no op"):
        simulated(replicate={"x": 2})
    with pytest.raises(InputError, match="'conv1' is split over 'gpuu', which is no component"):
        simulated(split={"conv1": {"by": "rows", "over": ["cpu", "gpuu"]}})


# --- replicating ---

ALL = {"conv*": "imc", "dense": "imc", "pool*": "imc"}


def test_two_copies_take_turns_and_change_no_number() -> None:
    once, twice = simulated(pin=ALL), simulated(pin=ALL, replicate={"conv1": 2})
    assert twice["metrics"]["accuracy"] == once["metrics"]["accuracy"]  # ideal: copies are equal
    assert twice["metrics"]["imc.adc_conversions"] == once["metrics"]["imc.adc_conversions"]
    assert twice["deployment"]["pulses"] > once["deployment"]["pulses"]
    assert twice["makespan_s"] == pytest.approx(once["makespan_s"] / 2, rel=0.01)  # conv1 is what all wait for


def test_copies_are_made_of_what_is_slowest_within_the_tiles_there_are() -> None:
    scenario = hetsim.load(MNIST | {"scheduler": {"pin": ALL, "replicate": "auto"}})
    for tiles in (7, 8, 9, 30, 100):
        changed = scenario.changed({"system.components.imc.crossbars": tiles})
        system, sheet = changed.system(), changed.scheduler
        (graph,) = {g.name: g for g in changed.build_workload().graphs()}.values()
        shaped = Shaping(sheet, system).graph(graph)
        stored = [each for each in shaped.ops if each.matrix is not None and each.matrix.stored is not None]
        chip = system.components["imc"]
        slots, paces = [], []
        for each in stored:
            plan = chip.plan(each, chip.residency())
            slots.append(plan.after.placed[-1].slots)  # type: ignore[union-attr]
            paces.append(plan.interval * plan.chunks)
        assert sum(slots) <= tiles
        if tiles == 7:
            assert shaped is graph
        if tiles > 8:  # another copy of the slowest would not fit, or would not be faster
            slowest = paces.index(max(paces))
            more = replace(stored[slowest], matrix=replace(  # type: ignore[type-var]
                stored[slowest].matrix, copies=stored[slowest].matrix.copies + 1))  # type: ignore[type-var,union-attr]
            plan = chip.plan(more, chip.residency())
            room = tiles - sum(slots) + slots[slowest]
            assert plan.after.placed[-1].slots > room or plan.interval * plan.chunks >= paces[slowest]  # type: ignore[union-attr]


def test_more_copies_than_vectors_do_no_harm() -> None:
    document = simulated(pin=ALL, replicate={"dense": 2})
    assert document["metrics"]["accuracy"] > 0.9


def test_nothing_changes_where_nothing_is_asked_for() -> None:
    scenario = hetsim.load(MNIST)
    (graph,) = scenario.build_workload().graphs()
    assert Shaping(SchedulerSheet(kind="heft"), scenario.system()).graph(graph) is graph
