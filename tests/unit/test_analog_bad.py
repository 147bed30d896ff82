"""What a crossbar cannot be: a clear error, or the limit that physics has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, DeviceSheet
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import transfer

WEIGHTS = np.random.default_rng(1).normal(size=(20, 6))
X = np.random.default_rng(2).random((3, 20))
FINE = {"bits": 12, "range": {"policy": "max"}}
PITCH = {"word_line": "2 ohm", "bit_line": "2 ohm"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"g_min": "nan S"}, "'nan S' is not a finite number; a conductance such as '20 uS' is expected"),
        ({"g_max": "inf S"}, "'inf S' is not a finite number"),
        ({"g_min": "-1 uS"}, "'-1 uS' is negative; a conductance cannot be"),
        ({"g_min": "30 uS"}, "upside down: g_min 3e-05 S is not below g_max 2e-05 S"),
        ({"g_min": "20 uS"}, "upside down: g_min 2e-05 S is not below g_max 2e-05 S"),
        ({"g_min": "19.999 uS", "levels": 2048}, "2048 levels are more than the range resolves"),
        ({"levels": 1}, "greater than or equal to 2"),
    ],
)
def test_devices_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        device(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight_bits": 8, "slices": [2, 2]}, r"slices \[2, 2\] hold 5 bits, the weights have 8"),
        ({"slices": [4]}, "a slice of 4 bits takes 16 levels, the device has 8"),
        ({"slices": [0, 3]}, "a slice of 0 bits holds nothing"),
        ({"slices": []}, "slices"),
        ({"weight_bits": 8}, "weights of 8 bits take 128 levels, the device has 8: spread them over slices"),
        ({"adc": {"bits": 0}}, "adc.bits"),
        ({"wires": {"word_line": "-1 ohm"}}, "'-1 ohm' is negative; a resistance cannot be"),
        ({"wires": {"word_line": "nan ohm"}}, "'nan ohm' is not a finite number"),
        ({"wires": {"open_word_lines": [[32, 0]]}}, "no segment 0 of word line 32 that could be open: 32 word lines"),
        ({"wires": {"open_bit_lines": [[0, 33]]}}, "no segment 33 of bit line 0 that could be open: 16 bit lines"),
    ],
)
def test_macros_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        macro(**wrong)


@pytest.mark.parametrize(
    ("stuck", "message"),
    [
        (np.full((20, 6), np.nan), r"in the shape \(20, 6\), the cells have \(2, 20, 6\)"),
        (np.full((2, 20, 6), -1e-6), "must be finite and not negative, or NaN for healthy cells"),
        (np.full((2, 20, 6), np.inf), "must be finite"),
    ],
)
def test_stuck_cells_that_cannot_be(stuck: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Crossbar.program(WEIGHTS, macro(), 1, stuck=stuck)


def test_a_time_that_is_none() -> None:
    with pytest.raises(ValueError, match="a time in seconds is expected, found nan"):
        Crossbar.program(WEIGHTS, macro(), 1).mvm(X, float("nan"), 1)


def read(cell: DeviceSheet | None = None, wires: dict[str, Any] | None = None) -> Any:
    return Crossbar.program(WEIGHTS, macro(cell, adc=FINE, wires=wires), 1).mvm(X, 0.0, 1).values


def test_wires_without_resistance_are_no_wires() -> None:
    for nothing in ({}, {"word_line": "0 ohm", "bit_line": "0 ohm", "source": "0 ohm", "sense": "0 ohm"}):
        np.testing.assert_allclose(read(wires=nothing), read(), atol=1e-5)
    cells = np.random.default_rng(3).uniform(2e-6, 2e-5, (5, 7))
    np.testing.assert_array_equal(transfer(cells, Wires()), cells)
    tiny = transfer(cells, Wires.model_validate({"word_line": "1e-6 ohm", "bit_line": "1e-6 ohm"}))
    np.testing.assert_allclose(tiny, cells, rtol=1e-8)


@pytest.mark.parametrize("wires", [{}, PITCH])
def test_an_open_word_line_drives_nothing(wires: dict[str, Any]) -> None:
    """Cut off its only driver it floats: currents that sneak through it are small, and its input changes nothing."""
    opened = wires | {"open_word_lines": [[4, 0]]}
    bar = Crossbar.program(WEIGHTS, macro(device(g_min="0 S"), adc=FINE, wires=opened), 1)
    without = X.copy()
    without[:, 4] = 0
    values, other = bar.mvm(X, 0.0, 1).values, bar.mvm(without, 0.0, 1).values
    np.testing.assert_allclose(values, other, atol=0.02)
    whole = read(device(g_min="0 S"), wires)
    assert abs(whole - values).max() > 0.2


def test_an_open_bit_line_shows_nothing_and_leaves_the_others_alone() -> None:
    opened = read(wires={"open_bit_lines": [[0, 32]]})  # the positive cells of the first output
    whole = read(wires={})
    np.testing.assert_allclose(opened[:, 1:], whole[:, 1:], atol=1e-5)
    held = np.minimum(WEIGHTS[:, 0], 0)  # what the negative cells hold, besides their least conductance
    least = 2 / 18 * abs(WEIGHTS).max()
    np.testing.assert_allclose(opened[:, 0], X @ (held - least), atol=0.15 * abs(X @ held).max())


def test_an_open_line_out_of_use_is_of_no_use() -> None:
    np.testing.assert_allclose(read(wires=PITCH | {"open_word_lines": [[25, 0]]}), read(wires=PITCH), atol=1e-5)
