"""Clocks: voltages between points, energies, and what a power limit leaves."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hetsim.hardware.clock import ClockSheet, sustained

POINTS = [
    {"frequency": "500 MHz", "voltage": "0.6 V"}, {"frequency": "1 GHz", "voltage": "0.8 V"},
    {"frequency": "1.5 GHz", "voltage": "1.2 V"},
]  # fmt: skip


def clock(**changes: object) -> ClockSheet:
    return ClockSheet.model_validate({"nominal": "1 GHz", "points": POINTS, **changes})


@pytest.mark.parametrize(
    ("frequency", "volts"), [(1e8, 0.6), (5e8, 0.6), (7.5e8, 0.7), (1e9, 0.8), (1.25e9, 1.0), (1.5e9, 1.2), (9e9, 1.2)]
)
def test_voltage_lies_on_straight_lines(frequency: float, volts: float) -> None:
    assert clock().voltage(frequency) == pytest.approx(volts)


def test_energy_goes_with_the_square_of_the_voltage() -> None:
    assert clock().energy(1.0) == 1.0
    assert clock().energy(1.5) == pytest.approx((1.2 / 0.8) ** 2)
    assert clock().energy(0.1) == pytest.approx((0.6 / 0.8) ** 2)


def test_the_highest_clock_is_the_last_point_or_the_cap() -> None:
    assert clock().highest == 1.5
    assert clock(cap="700 MHz").highest == pytest.approx(0.7)
    assert clock(cap="2 GHz").highest == 1.5


def test_a_limit_that_is_kept_changes_nothing() -> None:
    assert sustained(lambda f: 10 * f, 15, 1.5) == 1.5


def test_the_clock_falls_until_the_power_is_at_the_limit() -> None:
    assert sustained(lambda f: 5 + 10 * f**3, 5 + 10 * 0.8**3, 1.5) == pytest.approx(0.8)


def test_a_limit_below_all_power_leaves_a_crawl() -> None:
    assert sustained(lambda f: 50.0, 10, 1.5) == pytest.approx(0.015)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"points": POINTS[::-1]}, "in order of frequency"), ({"nominal": "2 GHz"}, "above the last point"),
        ({"points": []}, "at least 1"), ({"points": [POINTS[0], POINTS[1] | {"voltage": "0.5 V"}]}, "cannot fall"),
    ],
)  # fmt: skip
def test_clocks_that_make_no_sense_are_refused(change: dict, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        clock(**change)
