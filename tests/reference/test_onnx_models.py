"""Trained networks from packages, on a CPU and on a CPU with memristive in-memory computing, against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hetsim.engine import simulate
from hetsim.scenario import Scenario, load
from hetsim.workload import Op
from tests.reference.trained_models import MODELS

CPU = {"use": "cpus/xeon_platinum_8180"}
CHIP = {"use": "imc/rram_wan_nature_2022", "override": {"crossbars": 8192}}
FINE = {"input_bits": 13, "adc": {"bits": 16, "range": {"policy": "max"}}, "device": {"levels": 128}, "slices": [7, 7]}


@pytest.fixture(params=sorted(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    if MODELS[request.param].path() is None:
        pytest.skip(f"{MODELS[request.param].package} is not installed (see trained_models.py)")
    return str(request.param)


def deviations(document: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in document["metrics"].items() if key.startswith("deviation.")}


@pytest.mark.parametrize("batch", [1, 3])
def test_on_a_cpu_the_outputs_are_those_of_onnxruntime(name: str, batch: int, tmp_path: Path) -> None:
    scenario = load({"system": {"components": {"cpu": CPU}}, "workload": MODELS[name].workload(tmp_path, batch)})
    found = deviations(simulate(scenario).document)
    assert found
    assert max(found.values()) < 2e-6, found


def heterogeneous(name: str, folder: Path, numerics: str, **override: Any) -> tuple[Scenario, list[Op], list[Op]]:
    """A scenario in which all products with stored weights are in crossbars, those ops, and all ops with MACs."""
    chip = {**CHIP, "override": {**CHIP["override"], **override}}
    question = {
        "system": {
            "components": {"cpu": CPU, "imc": chip},
            "links": {"bus": {"use": "links/axi4_128b", "between": ["cpu", "imc"]}},
        },
        "workload": MODELS[name].workload(folder, unroll=name == "silero_vad"),
        "numerics": numerics,
    }
    plain = load(question)
    imc, graphs = plain.system().components["imc"], plain.build_workload().graphs()
    products = [op for graph in graphs for op in graph.ops if op.macs]
    stored = [op for op in products if op.matrix is not None and op.matrix.stored is not None]
    assert not [imc.supports(op) for op in stored if imc.supports(op)]
    question["scheduler"] = {"kind": "greedy", "pin": {op.name: "imc" for op in stored}}
    return load(question), stored, products


@pytest.mark.slow
def test_products_with_stored_weights_run_in_crossbars(name: str, tmp_path: Path) -> None:
    """They all do; how far the answers are off is reported. A chip nearly without quantisation is nearly right."""
    scenario, stored, products = heterogeneous(name, tmp_path, "analog")
    assert sum(op.macs for op in stored) >= MODELS[name].stored * sum(op.macs for op in products)
    document = simulate(scenario).document
    assert all(document["assignments"][op.name] == ["imc"] for op in stored)
    found = deviations(document)
    print(f"{name}: {len(stored)} of {len(products)} products in crossbars, {found}")
    fine = deviations(simulate(heterogeneous(name, tmp_path, "ideal", **FINE)[0]).document)
    print(f"{name}, fine: {fine}")
    assert max(fine.values()) < 0.1
    assert max(fine.values()) < 0.1 * max(found.values())
