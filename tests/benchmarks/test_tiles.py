"""What a system of 10,000 tiles costs: to build, and to run a ResNet-50 request on, timing only.

Run with `make bench`. Figures are printed beside floors of the same run, never asserted: how long NumPy takes to sort
ten million numbers, and how long libyaml takes to read the scenario's file.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import hetsim
from hetsim.engine.run import Run
from hetsim.hardware.component import kinds

SIDE = 100


def floor() -> float:
    """Seconds to sort ten million numbers."""
    numbers = np.random.default_rng(0).random(10_000_000)
    started = time.process_time()
    numbers.sort()
    return time.process_time() - started


def chip() -> dict[str, Any]:
    """One chip: its hierarchy has 10,000 tiles on a mesh, layers stream from tile to tile."""
    levels = {"core": {"holds": 8}, "tile": {"holds": 12}}
    return {
        "system": {
            "host": "cpu",
            "components": {
                "cpu": {"use": "cpus/xeon_platinum_8180"},
                "chip": {
                    "use": "imc/isaac_shafiee_isca_2016",
                    "override": {"crossbars": 96 * SIDE**2, "levels": levels, "mesh": {"columns": SIDE}},
                },
            },
            "links": {"bus": {"use": "links/axi4_128b", "between": ["cpu", "chip"]}},
        },
        "workload": {"use": "cnn/resnet50_v1_5"}, "numerics": "none",
    }  # fmt: skip


TILE = {
    "use": "imc/isaac_shafiee_isca_2016",
    "override": {"crossbars": 480, "levels": {}, "mesh": None, "buffer": None, "parts": {}},
}  # as large as the largest layer


def tiles() -> dict[str, Any]:
    """10,000 chips on a mesh whose links they contend for, each an entry of its own."""
    names = [f"tile_{i}" for i in range(SIDE**2 - 1)]
    scenario = counted()
    scenario["system"]["components"] = {"cpu": scenario["system"]["components"]["cpu"], **dict.fromkeys(names, TILE)}
    scenario["system"]["links"]["mesh"]["between"] = ["cpu", *names]
    return scenario


def counted() -> dict[str, Any]:
    """The same as one entry with a count."""
    names = [f"tile_{i}" for i in range(SIDE**2 - 1)]
    ops = [op.name for g in hetsim.load(chip()).build_workload().graphs() for op in g.ops if op.matrix]
    pins = {op: names[i * len(names) // len(ops)] for i, op in enumerate(ops)}
    return {
        "system": {
            "host": "cpu",
            "components": {"cpu": {"use": "cpus/xeon_platinum_8180"}, "tile": {**TILE, "count": len(names)}},
            "links": {"mesh": {"use": "links/mesh_isaac", "columns": SIDE, "between": ["cpu", "tile"]}},
        },
        "workload": {"use": "cnn/resnet50_v1_5"}, "numerics": "none",
        "scheduler": {"kind": "greedy", "pin": {**pins, "*": "cpu"}},
    }  # fmt: skip


@pytest.mark.parametrize("made", [chip, tiles, counted])
def test_ten_thousand_tiles(made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds()["imc_chip"]
    hetsim.simulate(hetsim.load("mnist_streaming", ["numerics=none"]))  # imports
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(made(), indent=1))
    spent, base = [], floor()
    started = time.process_time()
    YAML(typ="safe", pure=False).load(file)
    spent.append(time.process_time() - started)
    started = time.process_time()
    scenario = hetsim.load(file)
    spent.append(time.process_time() - started)
    started = time.process_time()
    run = Run(scenario)
    spent.append(time.process_time() - started)
    started = time.process_time()
    run.go()
    spent.append(time.process_time() - started)
    with capsys.disabled():
        parsed, read, built, ran = spent
        print(
            f"\n{made.__name__}: read {read:.2f} s (libyaml {parsed:.2f} s), build {built:.2f} s (aim 2),"
            f" run {ran:.2f} s (aim 10); sorting takes {base:.2f} s; {run.meter.trace.seconds * 1e3:.3g} ms simulated"
        )
