"""Updates in place: against a plain loop over cells and pulses, exact on average, and what they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_analog_sheets import WRITE, device, macro

from hetsim.analog import Crossbar
from hetsim.analog.device import DeviceSheet
from hetsim.analog.update import outer, pulse_weight

EVEN = {"up": {"step": "0.02 uS", "saturation": 0}, "down": {"step": "0.02 uS", "saturation": 0}}
SOFT = {"up": {"step": "0.3 uS"}, "down": {"step": "0.5 uS", "saturation": 0.7}}
FINE = {"bits": 14, "range": {"policy": "max"}}


def trained(update: dict[str, Any], rows: int = 40, columns: int = 10, zero: bool = False, **changes: Any) -> Crossbar:
    sheet = macro(device(update=update, **changes), adc=FINE)
    w = np.zeros((rows, columns)) if zero else np.random.default_rng(1).normal(size=(rows, columns))
    w[0, 0] = 3.0  # sets the scale
    return Crossbar.program(w, sheet, 1)


def stored(bar: Crossbar, time: float = 0.0) -> np.ndarray:
    """The weights that the cells hold."""
    g = bar.conductances(time).astype(float)
    return (g[0] - g[1]) / bar.sheet.device.step * bar.scale


def vectors(rows: int = 40, columns: int = 10) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(2)
    return numbers.normal(size=rows), numbers.normal(size=columns)


@pytest.mark.parametrize("scheme", ["parallel", "row_serial"])
def test_small_even_steps_add_up_to_the_outer_product(scheme: Any) -> None:
    x, d = vectors()
    total = np.zeros((40, 10))
    bar = trained(EVEN, zero=True, g_min="2 uS")
    middle = np.full((2, 40, 10), 11e-6, np.float32)  # away from the ends
    bar.cells = type(bar.cells)(middle, bar.cells.deviation * 0, None, None)
    start = stored(bar)
    for step in range(40):
        outer(bar, x, d, 0.02, 0.0, step, scheme=scheme)
        total += 0.02 * np.outer(x, d)
    change = stored(bar) - start
    weight = pulse_weight(bar)
    assert np.corrcoef(change.ravel(), total.ravel())[0, 1] > 0.97
    error = change - total
    spread = np.sqrt(np.abs(total) * weight + 40 * weight**2 / 4)
    assert np.mean(error / spread) == pytest.approx(0, abs=0.3)
    assert np.std(error / spread) < 1.6


def plain(bar: Crossbar, pulses: np.ndarray, rises: np.ndarray, before: np.ndarray) -> np.ndarray:
    """One cell and one pulse after the other, in double precision."""
    sheet = bar.sheet.device
    law, (low, high) = sheet.update, (sheet.g_min, sheet.g_max)
    assert law is not None
    after = before.astype(float)
    for place in np.ndindex(pulses.shape):
        for _ in range(pulses[place]):
            g = after[place]
            x = (g - low) / (high - low)
            if rises[place]:
                g += law.up.step * (1 - law.up.saturation * x)
            else:
                assert law.down is not None
                g -= law.down.step * (1 - law.down.saturation * (1 - x))
            after[place] = min(max(g, low), high)
    return after


@pytest.mark.parametrize("scheme", ["parallel", "row_serial"])
@pytest.mark.parametrize("one_way", [False, True])
def test_cells_follow_the_soft_bounds_law(scheme: Any, one_way: bool) -> None:
    bar = trained({"up": SOFT["up"]} if one_way else SOFT)
    x, d = vectors()
    before = bar.conductances(0.0)
    done = outer(bar, x, d, 0.5, 0.0, 3, scheme=scheme)
    up = np.outer(x, d) > 0
    rises = np.ones((2, 40, 10), bool) if one_way else np.stack([up, ~up])
    np.testing.assert_allclose(bar.conductances(0.0), plain(bar, done.pulses, rises, before), rtol=1e-5)
    if one_way:
        assert not (done.pulses[0] * ~up).any() and not (done.pulses[1] * up).any()
    else:
        np.testing.assert_array_equal(done.pulses[0], done.pulses[1])
    assert done.pulses.max() <= 31
    np.testing.assert_array_equal(bar.pulses, bar.cells.pulses)


def test_steps_shrink_towards_the_bounds_and_differ_in_the_two_directions() -> None:
    bar = trained(SOFT, 1, 1)
    rises = []
    for _ in range(60):
        g = bar.conductances(0.0)[0, 0, 0]
        outer(bar, [1.0], [1.0], 2 * pulse_weight(bar), 0.0, 1, scheme="row_serial")
        rises.append(float(bar.conductances(0.0)[0, 0, 0] - g))
    assert (np.diff(rises) <= 1e-12).all()
    assert bar.conductances(0.0)[0, 0, 0] <= 20e-6 * (1 + 1e-6)


def test_cycles_and_cells_vary() -> None:
    x, d = np.ones(32), np.ones(8)
    varied = {"cycle": 0.5, "device": 0.4}
    even, noisy = (trained(EVEN | v, 32, 8, zero=True) for v in ({}, varied))
    for bar in (even, noisy):
        bar.cells = type(bar.cells)(bar.cells.target * 0 + np.float32(11e-6), bar.cells.deviation, None, None,
                                    factor=bar.cells.factor)  # fmt: skip
        outer(bar, x, d, 10 * pulse_weight(bar), 0.0, 1, scheme="row_serial")
    steps = [np.abs(bar.conductances(0.0).astype(float) - 11e-6) for bar in (even, noisy)]
    assert np.ptp(steps[0]) < 1e-9
    assert steps[1].std() / steps[1].mean() == pytest.approx(np.hypot(0.5 / np.sqrt(10), 0.4), rel=0.25)


def test_what_an_update_takes() -> None:
    x, d = vectors()
    bar = trained(SOFT)
    done = outer(bar, x, d, 0.5, 0.0, 3, scheme="parallel", length=20)
    assert done.seconds == pytest.approx(2 * 20 * 50e-9)
    assert done.joules == pytest.approx(done.pulses.sum() * 6e-12)
    bar = trained(SOFT)
    done = outer(bar, x, d, 0.5, 0.0, 3, scheme="row_serial")
    up = np.outer(x, d) > 0
    rounds = 0.0
    for rows, columns in ((slice(0, 32), slice(0, 8)), (slice(0, 32), slice(8, 10)), (slice(32, 40), slice(0, 8))):
        n = done.pulses[0, rows, columns].astype(int)
        taken = 2 * n.max(axis=1) * 0
        for way in (up, ~up):  # each row's slowest cell, up and then down; a pair has both
            taken = taken + np.maximum((n * way[rows, columns]).max(axis=1), (n * ~way[rows, columns]).max(axis=1))
        rounds = max(rounds, float(taken.sum()))
    assert done.seconds == pytest.approx(rounds * 50e-9)
    idle = outer(bar, x * 0, d, 0.5, 0.0, 4)
    assert not idle.pulses.any() and idle.joules == 0


def test_ideal_reads_see_the_exact_change() -> None:
    bar = trained(EVEN, zero=True)
    bar.cells = type(bar.cells)(bar.cells.target * 0 + np.float32(11e-6), bar.cells.deviation, None, None)
    x, d = vectors()
    outer(bar, x, d, 0.3, 0.0, 1)
    held = (bar.cells.target[0] - bar.cells.target[1]) / bar.sheet.device.step * bar.scale
    np.testing.assert_allclose(held, 0.3 * np.outer(x, d), atol=2e-5)


def test_pulsed_cells_are_young_again() -> None:
    drift = {"time": "1 s", "mean": {"polynomial": [0.1]}, "deviation": {"polynomial": [0]}}
    bar = trained(EVEN, 2, 2, drift=drift)
    old = bar.conductances(1000.0)
    done = outer(bar, [1.0, 0.0], [1.0, 1.0], 3 * pulse_weight(bar), 1000.0, 1, scheme="row_serial")
    now = bar.conductances(1000.0)
    touched = done.pulses > 0
    np.testing.assert_array_equal(touched[:, 1], False)
    np.testing.assert_allclose(now[~touched], old[~touched], rtol=1e-6)
    later = bar.conductances(2000.0)
    np.testing.assert_allclose(later[touched] / now[touched], 1000**-0.1, rtol=1e-3)
    np.testing.assert_allclose(later[~touched] / now[~touched], 2**-0.1, rtol=1e-3)


def test_stuck_cells_do_not_move() -> None:
    stuck = np.full((2, 40, 10), np.nan)
    stuck[0, :, 3] = 20e-6
    sheet = macro(device(update=SOFT), adc=FINE)
    bar = Crossbar.program(np.random.default_rng(1).normal(size=(40, 10)), sheet, 1, stuck=stuck)
    x, d = vectors()
    outer(bar, x, d, 0.5, 0.0, 3)
    np.testing.assert_array_equal(bar.conductances(0.0)[0, :, 3], np.float32(20e-6))


def test_reads_after_an_update_see_it() -> None:
    bar = trained(SOFT)
    probe = np.ones((1, 40))
    before = bar.mvm(probe, 0.0, 1).values
    x, d = vectors()
    outer(bar, x, d, 0.5, 0.0, 3)
    after = bar.mvm(probe, 0.0, 1).values
    expected = probe @ stored(bar)
    assert (after != before).any()
    np.testing.assert_allclose(after, expected, atol=0.05 * abs(expected).max())


def test_updates_that_cannot_be() -> None:
    x, d = vectors()
    with pytest.raises(ValueError, match="no update"):
        outer(Crossbar.program(np.ones((3, 3)), macro(), 1), np.ones(3), np.ones(3), 1.0, 0.0, 1)
    curve = {"time": "1 s", "sigma": {"unit": "1 uS", "polynomial": [1]}}
    with pytest.raises(ValueError, match="relax"):
        outer(trained(SOFT, relaxation=[curve]), x, d, 1.0, 0.0, 1)
    for wrong in ((x[:3], d), (x * np.nan, d)):
        with pytest.raises(ValueError, match=r"vectors of|finite"):
            outer(trained(SOFT), *wrong, 1.0, 0.0, 1)


def test_in_place_learning_finds_a_matrix() -> None:
    """Rank-one steps of least squares on noisy soft-bounds cells: what they hold comes near to what they are taught."""
    numbers = np.random.default_rng(5)
    wanted = numbers.normal(size=(16, 6)) * 0.4
    law = {"up": {"step": "0.05 uS"}, "down": {"step": "0.05 uS"}, "cycle": 0.3, "device": 0.2}
    sheet = macro(DeviceSheet.model_validate(device(update=law, write=WRITE).model_dump(mode="json")), adc=FINE)
    start = np.zeros((16, 6))
    start[0, 0] = 2.0
    bar = Crossbar.program(start, sheet, 1)
    first = np.abs(stored(bar) - wanted).mean()
    for step in range(600):
        x = numbers.normal(size=16)
        outer(bar, x, x @ (wanted - stored(bar)), 0.03, 0.0, step)
    assert np.abs(stored(bar) - wanted).mean() < 0.2 * first
