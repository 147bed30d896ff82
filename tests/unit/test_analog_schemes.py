"""Schemes of mapping and sensing against a plain float64 twin, and where a closed form exists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.integrate import solve_ivp
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, MacroSheet
from hetsim.analog.drive import applied, quantised
from hetsim.analog.layer import Layer
from hetsim.analog.mapping import codes_to_levels
from hetsim.analog.sensing import Array, sense

RNG = np.random.default_rng
OFFSET: dict[str, Any] = {"mapping": "offset", "pair": None}
PAIRS: list[dict[str, Any]] = [
    {"pair": "columns", "subtraction": "analog"},
    {"pair": "columns", "subtraction": "digital"},
    {"pair": "rows", "subtraction": "analog"},
    {"pair": "rows", "subtraction": "analog", "signed_inputs": "bipolar"},
    {"pair": "columns", "subtraction": "digital", "mapping": "two_sided"},
    {"pair": "rows", "subtraction": "analog", "mapping": "two_sided"},
]
SCHEMES = [*PAIRS, OFFSET | {"subtraction": "digital"}, OFFSET | {"subtraction": "unit"}]
STORED: list[dict[str, Any]] = [
    {},
    {"weight_bits": 3},
    {"slices": [1, 1, 2]},
    {"slices": [1, 3]},
    {"slices": [2, 2], "copies": 2},
    {"slices": [2, 1], "copies": 2, "average": "digital"},
    {"copies": 3},
]


def exact(levels: int = 16, **changes: Any) -> MacroSheet:
    """A macro that counts conductance steps one by one."""
    cell = device(g_min="0 S", levels=levels)
    return macro(cell, rows=24, columns=36, adc={"bits": 16, "range": {"policy": "unit"}}, **changes)


def operands(sheet: MacroSheet, rows: int, columns: int, signed: bool, seed: int) -> tuple[Any, Any]:
    """Weights and inputs that use their whole ranges, so that quantisation changes nothing."""
    numbers, top = RNG(seed), sheet.code_levels(sheet.scheme) - 1
    weights = numbers.integers(-top, top + 1, (rows, columns))
    weights[0, 0] = top
    largest = 2 ** sheet.magnitude_bits(signed) - 1
    x = numbers.integers(-largest if signed else 0, largest + 1, (4, rows))
    x[:, -1] = largest
    return weights, x


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SCHEMES), st.sampled_from(STORED), st.integers(1, 60), st.integers(1, 30), st.booleans(),
    st.sampled_from([None, 6, 12]), st.sampled_from(["ideal", "analog"]), st.booleans(),
)  # fmt: skip
def test_every_scheme_gives_the_integer_product(
    scheme: Any, stored: Any, rows: int, columns: int, signed: bool, active: Any, mode: Any, transposed: bool
) -> None:
    try:
        sheet = exact(
            **scheme, **stored, active_rows=active, bidirectional=transposed, dac={"bits": 2, "energy": "0 J"}
        )
    except ValidationError as error:
        assert "active_rows" in str(error)
        return
    weights, x = operands(sheet, rows, columns, signed, rows * columns)
    bar = Crossbar.program(weights, sheet, 1)
    # a third of three copies is no binary number
    np.testing.assert_allclose(bar.mvm(x, 0.0, 1, mode, signed=signed).values, x @ weights, rtol=0, atol=1e-9)
    np.testing.assert_allclose(bar.read_back(0.0, 1), weights, atol=1e-4)
    if transposed:
        _, y = operands(sheet, columns, rows, signed, rows + columns)
        reading = bar.mvm(y, 0.0, 1, mode, signed=signed, transposed=True)
        np.testing.assert_allclose(reading.values, y @ weights.T, rtol=0, atol=1e-9)
        assert reading.clipped == 0


@given(st.sampled_from(SCHEMES), st.sampled_from([*STORED, {"slices": [4, 4, 4, 3]}, {"slices": [1] * 15}]))
def test_cells_hold_the_code(scheme: Any, stored: Any) -> None:
    plan = macro(device(levels=16), columns=64, **scheme, **stored).scheme
    codes = np.unique(np.linspace(1 - plan.levels, plan.levels - 1, 301).astype(np.int16))[None]
    levels = codes_to_levels(codes, plan).astype(int).reshape(*plan.shape, *codes.shape)
    held = np.zeros(codes.shape)
    worth = 1
    for s, top in enumerate(plan.tops):
        assert levels[s].min() >= 0 and levels[s].max() <= top
        assert (levels[s] == levels[s, :1]).all()
        held += worth * (levels[s, 0, 0] - (levels[s, 0, 1] if plan.polarities == 2 else 0))
        worth *= top + 1
    np.testing.assert_array_equal(held - plan.zero, codes)


def test_sixteen_bits() -> None:
    for changes, slices in (({"pair": "columns"}, [4, 4, 4, 3]), (OFFSET, [4, 4, 4, 4])):
        sheet = macro(
            device(g_min="0 S", levels=16), columns=64, subtraction="digital", slices=slices, weight_bits=16,
            adc={"bits": 10, "range": {"policy": "unit"}}, input_bits=2, **changes,
        )  # fmt: skip
        weights = RNG(1).integers(-32767, 32768, (20, 6))
        weights[0, 0] = 32767
        x = RNG(2).integers(0, 4, (5, 20))
        x[:, 0] = 3
        np.testing.assert_array_equal(Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1).values, x @ weights)


class Twin:
    """What a crossbar reads without noise: one conversion after the other in float64, from its placed cells."""

    def __init__(self, bar: Crossbar, transposed: bool, mode: Any) -> None:
        self.bar, self.sheet, self.plan = bar, bar.sheet, bar.sheet.scheme
        cells, target = bar.conductances(1.0, mode).astype(float), bar.cells.target.astype(float)
        if transposed:
            cells, target = cells.transpose(0, 2, 1), target.transpose(0, 2, 1)
        self.cells = cells.reshape(*self.plan.shape, *cells.shape[1:])
        self.target = target.reshape(*self.plan.shape, *cells.shape[1:])
        tile = (bar.tiling.width, bar.tiling.height) if transposed else (bar.tiling.height, bar.tiling.width)
        self.height, self.width = tile
        step = bar.tiling.footprint
        each = step.height
        if transposed:  # the slices and polarities on columns of their own are driven in turn
            apart = self.plan.lines
            each = step.width // apart
        self.group = min(self.height, self.sheet.active_rows // each) if self.sheet.active_rows else self.height
        self.scale = bar._full_scale[mode + " transposed" * transposed]
        self.transposed = transposed

    def read(self, x: Any, signed: bool) -> tuple[Any, Any, int, int]:
        codes, unit = quantised(np.asarray(x, np.float32), self.sheet.magnitude_bits(signed))
        codes = self.bar.tiling.spread(codes) if self.transposed else codes
        rows, columns = self.cells.shape[3:]
        clipped = conversions = 0
        values, doubt = np.zeros((len(codes), columns)), np.zeros((len(codes), columns))
        starts = [t + g for t in range(0, rows, self.height) for g in range(0, min(self.height, rows - t), self.group)]
        for r, start in enumerate(starts):
            end = min(start + self.group, start // self.height * self.height + self.height, rows)
            for step in self.sheet.passes(signed):
                drive = applied(codes[:, start:end], step).astype(float)
                for line, worth, gain, lsb in self.lines(r, slice(start, end)):
                    low, high = self.sheet.adc.codes(self.sheet.signed_codes)
                    sample = drive @ line / lsb
                    code = np.floor(sample + 0.5)
                    clipped += int(((code < low) | (code > high)).sum())
                    conversions += code.size
                    near = np.abs(sample + 0.5 - np.round(sample + 0.5)) < 1e-4 + 1e-5 * np.abs(sample)
                    weight = worth * gain * lsb * 2.0**step.first * (-1 if step.sign < 0 else 1)
                    values += weight * np.clip(code, low, high)
                    doubt += np.abs(weight) * near
        factor = unit[:, None].astype(float) * self.bar.scale
        if self.plan.polarities == 1:
            values, doubt = self.without_zero(values, doubt, codes)
        return values * factor, doubt * factor, clipped, conversions

    def lines(self, r: int, rows: slice) -> Any:
        """Of each line: signal of each row [k, N], worth, gain [N] and step of the converter [N]."""
        device, plan = self.sheet.device, self.plan
        high = self.sheet.adc.codes(self.sheet.signed_codes)[1]
        tiles = np.arange(self.cells.shape[4]) // self.width
        worth = 1
        for s, top in enumerate(plan.tops):
            step = (device.g_max - device.g_min) / top
            ratio = step / device.step if self.sheet.sensing == "current" else 1.0
            ratio = 1.0 if self.sheet.adc.range.policy == "unit" else ratio
            copies = [[c] for c in range(plan.copies)] if plan.apart else [list(range(plan.copies))]
            signs = [[(0, 1), (1, -1)]] if plan.subtracted else [[(q, 1)] for q in range(plan.polarities)]
            for group in copies:
                for q, members in enumerate(signs):
                    g = self.cells[s, group, :, rows]
                    signal = sum(sign * g[:, m].sum(axis=0) for m, sign in members)
                    total = sum(g[:, m].sum(axis=(0, 1)) for m, _ in members)
                    known = sum(self.target[s, group, :, rows][:, m].sum(axis=(0, 1)) for m, _ in members)
                    yield (
                        signal * self.shown(total, step), (1 - 2 * q) * worth / plan.copies,
                        1 / (step * self.shown(known, step)), self.scale[r, tiles] / ratio / high,
                    )  # fmt: skip
            worth *= top + 1

    def shown(self, siemens: Any, step: float) -> Any:
        if self.sheet.sensing == "current":
            return 1 / step
        if self.sheet.sensing == "voltage":
            return 1 / siemens
        assert self.sheet.capacitance is not None
        return (1 - np.exp(-siemens * self.sheet.integration_time / self.sheet.capacitance)) / siemens

    def without_zero(self, values: Any, doubt: Any, codes: Any) -> Any:
        if self.sheet.subtraction == "unit" and not self.transposed:
            columns = np.arange(values.shape[1])
            units = columns // self.width * self.width
            keep = columns != units
            return (values - values[:, units])[:, keep], (doubt + doubt[:, units])[:, keep]
        device = self.sheet.device
        lowest = sum(w * device.g_min * t / (device.g_max - device.g_min)
                     for w, t in zip(self.plan.worths, self.plan.tops, strict=True))  # fmt: skip
        return values - codes.sum(axis=1, keepdims=True) * (self.plan.zero + lowest), doubt


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SCHEMES), st.sampled_from(STORED), st.integers(1, 50), st.integers(1, 25), st.integers(0, 2**32),
    st.sampled_from(["max", "fraction", "calibrated", "given"]), st.integers(2, 10),
    st.sampled_from(["current", "voltage", "charge"]), st.sampled_from([None, 6, 12]), st.booleans(),
)  # fmt: skip
def test_reads_equal_their_twin(
    scheme: Any, stored: Any, rows: int, columns: int, seed: int, policy: str, bits: int, sensing: str,
    active: Any, transposed: bool,
) -> None:  # fmt: skip
    full: dict[str, Any] = {"policy": policy, "fraction": 0.4, "percentile": 97}
    if policy == "given":
        full |= {"current": "40 uA"} if sensing == "current" else {"voltage": "0.05 V"}
    cell = device(levels=16, programming={"unit": "1 uS", "polynomial": [0.5]})
    try:
        sheet = macro(
            cell, rows=24, columns=36, adc={"bits": bits, "range": full}, sensing=sensing, active_rows=active,
            capacitance="10 pF" if sensing == "charge" else None, bidirectional=transposed, input_bits=4,
            dac={"bits": seed % 3 + 1, "energy": "0 J"}, **scheme, **stored,
        )  # fmt: skip
    except ValidationError as error:
        assert "active_rows" in str(error) or "normalised by its own" in str(error) or "one direction" in str(error)
        return
    numbers, signed = RNG(seed), bool(seed % 2)
    bar = Crossbar.program(numbers.normal(size=(rows, columns)), sheet, seed)
    x = numbers.normal(size=(3, columns if transposed else rows)) * 3
    x = x if signed else abs(x)
    for mode in ("analog", "ideal"):
        reading = bar.mvm(x, 1.0, seed, mode, signed=signed, transposed=transposed)
        values, doubt, clipped, conversions = Twin(bar, transposed, mode).read(x, signed)
        scale = bar.scale * np.abs(x).max() * sheet.scheme.levels * rows
        assert np.all(np.abs(reading.values - values) <= doubt + 1e-5 * (np.abs(values) + scale))
        assert abs(reading.clipped - clipped) <= np.count_nonzero(doubt) * 8 * sheet.lines
        assert reading.conversions == conversions


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("stored", STORED)
def test_the_cells_behind_a_line_add_up_to_it(scheme: Any, stored: Any) -> None:
    """What noise frozen for a product acts on: each cell's signal, with its sign, and its own sigma."""
    sheet = macro(device(levels=16), rows=24, columns=36, **scheme, **stored)
    bar = Crossbar.program(RNG(1).normal(size=(30, 5)), sheet, 1)
    cells = bar.cells.target
    array = Array(sheet.reading(bar.tiling), cells, cells, sigma=0.1 * cells, telegraph=0.2 * cells)
    sensed = sense(sheet, array)
    frozen = sensed.frozen
    assert frozen is not None and sense(sheet, Array(array.tiling, cells, cells)).frozen is None
    assert frozen.cells.shape == (sheet.scheme.cells // sheet.lines, sheet.lines, 30, bar.tiling.columns)
    total = np.einsum("c,clkn->lkn", frozen.signs, frozen.cells)
    np.testing.assert_allclose(total, sensed.signals, atol=1e-4 * np.abs(sensed.signals).max())
    np.testing.assert_allclose(frozen.sigma, 0.1 * frozen.cells, rtol=1e-5)
    np.testing.assert_allclose(frozen.telegraph, 0.2 * frozen.cells, rtol=1e-5)


def test_a_line_of_small_capacitance_settles_and_of_large_integrates() -> None:
    weights, x = RNG(1).normal(size=(20, 6)), abs(RNG(2).normal(size=(8, 20)))
    cell = device(programming={"unit": "1 uS", "polynomial": [0.5]})
    fine: dict[str, Any] = {"pair": "rows", "adc": {"bits": 16, "range": {"policy": "max"}}}

    def read(**sensing: Any) -> Any:
        return Crossbar.program(weights, macro(cell, **fine, **sensing), 1).mvm(x, 0.0, 1)

    current, voltage = read(), read(sensing="voltage")
    slow, fast = (read(sensing="charge", capacitance=c) for c in ("1 nF", "1 fF"))
    spread = np.abs(current.values).max()
    np.testing.assert_allclose(slow.values, current.values, atol=0.02 * spread)
    np.testing.assert_allclose(fast.values, voltage.values, atol=2e-3 * spread)
    assert slow.joules == pytest.approx(current.joules, rel=0.02)
    assert fast.joules == pytest.approx(voltage.joules, rel=1e-3)
    assert fast.joules < 0.97 * slow.joules


def test_charge_is_what_the_circuit_equation_says() -> None:
    """One line of three cells and 2 pF, integrated step by step: its voltage and what the cells dissipate."""
    sheet = macro(
        device(g_min="0 S"), pair="rows", sensing="charge", capacitance="2 pF", input_bits=1,
        adc={"bits": 16, "range": {"policy": "max"}},
    )  # fmt: skip
    bar = Crossbar.program([[7.0], [-4.0], [2.0]], sheet, 1)
    x = np.array([1.0, 1.0, 0.0])
    reading = bar.mvm([x], 0.0, 1)
    g = bar.cells.target[:, :, 0].astype(float).ravel()
    v = 0.2 * np.concatenate([x, -x])

    def slope(_: float, state: Any) -> Any:
        return [(g * (v - state[0])).sum() / 2e-12, (g * (v - state[0]) ** 2).sum()]

    end = solve_ivp(slope, (0, 50e-9), [0.0, 0.0], rtol=1e-10, atol=1e-30).y[:, -1]
    known = g.sum() / (1 - np.exp(-50e-9 * g.sum() / 2e-12)) / sheet.device.step
    assert reading.values[0, 0] == pytest.approx(end[0] / 0.2 * known, rel=1e-3)
    assert reading.joules == pytest.approx(end[1], rel=1e-4)


@pytest.mark.parametrize("average", ["line", "digital"])
def test_averaging_over_copies_halves_the_error_of_four(average: str) -> None:
    cell = device(programming={"unit": "1 uS", "polynomial": [1.0]}, read_noise={"relative": {"polynomial": [0.05]}})
    weights, x = RNG(1).normal(size=(64, 60)), RNG(2).normal(size=(200, 64))
    adc = {"bits": 16, "range": {"policy": "max"}}
    errors = []
    for copies in (1, 4):
        sheet = macro(cell, rows=256, columns=960, adc=adc, copies=copies, average=average)
        bar = Crossbar.program(weights, sheet, 1)
        errors.append((bar.mvm(x, 0.0, 1).values - bar.mvm(x, 0.0, 1, "ideal").values).std())
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.08)


def test_each_array_stores_what_the_last_one_lacks() -> None:
    """Rounding and programming error leave a residual that the next array holds at a finer scale."""
    cell = device(levels=32, programming={"unit": "1 uS", "polynomial": [0.1]})
    weights, x = RNG(1).normal(size=(32, 30)), abs(RNG(2).normal(size=(50, 32)))
    sheets = [
        macro(cell, rows=64, columns=64, arrays=n, adc={"bits": 16, "range": {"policy": "max"}}) for n in (1, 2, 3)
    ]
    layers = [Layer.program(weights, sheet, 1) for sheet in sheets]
    held = [sum(bar.read_back(0.0, 1) for bar in layer.crossbars) for layer in layers]
    errors = [np.abs(h - weights).max() for h in held]
    assert errors[1] < errors[0] / 10 and errors[2] < errors[1] / 10
    exact = np.rint(x / x.max(axis=1, keepdims=True) * 255) / 255 * x.max(axis=1, keepdims=True) @ weights
    off = [np.abs(layer.mvm(x, 0.0, 1).values - exact).mean() for layer in layers]
    assert off[1] < off[0] / 10 and off[2] < off[1] / 5
    assert layers[2].mvm(x, 0.0, 1).conversions == 3 * layers[0].mvm(x, 0.0, 1).conversions
    np.testing.assert_array_equal(held[0], layers[0].replicas[0][0].read_back(0.0, 1))


def test_replicas_take_turns_whatever_the_batch() -> None:
    cell = device(programming={"unit": "1 uS", "polynomial": [1.0]}, read_noise={"relative": {"polynomial": [0.05]}})
    layer = Layer.program(RNG(1).normal(size=(20, 8)), macro(cell, replicas=3, adc={"bits": 12}), 1)
    x = abs(RNG(2).normal(size=(14, 20)))
    whole = layer.mvm(x, 0.0, 5)
    parts = [layer.mvm(x[a:b], 0.0, 5, first=a) for a, b in ((0, 2), (2, 7), (7, 8), (8, 14))]
    np.testing.assert_array_equal(np.concatenate([p.values for p in parts]), whole.values)
    assert sum(p.conversions for p in parts) == whole.conversions == layer.crossbars[0].conversions(14, False)
    for r in range(3):
        alone = layer.replicas[r][0].mvm(x[r::3], 0.0, 5, "ideal").values
        np.testing.assert_array_equal(layer.mvm(x, 0.0, 5, "ideal").values[r::3], alone)


def test_row_groups_are_converted_apart() -> None:
    """Rows in four groups: four conversions, each with a quarter of the range."""
    cell = device(g_min="0 S", levels=4)
    weights, x = np.full((32, 1), 3), np.tril(np.ones((32, 32), int)) * 255
    for bits in (5, 4):
        sheet = macro(
            cell, rows=32, active_rows=8, subtraction="digital", adc={"bits": bits, "range": {"policy": "unit"}}
        )
        reading = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1)
        assert reading.conversions == 32 * 8 * 2 * 4
        on = np.clip(np.arange(1, 33)[:, None] - np.arange(0, 32, 8), 0, 8)
        np.testing.assert_array_equal(reading.values[:, 0], 255 * np.minimum(3 * on, 2**bits - 1).sum(axis=1))
    assert sheet.turns(sheet.tiling(32, 1)) == 4
    assert sheet.pace(False, 1, 4)[1] == pytest.approx(4 * sheet.pace(False, 1)[1])


def test_transposed_reads_drive_each_slice_in_turn() -> None:
    sheet = macro(device(levels=4), rows=32, columns=32, slices=[2, 2], subtraction="digital", bidirectional=True)
    tiling = sheet.tiling(32, 8)
    assert sheet.turns(tiling, transposed=True) == 4
    assert sheet.conversions(tiling, False, transposed=True) == 8 * 32 * 4
    assert sheet.conversions(tiling, False) == 8 * 8 * 4


def test_the_energy_of_a_transposed_read() -> None:
    sheet = macro(device(programming={"unit": "1 uS", "polynomial": [1.0]}), bidirectional=True)
    bar = Crossbar.program(RNG(1).normal(size=(40, 20)), sheet, 1)
    x = RNG(3).integers(0, 256, (6, 20))
    x[:, 0] = 255
    ones = np.array([[int(v).bit_count() for v in row] for row in x])
    columns = bar.conductances(0.0).astype(float).sum(axis=(0, 1))
    joules = bar.mvm(x, 0.0, 1, transposed=True).joules
    assert joules == pytest.approx(0.2**2 * 50e-9 * (ones @ columns).sum(), rel=1e-6)


def test_transposed_reads_need_the_periphery() -> None:
    with pytest.raises(ValueError, match="bidirectional"):
        Crossbar.program(np.eye(4), macro(), 1).mvm(np.eye(4), 0.0, 1, transposed=True)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"slices": [4]}, "a slice of 4 bits takes 16 levels, the device has 8"),
    ({"slices": [0, 3]}, "a slice of 0 bits"),
    ({"slices": []}, "at least 1 item"),
    ({"slices": [2, 2], "weight_bits": 6}, r"slices \[2, 2\] hold 5 bits, the weights have 6"),
    ({"slices": [3] * 6, "columns": 64}, "hold 19 bits, at most 16"),
    ({"weight_bits": 8}, "take 128 levels, the device has 8: spread them over slices"),
    ({"weight_bits": 17}, "less than or equal to 16"),
    ({"copies": 0}, "greater than or equal to 1"),
    ({"slices": [2] * 5, "columns": 8}, "a weight takes 1 x 10 cells"),
    ({"pair": None}, "say whether on columns or on rows"),
    ({"mapping": "offset", "subtraction": "digital"}, "not a pair: leave pair out"),
    (OFFSET, "an offset is subtracted digital"),
    ({"subtraction": "unit"}, "from offset weights"),
    ({"sensing": "voltage", "pair": "rows", "bidirectional": True}, "one direction only"),
    ({"sensing": "charge", "pair": "rows"}, "needs the capacitance"),
    ({"capacitance": "1 pF"}, "needs the capacitance"),
    ({"active_rows": 5}, "must divide the tile"),
    ({"active_rows": 1, "pair": "rows"}, "must divide the tile"),
    ({"an_code": 4}, "odd number"),
    ({"an_code": 3}, "one code a step"),
    ({"an_code": 9, "adc": {"range": {"policy": "unit"}}}, "do not fit"),
    ({"adc": {"range": {"policy": "given"}}}, "given range is the full scale of the current"),
    ({"adc": {"range": {"policy": "given", "voltage": "1 V"}}}, "full scale of the current"),
    ({"adc": {"range": {"current": "1 uA"}}}, "needs policy: given"),
    ({"dac": {"energy": "0 J", "offset": 0.01}}, "encoding: amplitude"),
    ({"adc": {"bits": 0}}, "greater than or equal to 1"),
]


@pytest.mark.parametrize(("wrong", "message"), REFUSED)
def test_a_macro_that_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        macro(**wrong)
