"""Global drift compensation: the mean loss of each tile is made up for, the spread of exponents stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar
from hetsim.analog.compensation import compensate, totals

FINE = {"bits": 14, "range": {"policy": "max"}}


def drifting(deviation: float = 0.0, noise: float = 0.0, **changes: Any) -> Crossbar:
    drift = {"time": "20 s", "mean": {"polynomial": [0.06]}, "deviation": {"polynomial": [deviation]}}
    cell = device(g_min="0 S", drift=drift, read_noise={"relative": {"polynomial": [noise]}})
    weights = np.random.default_rng(1).normal(size=(70, 20))
    return Crossbar.program(weights, macro(cell, adc=changes.pop("adc", FINE), **changes), 1)


def batch(count: int = 32, rows: int = 70) -> np.ndarray:
    return np.random.default_rng(2).random((count, rows))


@pytest.mark.parametrize(
    "changes", [{}, {"pair": "rows"}, {"adc": {"bits": 14, "range": {"policy": "calibrated", "percentile": 100}}}]
)
def test_equal_exponents_are_made_up_for_exactly(changes: dict[str, Any]) -> None:
    bar, x = drifting(**changes), batch()
    young = totals(bar, x, 20.0, 5)
    assert young.magnitudes.shape == (bar.tiling.down, bar.tiling.across)
    start = bar.mvm(x, 20.0, 5).values
    aged = bar.mvm(x, 2e6, 5).values
    np.testing.assert_allclose(aged, start * 1e5**-0.06, atol=0.01 * abs(start).max())
    compensate(bar, x, young, 2e6, 6)
    np.testing.assert_allclose(bar.correction, 1e5**0.06, rtol=0.01)
    np.testing.assert_allclose(bar.mvm(x, 2e6, 5).values, start, atol=0.01 * abs(start).max())
    ideal = bar.mvm(x, 2e6, 5, "ideal").values
    bar.correction = bar.correction * 7
    np.testing.assert_array_equal(bar.mvm(x, 2e6, 5, "ideal").values, ideal)


def test_the_factor_of_a_tile_is_the_ratio_of_its_own_sums() -> None:
    bar, x = drifting(0.02), batch()
    young = totals(bar, x, 20.0, 5)
    compensate(bar, x, young, 2e6, 6)
    cells = [bar.conductances(t).astype(float) for t in (20.0, 2e6)]
    for r in range(bar.tiling.down):
        for c in range(bar.tiling.across):
            rows, columns = slice(32 * r, 32 * r + 32), slice(8 * c, 8 * c + 8)
            then, now = (abs(x[:, rows] @ (g[0] - g[1])[rows, columns]).sum() for g in cells)
            assert bar.correction[r, c] == pytest.approx(then / now, rel=0.01)


def test_the_spread_of_exponents_remains() -> None:
    errors = {}
    for deviation in (0.0, 0.03):
        bar, x = drifting(deviation), batch()
        young = totals(bar, x, 20.0, 5)
        start = bar.mvm(x, 20.0, 5).values
        compensate(bar, x, young, 2e6, 6)
        errors[deviation] = np.abs(bar.mvm(x, 2e6, 5).values - start).mean() / np.abs(start).mean()
    assert errors[0.0] < 0.01 < 0.05 < errors[0.03]


def test_it_is_read_through_the_noisy_tile_and_costs_its_reads() -> None:
    bar, x = drifting(noise=0.1), batch(8)
    young = totals(bar, x, 20.0, 5)
    assert (totals(bar, x, 20.0, 6).magnitudes != young.magnitudes).all()
    np.testing.assert_array_equal(totals(bar, x, 20.0, 5).magnitudes, young.magnitudes)
    whole = bar.mvm(x, 20.0, 5)
    assert young.conversions == whole.conversions
    assert young.joules == pytest.approx(whole.joules, rel=0.05)  # a tile's inputs are scaled by its own largest
    latency, interval = bar.sheet.pace(False, 8)
    assert young.seconds == pytest.approx(latency + 7 * interval)
    assert young.vectors == 8


def test_a_silent_tile_keeps_its_factor() -> None:
    bar, x = drifting(), batch(4) * 0
    young = totals(bar, x, 20.0, 5)
    compensate(bar, x, young, 2e6, 6)
    np.testing.assert_array_equal(bar.correction, 1.0)
