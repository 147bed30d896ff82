"""Costs of operators, against counts made by hand or by executing the definition."""

from __future__ import annotations

import numpy as np
import pytest
from operands import conv, dense, matmul, op, pool, random

from hetsim.operators import RULES, arithmetic, fused_operations, matrix_view
from hetsim.products import PRODUCTS
from hetsim.workload import Tensor


def cost(kind: str, *shapes: tuple[int, ...], out: tuple[int, ...], **attributes: object) -> tuple[int, int]:
    inputs = [Tensor(f"x{i}", shape) for i, shape in enumerate(shapes)]
    return arithmetic(kind, attributes, inputs, [Tensor("y", out)])


@pytest.mark.parametrize(
    ("expected", "kind", "shapes", "out", "attributes"),
    [
        ((0, 24), "Relu", [(4, 6)], (4, 6), {}),
        ((0, 48), "Clip", [(4, 6)], (4, 6), {}),
        ((0, 24), "Add", [(4, 6), (6,)], (4, 6), {}),
        ((0, 48), "Sum", [(4, 6), (4, 6), (4, 6)], (4, 6), {}),
        ((0, 72), "Mean", [(4, 6), (4, 6), (4, 6)], (4, 6), {}),
        ((0, 4 * (5 + 6 + 6 + 5 + 6)), "Softmax", [(4, 6)], (4, 6), {"axis": 1}),
        ((0, 4 * (5 + 6 + 6 + 5 + 1 + 6)), "LogSoftmax", [(4, 6)], (4, 6), {}),
        ((0, 48), "BatchNormalization", [(4, 6), (6,), (6,), (6,), (6,)], (4, 6), {}),
        ((0, 2 * 3 * 4 * 8), "MaxPool", [(2, 3, 6, 6)], (2, 3, 2, 2), {"kernel_shape": (3, 3)}),
        ((0, 2 * 3 * 4 * 9), "AveragePool", [(2, 3, 6, 6)], (2, 3, 2, 2), {"kernel_shape": (3, 3)}),
        ((0, 2 * 3 * 36), "GlobalAveragePool", [(2, 3, 6, 6)], (2, 3, 1, 1), {}),
        ((0, 2 * 3 * 35), "GlobalMaxPool", [(2, 3, 6, 6)], (2, 3, 1, 1), {}),
        ((0, 20), "ReduceSum", [(4, 6)], (4,), {}),
        ((0, 24), "ReduceMean", [(4, 6)], (4,), {}),
        ((0, 44), "ReduceSumSquare", [(4, 6)], (4,), {}),
        ((0, 20), "ArgMin", [(4, 6)], (4,), {"axis": 1}),
        ((0, 24 * 2), "TopK", [(4, 6)], (4, 3), {}),  # a heap of 3 is 2 deep
        ((0, 24), "TopK", [(4, 6)], (4, 1), {}),
        ((8**3 // 3 + 64 * 2, 0), "AnalogSolve", [(8, 8), (8, 2)], (8, 2), {}),
        ((0, 10 * 4 * 6 * 5), "FadingMemory", [(4, 6, 5)], (4, 6, 5), {}),
        ((0, 2 * 4 * 6 * 5), "CamSearch", [(4, 6), (5, 6), (5, 6)], (4, 5), {}),
        ((0, 216), "LRN", [(4, 6)], (4, 6), {"size": 5}),
        ((0, 0), "Concat", [(4, 6), (4, 6)], (8, 6), {}),
        ((4 * 7 * 6, 0), "MatMul", [(4, 6), (6, 7)], (4, 7), {}),
        ((3 * 4 * 7 * 6, 0), "MatMul", [(3, 4, 6), (6, 7)], (3, 4, 7), {}),
        ((4 * 7 * 6, 28 + 28 + 7), "Gemm", [(4, 6), (6, 7), (7,)], (4, 7), {"alpha": 2.0, "beta": 0.5}),
        ((4 * 7 * 6, 0), "Gemm", [(6, 4), (6, 7)], (4, 7), {"transA": 1}),
        (
            (2 * 3 * 25 * 4 * 9, 2 * 4 * 49),
            "ConvTranspose",
            [(2, 3, 5, 5), (3, 4, 3, 3), (4,)],
            (2, 4, 7, 7),
            {},
        ),
    ],
)
def test_costs_by_hand(expected: tuple[int, int], kind: str, shapes: list, out: tuple, attributes: dict) -> None:
    assert cost(kind, *shapes, out=out, **attributes) == expected


@pytest.mark.parametrize("kernel", [(8, 4, 3, 2), (8, 2, 3, 2), (4, 1, 3, 3)])
def test_a_convolution_multiplies_once_for_each_weight_and_window(kernel: tuple[int, ...]) -> None:
    case, (_, w, _) = conv(kernel=kernel, pads=(1, 1, 1, 1))
    batch, out, height, width = case.outputs[0].shape
    counted = sum(w[c].size for _ in range(batch * height * width) for c in range(out))
    assert case.macs == counted
    assert case.element_ops == case.outputs[0].size
    view = case.matrix
    assert view.groups * view.rows * view.columns == w.size
    assert case.macs == view.groups * view.rows * view.columns * view.vectors


def test_the_stored_operand_is_seen_on_either_side_or_on_none() -> None:
    a, b = random((4, 6)), random((6, 5))
    left, _ = op("MatMul", [a, b], (4, 5), (0,))
    assert (left.matrix.rows, left.matrix.columns, left.matrix.vectors) == (6, 4, 5)
    assert left.matrix.stored.name == "in0"
    neither, _ = op("MatMul", [random((3, 4, 6)), random((3, 6, 5))], (3, 4, 5))
    view = neither.matrix
    assert (view.rows, view.columns, view.vectors, view.groups, view.stored) == (6, 5, 4, 3, None)
    assert neither.macs == view.rows * view.columns * view.vectors * view.groups
    vector, _ = op("MatMul", [a, random((6,))], (4,))
    assert (vector.matrix.rows, vector.matrix.columns, vector.matrix.vectors) == (6, 1, 4)
    assert pool()[0].matrix is None
    assert dense()[0].matrix.stored.name == matmul()[0].matrix.stored.name == "in1"


def test_fused_activations_cost_what_they_cost_alone() -> None:
    y = Tensor("y", (3, 5))
    for name in ("Relu", "Sigmoid", "Tanh", "Clip"):
        assert fused_operations(name, y) == cost(name, (3, 5), out=(3, 5))[1]
    assert fused_operations("Clip(0.0,6.0)", y) == 30


def test_every_rule_counts_whole_operations() -> None:
    assert all(isinstance(n, int | np.integer) for n in cost("Softmax", (4, 6), out=(4, 6)))
    for kind in RULES.keys() - PRODUCTS.keys() - {"ScatterND", "AnalogSolve", "OuterUpdate"}:
        macs, element_ops = cost(kind, (4, 6), (6,), out=(4, 6), kernel_shape=(2,), size=3)
        assert macs == 0
        assert element_ops >= 0
    assert cost("ScatterND", (4, 6), (9, 1), (9, 6), out=(4, 6), reduction="add") == (0, 54)
    assert cost("ScatterND", (4, 6), (9, 1), (9, 6), out=(4, 6)) == (0, 0)
    assert cost("Frobnicate", (4, 6), out=(4, 7)) == (0, 28)  # the default: one for each element made
    assert matrix_view("Relu", {}, [Tensor("x", (2,))], [Tensor("y", (2,))]) is None
