"""Crossbars: what reads depend on, what they do not, and how noisy they are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import stats
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, MacroSheet
from hetsim.analog.kernels.noise import normals

NOISE = {"relative": {"polynomial": [0.05]}}
FINE = {"bits": 16, "range": {"policy": "max"}}


def bar(sheet: MacroSheet, rows: int = 40, columns: int = 20, key: int = 1) -> Crossbar:
    return Crossbar.program(np.random.default_rng(key).normal(size=(rows, columns)), sheet, key)


def vectors(count: int, rows: int = 40, signed: bool = False) -> np.ndarray[Any, Any]:
    x = np.random.default_rng(2).normal(size=(count, rows))
    return x if signed else abs(x)


@pytest.mark.parametrize("signed", [False, True])
def test_a_read_does_not_depend_on_how_a_batch_is_split(signed: bool) -> None:
    crossbar, x = bar(macro(device(read_noise=NOISE), adc=FINE)), vectors(70, signed=signed)
    whole = crossbar.mvm(x, 1.0, 9)
    parts = [crossbar.mvm(x[i : i + 11], 1.0, 9, signed=signed, first=i) for i in range(0, 70, 11)]
    np.testing.assert_array_equal(np.concatenate([p.values for p in parts]), whole.values)
    assert sum(p.joules for p in parts) == pytest.approx(whole.joules, rel=1e-12)
    assert sum(p.conversions for p in parts) == whole.conversions
    shuffled = crossbar.mvm(x[::-1], 1.0, 9, "ideal")
    np.testing.assert_array_equal(shuffled.values[::-1], crossbar.mvm(x, 1.0, 9, "ideal").values)


def test_a_read_does_not_depend_on_threads() -> None:
    program = (
        "import hashlib; from test_analog_crossbar import *;"
        "sheet = macro(device(read_noise=NOISE), dac={'bits': 2, 'encoding': 'amplitude', 'energy': '0 J'},"
        " pair='rows', sensing='voltage', adc={'range': {'policy': 'calibrated'}});"
        "r = bar(sheet, 90, 200).mvm(vectors(3000, 90), 1.0, 9);"
        "print(hashlib.sha256(r.values.tobytes()).hexdigest(), r.joules.hex(), r.clipped)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"NUMBA_NUM_THREADS": threads, "PYTHONPATH": ":".join(p for p in sys.path if p)},
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_noise_depends_on_the_key_alone() -> None:
    crossbar, x = bar(macro(device(read_noise=NOISE), adc=FINE)), vectors(20)
    first = crossbar.mvm(x, 1.0, 9).values
    np.testing.assert_array_equal(crossbar.mvm(x, 1.0, 9).values, first)
    assert (crossbar.mvm(x, 1.0, 10).values != first).mean() > 0.9


def test_normals_are_normal_and_independent() -> None:
    drawn = np.empty((4000, 64), np.float32)
    normals(np.uint64(0x9E3779B97F4A7C15), drawn)
    drawn = drawn.astype(np.float64)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    for figures in (drawn, drawn**2 - 1):
        correlation = np.corrcoef(figures.T) - np.eye(64)
        assert abs(correlation).max() < 5 / np.sqrt(4000)
        assert abs((figures[1:] * figures[:-1]).mean()) < 8 / np.sqrt(figures.size)


@pytest.mark.parametrize(
    "changes",
    [
        {"pair": "columns", "subtraction": "digital"},
        {"pair": "columns", "subtraction": "analog"},
        {"pair": "rows", "subtraction": "analog", "signed_inputs": "bipolar"},
        {"dac": {"bits": 4, "encoding": "amplitude", "energy": "0 J"}},
    ],
)
def test_the_noise_of_a_product_is_the_sum_of_its_cells_noise(changes: dict[str, Any]) -> None:
    """One Gaussian a conversion has the variance that independent noise in every cell would have."""
    sheet = macro(device(read_noise=NOISE), rows=64, adc=FINE, input_bits=5, **changes)
    crossbar = bar(sheet, 30, 4)
    x = np.random.default_rng(3).integers(0, 16, 30)
    x[0] = 15
    if sheet.magnitude_bits(False) == 5:
        x = 31 * x // 15
    values = crossbar.mvm(np.tile(x, (20_000, 1)), 1.0, 9).values.astype(float) / crossbar.scale
    cells = (0.05 * crossbar.conductances(1.0) / sheet.device.step).astype(float) ** 2  # variances
    passes = sheet.passes(False)
    expected = np.zeros(4)
    for p in passes:
        part = x >> p.first & p.top
        pulses = [part] if sheet.dac.encoding == "amplitude" else [2**b * (part >> b & 1) for b in range(p.bits)]
        for pulse in pulses:
            expected += 4.0**p.first * (pulse[:, None] ** 2 * cells.sum(axis=0)).sum(axis=0)
    np.testing.assert_allclose(values.var(axis=0), expected, rtol=0.06)
    standard = (values[:, 0] - values[:, 0].mean()) / values[:, 0].std()
    assert stats.kstest(standard, "norm").pvalue > 1e-3


def test_a_calibrated_range_is_set_by_the_first_batch() -> None:
    sheet = macro(adc={"bits": 6, "range": {"policy": "calibrated", "percentile": 99}})
    crossbar, x = bar(sheet), vectors(200)
    first = crossbar.mvm(x, 0.0, 1)
    assert 0 < first.clipped / first.conversions < 0.02
    small = crossbar.mvm(x[:5], 0.0, 1)
    np.testing.assert_array_equal(small.values, first.values[:5])
    wide = bar(macro(adc={"bits": 6, "range": {"policy": "max"}})).mvm(x, 0.0, 1)
    assert wide.clipped == 0
    exact = x @ np.random.default_rng(1).normal(size=(40, 20))
    assert abs(first.values - exact).mean() < abs(wide.values - exact).mean()


def test_drift_and_relaxation_act_on_reads() -> None:
    drift = {"time": "1 s", "mean": {"polynomial": [0.1]}, "deviation": {"polynomial": [0.0]}}
    crossbar, x = bar(macro(device(drift=drift, g_min="0 S"), adc=FINE)), vectors(5)
    start = crossbar.mvm(x, 1.0, 1).values
    later = crossbar.mvm(x, 1000.0, 1).values
    np.testing.assert_allclose(later, start * 1000**-0.1, rtol=1e-3, atol=2e-3 * abs(start).max())
    np.testing.assert_array_equal(crossbar.mvm(x, 1000.0, 1, "ideal").values, crossbar.mvm(x, 1.0, 1, "ideal").values)


def test_stuck_cells_act_on_reads_but_not_on_ideal_ones() -> None:
    stuck = np.full((2, 40, 20), np.nan)
    stuck[0, :, 3] = 20e-6
    weights = np.random.default_rng(1).normal(size=(40, 20))
    sheet = macro(adc=FINE)
    healthy, faulty = (Crossbar.program(weights, sheet, 1, stuck=s) for s in (None, stuck))
    x = vectors(6)
    a, b = healthy.mvm(x, 0.0, 1).values, faulty.mvm(x, 0.0, 1).values
    np.testing.assert_array_equal(np.delete(a, 3, axis=1), np.delete(b, 3, axis=1))
    assert (b[:, 3] > a[:, 3]).all()
    np.testing.assert_array_equal(healthy.mvm(x, 0.0, 1, "ideal").values, faulty.mvm(x, 0.0, 1, "ideal").values)


@pytest.mark.parametrize("weights", [np.zeros((0, 3)), np.zeros(3), np.array([[np.nan]]), np.array([[np.inf, 1.0]])])
def test_weights_that_cannot_be_stored(weights: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="finite"):
        Crossbar.program(weights, macro(), 1)


def test_inputs_that_cannot_be_applied() -> None:
    crossbar = bar(macro())
    for wrong in (np.zeros((2, 39)), np.zeros(40), np.zeros((0, 40))):
        with pytest.raises(ValueError, match="vectors of 40 numbers"):
            crossbar.mvm(wrong, 0.0, 1)
    with pytest.raises(ValueError, match="finite"):
        crossbar.mvm(np.full((1, 40), np.nan), 0.0, 1)
    with pytest.raises(ValueError, match="negative"):
        crossbar.mvm(-np.ones((1, 40)), 0.0, 1, signed=False)


def test_zeros_in_zeros_out() -> None:
    crossbar = bar(macro(device(read_noise=NOISE)))
    reading = crossbar.mvm(np.zeros((3, 40)), 0.0, 1)
    assert not reading.values.any()
    assert reading.joules == 0
    assert reading.conversions == 3 * 8 * 2 * 20
