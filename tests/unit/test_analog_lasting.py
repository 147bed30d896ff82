"""Noise that stays as it is for a whole product: one draw a cell, the same in all samples of a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_devices import shipped_device
from scipy import stats
from test_analog_sheets import device, macro
from test_analog_twin import Twin, derived, normal

from hetsim.analog import Crossbar, DeviceSheet, MacroSheet, conductance, kernels, residue
from hetsim.analog.lines import Layout
from hetsim.keys import key as derive

RELATIVE = {"relative": {"polynomial": [0.03]}}
TELEGRAPH = {"share": 0.5, "relative": {"polynomial": [0.1]}}


def noisy(correlation: str, **more: Any) -> DeviceSheet:
    return device(levels=16, read_noise=RELATIVE | {"correlation": correlation}, **more)


class Lasting(Twin):
    """A twin whose cells are drawn anew for each vector, by the law and the place of every draw."""

    def __init__(self, crossbar: Crossbar, time: float, key: int) -> None:
        super().__init__(crossbar, time, key, "analog")
        sheet, age = self.sheet.device, time - crossbar.time
        actual = crossbar.conductances(time)
        self.still = actual.astype(np.float64)
        self.sigma = conductance.frozen_sigma(sheet, actual, age, crossbar.cells).astype(np.float64)
        self.jump = conductance.telegraph(sheet, actual, crossbar.tiles[0]).astype(np.float64)
        self.layout = Layout(crossbar.tiling, (1.0,) * self.sheet.lines)

    def convert(self, m: int, n: int, r: int, *rest: Any) -> tuple[float, float, int, float]:
        for p in range(len(self.still)):
            for k in range(r * self.bar.tiling.height, min((r + 1) * self.bar.tiling.height, self.bar.tiling.rows)):
                self.cells[p, k, n] = self.drawn(m, p, k, n, r)
        return super().convert(m, n, r, *rest)

    def drawn(self, m: int, p: int, k: int, n: int, r: int) -> float:
        layout, pairwise = self.layout, self.sheet.lines == 1
        block, place = divmod(n, layout.apart)
        cell, line = (p, place) if pairwise else (0, p * layout.apart + place)
        row = (r * layout.count + block) * layout.rows + k - r * self.bar.tiling.height
        seed = derived(derived(derive(self.key, "lasting"), m), row)
        strip, lane = divmod(cell * layout.width + line, 16)
        z, side = (normal(seed, 2 * strip + i, lane) for i in range(2))
        return max(self.still[p, k, n] + self.sigma[p, k, n] * z + self.jump[p, k, n] * np.sign(side), 0.0)


@st.composite
def sheets(draw: st.DrawFn) -> MacroSheet:
    subtraction = draw(st.sampled_from(["analog", "digital"]))
    cell = device(
        programming={"unit": "1 uS", "polynomial": [0.5]},
        read_noise={"relative": {"polynomial": [draw(st.sampled_from([0.03, 0.6]))]}, "correlation": "mvm"},
        telegraph=TELEGRAPH | {"spread": 0.5},
        thermal={"bandwidth": "1 GHz", "voltage": "0.02 V"},
    )
    dac = {"bits": draw(st.integers(1, 4)), "encoding": draw(st.sampled_from(["pulses", "amplitude"])), "energy": "0 J"}
    signed = draw(st.sampled_from(["two_phase", "bipolar"])) if subtraction == "analog" else "two_phase"
    return macro(
        cell,
        subtraction=subtraction,
        signed_inputs=signed,
        dac=dac,
        rows=draw(st.integers(4, 24)),
        columns=draw(st.integers(2, 24)),
        input_bits=draw(st.integers(2, 8)),
        adc={"bits": draw(st.integers(4, 10)), "range": {"policy": "fraction", "fraction": 0.4}},
    )


@settings(max_examples=20, deadline=None)
@given(sheets(), st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**64 - 1))
def test_the_read_equals_its_twin(sheet: MacroSheet, rows: int, columns: int, key: int) -> None:
    numbers = np.random.default_rng(key)
    signed = bool(key % 2)
    x = numbers.normal(size=(3, rows)) * (numbers.random((3, rows)) < 0.7)
    x = x if signed else np.abs(x)
    bar = Crossbar.program(numbers.normal(size=(rows, columns)), sheet, key)
    reading = bar.mvm(x, 1.0, key, signed=signed)
    values, doubt, clipped, _ = Lasting(bar, 1.0, key).read(x, signed)
    assert np.all(np.abs(reading.values - values) <= doubt + 1e-5 * (np.abs(values) + np.abs(values).max()) + 1e-12)
    assert abs(reading.clipped - clipped) <= np.count_nonzero(doubt)


# --- what it does to products ---


def errors(cell: DeviceSheet, x: Any, **changes: Any) -> Any:
    """What noise adds to the products of ``x`` with one matrix, [M, 8]."""
    sheet = macro(cell, rows=64, adc={"bits": 16}, **changes)
    weights = np.random.default_rng(1).standard_normal((64, 8))
    bar = Crossbar.program(weights, sheet, 1)
    quiet = device(levels=16)
    silent = Crossbar.program(weights, macro(quiet, rows=64, adc={"bits": 16}, **changes), 1)
    return bar.mvm(x, 1.0, 3).values.astype(float) - silent.mvm(x, 1.0, 3).values


def test_a_product_is_off_by_the_sum_of_its_cells_noise() -> None:
    """One Gaussian of variance sum(sigma² x²) for each output, whatever the bit planes."""
    x = np.tile(np.random.default_rng(2).integers(1, 256, 64) / 255, (4000, 1))
    x[:, 0] = 1.0
    found = errors(noisy("mvm"), x)
    sheet = macro(noisy("mvm"), rows=64, adc={"bits": 16})
    bar = Crossbar.program(np.random.default_rng(1).standard_normal((64, 8)), sheet, 1)
    siemens = bar.conductances(1.0).astype(float)
    sigma = np.sqrt(((0.03 * siemens * x[0, :, None]) ** 2).sum(axis=(0, 1))) / sheet.device.step * bar.scale
    assert abs(found.mean(axis=0) / sigma).max() < 4 / np.sqrt(4000)
    np.testing.assert_allclose(found.var(axis=0), sigma**2, rtol=5 * np.sqrt(2 / 4000))
    for n in range(8):
        assert stats.kstest(found[:, n] / sigma[n], "norm").pvalue > 1e-4
    assert abs(np.corrcoef(found.T) - np.eye(8)).max() < 5 / np.sqrt(4000)


def test_taking_it_for_white_understates_the_error() -> None:
    """Over eight bit planes of uniform codes by sqrt(E[x²] / E[sum(4^b x_b)]) = 1.41."""
    x = np.random.default_rng(2).integers(0, 256, (4000, 64)) / 255
    x[:, 0] = 1.0
    codes = np.arange(256)
    planes = sum(4.0**b * (codes >> b & 1) for b in range(8))
    expected = np.sqrt((codes**2).mean() / planes.mean())
    assert expected == pytest.approx(1.41, abs=0.005)
    ratio = errors(noisy("mvm"), x).std() / errors(noisy("sample"), x).std()
    assert ratio == pytest.approx(expected, rel=0.03)


WIRES = {
    "word_line": "2 ohm", "bit_line": "2 ohm", "source": "50 ohm", "sense": "50 ohm", "access": "1 kohm",
    "drive": "one_sided",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sensing": "voltage", "pair": "rows"},
        {"sensing": "charge", "pair": "rows", "capacitance": "10 pF"},
        {"dac": {"bits": 8, "encoding": "amplitude", "energy": "0 J", "gain": 0.05, "offset": 0.01}},
        {"active_rows": 16},
        {"mapping": "offset", "pair": None, "subtraction": "unit"},
        {"wires": WIRES},
    ],
)
def test_of_one_sample_it_is_white_noise(changes: dict[str, Any]) -> None:
    """Where a product is one sample of each tile, how long noise lasts makes no difference to it."""
    amplitudes = {"bits": 8, "encoding": "amplitude", "energy": "0 J"}
    x = np.tile(np.random.default_rng(2).random(64), (2000, 1))
    settings = {"dac": amplitudes} | changes
    lasting, white = (errors(noisy(kind), x, **settings) for kind in ("mvm", "sample"))
    for n in range(8):
        assert lasting[:, n].std() == pytest.approx(white[:, n].std(), rel=0.12)
        spread = np.hypot(lasting[:, n].std(), white[:, n].std()) / np.sqrt(2000)
        assert abs(lasting[:, n].mean() - white[:, n].mean()) < 4.5 * spread
        if "wires" not in changes:  # white noise behind wires is of first order at half of the drivers on
            assert stats.ks_2samp(lasting[:, n], white[:, n]).pvalue > 1e-4


def test_a_transposed_read_has_it_too() -> None:
    sheet = macro(noisy("mvm"), rows=32, adc={"bits": 16}, subtraction="digital", bidirectional=True)
    bar = Crossbar.program(np.random.default_rng(1).standard_normal((32, 8)), sheet, 1)
    x = np.ones((3000, 8))
    found = bar.mvm(x, 1.0, 5, transposed=True).values
    sigma = 0.03 * np.sqrt((bar.conductances(1.0).astype(float) ** 2).sum(axis=(0, 2))) / sheet.device.step * bar.scale
    np.testing.assert_allclose(found.std(axis=0), sigma, rtol=0.08)


# --- telegraph noise ---


def one_cell(**changes: Any) -> Any:
    """What a cell of 18.8 uS shows in each of 800 products, in siemens, for each of some keys."""
    given = {"policy": "given", "current": "20 uA"}
    cell = {"rows": 1, "columns": 1, "mapping": "offset", "pair": None, "subtraction": "digital"}
    sheet = macro(device(levels=16, **changes), adc={"bits": 16, "range": given}, **cell)
    bar = Crossbar.program(np.array([[1.0]]), sheet, 1)
    reads = np.stack([bar.mvm(np.ones((800, 1)), 1.0, key).values[:, 0] for key in range(8)])
    return sheet.device.g_min + (reads / bar.scale + 7) * sheet.device.step


def test_a_switching_cell_has_two_states() -> None:
    """One cell, in the same state in all bit planes of an input: two products, each as often."""
    found = one_cell(telegraph=TELEGRAPH | {"share": 1.0})
    up = found > 18.8e-6
    np.testing.assert_allclose(found, np.where(up, 1.1, 0.9) * 18.8e-6, rtol=1e-3)
    assert up.mean() == pytest.approx(0.5, abs=2 / np.sqrt(up.size))


def test_noise_of_two_durations_is_not_counted_twice() -> None:
    """Telegraph noise of an inference beside 1/f noise of products: all vectors read together meet one state."""
    telegraph = TELEGRAPH | {"share": 1.0, "correlation": "inference"}
    found = one_cell(telegraph=telegraph, flicker={"density": 1e-12, "low": "1 Hz", "high": "1 kHz"})
    assert np.ptp(found, axis=1).max() < 0.01 * 18.8e-6
    np.testing.assert_allclose(np.unique((found.mean(axis=1) / 18.8e-6).round(2)), [0.9, 1.1])


def test_cells_show_no_less_than_nothing() -> None:
    """States of nothing and of twice the conductance, with so much Gaussian noise that some would be below."""
    telegraph = TELEGRAPH | {"share": 1.0, "relative": {"polynomial": [1.0]}}
    noise = {"relative": {"polynomial": [0.5]}, "correlation": "mvm"}
    found = one_cell(telegraph=telegraph, read_noise=noise) / 18.8e-6
    assert found.min() == pytest.approx(0, abs=1e-3)
    assert (found < 1e-3).mean() == pytest.approx(0.25, abs=0.022)
    # half of a normal's mean for one state, and none but a few millionths cut off for the other
    assert found.mean() == pytest.approx(0.5 * 2 + 0.5 * 0.5 / np.sqrt(2 * np.pi), abs=0.055)


def test_reading_back_sees_noise_of_every_duration() -> None:
    cell = device(levels=16, flicker={"density": 1e-4, "low": "1 Hz", "high": "1 MHz"}, telegraph=TELEGRAPH)
    bar = Crossbar.program(np.zeros((200, 100)), macro(cell, rows=256, columns=256), 1)
    siemens = bar.read_back(1.0, 5) / bar.scale * cell.step
    variance = 2 * (1e-4 * np.log(1e6) + 0.5 * 0.1**2) * cell.g_min**2
    assert siemens.var() == pytest.approx(variance, rel=0.05)


# --- keys ---


def test_it_depends_on_the_key_and_the_vector_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = noisy("mvm", telegraph=TELEGRAPH)
    sheet = macro(cell, rows=64, columns=64, adc={"bits": 12})
    bar = Crossbar.program(np.random.default_rng(1).standard_normal((150, 200)), sheet, 1)
    x = np.random.default_rng(2).random((200, 150))
    whole = bar.mvm(x, 1.0, 5).values
    parts = [bar.mvm(x[a:b], 1.0, 5, first=a).values for a, b in ((0, 3), (3, 130), (130, 200))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (bar.mvm(x, 1.0, 6).values != whole).mean() > 0.9
    monkeypatch.setattr(kernels, "threads", lambda: 3)
    np.testing.assert_array_equal(bar.mvm(x, 1.0, 5).values, whole)


@pytest.mark.parametrize("correlation", ["mvm", "sample"])
def test_checked_sums_of_a_product_share_it(correlation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input of ones in all bits gives the same sum in each pass, if cells stay as they are, so 255 times that."""
    monkeypatch.setattr(residue, "corrections", lambda a, shares: np.zeros(a, np.int64))
    sheet = macro(noisy(correlation), rows=32, columns=32, adc={"bits": 12, "range": {"policy": "unit"}}, an_code=3)
    bar = Crossbar.program(np.random.default_rng(1).integers(-5, 6, (64, 8)), sheet, 1)
    sums = bar.mvm(np.ones((20, 64)), 1.0, 5).values / bar.scale  # in codes, as 255 stands for 1
    alike = np.abs(sums - np.rint(sums)) < 1e-3
    assert alike.all() == (correlation == "mvm")


def test_the_shipped_cell_with_telegraph_noise_is_read_with_it() -> None:
    """Denoised cells of which a half per cent still switch; nothing else differs from product to product."""
    cell = shipped_device("rram_rao_nature_2023")
    fine = {"bits": 16, "range": {"policy": "fraction", "fraction": 0.05}}
    sheet = macro(cell, rows=256, columns=16, adc=fine)
    bar = Crossbar.program(np.random.default_rng(1).standard_normal((256, 8)), sheet, 1)
    found = bar.mvm(np.ones((400, 256)), 1.0, 5).values.astype(float)
    jumps = conductance.telegraph(cell, bar.conductances(1.0), bar.tiles[0]).astype(float)
    assert 0 < (jumps > 0).mean() < 0.012
    sigma = np.sqrt((jumps**2).sum(axis=(0, 1))) / cell.step * bar.scale
    np.testing.assert_allclose(found.std(axis=0), sigma, rtol=0.15, atol=0.05 * sigma.max())
