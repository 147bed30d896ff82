"""Crossbars behind wires: products and power against the circuit solved for each bit plane's own voltages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar
from hetsim.analog.wires.circuit import Circuit

WIRES = {"word_line": "30 ohm", "bit_line": "20 ohm", "source": "300 ohm", "sense": "200 ohm", "access": "2 kohm"}
FINE = {"bits": 16, "range": {"policy": "max"}}


def crossbar(seed: int = 3, **changes: Any) -> Crossbar:
    """A 12 x 8 matrix in exact cells of 2 to 20 uS behind poor wires, read by fine converters."""
    cell = device(levels=16, programming={"unit": "1 uS", "polynomial": [0]}, relaxation=[], read_noise=None)
    sheet = macro(cell, adc=FINE, wires=WIRES, **changes)
    weights = np.random.default_rng(seed).standard_normal((12, 8))
    return Crossbar.program(weights, sheet, seed)


def planes(bar: Crossbar, x: np.ndarray) -> np.ndarray:
    """Bit planes [8, rows] of the codes of a vector that is its own code."""
    return (x.astype(int) >> np.arange(8)[:, None]) & 1


def circuit(bar: Crossbar, tile: np.ndarray) -> Circuit:
    assert bar.sheet.wires is not None
    return Circuit(tile, bar.sheet.wires, size=(bar.sheet.rows, bar.sheet.columns))


def solved(bar: Crossbar, x: np.ndarray, group: int) -> tuple[np.ndarray, float]:
    """The product and the joules by the circuit's own solution for every plane and group of driven rows."""
    (tile,) = bar.tiling.place(bar.conductances(0.0)).astype(float)
    total, joules, step = np.zeros(tile.shape[1]), 0.0, bar.sheet.device.step
    tall = tile.shape[0] // bar.tiling.rows
    signs = np.tile([1.0, -1.0], bar.tiling.rows) if tall == 2 else np.ones(bar.tiling.rows)
    for first in range(0, len(tile), group):
        rows = slice(first, first + group)
        alone = np.zeros_like(tile)
        alone[rows] = tile[rows]
        for bit, plane in enumerate(planes(bar, x)):
            volts = np.zeros(len(tile))
            volts[rows] = (np.repeat(plane, tall) * signs)[rows] * bar.sheet.read_voltage
            point = circuit(bar, alone).operate(volts)
            total += 2**bit * point.outputs / bar.sheet.read_voltage / step
            joules += point.power * bar.sheet.integration_time
    if bar.sheet.pair == "columns":
        total = total[0::2] - total[1::2]
    return total * bar.scale, joules


@pytest.mark.parametrize(
    ("changes", "group"),
    [
        ({}, 12),
        ({"subtraction": "digital"}, 12),
        ({"active_rows": 4}, 4),
        ({"pair": "rows", "rows": 24}, 24),
    ],
)
def test_products_and_power_are_the_circuits(changes: dict[str, Any], group: int) -> None:
    bar = crossbar(**({"rows": 12} | changes))
    x = np.random.default_rng(5).integers(0, 256, 12)
    x[0] = 255  # so that every number is its own code
    read = bar.mvm(x[None].astype(np.float32), 0.0, 1)
    expected, joules = solved(bar, x, group)
    ideal = bar.mvm(x[None].astype(np.float32), 0.0, 1, "ideal").values[0]
    assert np.abs(ideal - expected).max() > 0.02 * np.abs(ideal).max()  # the wires matter
    np.testing.assert_allclose(read.values[0], expected, atol=2e-3 * np.abs(expected).max())
    assert read.joules == pytest.approx(joules, rel=0.02)


def test_a_transposed_read_meets_the_same_wires() -> None:
    bar = crossbar(rows=12, bidirectional=True, subtraction="digital")
    x = np.random.default_rng(5).integers(0, 256, 8)
    x[0] = 255
    (tile,) = bar.tiling.place(bar.conductances(0.0)).astype(float)
    wires = bar.sheet.wires
    assert wires is not None
    turned = wires.model_copy(update={"word_line": wires.bit_line, "bit_line": wires.word_line})
    # driven where bit lines end, sensed where word lines begin
    reverse = Circuit(tile.T[::-1, ::-1], turned)
    expected, joules = np.zeros(12), 0.0
    for bit, plane in enumerate(planes(bar, x)):
        for side, sign in ((0, 1.0), (1, -1.0)):
            volts = np.zeros(16)
            volts[side::2] = plane * bar.sheet.read_voltage
            point = reverse.operate(volts[::-1])
            expected += sign * 2**bit * point.outputs[::-1] / bar.sheet.read_voltage / bar.sheet.device.step
            joules += point.power * bar.sheet.integration_time
    read = bar.mvm(x[None].astype(np.float32), 0.0, 1, transposed=True)
    assert read.joules == pytest.approx(joules, rel=0.03)
    np.testing.assert_allclose(read.values[0], expected * bar.scale, atol=3e-3 * np.abs(expected).max() * bar.scale)


def test_without_resistance_wires_change_nothing() -> None:
    nothing = dict.fromkeys(WIRES, "0 ohm")
    cell = device(levels=16)
    weights = np.random.default_rng(1).standard_normal((40, 20))
    x = np.random.default_rng(2).random((6, 40), np.float32)
    reads = [Crossbar.program(weights, macro(cell, **extra), 1).mvm(x, 0.0, 4) for extra in ({}, {"wires": nothing})]
    np.testing.assert_allclose(reads[0].values, reads[1].values, rtol=1e-4, atol=1e-4 * np.abs(reads[0].values).max())
    assert reads[0].joules == pytest.approx(reads[1].joules, rel=1e-5)


def test_floating_lines_settle_through_wires() -> None:
    cell = device(levels=16, programming={"unit": "1 uS", "polynomial": [0]}, relaxation=[], read_noise=None)
    sheet = macro(cell, adc=FINE, wires=WIRES, pair="rows", sensing="voltage", rows=24)
    bar = Crossbar.program(np.random.default_rng(3).standard_normal((12, 8)), sheet, 3)
    x = np.random.default_rng(5).integers(0, 256, 12)
    x[0] = 255
    (tile,) = bar.tiling.place(bar.conductances(0.0)).astype(float)
    assert sheet.wires is not None
    volts = np.zeros(8)
    for bit, plane in enumerate(planes(bar, x)):
        driven = np.repeat(plane, 2) * np.tile([1.0, -1.0], 12) * sheet.read_voltage
        volts += 2**bit * Circuit(tile, sheet.wires, "voltage", (24, 16)).operate(driven).outputs
    expected = volts / sheet.read_voltage * tile.sum(axis=0) / cell.step * bar.scale
    read = bar.mvm(x[None].astype(np.float32), 0.0, 1)
    np.testing.assert_allclose(read.values[0], expected, atol=3e-3 * np.abs(expected).max())


def test_wires_with_charge_sensing_are_refused() -> None:
    with pytest.raises(ValidationError, match="wires are known for current sensing"):
        macro(device(), wires=WIRES, sensing="charge", capacitance="1 pF", subtraction="digital")
