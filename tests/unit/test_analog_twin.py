"""The compiled read against its twin: float64, one conversion after the other, nothing clever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, MacroSheet, conductance
from hetsim.analog.drive import applied, quantised
from hetsim.analog.lines import Layout

MASK32, MASK64 = 2**32 - 1, 2**64 - 1


def derived(seed: int, place: int) -> int:
    """The seed of a place, by splitmix64."""
    x = (seed + (place + 1) * 0x9E3779B97F4A7C15) & MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


def hashed(x: int, shift: int, factor: int) -> int:
    return ((x ^ (x >> shift)) * factor) & MASK32


def normal(seed: int, place: int, lane: int) -> float:
    """The normal at a place of a lane of a strip of 16: every other place has the partner of the one before."""
    x = hashed((seed + (16 * (place // 2) + lane) * 0x9E3779B9) & MASK32, 16, 0x7FEB352D) ^ (seed >> 32)
    radius = np.sqrt(-2 * np.log(((hashed(x, 15, 0x846CA68B) >> 8) + 0.5) / 2**24))
    word = hashed(x, 13, 0xC2B2AE35)
    angle = np.pi / 2 * (((word & 0x3FFFFFFF) + 0x20000000) % 0x40000000 - 0x20000000) / 0x40000000
    point = (-np.cos(angle) if word >> 31 else np.cos(angle)), np.sin(angle)
    return float(radius * point[(place + (word >> 30)) % 2])


class Twin:
    """What a crossbar should read, and by how much each product may differ where a sample is close to a tie."""

    def __init__(self, crossbar: Crossbar, time: float, key: int, mode: str) -> None:
        self.bar, self.sheet, self.key = crossbar, crossbar.sheet, key
        cells = crossbar.conductances(time, mode)  # type: ignore[arg-type]
        self.cells = cells.astype(np.float64)
        self.noise = np.zeros_like(self.cells)
        if mode == "analog":
            self.noise = conductance.read_sigma(self.sheet.device, cells, time - crossbar.time).astype(np.float64)
        self.scale = crossbar._full_scale[mode]  # type: ignore[index]

    def read(self, x: Any, signed: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int, float]:
        codes, unit = quantised(np.asarray(x, np.float32), self.sheet.magnitude_bits(signed))
        tiling = self.bar.tiling
        values, doubt = np.zeros((len(codes), tiling.columns)), np.zeros((len(codes), tiling.columns))
        clipped, joules = 0, 0.0
        for m, n in np.ndindex(values.shape):
            for r in range(tiling.down):
                rows = slice(r * tiling.height, (r + 1) * tiling.height)
                for i, step in enumerate(self.sheet.passes(signed)):
                    drive = applied(codes[m, rows], step).astype(np.float64)
                    value, near, clips, heat = self.convert(m, n, r, i, drive, step, rows)
                    weight = float(unit[m]) * self.bar.scale * 2.0**step.first * (-1 if step.sign < 0 else 1)
                    values[m, n] += weight * value
                    doubt[m, n] += abs(weight) * near
                    clipped += clips
                    joules += heat
        return values, doubt, clipped, joules

    def convert(
        self, m: int, n: int, r: int, i: int, drive: np.ndarray[Any, Any], step: Any, rows: slice
    ) -> tuple[float, float, int, float]:
        """One conversion of each line of an output: its value in weight units, what a tie would change, clips, heat."""
        total = doubt = joules = 0.0
        clipped = 0
        pairwise = self.sheet.lines == 1
        for line in range(self.sheet.lines):
            polarity = (0, 1) if pairwise else (line,)
            g = self.cells[polarity, rows, n]
            signs = np.array([1, -1] if pairwise else [1])[:, None]
            floating = self.sheet.sensing == "voltage"
            divisor = g.sum() if floating else self.sheet.device.step
            gain = self.bar.cells.target[polarity, rows, n].sum() / self.sheet.device.step if floating else 1.0
            signal = (signs * g * drive).sum() / divisor
            sigma = np.sqrt(self.variance(self.noise[polarity, rows, n], drive, step)) / divisor
            if sigma > 0:
                signal += sigma * self.draw(m, n, r, i, line)
            lsb = self.scale[r, n // self.bar.tiling.width] / self.sheet.adc.codes(pairwise)[1]
            low, high = self.sheet.adc.codes(pairwise)
            code = np.floor(signal / lsb + 0.5)
            clipped += bool(code < low or code > high)
            slack = 1e-4 + 1e-5 * abs(signal / lsb) + (self.rounding(signs * g, drive) / divisor / lsb if sigma else 0)
            near = abs(signal / lsb + 0.5 - np.round(signal / lsb + 0.5)) < slack
            total += (1 if pairwise or line == 0 else -1) * gain * lsb * np.clip(code, low, high)
            doubt += gain * lsb * near
            joules += self.heat(g, drive, step, floating, signs)
        return total, doubt, clipped, joules

    def rounding(self, g: np.ndarray[Any, Any], drive: np.ndarray[Any, Any]) -> float:
        """What a noisy sample of input levels may be off as its cells are in steps of a 32767th of the line's largest,
        or of what lets sums fit 32 bits; in the unit of ``g``."""
        if self.sheet.dac.encoding != "amplitude":
            return 0.0
        size, level = np.abs(g.sum(axis=0)), (1 << self.sheet.dac.bits) - 1
        step = max(size.max() / 32767, size.sum() * level / (2**31 - 1000 * level))
        return float(step / 2 * np.abs(drive).sum())

    def pulses(self, drive: np.ndarray[Any, Any], step: Any) -> list[tuple[float, np.ndarray[Any, Any]]]:
        """Each voltage pattern of a pass in read voltages, and how often it is integrated (or what it weighs)."""
        if self.sheet.dac.encoding == "amplitude":
            return [(1.0, drive / step.top)]
        magnitude = np.abs(drive).astype(int)
        return [(2.0**b, np.sign(drive) * (magnitude >> b & 1)) for b in range(step.bits)]

    def variance(self, noise: np.ndarray[Any, Any], drive: np.ndarray[Any, Any], step: Any) -> float:
        if self.sheet.dac.encoding == "amplitude":
            return float((noise**2 * drive**2).sum())
        return float(sum(w**2 * (noise**2 * v**2).sum() for w, v in self.pulses(drive, step)))

    def heat(
        self,
        g: np.ndarray[Any, Any],
        drive: np.ndarray[Any, Any],
        step: Any,
        floating: bool,
        signs: np.ndarray[Any, Any],
    ) -> float:
        total = 0.0
        for integrations, pattern in self.pulses(drive, step):
            voltages = (
                signs * pattern * self.sheet.read_voltage
                if self.sheet.pair == "rows"
                else (np.ones_like(signs) * pattern * self.sheet.read_voltage)
            )
            out = (g * voltages).sum() / g.sum() if floating else 0.0
            total += integrations * (g * (voltages - out) ** 2).sum() * self.sheet.integration_time
        return total

    def draw(self, m: int, n: int, r: int, i: int, line: int) -> float:
        layout = Layout(self.bar.tiling, (1.0,) * self.sheet.lines)
        block, place = divmod(n, layout.apart)
        strip, lane = divmod(line * layout.apart + place, 16)
        strip += (r * layout.count + block) * (layout.width // 16)
        return normal(derived(derived(self.key, m), strip), i, lane)


NOISY = device(
    programming={"unit": "1 uS", "polynomial": [0.5]}, read_noise={"relative": {"polynomial": [0.03]}}
)  # fmt: skip


@st.composite
def sheets(draw: st.DrawFn) -> MacroSheet:
    pair = draw(st.sampled_from(["rows", "columns"]))
    subtraction = "analog" if pair == "rows" else draw(st.sampled_from(["analog", "digital"]))
    sensing = (
        draw(st.sampled_from(["current", "voltage"])) if (pair, subtraction) != ("columns", "analog") else "current"
    )
    signed = draw(st.sampled_from(["two_phase", "bipolar"])) if subtraction == "analog" else "two_phase"
    policy = draw(st.sampled_from(["max", "calibrated", "fraction"]))
    dac = {
        "bits": draw(st.integers(1, 4)), "encoding": draw(st.sampled_from(["pulses", "amplitude"])), "energy": "0 J",
    }  # fmt: skip
    return macro(
        NOISY,
        pair=pair,
        subtraction=subtraction,
        sensing=sensing,
        signed_inputs=signed,
        dac=dac,
        rows=draw(st.integers(4, 24)),
        columns=draw(st.integers(2, 24)),
        input_bits=draw(st.integers(2, 8)),
        adc={"bits": draw(st.integers(2, 10)), "range": {"policy": policy, "fraction": 0.3, "percentile": 98}},
    )


@settings(max_examples=60, deadline=None)
@given(
    sheets(), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**64 - 1), st.sampled_from(["analog", "ideal"])
)
def test_the_read_equals_its_twin(sheet: MacroSheet, rows: int, columns: int, key: int, mode: Any) -> None:
    numbers = np.random.default_rng(key)
    signed = bool(key % 2)
    x = numbers.normal(size=(4, rows)) * (numbers.random((4, rows)) < 0.7)
    x = x if signed else np.abs(x)
    x[1] = 0.0  # drives no row
    bar = Crossbar.program(numbers.normal(size=(rows, columns)), sheet, key)
    reading = bar.mvm(x, 1.0, key, mode, signed=signed)
    twin = Twin(bar, 1.0, key, mode)
    values, doubt, clipped, joules = twin.read(x, signed)
    allowed = doubt + 1e-5 * (np.abs(values) + np.abs(values).max(initial=0.0)) + 1e-12
    assert np.all(np.abs(reading.values - values) <= allowed)
    assert abs(reading.clipped - clipped) <= np.count_nonzero(doubt)
    assert reading.joules == pytest.approx(joules, rel=1e-4)


def test_a_wide_matrix_reads_like_its_parts() -> None:
    """Blocks of columns, tiles and threads change nothing in an exact product."""
    sheet = macro(rows=64, columns=400, adc={"bits": 16, "range": {"policy": "unit"}}, dac={"energy": "0 J"})
    numbers = np.random.default_rng(5)
    weights = numbers.integers(-7, 8, (150, 300))
    weights[0] = 7
    x = numbers.integers(0, 256, (5000, 150))
    x[:, 0] = 255
    reading = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1, "ideal")
    np.testing.assert_array_equal(reading.values, x @ weights)
