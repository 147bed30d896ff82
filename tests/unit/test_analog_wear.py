"""Faults and wear: stuck cells and lines, cells that die of their writes, and when the first of many does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from test_analog_sheets import WRITE, device, macro

from hetsim.analog import conductance
from hetsim.analog.bank import Bank
from hetsim.analog.device import DeviceSheet
from hetsim.analog.endurance import YEAR, first_failure, lifetime, survival
from hetsim.analog.programming import Programming

ONE = WRITE | {"pulses": 1}


def mortal(law: str = "weibull", shape: float = 2.0, **changes: Any) -> DeviceSheet:
    facts = {"endurance": 50, "failure": {"law": law, "shape": shape, "at": "on"}, "write": ONE}
    return device(**(facts | changes))


def bank(sheet: DeviceSheet, count: int = 1) -> Bank:
    return Bank(macro(sheet), Programming(), count, 7)


def weights(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 32, 8))


# --- stuck ---


def test_dead_lines_carry_nothing() -> None:
    sheet = device(stuck={"dead_rows": 0.1, "dead_columns": 0.2})
    found = conductance.stuck(sheet, (400, 300), 3)
    assert found is not None
    open_ = found == 0
    assert np.isnan(found[~open_]).all()
    rows, columns = open_.all(axis=1), open_.all(axis=0)
    np.testing.assert_array_equal(open_, rows[:, None] | columns)
    assert rows.mean() == pytest.approx(0.1, abs=4 * 0.3 / 20)
    assert columns.mean() == pytest.approx(0.2, abs=4 * 0.4 / 17)


def test_a_map_of_known_cells_is_that_of_the_tile() -> None:
    cells = [{"tile": 1, "row": 3, "column": 2, "at": "on"}, {"tile": 1, "row": 31, "column": 15, "at": "open"}]
    sheet = device(stuck={"table": cells}, write=ONE)
    assert conductance.stuck(sheet, (32, 16), 3, tile=0) is None
    found = conductance.stuck(sheet, (32, 16), 3, tile=1)
    assert found is not None
    assert found[3, 2] == np.float32(20e-6) and found[31, 15] == 0 and np.isnan(found).sum() == 32 * 16 - 2
    two = Bank(macro(sheet), Programming(), 2, 7)
    first, second = (two.store((name, 0), weights(), 0.0).crossbars[0] for name in "ab")
    assert first.cells.stuck is None
    assert second.cells.stuck is not None and second.cells.stuck[0, 3, 1] == np.float32(20e-6)
    with pytest.raises(ValueError, match="row 31, column 15: tiles are 8 x 8"):
        conductance.stuck(sheet, (8, 8), 3, tile=1)


# --- wear-out ---


@pytest.mark.parametrize(
    ("law", "shape", "distribution"),
    [("weibull", 2.0, stats.weibull_min(2.0, scale=50)), ("lognormal", 0.7, stats.lognorm(0.7, scale=50))],
)
def test_lives_are_drawn_from_their_distribution(law: str, shape: float, distribution: Any) -> None:
    found = conductance.worn(mortal(law, shape), (200, 100), 4)
    assert found is not None
    assert stats.kstest(found[0].ravel(), distribution.cdf).pvalue > 1e-3
    pulses = np.array([1.0, 20.0, 50.0, 120.0])
    np.testing.assert_allclose(survival(mortal(law, shape), pulses), distribution.logsf(pulses), rtol=1e-9)
    assert conductance.worn(device(), (3, 3), 4) is None


def test_cells_die_of_their_writes_and_stay_dead() -> None:
    worn = bank(mortal())
    lives = conductance.worn(mortal(), (32, 16), 0)
    assert lives is not None
    for n in range(1, 41):
        crossbar = worn.store(("w", n), weights(n), 0.0).crossbars[0]
        stuck = crossbar.cells.stuck
        dead = 0 if stuck is None else int((~np.isnan(stuck)).sum())
        assert dead == worn.failed
        worn.release(("w", n))
    expected = 512 * (1 - np.exp(-((40 / 50) ** 2)))
    assert worn.failed == pytest.approx(expected, abs=4 * np.sqrt(expected * 0.53))
    assert stuck is not None and stuck[~np.isnan(stuck)] == pytest.approx(20e-6)
    assert worn.wear(1.0)["worn_out_cells"] == worn.failed


def test_a_crossbar_reads_its_dead_cells_at_once() -> None:
    worn = bank(mortal(endurance=1.5, failure={"law": "weibull", "shape": 5, "at": "off"}))
    crossbar = worn.store(("w", 0), weights(), 0.0).crossbars[0]
    before = crossbar.mvm(np.ones((1, 32)), 0.0, 1).values
    dead = worn.failed
    worn.updated(("w", 0), [np.ones((2, 32, 8), np.uint32)])
    assert worn.failed > dead
    assert (crossbar.mvm(np.ones((1, 32)), 0.0, 1).values != before).any()


def test_nothing_dies_without_a_distribution_but_wear_is_counted() -> None:
    worn = bank(device(write=ONE, endurance=4))
    for n in range(10):
        worn.store(("w", n), weights(), 0.0)
    found = worn.wear(20.0)
    assert worn.failed == 0
    assert found["max_write_pulses"] == 10 and found["mean_write_pulses"] == 10 and found["wear"] == 2.5
    assert found["first_failure_years"] == pytest.approx(4 / (10 / 20.0) / YEAR)


def test_what_was_there_before_the_run_is_no_rate() -> None:
    worn = bank(mortal())
    worn.store(("w", 0), weights(), 0.0, preloaded=True)
    assert worn.wear(1.0) == {
        "max_write_pulses": 1,
        "mean_write_pulses": 1,
        "worn_out_cells": worn.failed,
        "wear": 0.02,
    }
    worn.release(("w", 0))
    worn.store(("w", 1), weights(), 0.0)
    assert 0 < worn.wear(1.0)["first_failure_years"] < 50 / YEAR


def test_years_of_what_is_written_again_are_those_of_the_mean_write() -> None:
    """Cells of a preloaded matrix took 1 to some dozen pulses; over many writes each takes the mean of 8.5."""
    worn = bank(device(endurance=1e6))
    crossbar = worn.store(("w", 0), weights(), 0.0, preloaded=True).crossbars[0]
    assert crossbar.pulses.max() > 12
    assert "first_failure_years" not in worn.wear(1.0)
    hourly = 1e6 / 8.5 * 3600 / YEAR
    assert worn.wear(1.0, every=3600.0)["first_failure_years"] == pytest.approx(hourly)
    assert worn.wear(7200.0, every=3600.0)["first_failure_years"] == pytest.approx(2 * hourly)  # no faster than it runs
    worn.updated(("w", 0), [np.full((2, 32, 8), 4, np.uint32)])
    assert worn.wear(3600.0)["first_failure_years"] == pytest.approx(hourly * 8.5 / 4)
    assert worn.wear(1.0, every=3600.0)["first_failure_years"] == pytest.approx(hourly * 8.5 / 12.5)
    assert worn.wear(1.0, every=3600.0)["max_write_pulses"] == crossbar.pulses.max() + 4


def test_years_of_simulated_pulses_are_those_of_the_cell() -> None:
    response = {"up": {"step": "2 uS"}, "down": {"step": "2 uS"}, "device": 0.3}
    pulsed = {"response": response, "tolerance": "1 uS", "max_pulses": 60}
    worn = bank(device(programming=None, pulsed=pulsed, endurance=1e6))
    most = worn.store(("w", 0), weights(), 0.0).crossbars[0].pulses.max()
    assert worn.wear(1.0)["first_failure_years"] == pytest.approx(1e6 / most / YEAR)
    assert worn.wear(1.0)["rejected_writes"] == 0
    hasty = bank(device(programming=None, pulsed=pulsed | {"max_pulses": 3}))
    bars = [hasty.store(("w", version), weights(), 0.0).crossbars[0] for version in range(2)]
    assert hasty.wear(1.0)["rejected_writes"] == sum(bar.cells.failures for bar in bars) > 100
    assert "rejected_writes" not in bank(device()).wear(1.0)


# --- the first of many ---


def test_the_first_of_equal_weibull_cells_is_in_closed_form() -> None:
    """The least of n Weibull variables is Weibull again, its scale smaller by n**(1/shape)."""
    sheet = mortal("weibull", 1.7, endurance=1e8)
    scale = 1e8 * 65536 ** (-1 / 1.7)
    found = first_failure(sheet, [1.0], [65536], [0.05, 0.5])
    np.testing.assert_allclose(found, scale * (-np.log([0.95, 0.5])) ** (1 / 1.7), rtol=1e-6)
    np.testing.assert_allclose(first_failure(sheet, [4.0], [65536], [0.5]), found[1] / 4, rtol=1e-6)


@pytest.mark.parametrize(("law", "shape"), [("weibull", 2.0), ("lognormal", 0.8)])
def test_the_first_of_unequal_cells_is_that_of_drawn_chips(law: str, shape: float) -> None:
    sheet = mortal(law, shape, endurance=1e6)
    rates = np.repeat([0.0, 1.0, 3.0], [1000, 500, 100])
    numbers = np.random.default_rng(1)
    lives = numbers.weibull(shape, (4000, 1600)) if law == "weibull" else numbers.lognormal(0, shape, (4000, 1600))
    with np.errstate(divide="ignore"):
        first = (1e6 * lives / rates).min(axis=1)
    median = first_failure(sheet, [0.0, 1.0, 3.0], [1000, 500, 100], [0.5])[0]
    assert median == pytest.approx(np.median(first), rel=0.03)
    report = lifetime(sheet, rates, 10.0)
    assert report["first_failure_years"] == pytest.approx(median * 10 / YEAR)
    assert report["first_failure_years_95_percent"] < report["first_failure_years"]


def test_what_never_fails_lasts_for_ever() -> None:
    assert first_failure(device(), [1.0], [10], [0.5]) == np.inf
    assert first_failure(mortal(), [0.0], [10], [0.5]) == np.inf
    assert lifetime(device(), np.ones(3), 1.0) == lifetime(mortal(), np.zeros(3), 1.0) == {}


def test_what_is_known_of_a_tile_survives_another_matrix() -> None:
    worn = bank(mortal(endurance=3))
    worn.store(("w", 0), weights(), 0.0)
    worn.updated(("w", 0), [np.full((2, 32, 8), 2, np.uint32)])
    dead = worn.stored[("w", 0)].crossbars[0].cells.stuck
    assert dead is not None
    worn.release(("w", 0))
    again = worn.store(("v", 0), weights()[:, :20, :5], 0.0).crossbars[0].cells.stuck
    assert again is not None
    known = ~np.isnan(dead[:, :20, :5])
    np.testing.assert_array_equal(again[known], dead[:, :20, :5][known])
    assert replace(worn.stored[("v", 0)].crossbars[0].cells).stuck is again
