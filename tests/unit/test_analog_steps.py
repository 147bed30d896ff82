"""What compiled reads make of codes and of noisy cells before they multiply: levels, counts, steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetsim.analog import Crossbar, kernels
from hetsim.analog.lines import Layout
from hetsim.analog.mapping import Tiling
from hetsim.analog.windows import Windows
from tests.benchmarks.test_analog import sheet

STEP = np.dtype([(name, np.int64) for name in ("begin", "end", "apart", "first", "top", "sign")])


def passes(bits: int, each: int) -> Any:
    rows = [(f, f + each, 0, f, (1 << each) - 1, 1) for f in range(0, bits, each)]
    return np.array(rows, STEP)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.booleans(), st.booleans(), st.sampled_from([(8, 1), (8, 4), (15, 15)]),
    st.integers(0, 9),
)  # fmt: skip
def test_counts_are_exact(
    vectors: int, rows: int, across: bool, amplitude: bool, cut: tuple[int, int], seed: int
) -> None:
    bits, each = cut
    codes = np.random.default_rng(seed).integers(1 - (1 << bits), 1 << bits, (vectors, rows)).astype(np.int16)
    steps = passes(bits, each)
    driven = np.zeros((len(steps), rows), np.int64)
    kernels.count(np.ascontiguousarray(codes.T if across else codes), across, steps, amplitude, driven)
    shown = np.array([(np.abs(codes.astype(np.int64)) >> s["first"]) & s["top"] for s in steps])
    wanted = (shown ** (2 if amplitude else 1)).sum(axis=1)
    if each == 1:  # bits are counted together
        np.testing.assert_array_equal(driven[0], wanted.sum(axis=0))
    else:
        np.testing.assert_array_equal(driven, wanted)


def rows(read_noise: float, level: int = 255) -> Any:
    """Lines of 100 rows whose cells have so much noise, in siemens, each."""
    random = np.random.default_rng(1)
    signals = random.uniform(-1.0, 1.0, (1, 100, 20)).astype(np.float32)
    ones = np.ones((1, 1, 20))
    variances = np.full(signals.shape, read_noise**2, np.float32)
    layout = Layout(Tiling(100, 20, 100, 20), (1.0,))
    return signals[0], layout.lines(signals, 0.5 * ones, ones, variances=variances, fixed=True, level=level)


def test_signals_go_in_steps_where_noise_hides_them() -> None:
    signals, lines = rows(0.01)
    assert lines.signals.dtype == np.int16
    unit = lines.inverse_lsb[0, 0, :20] * 0.5  # signal of a step
    held = lines.signals[0, 0].swapaxes(1, 2).reshape(-1, lines.inverse_lsb.shape[2])[:100, :20] * unit
    assert np.abs(held - signals).max() <= 0.51 * unit.max()
    assert ((held - signals) ** 2).sum(axis=0).max() < 1e-4 * 100 * 0.01**2


def test_signals_stay_as_they_are_where_noise_would_not() -> None:
    assert rows(1e-5)[1].signals.dtype == np.float32


def test_sums_of_steps_fit_32_bits() -> None:
    lines = rows(0.3, level=2**15 - 1)[1]
    assert lines.signals.dtype == np.int16
    worst = np.abs(lines.signals.astype(np.int64)).sum(axis=(2, 4)).max() * (2**15 - 1)
    assert 2**30 < worst < 2**31


@pytest.mark.parametrize("vectors", [1, 5, 15, 16, 17, 40])
@pytest.mark.parametrize("rows", [1, 3, 15, 17])
def test_small_reads_are_exact(vectors: int, rows: int) -> None:
    """Fewer numbers than a strip has, of either side."""
    random = np.random.default_rng(rows)
    macro = sheet(32, 32, 128, False, dac={"energy": "10 fJ", "bits": 8, "encoding": "amplitude"})
    bar = Crossbar.program(random.normal(size=(rows, 9)), macro, key=1)
    x = random.random((vectors, rows), np.float32)
    batch = bar.mvm(x, 0.0, 2, "ideal", signed=False).values
    images = np.ascontiguousarray(x.reshape(vectors, 1, 1, rows))
    seen = bar.mvm(Windows.of(images, (1, rows)), 0.0, 2, "ideal", signed=False).values
    alone = np.concatenate([bar.mvm(x[m : m + 1], 0.0, 2, "ideal", signed=False).values for m in range(vectors)])
    np.testing.assert_array_equal(batch, alone)
    np.testing.assert_array_equal(batch, seen)
