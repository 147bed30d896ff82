"""Rows whose signal is not in proportion to their input: bowed levels of drivers, and cells beyond Ohm's law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, DeviceSheet
from hetsim.analog.drive import applied, quantised
from hetsim.analog.mismatch import mismatch

AMPLITUDES = {"bits": 4, "encoding": "amplitude", "energy": "0 J"}
WEIGHTS = np.random.default_rng(1).normal(size=(40, 30))
X = np.random.default_rng(2).normal(size=(5, 40))


def passes(bar: Crossbar, x: Any) -> Any:
    """Each pass of some vectors: the shares of full voltage [M, K], and what its sums count in products."""
    codes, unit = quantised(np.asarray(x, np.float32), bar.sheet.magnitude_bits(True))
    for step in bar.sheet.passes(True):
        weight = unit[:, None].astype(float) * bar.scale * 2.0**step.first * (-1 if step.sign < 0 else 1) * step.top
        yield applied(codes, step).astype(float) / step.top, weight


def amperes(bar: Crossbar) -> Any:
    """Siemens of each pair's difference, in steps."""
    cells = bar.conductances(1.0).astype(float)
    return (cells[0] - cells[1]) / bar.sheet.device.step


@pytest.mark.parametrize("signed_inputs", ["two_phase", "bipolar"])
def test_bowed_drivers_add_a_parabola_of_their_level(signed_inputs: Any) -> None:
    sheet = macro(
        device(levels=16), dac=AMPLITUDES | {"inl": 0.05, "gain": 0.02}, adc={"bits": 16}, signed_inputs=signed_inputs
    )
    bar = Crossbar.program(WEIGHTS, sheet, 1)
    errors = mismatch(sheet, bar.tiling, bar.tiles)
    assert errors is not None and 0.03 < errors.bend.std() < 0.07
    tile = np.arange(30) // bar.tiling.width
    gain, bend = errors.drive[0][:, tile], errors.bend[0][:, tile]
    expected = np.zeros((5, 30))
    for share, weight in passes(bar, X):
        bow = 4 * (share - share * np.abs(share))
        expected += weight * (share @ (gain * amperes(bar)) + bow @ (bend * amperes(bar)))
    found = bar.mvm(X, 1.0, 3).values
    straight = Crossbar.program(WEIGHTS, macro(device(levels=16), dac=AMPLITUDES, adc={"bits": 16}), 1)
    assert np.abs(straight.mvm(X, 1.0, 3).values - expected).max() > 0.01 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(bar.mvm(X[2:], 1.0, 3, signed=True, first=2).values, found[2:])


BENT = {"iv": {"voltage": "0.1 V"}}


@pytest.mark.parametrize("bits", [4, 7])
def test_bent_currents_follow_their_law(bits: int) -> None:
    fine = {"bits": 16, "range": {"policy": "fraction", "fraction": 0.3}}
    sheet = macro(device(levels=16, **BENT), dac=AMPLITUDES | {"bits": bits}, adc=fine)
    bar = Crossbar.program(WEIGHTS, sheet, 1)
    law, full = sheet.device.iv, sheet.read_voltage
    assert law is not None
    cells = bar.conductances(1.0).astype(float)
    expected, joules = np.zeros((5, 30)), 0.0
    for share, weight in passes(bar, X):
        current = law.current(np.ones_like(share), share * full, full)
        expected += weight * (current / full) @ amperes(bar)
        joules += sheet.integration_time * float((current * share * full @ cells.sum(axis=(0, 2))).sum())
    read = bar.mvm(X, 1.0, 3)
    np.testing.assert_allclose(read.values, expected, atol=1e-3 * np.abs(expected).max())
    assert read.joules == pytest.approx(joules, rel=1e-6)
    ohmic = bar.mvm(X, 1.0, 3, "ideal")
    assert np.abs(ohmic.values - expected).max() > 0.02 * np.abs(expected).max()
    assert read.joules < ohmic.joules


def test_nearly_straight_cells_read_like_ohmic_ones() -> None:
    reads = []
    for more in ({}, {"iv": {"voltage": "100 V"}}):
        cell = device(levels=16, read_noise={"relative": {"polynomial": [0.03]}, "correlation": "mvm"}, **more)
        bar = Crossbar.program(WEIGHTS, macro(cell, dac=AMPLITUDES, adc={"bits": 16}), 1)
        reads.append(bar.mvm(X, 1.0, 3))
    np.testing.assert_allclose(reads[0].values, reads[1].values, atol=1e-3 * np.abs(reads[0].values).max())
    assert reads[0].joules == pytest.approx(reads[1].joules, rel=1e-5)


def noisy(correlation: str) -> DeviceSheet:
    return device(levels=16, read_noise={"relative": {"polynomial": [0.03]}, "correlation": correlation}, **BENT)


@pytest.mark.parametrize("correlation", ["sample", "mvm"])
def test_noise_goes_with_the_current(correlation: str) -> None:
    """One pass at three quarters of the full voltage: cells are noisy in proportion to what they carry there."""
    sheet = macro(noisy(correlation), dac=AMPLITUDES | {"bits": 8}, adc={"bits": 16})
    bar = Crossbar.program(WEIGHTS[:32], sheet, 1)
    x = np.full((3000, 32), 0.75)
    x[:, 0] = 1.0
    share = np.rint(x[0] * 255) / 255
    law, full = sheet.device.iv, sheet.read_voltage
    assert law is not None
    carried = law.current(np.ones(32), share * full, full) / full
    siemens = 0.03 * bar.conductances(1.0).astype(float) * carried[:, None]
    sigma = np.sqrt((siemens**2).sum(axis=(0, 1))) / sheet.device.step * bar.scale
    np.testing.assert_allclose(bar.mvm(x, 1.0, 3).values.std(axis=0), sigma, rtol=0.08)


def test_expected_dissipation_is_that_of_many_inputs() -> None:
    sheet = macro(device(levels=16, **BENT), dac=AMPLITUDES | {"bits": 8}, rows=256, adc={"bits": 12})
    bar = Crossbar.program(np.zeros((256, 8)), sheet, 1)
    x = np.random.default_rng(3).integers(0, 256, (200, 256)) / 255
    x[:, 0] = 1.0
    middle = (sheet.device.g_min + sheet.device.g_max) / 2 / sheet.device.g_min  # all cells are at g_min
    expected = 200 * sheet.dissipation(bar.tiling, signed=False) / middle
    assert bar.mvm(x, 1.0, 3).joules == pytest.approx(expected, rel=0.03)
