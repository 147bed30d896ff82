"""Drift compensation on a chip: when it is due, what it takes, and what it mends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operands import matmul
from pydantic import ValidationError
from test_analog_sheets import device, macro
from test_imc import computed, imc, planned

from hetsim.hardware.imc import Imc

DRIFT = {"time": "1 s", "mean": {"polynomial": [0.05]}, "deviation": {"polynomial": [0.005]}}
CASE, VALUES = matmul(batch=20, taken=60, made=12)


def chip(**changes: Any) -> Imc:
    cell = device(g_min="0 S", drift=DRIFT).model_dump(mode="json")
    return imc(device=cell, adc=macro(adc={"bits": 12}).adc.model_dump(mode="json"), **changes)


def slope(part: Imc, bank: Any, time: float) -> float:
    """How much of its young outputs the chip still gives."""
    young = computed(part, CASE, VALUES, ideal=True).outputs[0]
    now = computed(part, CASE, VALUES, bank, time=time).outputs[0]
    return float((young * now).sum() / (young * young).sum())


def test_calibration_makes_up_for_the_mean_loss() -> None:
    day = 86_400.0
    plain, mended = chip(), chip(compensation={"interval": "1 h", "vectors": 16})
    assert slope(plain, plain.state(3), day) == pytest.approx(day**-0.05, rel=0.02)
    assert slope(mended, mended.state(3), day) == pytest.approx(1, abs=0.01)


def test_it_is_done_once_an_interval_and_charged() -> None:
    part = chip(compensation={"interval": "1 h", "vectors": 16})
    bank, plan = part.state(3), planned(part, CASE)
    assert plan.steps[-1].name == "calibrate" and plan.steps[-1].count == 0
    took = [computed(part, CASE, VALUES, bank, time=t) for t in (0.0, 3000.0, 4000.0, 4001.0, 20_000.0)]
    assert ["calibrate" in o.steps for o in took] == [False, False, True, False, True]
    interval = part.sheet.pace(False, 8)[1]
    latency = part.sheet.pace(False, 8)[0]
    assert took[2].setup == pytest.approx(latency + 15 * interval)
    conversions = 16 * 8 * 12 * 2 * 2
    assert took[2].counts["calibration_conversions"] == conversions
    assert took[2].steps["calibrate"].joules > conversions * part.sheet.adc.energy
    assert took[0].setup is None


def test_an_aged_chip_was_calibrated_before_the_run() -> None:
    part = chip(compensation={"interval": "1 h"}, age="30 d")
    bank = part.state(3)
    outcome = computed(part, CASE, VALUES, bank, time=0.0)
    assert "calibrate" not in outcome.steps
    assert bank.stored["in1", 0].crossbars[0].correction.mean() == pytest.approx((30 * 86_400) ** 0.05, rel=0.02)
    assert slope(part, bank, 1.0) == pytest.approx(1, abs=0.01)


def test_calibration_of_arrays_replicas_and_offsets() -> None:
    unit: dict[str, Any] = {"mapping": "offset", "pair": None, "subtraction": "unit"}
    cases: list[tuple[dict[str, Any], float]] = [({"arrays": 2}, 0.03), ({"replicas": 2}, 0.03), (unit, 0.1)]
    for more, within in cases:  # cells that drift unequally show larger differences from the unit column
        part = chip(compensation={"interval": "1 h"}, crossbars=16, **more)
        bank = part.state(3)
        assert slope(part, bank, 86_400.0) == pytest.approx(1, abs=within)
        assert all(np.all(bar.correction > 1.5) for bar in bank.stored["in1", 0].crossbars)


def test_a_known_offset_does_not_drift() -> None:
    with pytest.raises(ValidationError, match="a unit column that drifts"):
        chip(compensation={"interval": "1 h"}, mapping="offset", pair=None)
