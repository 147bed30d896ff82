"""Ops through onnxruntime, against NumPy; convolutions and dense layers as one product."""

from __future__ import annotations

import numpy as np
import pytest
from operands import Array, conv, dense, matmul, op, pool, random

from hetsim.errors import InputError
from hetsim.formats import product
from hetsim.numerics import activate, clip_bounds, finish, lift, lower, run
from hetsim.workload import Op, Tensor

CONVOLUTIONS = {
    "plain": conv(),
    "strides": conv(strides=(2, 3)),
    "pads that differ": conv(pads=(1, 2, 0, 1)),
    "dilations": conv(dilations=(2, 3), strides=(2, 1)),
    "groups": conv(kernel=(8, 2, 3, 2)),
    "depthwise, padded": conv(kernel=(4, 1, 3, 3), pads=(1, 1, 1, 1)),
    "point": conv(kernel=(6, 4, 1, 1)),
    "double": conv(dtype="float64"),
}
B = random((4, 6), seed=9)
PRODUCTS = {
    "gemm": dense(),
    "gemm, scaled": dense(alpha=0.5, beta=3.0),
    "gemm, both transposed": op("Gemm", [random((6, 4)), random((5, 6))], (4, 5), (1,), transA=1, transB=1),
    "gemm, stored left": op("Gemm", [B, random((6, 5))], (4, 5), (0,)),
    "gemm, stored left and transposed": op("Gemm", [B, random((5, 4))], (6, 5), (0,), transA=1, transB=1),
    "gemm, stored left, bias": op("Gemm", [B, random((6, 5)), random((5,))], (4, 5), (0, 2)),
    "matmul": matmul(),
    "matmul, three axes": op("MatMul", [random((2, 3, 4)), B], (2, 3, 6), (1,)),
    "matmul, stored left": op("MatMul", [B, random((6, 5))], (4, 5), (0,)),
    "matmul, stored left, three axes": op("MatMul", [B, random((3, 6, 5))], (3, 4, 5), (0,)),
    "matrix times vector": op("MatMul", [B, random((6,))], (4,), (0,)),
    "vector times matrix": op("MatMul", [random((4,)), B], (6,), (1,)),
    "double": matmul(dtype="float64"),
}


def naive_convolution(case: Op, x: Array, w: Array, bias: Array) -> Array:
    """The definition, one output at a time."""
    a = case.attributes
    top, left, bottom, right = a["pads"]
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (top, bottom), (left, right)])
    y = np.zeros(case.outputs[0].shape)
    each, out = w.shape[1], w.shape[0] // a["group"]
    for n, c, i, j in np.ndindex(y.shape):
        first = c // out * each
        patch = x[n, first : first + each, i * a["strides"][0] :, j * a["strides"][1] :]
        patch = patch[:, :: a["dilations"][0], :: a["dilations"][1]][:, : w.shape[2], : w.shape[3]]
        y[n, c, i, j] = (patch * w[c]).sum() + bias[c]
    return y


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_is_its_definition_on_both_ways(name: str) -> None:
    case, (x, w, bias) = CONVOLUTIONS[name]
    expected = naive_convolution(case, x, w, bias)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if x.dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-13}
    (y,) = run(case, [x, w, bias])
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, expected, **tolerance)
    rows, columns = lower(case, [x, w, bias])
    np.testing.assert_allclose(finish(case, lift(case, product(rows, columns)), [x, w, bias]), expected, **tolerance)


@pytest.mark.parametrize("name", [*CONVOLUTIONS, *PRODUCTS])
def test_lowered_shapes_are_the_matrix_view(name: str) -> None:
    case, values = (CONVOLUTIONS | PRODUCTS)[name]
    x, w = lower(case, values)
    view = case.matrix
    stack = () if view.groups == 1 else (view.groups,)
    assert x.shape == (*stack, view.vectors, view.rows)
    assert w.shape == (*stack, view.rows, view.columns)
    assert case.macs == view.groups * view.vectors * view.rows * view.columns


@pytest.mark.parametrize("name", PRODUCTS)
def test_product_matches_numpy_on_both_ways(name: str) -> None:
    case, values = PRODUCTS[name]
    a, b = values[:2]
    get = case.attributes.get
    expected = (a.T if get("transA") else a).astype(np.float64) @ (b.T if get("transB") else b)
    expected = get("alpha", 1.0) * expected + (get("beta", 1.0) * values[2] if len(values) > 2 else 0)
    tolerance = 1e-5 if a.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(run(case, values)[0], expected, rtol=tolerance, atol=tolerance)
    lifted = lift(case, product(*lower(case, values)))
    np.testing.assert_allclose(finish(case, lifted, values), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        (None, lambda x: x),
        ("Relu", lambda x: np.where(x > 0, x, 0)),
        ("Sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("Tanh", np.tanh),
        ("Clip(0.0,0.5)", lambda x: np.minimum(np.maximum(x, 0), 0.5)),
        ("Clip(-inf,0.5)", lambda x: np.minimum(x, 0.5)),
    ],
)
def test_activation_is_applied_once_in_every_way(name: str | None, function: object) -> None:
    case, values = conv(activation=name)
    bare, _ = conv()
    expected = function(run(bare, values)[0].astype(np.float64))
    np.testing.assert_allclose(run(case, values)[0], expected, rtol=1e-5, atol=1e-6)
    finished = finish(case, lift(case, product(*lower(case, values))), values)
    assert finished.dtype == np.float32
    np.testing.assert_allclose(finished, expected, rtol=1e-5, atol=1e-5)


def test_activations_far_from_zero_do_not_overflow() -> None:
    far = np.array([-1e4, 1e4], np.float32)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(activate("Sigmoid", far), [0, 1])
    with pytest.raises(ValueError, match="Gelu"):
        clip_bounds("Gelu")


def test_views_are_taken_by_the_reader_and_given_by_the_writer() -> None:
    case, (x, w, bias) = dense(batch=2, taken=12)
    image = x.reshape(2, 3, 2, 2)  # as a pooling left it
    np.testing.assert_array_equal(run(case, [image, w, bias])[0], run(case, [x, w, bias])[0])
    np.testing.assert_array_equal(lower(case, [image, w, bias])[0], x)
    flat = Op("pool", "MaxPool", pool()[0].inputs, (Tensor("flat", (2, 64)),), pool()[0].attributes)
    (y,) = run(flat, pool()[1])
    np.testing.assert_array_equal(y, run(*pool())[0].reshape(2, 64))


def test_optional_inputs_may_be_left_out() -> None:
    x = random((3, 4))
    case, values = op("Clip", [x, None, np.array(0.25, np.float32)], x.shape, (2,))
    np.testing.assert_array_equal(run(case, values)[0], np.minimum(x, 0.25))


def test_integers_and_half_precision_tensors() -> None:
    x = random((3, 4))
    case = Op("best", "ArgMax", (Tensor("x", x.shape),), (Tensor("y", (3,), "int64"),), {"axis": 1, "keepdims": 0})
    np.testing.assert_array_equal(run(case, [x])[0], x.argmax(1))
    half = Op("add", "Add", (Tensor("x", (3, 4), "float16"),) * 2, (Tensor("y", (3, 4), "float16"),))
    (y,) = run(half, [x.astype(np.float16)] * 2)
    assert y.dtype == np.float32


def test_what_cannot_be_computed_is_told() -> None:
    x = random((3, 4))
    unknown = Op("odd", "Frobnicate", (Tensor("x", x.shape),), (Tensor("y", x.shape),))
    with pytest.raises(InputError, match="Frobnicate on float32 cannot be computed"):
        run(unknown, [x])
    misfit = Op("sum", "Add", (Tensor("x", (3, 4)), Tensor("z", (3, 5))), (Tensor("y", (3, 4)),))
    with pytest.raises(InputError, match=r"'sum' \(Add\) does not compute"):
        run(misfit, [x, random((3, 5))])
    with pytest.raises(ValueError, match="no stored matrix"):
        lower(*pool())
