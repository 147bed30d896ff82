"""Converter and driver errors, and AN codes that see what went wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, MacroSheet
from hetsim.analog.bank import Bank
from hetsim.analog.programming import Programming
from hetsim.analog.residue import corrections

RNG = np.random.default_rng
UNIT = {"bits": 10, "range": {"policy": "unit"}}


def coded(cell: Any = None, **changes: Any) -> MacroSheet:
    """Four-bit weights times 19 on slices of three bits."""
    stored: dict[str, Any] = {"weight_bits": 5, "slices": [3, 3, 3], "an_code": 19, "columns": 60, "adc": UNIT}
    return macro(cell or device(g_min="0 S"), **stored | changes)


def operands(rows: int = 70, columns: int = 8, signed: bool = False, bits: int = 8) -> tuple[Any, Any]:
    weights = RNG(1).integers(-15, 16, (rows, columns))
    weights[0, 0] = 15
    top = 2 ** (bits - signed) - 1
    x = RNG(2).integers(-top if signed else 0, top + 1, (30, rows))
    x[:, 0] = top
    return weights, x


@given(st.sampled_from([7, 11, 13, 19, 23, 29, 41]), st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_every_remainder_has_an_error_that_leaves_it(a: int, widths: list[int]) -> None:
    shares = tuple(float(2 ** sum(widths[:i])) for i in range(len(widths)))
    table = corrections(a, shares)
    assert table[0] == 0
    np.testing.assert_array_equal(table % a, np.arange(a))
    assert abs(table[1:]).min() >= 1
    singles = {int(s) * e % a for s in shares for e in (1, -1)}
    if len(singles) == 2 * len(shares):  # told apart: one conversion off by one code is always found
        for share in shares:
            assert table[int(share) % a] == share
            assert table[-int(share) % a] == -share


@pytest.mark.parametrize("inputs", ["two_phase", "bipolar"])
def test_an_codes_change_nothing_when_nothing_errs(inputs: str) -> None:
    signed = inputs == "bipolar"
    sheet = coded(signed_inputs=inputs, subtraction="analog", dac={"bits": 2, "energy": "0 J"}, adc=UNIT | {"bits": 12})
    weights, x = operands(signed=signed)
    bar = Crossbar.program(weights, sheet, 1)
    assert abs(bar.codes).max() == 15 * 19
    reading = bar.mvm(x, 0.0, 1, signed=signed)
    np.testing.assert_array_equal(reading.values, x @ weights)
    assert (reading.wrong, reading.clipped) == (0, 0)
    assert reading.checked == 30 * 8 * 3 * len(sheet.passes(signed))
    plain = Crossbar.program(weights, sheet.model_copy(update={"an_code": None}), 1)
    assert reading.joules > 0
    assert reading.conversions == plain.mvm(x, 0.0, 1, signed=signed).conversions


def test_an_codes_find_and_mend_errors_of_noise() -> None:
    """Noise that sometimes tips one conversion by a code: sums are wrong without the code, and mended with it."""
    cell = device(g_min="0 S", read_noise={"relative": {"polynomial": [0.02]}})
    weights, x = operands()
    exact = x @ weights
    sheet = coded(cell, subtraction="digital", rows=16)
    mended = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1)
    bare = Crossbar.program(
        weights, coded(cell, subtraction="digital", rows=16, an_code=None, slices=[3, 2], weight_bits=6), 1
    )
    wrong = (bare.mvm(x, 0.0, 1).values != bare.mvm(x, 0.0, 1, "ideal").values).mean()
    assert 0 < mended.wrong / mended.checked < 0.5
    assert wrong > 0.3
    assert (mended.values != exact).mean() < wrong / 3


def test_a_batch_with_an_code_may_be_split() -> None:
    cell = device(g_min="0 S", read_noise={"relative": {"polynomial": [0.05]}})
    weights, x = operands()
    bar = Crossbar.program(weights, coded(cell), 1)
    whole = bar.mvm(x, 0.0, 7)
    parts = [bar.mvm(x[a:b], 0.0, 7, first=a) for a, b in ((0, 11), (11, 30))]
    np.testing.assert_array_equal(np.concatenate([p.values for p in parts]), whole.values)
    assert sum(p.wrong for p in parts) == whole.wrong > 0


FINE = {"bits": 12, "range": {"policy": "max"}}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([("columns", "analog"), ("columns", "digital"), ("rows", "analog")]), st.integers(1, 60),
    st.integers(1, 20), st.integers(0, 2**32), st.booleans(), st.booleans(), st.sampled_from([None, 16]),
)  # fmt: skip
def test_converters_err_as_their_sheet_says(
    pair: Any, rows: int, columns: int, seed: int, amplitude: bool, transposed: bool, active: Any
) -> None:
    """Against a twin in float64 that takes the drawn errors from the mismatch module, conversion by conversion."""
    from hetsim.analog.drive import applied, quantised
    from hetsim.analog.mismatch import mismatch

    dac: dict[str, Any] = {"bits": 2, "energy": "0 J", "gain": 0.02}
    dac |= {"encoding": "amplitude", "offset": 0.01} if amplitude else {}
    errors = {"offset": 0.01, "gain": 0.03, "inl": 0.02}
    sheet = macro(
        pair=pair[0], subtraction=pair[1], adc=FINE | {"bits": 6} | errors, dac=dac, active_rows=active, input_bits=4,
        bidirectional=transposed, columns=32,
    )  # fmt: skip
    weights, x = RNG(seed).normal(size=(rows, columns)), RNG(seed + 1).normal(size=(3, columns if transposed else rows))
    bar = Crossbar.program(weights, sheet, seed)
    values = bar.mvm(x, 0.0, 1, transposed=transposed, signed=True).values
    found = mismatch(sheet, bar.tiling, bar.tiles, transposed)
    assert found is not None
    cells = bar.conductances(0.0).astype(float)
    cells = cells.transpose(0, 2, 1) if transposed else cells
    tiling = sheet.reading(bar.tiling, transposed)
    whole = bar.tiling.width if transposed else bar.tiling.height
    codes, unit = quantised(x.astype(np.float32), 3)
    tiles = np.arange(tiling.columns) // tiling.width
    drive, lift = found.drive[:, :, tiles], found.lift[:, :, tiles]
    low, high = sheet.adc.codes(sheet.signed_codes)
    side = "analog transposed" if transposed else "analog"
    expected, doubt = np.zeros(values.shape), np.zeros(values.shape)
    for r in range(tiling.down):
        rows_ = slice(r * tiling.height, (r + 1) * tiling.height)
        at = r * tiling.height // whole
        lsb = bar._full_scale[side][r, tiles] / high
        for step in sheet.passes(True):
            v = applied(codes[:, rows_], step).astype(float)
            shown = [v @ (drive[p, rows_] * cells[p, rows_]) for p in (0, 1)]
            lifted = [3 * (lift[p, rows_] * cells[p, rows_]).sum(axis=0) for p in (0, 1)]
            pairs = [(shown[0] - shown[1], lifted[0] - lifted[1])]
            for i, (line, rest) in enumerate(pairs if sheet.signed_codes else zip(shown, lifted, strict=True)):
                per_code = (1 + found.gain[at, i]) / sheet.device.step / lsb
                u = line * per_code
                share = np.minimum(abs(u) / high, 1)  # of what rows are driven with: their offsets do not bend it
                bent = found.bow[at, i] * 4 * share * (1 - share) * np.sign(u)
                u = u + rest * per_code + high * (found.offset[at, i] + bent)
                weight = lsb * 2.0**step.first * step.sign * (-1) ** i
                expected += weight * np.clip(np.floor(u + 0.5), low, high)
                doubt += abs(weight) * (abs(u + 0.5 - np.rint(u + 0.5)) < 1e-3)
    scale = unit[:, None] * bar.scale
    assert np.all(abs(values - expected * scale) <= doubt * scale + 1e-4 * (abs(expected * scale).max() + 1e-9))


def test_errors_belong_to_the_tile_and_ideal_reads_have_none() -> None:
    rough = macro(adc=FINE | {"offset": 0.02, "gain": 0.02})
    weights, x = RNG(1).normal(size=(20, 6)), abs(RNG(2).normal(size=(5, 20)))
    clean = Crossbar.program(weights, macro(adc=FINE), 1).mvm(x, 0.0, 1).values

    def read(**more: Any) -> Any:
        return Crossbar.program(weights, rough, 1, **more)

    a, b = read(tiles=[5]).mvm(x, 0.0, 1).values, read(tiles=[6]).mvm(x, 0.0, 1).values
    assert (a != b).any() and (a != clean).any()
    np.testing.assert_array_equal(read(tiles=[5]).mvm(x, 0.0, 1, "ideal").values, clean)
    bank = Bank(rough, Programming(), 2, 7)
    first = bank.store(("a", 0), weights[None], 0.0).crossbars[0].tiles
    bank.release(("a", 0))
    assert bank.store(("b", 0), weights[None], 0.0).crossbars[0].tiles == first


def test_columns_that_share_a_converter_share_its_offset() -> None:
    """A row that is never driven: what comes out is the offset alone."""
    sheet = macro(pair="rows", columns=12, adc=FINE | {"offset": 0.1, "columns": 4})
    weights = np.full((3, 12), 7.0)
    bar = Crossbar.program(weights, sheet, 1)
    values = bar.mvm(np.zeros((1, 3)), 0.0, 1).values[0].reshape(3, 4)
    assert (values == values[:, :1]).all()
    assert len(set(values[:, 0])) == 3


def test_a_given_range_is_a_current_or_a_voltage() -> None:
    cell = device(g_min="0 S")
    weights, x = np.full((16, 1), 7.0), np.tril(np.ones((16, 16))) * 255
    for dac in ({"energy": "0 J"}, {"energy": "0 J", "bits": 8, "encoding": "amplitude"}):
        full = {"bits": 12, "range": {"policy": "given", "current": "32 uA"}}  # 8 cells of 20 uS at 0.2 V
        reading = Crossbar.program(weights, macro(cell, dac=dac, adc=full), 1).mvm(x, 0.0, 1)
        expected = 7 * 255 * np.minimum(np.arange(1, 17), 8)
        np.testing.assert_allclose(reading.values[:, 0], expected, rtol=2e-3)
        assert reading.clipped == 8 * reading.conversions / 16
    volts = {"bits": 12, "range": {"policy": "given", "voltage": "0.1 V"}}
    sheet = macro(cell, pair="rows", sensing="voltage", adc=volts)
    reading = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1)
    np.testing.assert_allclose(reading.values[:, 0], expected, rtol=2e-3)


@pytest.mark.parametrize("dac", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_bits_that_an_exact_product_of_slices_takes(dac: int, width: int) -> None:
    """ceil(log2(rows (2^cell - 1) (2^dac - 1) + 1)): exact with them, and half of the range clips with one less."""
    rows, slices = 32, [width] * 3
    bits = int(np.ceil(np.log2(rows * (2**width - 1) * (2**dac - 1) + 1)))
    weights = np.full((rows, 2), 2 ** (3 * width) - 1)
    x = np.tril(np.ones((rows, rows), int)) * (2**dac - 1)
    on = np.arange(1, rows + 1) * (2**width - 1) * (2**dac - 1)
    for missing in (0, 1):
        sheet = macro(
            device(g_min="0 S"), rows=rows, columns=12, subtraction="digital", slices=slices, input_bits=dac,
            adc={"bits": bits - missing, "range": {"policy": "unit"}}, dac={"bits": dac, "energy": "0 J"},
        )  # fmt: skip
        reading = Crossbar.program(weights, sheet, 1).mvm(x, 0.0, 1)
        shown = np.minimum(on, 2 ** (bits - missing) - 1)
        worth = sum(2 ** (width * s) for s in range(3))
        np.testing.assert_array_equal(reading.values, (shown * worth)[:, None] * np.ones(2))
        assert reading.clipped == 2 * 3 * np.count_nonzero(on > shown)
    assert reading.clipped > 0
