"""Datasheets of cells, converters and macros: what they accept, refuse, and say in closed form."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from hetsim.analog.converter import AdcSheet, DacSheet, passes, sar_energy
from hetsim.analog.device import Curve, DeviceSheet, Spread, Write
from hetsim.analog.macro import MacroSheet

WRITE = {"voltage": "2 V", "time": "50 ns", "energy": "6 pJ", "pulses": 8.5, "verify": "50 ns"}


def device(**changes: Any) -> DeviceSheet:
    """A cell of 8 levels from 2 to 20 uS, without error or noise unless they are given."""
    sheet: dict[str, Any] = {
        "g_min": "2 uS", "g_max": "20 uS", "levels": 8,
        "programming": {"unit": "1 uS", "polynomial": [0]}, "write": WRITE,
    }  # fmt: skip
    return DeviceSheet.model_validate(sheet | changes)


def macro(cell: DeviceSheet | None = None, *, adc: dict[str, Any] | None = None, **changes: Any) -> MacroSheet:
    """A bit-serial macro of 32 x 16 cells with an 8-bit SAR converter for every 4 columns."""
    converter = {
        "kind": "sar", "bits": 8, "columns": 4, "range": {"policy": "max"},
        "reference": {"bits": 8, "energy": "2.5 pJ", "time": "10 ns"},
    }  # fmt: skip
    sheet: dict[str, Any] = {
        "rows": 32, "columns": 16, "device": cell or device(), "pair": "columns", "subtraction": "analog",
        "dac": {"energy": "10 fJ"}, "adc": converter | (adc or {}),
        "read_voltage": "0.2 V", "integration_time": "50 ns",
    }  # fmt: skip
    return MacroSheet.model_validate(sheet | changes)


def test_curve_is_the_published_polynomial() -> None:
    relaxation = Spread.model_validate(
        {"unit": "1 uS", "reference": "40 uS", "polynomial": [0.348, 16.030, -43.853, 45.393, -16.815]}
    )
    g = np.array([0.0, 10e-6, 40e-6])
    x = g / 40e-6
    expected = 0.348 + 16.030 * x - 43.853 * x**2 + 45.393 * x**3 - 16.815 * x**4
    np.testing.assert_allclose(relaxation.at(g), expected * 1e-6, rtol=1e-12)


def test_curve_with_logarithm_power_and_limits() -> None:
    nu = Curve.model_validate({"reference": "25 uS", "polynomial": [0.0244], "log": -0.0155, "low": 0.049, "high": 0.1})
    g = np.array([25e-6, 2.5e-6, 0.0])
    np.testing.assert_allclose(nu.at(g), [0.049, 0.0244 + 0.0155 * np.log(10), 0.1])
    noise = Curve.model_validate({"reference": "25 uS", "power": [0.0088, -0.65], "high": 0.2})
    np.testing.assert_allclose(noise.at(np.array([25e-6, 1e-6, 0.0])), [0.0088, 0.0088 * 25**0.65, 0.2])


def test_curve_through_points_is_linear_between_and_flat_beyond() -> None:
    sigma = Spread.model_validate({"unit": "1 uS", "reference": "10 uS", "points": [[0.5, 1.0], [1.5, 3.0]]})
    np.testing.assert_allclose(sigma.at(np.array([0.0, 5e-6, 10e-6, 20e-6])), [1e-6, 1e-6, 2e-6, 3e-6])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "either polynomial"),
        ({"polynomial": [1.0], "points": [[0.0, 1.0]]}, "either polynomial"),
        ({"polynomial": [1.0, 2.0]}, "reference"),
        ({"reference": "1 uS", "points": [[1.0, 1.0], [0.5, 1.0]]}, "rising"),
        ({"polynomial": [1.0], "low": 2.0, "high": 1.0}, "low is above high"),
    ],
)
def test_curve_refuses(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Curve.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"g_min": "20 uS", "g_max": "2 uS"},
        {"levels": 1},
        {"g_min": "2 us"},
        {"g_min": 2e-6},
        {"stuck": {"rate": 1.5}},
        {"write": WRITE | {"pulses": 0.5}},
        {"unknown": 1},
    ],
)
def test_device_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        device(**wrong)


def test_relaxation_curves_must_be_in_order() -> None:
    flat = {"unit": "1 uS", "polynomial": [1]}
    with pytest.raises(ValidationError, match="order of time"):
        device(relaxation=[{"time": "1 d", "sigma": flat}, {"time": "1 s", "sigma": flat}])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pair": "rows", "subtraction": "digital"}, "subtraction must be analog"),
        ({"sensing": "voltage"}, "normalised by its own"),
        ({"pair": "rows", "sensing": "voltage", "adc": {"range": {"policy": "unit"}}}, "current sensing"),
        ({"signed_inputs": "bipolar", "subtraction": "digital"}, "signed conversions"),
        ({"adc": {"bits": 1}}, "at least 2 bits"),
        ({"adc": {"bits": 0}}, "greater than or equal to 1"),
        ({"columns": 1}, "two adjacent columns"),
    ],
)
def test_macro_refuses(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        macro(**wrong)


def test_rounds_are_the_mean_of_the_slowest_cell() -> None:
    write = Write.model_validate(WRITE | {"pulses": 4})
    assert write.rounds(1) == pytest.approx(4)
    drawn = np.random.default_rng(1).geometric(1 / 4, (40_000, 16)).max(axis=1)
    assert write.rounds(16) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 200)
    assert Write.model_validate(WRITE | {"pulses": 1}).rounds(128) == pytest.approx(1)


def test_sar_energy_is_isaacs_table_and_goes_on_beyond_it() -> None:
    assert sar_energy(8) == 1.67
    energies = [sar_energy(bits) for bits in range(1, 17)]
    assert all(a < b for a, b in pairwise(energies))
    assert sar_energy(12) / sar_energy(11) == pytest.approx(2.38 / 1.97)


@pytest.mark.parametrize(
    ("kind", "energy", "time"), [("sar", 1.2 / 1.67, 6 / 8), ("flash", 1 / 4, 1), ("ramp", 1 / 4, 1 / 4)]
)
def test_converter_scales_from_its_point_by_kind(kind: str, energy: float, time: float) -> None:
    point = {"bits": 8, "energy": "2.55 pJ", "time": "12.5 ns"}
    sheet = AdcSheet.model_validate({"kind": kind, "bits": 6, "reference": point, "columns": 4})
    assert sheet.energy == pytest.approx(2.55e-12 * energy)
    assert sheet.time == pytest.approx(12.5e-9 * time)
    assert AdcSheet.model_validate({"kind": kind, "bits": 8, "reference": point, "columns": 4}).energy == 2.55e-12


def test_passes_are_dealt_evenly() -> None:
    serial = passes(DacSheet(energy="0 J"), 3, (1, -1))
    assert [(p.first, p.bits, p.pulses, p.integrations, p.sign) for p in serial] == [
        (0, 1, 1, 1, 1), (1, 1, 1, 1, 1), (2, 1, 1, 1, 1), (0, 1, 1, 1, -1), (1, 1, 1, 1, -1), (2, 1, 1, 1, -1),
    ]  # fmt: skip
    segments = passes(DacSheet(bits=3, energy="0 J"), 4, (0,))
    assert [(p.first, p.bits, p.pulses, p.integrations) for p in segments] == [(0, 2, 2, 3), (2, 2, 2, 3)]
    levels = passes(DacSheet(bits=4, encoding="amplitude", energy="0 J"), 4, (1,))
    assert [(p.bits, p.pulses, p.integrations) for p in levels] == [(4, 1, 1)]


def test_pace_of_a_pipelined_macro() -> None:
    plain = macro()
    assert plain.sequential(8) == 2  # four columns are two pairs
    assert plain.pace(False, 8) == pytest.approx((8 * 70e-9, 8 * 70e-9))
    assert plain.pace(True, 8) == pytest.approx((14 * 70e-9, 14 * 70e-9))
    overlapped = macro(pipelined=True)
    assert overlapped.pace(False, 8) == pytest.approx((8 * 50e-9 + 20e-9, 8 * 50e-9))
    slow = macro(pipelined=True, subtraction="digital", adc={"columns": 16})
    assert slow.sequential(8) == 16
    assert slow.pace(False, 8) == pytest.approx((50e-9 + 8 * 160e-9, 8 * 160e-9))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"read_noise": {"relative": {"polynomial": [-0.01]}}}, "read_noise.relative"),
        ({"read_noise": {"relative": {"reference": "10 uS", "polynomial": [0.1, -0.06]}}}, "comes to -0.02"),
        ({"read_noise": {"relative": {"reference": "10 uS", "polynomial": [0.1, -0.06], "low": 0.0}}}, ""),
        ({"read_noise": {"relative": {"reference": "10 uS", "points": [[0, 0.1], [2, -0.1]]}}}, "comes to -0.1"),
        ({"telegraph": {"share": 0.1, "relative": {"polynomial": [-0.1]}}}, "telegraph.relative"),
        ({"programming": {"unit": "1 uS", "polynomial": [-0.5]}}, "not negative"),
    ],
)
def test_noise_is_not_negative(wrong: dict[str, Any], message: str) -> None:
    if not message:
        device(**wrong)
        return
    with pytest.raises(ValidationError, match=message):
        device(**wrong)


def test_a_curve_is_the_same_without_numpy() -> None:
    curve = Curve.model_validate({
        "reference": "10 uS", "polynomial": [0.3, 0.1, 0.05], "log": -0.2, "power": [0.1, -0.5],
        "saturating": [0.4, 0.7], "pieces": [{"below": 0.5, "polynomial": [1.0, -1.5]}], "high": 0.6,
    })  # fmt: skip
    g = np.linspace(2e-6, 20e-6, 65)
    assert curve.lowest(2e-6, 20e-6) == pytest.approx(curve.at(g).min(), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dac": {"bits": 4, "encoding": "amplitude", "energy": "0 J", "inl": 0.1}}, "apply pulses of full voltage"),
        ({"sensing": "voltage", "pair": "rows"}, "sense the current"),
        ({"wires": {"word_line": "1 ohm", "bit_line": "1 ohm"}}, "without wires"),
    ],
)
def test_a_bent_current_that_no_read_knows_is_refused(changes: dict[str, Any], message: str) -> None:
    cell = device(iv={"voltage": "0.1 V"})
    macro(cell)
    macro(cell, dac={"bits": 4, "energy": "0 J"})
    with pytest.raises(ValidationError, match=message):
        macro(cell, **changes)
