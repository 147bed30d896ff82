"""Rounding, integer codes, exact integer products."""

from __future__ import annotations

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hetsim.formats import integer_product, product, quantised, rounded

FLOATS = arrays.arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32))
REFERENCES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp32": np.float32}


@pytest.mark.parametrize("form", REFERENCES)
@given(x=FLOATS)
def test_rounding_is_to_nearest_even(form: str, x: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        expected = x.astype(REFERENCES[form]).astype(np.float32)
    np.testing.assert_array_equal(rounded(x, form), expected)


def test_rounding_to_double_keeps_every_bit_and_integers_stay_themselves() -> None:
    x = np.array([1 / 3, 1e300])
    assert rounded(x, "fp64") is x
    assert rounded(x, "fp32").dtype == np.float32
    codes = np.array([2**24 + 1])
    assert rounded(codes, "fp16") is codes
    with pytest.raises(ValueError, match="fp8"):
        rounded(x, "fp8")


def test_codes_reach_the_top_and_are_within_half_a_step() -> None:
    x = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    codes, scale = quantised(x)
    assert codes.dtype == np.int8
    assert np.abs(codes).max() == 127
    assert np.abs(codes * scale - x).max() <= scale.item() / 2 * (1 + 1e-6)
    columns, scales = quantised(x, axis=0)
    assert scales.shape == (1, 6)
    assert (np.abs(columns).max(axis=0) == 127).all()
    wide, _ = quantised(x, bits=12)
    assert np.abs(wide).max() == 2047


def test_quantising_again_changes_nothing() -> None:
    codes, scale = quantised(np.random.default_rng(2).standard_normal(100).astype(np.float32))
    again, same = quantised(codes.astype(np.float32) * scale)
    np.testing.assert_array_equal(again, codes)
    np.testing.assert_allclose(same, scale, rtol=1e-7)


def test_zeros_have_a_scale() -> None:
    codes, scale = quantised(np.zeros((3, 2), np.float32), axis=0)
    assert not codes.any()
    assert (scale == 1).all()


@pytest.mark.parametrize("depth", [1, 1000, 1024, 1025, 40_000])
def test_integer_products_are_exact(depth: int) -> None:
    rng = np.random.default_rng(depth)
    x = rng.integers(-128, 128, (3, depth), dtype=np.int8)
    w = rng.integers(-128, 128, (depth, 2), dtype=np.int8)
    x[0], w[:, 0] = -128, -128  # the largest sum there is
    expected = x.astype(np.int64) @ w.astype(np.int64)
    result = integer_product(x, w)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, expected)


def test_products_have_the_same_bits_whatever_the_threads() -> None:
    program = (
        "import numpy as np, hashlib; from hetsim.formats import product;"
        "x = np.random.default_rng(0).standard_normal((300, 300));"
        "print(hashlib.sha256(product(x, x).tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"OPENBLAS_NUM_THREADS": n, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for n in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(product(x, x.T), [[5, 14], [14, 50]])
