"""Laws of conductance: spread, relaxation, drift, read noise, stuck cells, pulses; all drawn from keys."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from test_analog_sheets import WRITE, device

from hetsim.analog import conductance
from hetsim.analog.device import DeviceSheet

N = 40_000
FLAT = np.full(N, 10e-6, np.float32)


def relaxing() -> DeviceSheet:
    """Spread of 1 uS after 1 s and 3 uS after 100 s."""
    curves = [{"time": f"{t} s", "sigma": {"unit": "1 uS", "polynomial": [s]}} for t, s in ((1, 1.0), (100, 3.0))]
    return device(programming={"unit": "1 uS", "polynomial": [7]}, relaxation=curves)


def drifting() -> DeviceSheet:
    return device(
        drift={"time": "20 s", "mean": {"polynomial": [0.05]}, "deviation": {"polynomial": [0.01]}},
        read_noise={"relative": {"polynomial": [0.02]}, "time_constant": "250 ns"},
    )


def test_programmed_cells_are_normal_around_their_targets() -> None:
    sheet = device(programming={"unit": "1 uS", "polynomial": [0.75]})
    actual = conductance.conductance(sheet, conductance.program(sheet, FLAT, 3), 0.0)
    deviation = (actual.astype(float) - 10e-6) / 0.75e-6
    assert stats.kstest(deviation, "norm").pvalue > 1e-3
    again = conductance.conductance(sheet, conductance.program(sheet, FLAT, 3), 1e9)
    np.testing.assert_array_equal(again, actual)
    other = conductance.conductance(sheet, conductance.program(sheet, FLAT, 4), 0.0)
    assert abs(np.corrcoef(actual, other)[0, 1]) < 4 / np.sqrt(N)


def test_conductance_is_never_negative() -> None:
    sheet = device(g_min="0 S", programming={"unit": "1 uS", "polynomial": [5]})
    actual = conductance.conductance(sheet, conductance.program(sheet, FLAT * 0, 3), 0.0)
    assert actual.min() == 0
    assert np.mean(actual == 0) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("age", "sigma"), [(0.0, 1.0), (1.0, 1.0), (10.0, 2.0), (100.0, 3.0), (1e6, 3.0), (10**1.5, 2.5)]
)
def test_relaxation_replaces_the_programming_error_in_log_time(age: float, sigma: float) -> None:
    sheet = relaxing()
    actual = conductance.conductance(sheet, conductance.program(sheet, FLAT, 5), age)
    assert actual.std(dtype=float) == pytest.approx(sigma * 1e-6, rel=0.02)
    place = (actual.astype(float) - 10e-6) / (sigma * 1e-6)
    fresh = (conductance.conductance(sheet, conductance.program(sheet, FLAT, 5), 1.0) - 10e-6) / 1e-6
    np.testing.assert_allclose(place[actual > 0], fresh[actual > 0], atol=1e-4)


def test_drift_is_a_power_law_with_an_exponent_for_each_cell() -> None:
    sheet = drifting()
    cells = conductance.program(sheet, FLAT, 6)
    np.testing.assert_array_equal(
        conductance.conductance(sheet, cells, 0.0), conductance.conductance(sheet, cells, 20.0)
    )
    start = conductance.conductance(sheet, cells, 20.0).astype(float)
    nu = -np.log(conductance.conductance(sheet, cells, 20e4).astype(float) / start) / np.log(1e4)
    assert nu.mean() == pytest.approx(0.05, abs=4 * 0.01 / np.sqrt(N) + 1e-6)
    assert nu.std() == pytest.approx(0.01, rel=0.02)
    later = -np.log(conductance.conductance(sheet, cells, 20e2).astype(float) / start) / np.log(1e2)
    np.testing.assert_allclose(later, nu, atol=1e-5)


def test_read_noise_is_a_share_of_conductance_and_grows_with_time() -> None:
    sheet = drifting()
    grown = np.sqrt(np.log((1e4 + 250e-9) / 500e-9))
    np.testing.assert_allclose(conductance.read_sigma(sheet, FLAT, 1e4), 0.02 * 10e-6 * grown, rtol=1e-5)
    np.testing.assert_array_equal(conductance.read_sigma(sheet, FLAT, 0.0), conductance.read_sigma(sheet, FLAT, 20.0))
    assert not conductance.read_sigma(device(), FLAT, 1.0).any()


@pytest.mark.parametrize(("at", "low", "high"), [("off", 2e-6, 2e-6), ("on", 20e-6, 20e-6), ("anywhere", 2e-6, 20e-6)])
def test_stuck_cells_stay_where_they_are(at: str, low: float, high: float) -> None:
    sheet = device(stuck={"rate": 0.01, "at": at})
    stuck = conductance.stuck(sheet, (N,), 8)
    assert stuck is not None
    failed = ~np.isnan(stuck)
    assert failed.mean() == pytest.approx(0.01, abs=4 * np.sqrt(0.01 / N))
    actual = conductance.conductance(sheet, conductance.program(sheet, FLAT, 1, stuck), 0.0)
    np.testing.assert_array_equal(actual[~failed], FLAT[~failed])
    np.testing.assert_array_equal(actual[failed], stuck[failed])
    assert low * 0.999 <= stuck[failed].min() <= stuck[failed].max() <= high * 1.001
    assert conductance.stuck(device(), (N,), 8) is None


def test_pulses_are_geometric_with_the_datasheets_mean() -> None:
    drawn = conductance.pulses(device(write=WRITE | {"pulses": 4}), (N,), 9)
    assert drawn.min() == 1
    assert drawn.mean() == pytest.approx(4, abs=4 * np.sqrt(12 / N))
    assert np.mean(drawn == 1) == pytest.approx(1 / 4, abs=0.01)
    assert not (conductance.pulses(device(write=WRITE | {"pulses": 1}), (9,), 9) - 1).any()
