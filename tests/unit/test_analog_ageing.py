"""Ageing and noise: each law against its closed form in double precision, and how long each noise lasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from library_devices import levels_of, shipped_device
from scipy import stats
from test_analog_sheets import WRITE, device, macro

from hetsim.analog import Crossbar, conductance
from hetsim.analog.ageing import Activation, Retention
from hetsim.analog.device import DeviceSheet
from hetsim.analog.noise import Sinh
from hetsim.catalog import names

N = 40_000
FLAT = np.full(N, 10e-6, np.float32)
K = 1.380649e-23
EV = 1.602176634e-19


def read(sheet: DeviceSheet, age: float = 0.0, **how: Any) -> np.ndarray:
    return conductance.conductance(sheet, conductance.program(sheet, FLAT, 3), age, **how).astype(float)


# --- time and temperature ---


def test_retention_loses_its_share_by_its_time() -> None:
    law = {"time": "10 y", "loss": 0.2, "towards": "off", "shape": 0.5}
    sheet, year = device(retention=law), 31_557_600.0
    for years in (0, 0.1, 1, 10, 100):
        share = 1 - 0.8 ** ((years / 10) ** 0.5)
        np.testing.assert_allclose(read(sheet, years * year), 10e-6 - 8e-6 * share, rtol=1e-5)
    assert not sheet.static
    up = device(retention=law | {"towards": "on"})
    np.testing.assert_allclose(read(up, 10 * year), 10e-6 + 10e-6 * 0.2, rtol=1e-5)


def test_heat_ages_by_arrhenius() -> None:
    hot = {"energy": "1.1 eV", "temperature": "85 degC"}
    factor = np.exp(1.1 * EV / K * (1 / 358.15 - 1 / 398.15))
    assert Activation.model_validate(hot).acceleration(398.15) == pytest.approx(factor)
    assert Activation.model_validate(hot).acceleration(358.15) == pytest.approx(1)
    assert Activation.model_validate(hot).acceleration(300.0) < 1e-2
    law = {"time": "1 d", "loss": 0.5, "activation": hot}
    assert Retention.model_validate(law).tau == pytest.approx(86400 / np.log(2))
    kept = read(device(retention=law), 3600.0, temperature=398.15)
    np.testing.assert_allclose(kept, 2e-6 + 8e-6 * 0.5 ** (factor * 3600 / 86400), rtol=1e-4)
    drift = {"time": "1 s", "mean": {"polynomial": [0.1]}, "deviation": {"polynomial": [0]}}
    sheet = device(drift=drift, activation=hot)
    np.testing.assert_allclose(read(sheet, 100.0, temperature=398.15), 10e-6 * (100 * factor) ** -0.1, rtol=1e-4)
    np.testing.assert_allclose(read(sheet, 100.0), 10e-6 * 100**-0.1, rtol=1e-4)


def test_read_disturb_goes_on_with_reads() -> None:
    sheet = device(disturb={"reads": 1e6, "towards": "on"})
    for reads in (0.0, 1e5, 1e6, 1e9):
        np.testing.assert_allclose(read(sheet, reads=reads), 20e-6 - 10e-6 * np.exp(-reads / 1e6), rtol=1e-5)


def test_a_crossbar_counts_its_reads_for_disturb() -> None:
    weights = np.random.default_rng(1).normal(size=(20, 5))
    bar = Crossbar.program(weights, macro(device(disturb={"reads": 100, "towards": "off"})), 1)
    x = np.ones((10, 20))
    first = bar.mvm(x, 0.0, 1)
    later = bar.mvm(x, 0.0, 1)
    assert bar.reads == pytest.approx(np.full(20, 2 * 10 * 8.0))  # eight bits set, all of ten vectors
    assert abs(later.values).mean() < 0.5 * abs(first.values).mean()


def test_relaxation_that_adds_is_added_as_a_variance_and_shifts_the_mean() -> None:
    curves = [
        {"time": f"{t} s", "adds": True, "sigma": {"unit": "1 uS", "polynomial": [s]},
         "mean": {"unit": "1 uS", "polynomial": [m]}} for t, s, m in ((1, 0.4, 0.0), (100, 1.2, -2.0))
    ]  # fmt: skip
    sheet = device(programming={"unit": "1 uS", "polynomial": [0.3]}, relaxation=curves)
    for age, sigma, mean in ((1.0, 0.4, 0.0), (10.0, 0.8, -1.0), (100.0, 1.2, -2.0)):
        actual = read(sheet, age)
        assert actual.std() == pytest.approx(np.hypot(0.3, sigma) * 1e-6, rel=0.02)
        assert actual.mean() == pytest.approx((10 + mean) * 1e-6, abs=5 * 1.3e-6 / np.sqrt(N))


def test_cells_written_later_are_younger() -> None:
    drift = {"time": "1 s", "mean": {"polynomial": [0.1]}, "deviation": {"polynomial": [0]}}
    sheet = device(drift=drift)
    cells = conductance.program(sheet, FLAT[:3], 1)
    born = np.array([0, 90, 200], np.float32)
    mixed = conductance.Cells(cells.target, cells.deviation, cells.exponent, None, born=born)
    np.testing.assert_allclose(
        conductance.conductance(sheet, mixed, 100.0), 10e-6 * np.array([100, 10, 1]) ** -0.1, rtol=1e-5
    )


# --- noise ---


def noisy(correlation: str) -> DeviceSheet:
    return device(
        read_noise={"relative": {"polynomial": [0.03]}, "correlation": correlation},
        flicker={"density": 1e-4, "low": "1 Hz", "high": "1 MHz", "correlation": correlation},
    )


@pytest.mark.parametrize("correlation", ["sample", "mvm", "inference"])
def test_each_noise_lasts_as_long_as_it_says(correlation: str) -> None:
    sheet = noisy(correlation)
    expected = 10e-6 * np.sqrt(0.03**2 + 1e-4 * np.log(1e6))
    white = conductance.read_sigma(sheet, FLAT, 1.0)
    frozen = conductance.frozen_sigma(sheet, FLAT, 1.0)
    drawn = conductance.perturbed(sheet, FLAT, 1.0, 7).astype(float) - 10e-6
    found = {"sample": white[0], "mvm": frozen[0], "inference": drawn.std()}
    for kind, sigma in found.items():
        assert sigma == pytest.approx(expected if kind == correlation else 0, rel=0.02)
        assert sheet.noisy(kind) == (kind == correlation)  # type: ignore[arg-type]
    if correlation == "inference":
        assert stats.kstest(drawn / expected, "norm").pvalue > 1e-3
        again, other = (conductance.perturbed(sheet, FLAT, 1.0, key).astype(float) - 10e-6 for key in (7, 8))
        np.testing.assert_array_equal(again, drawn)
        assert abs(np.corrcoef(other, drawn)[0, 1]) < 4 / np.sqrt(N)


def test_thermal_noise_is_that_of_a_conductance() -> None:
    sheet = device(thermal={"bandwidth": "100 MHz", "voltage": "0.2 V"})
    current = np.sqrt(4 * K * 400 * 10e-6 * 100e6)
    np.testing.assert_allclose(conductance.read_sigma(sheet, FLAT, 0.0, temperature=400.0), current / 0.2, rtol=1e-5)
    assert sheet.noisy("sample") and not sheet.noisy("mvm")


@pytest.mark.parametrize("correlation", ["mvm", "inference"])
def test_telegraph_noise_has_two_states(correlation: str) -> None:
    noise = {"share": 0.4, "relative": {"polynomial": [0.2]}, "correlation": correlation}
    sheet = device(telegraph=noise)
    amplitude = conductance.telegraph(sheet, FLAT, 5)
    assert set(np.unique(amplitude)) == {np.float32(0), np.float32(0.2) * FLAT[0]}
    assert (amplitude > 0).mean() == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / N))
    np.testing.assert_array_equal(conductance.telegraph(sheet, FLAT, 5), amplitude)
    seen = conductance.perturbed(sheet, FLAT, 1.0, 7, tile=5) - FLAT
    if correlation == "mvm":
        assert not seen.any()
        return
    np.testing.assert_allclose(abs(seen), amplitude, rtol=1e-5)
    assert (seen > 0).sum() == pytest.approx((seen < 0).sum(), abs=4 * np.sqrt(0.4 * N))


def test_denoising_stills_telegraph_noise() -> None:
    noise = {"share": 0.5, "relative": {"polynomial": [0.2]}, "spread": 0.5}
    still = {"remaining": 0.1, "pulses": 3, "time": "100 ns", "energy": "1 pJ"}
    loud = conductance.telegraph(device(telegraph=noise), FLAT, 5)
    quiet = conductance.telegraph(device(telegraph=noise, write=WRITE | {"denoising": still}), FLAT, 5)
    assert (quiet > 0).mean() == pytest.approx(0.05, abs=0.006)
    assert (loud > 0).mean() == pytest.approx(0.5, abs=0.012)
    sizes = np.log(loud[loud > 0].astype(float) / 2e-6)
    sizes = sizes[sizes < np.log(4.9)]  # a cell switches to zero at most
    assert stats.kstest(sizes, "norm", (0, 0.5)).pvalue > 1e-3
    assert (loud <= FLAT).all()


def test_a_cell_beyond_ohms_law() -> None:
    law = Sinh(voltage="0.1 V")
    assert law.current(10e-6, np.array(0.2), 0.2) == pytest.approx(2e-6)
    volts = np.array([-0.2, -0.1, 0.0, 0.05, 0.1])
    expected = 10e-6 * 0.2 * np.sinh(volts / 0.1) / np.sinh(2)
    np.testing.assert_allclose(law.current(10e-6, volts, 0.2), expected, rtol=1e-12)
    slope = (law.current(10e-6, volts + 1e-6, 0.2) - law.current(10e-6, volts - 1e-6, 0.2)) / 2e-6
    np.testing.assert_allclose(law.slope(10e-6, volts, 0.2), slope, rtol=1e-6)


# --- the library ---


@pytest.mark.parametrize("name", [n.partition("/")[2] for n in names("devices")])
def test_every_shipped_device_can_be_programmed_aged_and_read(name: str) -> None:
    sheet = shipped_device(name)
    targets = np.tile(levels_of(sheet, np.arange(sheet.levels)), (2, 3, 1))
    cells = conductance.program(sheet, targets, 1, bits=12)
    assert cells.pulses is not None
    assert cells.pulses.min() >= 1
    for age in (0.0, 3600.0, 3e7):
        actual = conductance.conductance(sheet, cells, age, temperature=330.0)
        for noise in (conductance.read_sigma, conductance.frozen_sigma):
            sigma = noise(sheet, actual, age, cells)
            assert (sigma >= 0).all() and np.isfinite(sigma).all()
            assert sigma.dtype == np.float32
        assert actual.dtype == np.float32
        assert ((actual >= 0) & (actual < 2 * sheet.g_max)).all()


def test_published_formulas_are_those_of_the_datasheets() -> None:
    """Formulas as the papers' models give them, in double precision, beside what the datasheets say."""
    g = np.linspace(0.5, 10.35, 50)
    x = g / 10.35
    one = shipped_device("pcm_hermes_legallo_natelectron_2023_one")
    assert one.drift is not None and one.read_noise is not None and one.programming is not None
    low = np.clip(-0.0387 * np.log(x) - 0.0182, 0.072, 0.13)
    nu = np.where(x < 0.0945, low, 0.0736 - 0.0126 * x - 0.0436 * x**2)
    np.testing.assert_allclose(one.drift.mean.at(g * 1e-6), nu, rtol=1e-9)
    sigma = 0.15781817 + 2.32443916 * x - 2.16310839 * x**2 + 0.68841818 * x**3
    np.testing.assert_allclose(one.programming.at(g * 1e-6), sigma * 1e-6, rtol=1e-9)
    joshi = shipped_device("pcm_joshi_natcommun_2020").programming
    milo = shipped_device("rram_milo_irps_2021").programming
    sonos = shipped_device("sonos_agrawal_iedm_2022")
    assert joshi is not None and milo is not None and sonos.programming is not None
    np.testing.assert_allclose(joshi.at(np.array([10e-6])), [(-0.178767 + 0.7585724 + 0.28638599) * 1e-6], rtol=1e-6)
    np.testing.assert_allclose(milo.at(np.array([100e-6])), [(4.782321 - 0.9107) * 1e-6], rtol=1e-6)
    nano = np.array([100.0, 400.0, 1500.0])
    spread = 19.88665 * (1 - np.exp(-nano / 176.3115))
    np.testing.assert_allclose(sonos.programming.at(nano * 1e-8), spread * 1e-8, rtol=1e-6)
    assert sonos.read_noise is not None
    noise = 12.58037 * (1 - np.exp(-nano / 215.36557))
    np.testing.assert_allclose(sonos.read_noise.relative.at(nano * 1e-8) * nano, noise, rtol=0.01)


def test_pieces_are_formulas_below_a_conductance() -> None:
    from hetsim.analog.curve import Curve

    law = {"reference": "1 uS", "polynomial": [3.0], "pieces": [
        {"below": 1.0, "polynomial": [1.0]}, {"below": 2.0, "polynomial": [0.0, 1.0]}]}  # fmt: skip
    curve = Curve.model_validate(law)
    np.testing.assert_allclose(curve.at(np.array([0.5e-6, 1.5e-6, 2.5e-6])), [1.0, 1.5, 3.0])
    for wrong in (law | {"polynomial": []}, law | {"pieces": law["pieces"][::-1]}, law | {"reference": None}):
        with pytest.raises(ValueError):
            Curve.model_validate(wrong)


# --- the chip's temperature ---


def test_a_hot_chip_loses_its_weights_sooner() -> None:
    """Cells go to g_min as long as they would at the temperature of the law, by Arrhenius' factor sooner."""
    activation = {"energy": f"{1.1 * EV} J", "temperature": "300 K"}
    cell = device(retention={"time": "1000 s", "loss": 0.5, "activation": activation})
    faster = np.exp(1.1 * EV / K * (1 / 300 - 1 / 330))
    weights = np.random.default_rng(1).normal(size=(8, 4))
    cold, hot = (Crossbar.program(weights, macro(cell, **at), 1) for at in ({}, {"temperature": "330 K"}))
    np.testing.assert_allclose(hot.conductances(1000 / faster), cold.conductances(1000.0), rtol=1e-4)
    assert np.abs(hot.conductances(1000.0) - cold.conductances(1000.0)).max() > 1e-6


def test_a_hot_chip_has_more_thermal_noise() -> None:
    cell = device(thermal={"bandwidth": "1 GHz", "voltage": "0.05 V"})
    weights, x = np.random.default_rng(1).normal(size=(32, 8)), np.ones((2000, 32))
    found = {}
    for at in ("300 K", "400 K"):
        bar = Crossbar.program(weights, macro(cell, temperature=at, adc={"bits": 16}), 1)
        found[at] = bar.mvm(x, 0.0, 3).values.std(axis=0).mean()
    assert found["400 K"] / found["300 K"] == pytest.approx(np.sqrt(4 / 3), rel=0.02)
