"""Numbers in a processor's format."""

from __future__ import annotations

import numpy as np
import pytest
from operands import conv, dense, matmul, op, random

from hetsim.hardware.precision import computed, stored
from hetsim.numerics import run


@pytest.mark.parametrize(("form", "bits"), [("int8", 8), ("int4", 4)])
def test_integer_formats_keep_as_many_steps_as_they_have(form: str, bits: int) -> None:
    x = random((1000,))
    kept = stored(x, form)
    step = np.abs(x).max() / (2 ** (bits - 1) - 1)
    assert np.abs(kept - x).max() <= step * 0.500001
    assert len(np.unique(kept)) <= 2**bits - 1
    np.testing.assert_array_equal(stored(kept, form), kept)


def test_tf32_keeps_ten_bits_of_the_mantissa_and_rounds_to_even() -> None:
    ulp = np.float32(2**-10)
    x = np.array([1 + ulp, 1 + ulp / 2, 1 + 3 * ulp / 2, 1 + ulp * 0.51, -3.0, 0.0, np.inf], np.float32)
    kept = np.array([1 + ulp, 1, 1 + 2 * ulp, 1 + ulp, -3.0, 0.0, np.inf], np.float32)
    np.testing.assert_array_equal(stored(x, "tf32"), kept)


def test_tf32_rounds_operands_of_products_and_nothing_else() -> None:
    case, values = matmul()
    (y,) = computed(case, values, "tf32", {}, 1)
    np.testing.assert_array_equal(y, run(case, [stored(v, "tf32") for v in values])[0])
    total, terms = op("Add", [random((50,)), random((50,), seed=1)], (50,))
    np.testing.assert_array_equal(computed(total, terms, "tf32", {}, 1)[0], run(total, terms)[0])


@pytest.mark.parametrize("case", [conv(activation="Relu"), dense(), matmul()], ids=["conv", "dense", "product"])
def test_products_of_codes_are_exact_sums(case: tuple) -> None:
    """Inputs that are codes already come out as the codes nearest to the true product's numbers."""
    operation, values = case
    coded = [stored(values[0], "int8"), *values[1:]]
    (y,) = computed(operation, coded, "int8", {}, 1)
    (true,) = run(operation, values)
    step = np.abs(true).max() / 127
    assert np.abs(y - true).max() < 4 * step
    assert len(np.unique(np.rint(y / (np.abs(y).max() / 127)))) <= 255


@pytest.mark.parametrize("form", ["fp32", "tf32", "fp16", "bf16", "int8", "int4"])
def test_float64_is_computed_as_it_is(form: str) -> None:
    case, values = matmul(dtype="float64")
    np.testing.assert_array_equal(computed(case, values, form, {}, 1)[0], run(case, values)[0])


def test_integers_stay_what_they_are() -> None:
    codes = np.arange(5)
    assert stored(codes, "int4") is codes
