"""Conductance over time against aihwkit 1.1.0: mean and spread of every noise model that both have."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from library_devices import shipped_device

from hetsim.analog import conductance

HERE = Path(__file__).parent
CELLS = 100_000


def rows(text: str) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(device, target, age) -> mean and standard deviation in uS."""
    read = csv.DictReader(io.StringIO(text))
    return {(r["device"], r["g_uS"], r["age_s"]): (float(r["mean_uS"]), float(r["sigma_uS"])) for r in read}


STORED = rows((HERE / "aihwkit.csv").read_text())


@pytest.mark.parametrize("name", sorted({device for device, _, _ in STORED}))
def test_mean_and_spread_are_those_of_aihwkit(name: str) -> None:
    device = shipped_device(name)
    for (_, target, age), (mean, sigma) in ((k, v) for k, v in STORED.items() if k[0] == name):
        goal = np.full(CELLS, float(target) * 1e-6, np.float32)
        cells = conductance.program(device, goal, 5)
        actual = conductance.conductance(device, cells, float(age))
        noise = (
            np.zeros_like(actual)
            if name == "rram_wan_nature_2022"
            else conductance.read_sigma(device, actual, float(age), cells)
        )
        read = actual + noise * np.random.default_rng(2).standard_normal(CELLS, dtype=np.float32)
        error = 5 * sigma / np.sqrt(CELLS)
        assert read.mean(dtype=float) * 1e6 == pytest.approx(mean, abs=1.5 * error + 2e-3 * mean), (target, age)
        assert read.std(dtype=float) * 1e6 == pytest.approx(sigma, rel=0.03), (target, age)


def test_the_stored_table_is_what_aihwkit_says() -> None:
    """Runs where HETSIM_AIHWKIT names a Python that has aihwkit."""
    python = os.environ.get("HETSIM_AIHWKIT")
    if not python:
        pytest.skip("set HETSIM_AIHWKIT to a Python with aihwkit==1.1.0 to compare with aihwkit itself")
    script = HERE / "aihwkit_table.py"
    fresh = rows(subprocess.run([python, str(script)], capture_output=True, text=True, check=True).stdout)
    assert fresh.keys() == STORED.keys()
    for place, figures in fresh.items():
        assert figures == pytest.approx(STORED[place], rel=0.02), place
