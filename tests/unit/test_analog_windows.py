"""Windows of images: read as the matrix that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operands import conv, random
from test_analog_sheets import device, macro

from hetsim.analog import Crossbar, MacroSheet
from hetsim.analog.drive import Rows, quantised
from hetsim.analog.windows import Windows
from hetsim.hardware.imc_product import finished
from hetsim.numerics import finish, lift

NOISY = {"programming": {"unit": "1 uS", "polynomial": [0.2]}, "read_noise": {"relative": {"polynomial": [0.02]}}}
LEVELS = {"energy": "10 fJ", "bits": 8, "encoding": "amplitude"}


def images(*shape: int, sign: float = 1.0) -> Any:
    return np.random.default_rng(3).uniform(min(0.0, sign), 1.0, shape).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_codes_are_those_of_the_matrix(data: st.DataObject) -> None:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, strides, dilations = data.draw(pair), data.draw(pair), data.draw(pair)
    pads = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
    pixels = images(3, 2, 8, data.draw(st.sampled_from([11, 21, 37])), sign=-1.0)  # a strip of windows, or some
    windows = Windows.of(pixels, kernel, strides, pads, dilations)
    padded = np.pad(pixels, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])])
    (high, wide), (down, across) = windows.places, strides
    expected = [
        padded[n, :, y * down :, x * across :][:, :: dilations[0], :: dilations[1]][:, : kernel[0], : kernel[1]].ravel()
        for n in range(3)
        for y in range(high)
        for x in range(wide)
    ]
    np.testing.assert_array_equal(windows.matrix, expected)
    begin = data.draw(st.integers(0, windows.shape[0] - 1))
    end = data.draw(st.integers(begin + 1, windows.shape[0]))
    codes, scale, across_ = windows.codes(slice(begin, end), 7)
    wanted, units = quantised(windows.matrix[begin:end], 7)
    assert across_
    np.testing.assert_array_equal(scale, units)
    np.testing.assert_array_equal(codes.T, wanted)


@pytest.mark.parametrize("mode", ["ideal", "analog"])
@pytest.mark.parametrize("changes", [{}, {"dac": LEVELS}, {"dac": LEVELS, "rows": 9}, {"mapping": "offset"}])
def test_read_as_their_matrix(mode: Any, changes: dict[str, Any]) -> None:
    plain = {"pair": None, "subtraction": "digital"} if "mapping" in changes else {}
    sheet: MacroSheet = macro(device(**NOISY), **({"columns": 32} | changes | plain))
    weights = np.random.default_rng(4).normal(size=(18, 5))
    windows = Windows.of(images(2, 2, 7, 6), (3, 3), pads=(1, 1, 1, 1))
    bars = [Crossbar.program(weights, sheet, key=5) for _ in range(2)]
    ours, plainly = (bar.mvm(x, 1.0, 6, mode) for bar, x in zip(bars, (windows, windows.matrix), strict=True))
    np.testing.assert_array_equal(ours.values, plainly.values)
    assert (ours.joules, ours.conversions, ours.clipped) == (plainly.joules, plainly.conversions, plainly.clipped)


@pytest.mark.parametrize(
    ("pixels", "kernel", "message"),
    [
        (np.zeros((2, 3, 4)), (1, 1), "images .* are expected, found shape"),
        (np.zeros((1, 1, 2, 2)), (3, 3), "do not fit"),
    ],
)
def test_refused(pixels: Any, kernel: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Windows.of(pixels, kernel)


def test_numbers_that_are_none_are_refused() -> None:
    pixels = images(1, 2, 4, 4)
    pixels[0, 1, 2, 2] = np.nan
    bar = Crossbar.program(np.ones((18, 2)), macro(), key=1)
    with pytest.raises(ValueError, match="finite"):
        bar.mvm(Windows.of(pixels, (3, 3)), 0.0, 1)
    with pytest.raises(ValueError, match="vectors of 18 numbers"):
        bar.mvm(Windows.of(images(1, 1, 4, 4), (3, 3)), 0.0, 1)


@pytest.mark.parametrize("part", [slice(0, 162), slice(5, 37)])
def test_rows_shorter_than_a_strip_have_the_codes_of_their_matrix(part: slice) -> None:
    windows = Windows.of(np.random.default_rng(0).normal(size=(2, 4, 9, 9)), (3, 3), pads=(1, 1, 1, 1))
    codes, scale, across = windows.codes(part, 7)
    expected, units, _ = Rows(windows.matrix).codes(part, 7)
    assert across
    assert (expected == codes.T).all()
    assert (scale == units).all()


def test_every_so_manyth_window() -> None:
    windows = Windows.of(np.random.default_rng(0).normal(size=(2, 3, 17, 40)), (3, 2), (2, 1), (0, 1, 2, 1))
    assert (windows.every(7) == windows.matrix[::7]).all()


@pytest.mark.parametrize("shape", [(3, 2, 1, 7), (2, 1, 4, 4), (2, 3, 5, 9)])  # less than a strip, one, some and a part
@pytest.mark.parametrize("strange", [None, -0.0, -1.0, np.inf, np.nan])
def test_what_is_known_of_images(shape: tuple[int, ...], strange: float | None) -> None:
    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    if strange is not None:
        pixels[-1, 0, 0, -1] = strange
    windows = Windows.of(pixels, (1, 3), pads=(1, 2, 0, 1))
    assert windows.negative == (strange == -1.0)
    assert windows.finite == np.isfinite(pixels).all()
    if windows.finite:
        peaks = np.pad(np.abs(pixels).max(axis=1), ((0, 0), (1, 0), (2, 1)))
        assert (windows.peaks == peaks).all()


@pytest.mark.parametrize("activation", [None, "Relu"])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("strides", [(1, 1), (3, 4)])  # strips of places, and fewer places than a strip
def test_products_become_images(activation: str | None, biased: bool, strides: tuple[int, int]) -> None:
    """In one pass what digital logic does step by step."""
    case, inputs = conv(activation=activation, strides=strides)
    shape = case.outputs[0].shape
    values = random((shape[0] * shape[2] * shape[3], shape[1]), seed=4)
    if not biased:
        inputs[2] = None
    made = finished(case, values, inputs)
    assert made.shape == shape
    np.testing.assert_array_equal(made, finish(case, lift(case, values), inputs))
