"""MACs, element-wise operations and bytes of matrix-like operators, against a table written by hand."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from hetsim.numerics import finish, lift, lower, product, run
from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Op, Tensor

# kind, shapes of inputs (None left out), shape of the first output, attributes, MACs, element-wise operations
TABLE = [
    ("Conv", [(2, 6, 13, 10), (4, 6, 3, 2)], (2, 4, 11, 9), {}, 2 * 4 * 99 * 36, 0),
    ("Conv", [(2, 6, 13, 10), (4, 6, 3, 2), (4,)], (2, 4, 11, 9), {}, 2 * 4 * 99 * 36, 792),
    ("Conv", [(1, 8, 5, 5), (8, 1, 3, 3)], (1, 8, 3, 3), {"group": 8}, 8 * 9 * 9, 0),
    ("Conv", [(1, 8, 9), (4, 4, 3)], (1, 4, 7), {"group": 2}, 4 * 7 * 12, 0),
    ("Conv", [(1, 2, 4, 4, 4), (3, 2, 2, 2, 2)], (1, 3, 3, 3, 3), {}, 3 * 27 * 16, 0),
    ("ConvTranspose", [(1, 6, 5, 5), (6, 2, 3, 3)], (1, 2, 7, 7), {}, 6 * 25 * 2 * 9, 0),
    ("ConvTranspose", [(1, 6, 5, 5), (6, 2, 3, 3), (4,)], (1, 4, 7, 7), {"group": 2}, 6 * 25 * 18, 196),
    ("ConvInteger", [(1, 3, 5, 5), (4, 3, 3, 3)], (1, 4, 3, 3), {}, 36 * 27, 0),
    ("ConvInteger", [(1, 3, 5, 5), (4, 3, 3, 3), (), (4,)], (1, 4, 3, 3), {}, 36 * 27, 75 + 108),
    ("QLinearConv", [(1, 3, 5, 5), (), (), (4, 3, 3, 3), (), (), (), (), (4,)], (1, 4, 3, 3), {}, 36 * 27,
     75 + 108 + 36 * 6),
    ("DeformConv", [(1, 2, 5, 5), (4, 2, 3, 3), (1, 18, 3, 3)], (1, 4, 3, 3), {}, 36 * 18, 2 * 9 * 9 * 9),
    ("DeformConv", [(1, 2, 5, 5), (4, 2, 3, 3), (1, 18, 3, 3), (4,), (1, 9, 3, 3)], (1, 4, 3, 3), {}, 36 * 18,
     2 * 9 * 9 * 10 + 36),
    ("Gemm", [(3, 4), (4, 5)], (3, 5), {}, 60, 0),
    ("Gemm", [(4, 3), (5, 4), (5,)], (3, 5), {"transA": 1, "transB": 1}, 60, 15),
    ("Gemm", [(3, 4), (4, 5), (5,)], (3, 5), {"alpha": 0.5, "beta": 2.0}, 60, 15 + 15 + 5),
    ("MatMul", [(3, 4), (4, 5)], (3, 5), {}, 60, 0),
    ("MatMul", [(2, 1, 3, 4), (7, 4, 5)], (2, 7, 3, 5), {}, 14 * 60, 0),
    ("MatMul", [(4,), (4,)], (), {}, 4, 0),
    ("MatMulInteger", [(3, 4), (4, 5), (), ()], (3, 5), {}, 60, 12 + 20),
    ("QLinearMatMul", [(3, 4), (), (), (4, 5), (), (), (), ()], (3, 5), {}, 60, 12 + 20 + 75),
    ("Einsum", [(3, 4), (4, 5)], (3, 5), {"equation": "ij,jk->ik"}, 60, 0),
    ("Einsum", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), {"equation": "bij, bjk -> bik"}, 120, 0),
    ("Einsum", [(2, 7, 3, 4), (7, 4, 5)], (2, 7, 3, 5), {"equation": "...ij,...jk->...ik"}, 14 * 60, 0),
    ("Einsum", [(3, 4)], (3,), {"equation": "ij->i"}, 0, 9),
    ("Einsum", [(3, 3)], (3,), {"equation": "ii->i"}, 0, 0),
    ("RNN", [(5, 2, 3), (1, 4, 3), (1, 4, 4)], (5, 1, 2, 4), {"hidden_size": 4}, 40 * (3 + 4), 40 * 2),
    ("RNN", [(5, 2, 3), (1, 4, 3), (1, 4, 4), (1, 8)], (5, 1, 2, 4), {"hidden_size": 4}, 40 * 7, 40 * 3),
    ("GRU", [(5, 2, 3), (1, 12, 3), (1, 12, 4)], (5, 1, 2, 4), {"hidden_size": 4}, 3 * 40 * 7, 40 * 17),
    ("GRU", [(5, 2, 3), (1, 12, 3), (1, 12, 4), (1, 24)], (5, 1, 2, 4), {"hidden_size": 4}, 3 * 40 * 7, 40 * 20),
    ("LSTM", [(5, 2, 3), (1, 16, 3), (1, 16, 4)], (5, 1, 2, 4), {"hidden_size": 4}, 4 * 40 * 7, 40 * 22),
    ("LSTM", [(5, 2, 3), (2, 16, 3), (2, 16, 4), (2, 32)], (5, 2, 2, 4), {"hidden_size": 4}, 4 * 80 * 7, 80 * 26),
    ("LSTM", [(5, 2, 3), (1, 16, 3), (1, 16, 4), (1, 32), None, None, None, (1, 12)], (5, 1, 2, 4),
     {"hidden_size": 4}, 4 * 40 * 7, 40 * 32),
    ("Attention", [(2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 10)], (2, 3, 4, 10), {}, 2 * 3 * 24 * 18, 144 * 6 - 48),
    ("Attention", [(2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 8), (4, 6)], (2, 3, 4, 8), {}, 144 * 16, 144 * 7 - 48),
    ("Attention", [(2, 4, 24), (2, 6, 24), (2, 6, 24)], (2, 4, 24), {"q_num_heads": 3, "kv_num_heads": 3}, 144 * 16,
     144 * 6 - 48),
    ("Attention", [(2, 9, 4, 8), (2, 3, 6, 8), (2, 3, 6, 8), None, (2, 3, 12, 8), (2, 3, 12, 8)], (2, 9, 4, 8), {},
     2 * 9 * 4 * 18 * 16, 2 * 9 * 4 * 18 * 6 - 2 * 72),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "shapes", "out", "attributes", "macs", "element_ops"), TABLE)
def test_costs_of_matrix_like_operators(
    kind: str, shapes: list, out: tuple, attributes: dict, macs: int, element_ops: int
) -> None:
    inputs = [None if s is None else Tensor(f"x{i}", s) for i, s in enumerate(shapes)]
    outputs = (Tensor("y", out),)
    assert arithmetic(kind, attributes, inputs, outputs) == (macs, element_ops)
    view = matrix_view(kind, attributes, inputs, outputs)
    if view is not None:
        assert view.groups * view.vectors * view.rows * view.columns == macs
    taken = sum(4 * int(np.prod(s)) for s in shapes if s is not None)
    assert sum(t.nbytes for t in inputs if t is not None) == taken
    assert outputs[0].nbytes == 4 * int(np.prod(out))


def test_every_product_of_the_operator_set_is_in_the_table() -> None:
    """Whatever ONNX has that multiplies matrices is counted above, not by the default rule."""
    counted = {kind for kind, *_ in TABLE}
    products = ("conv", "gemm", "matmul", "einsum", "rnn", "gru", "lstm")
    known = {s.name for s in onnx.defs.get_all_schemas() if s.domain == "" and s.name != "CausalConvWithState"}
    assert {name for name in known if any(word in name.lower() for word in products)} - counted == set()


# --- integer products as matrix units do them: codes without a sign, zero points taken off afterwards ---


def integers(kind: str, x: np.ndarray, w: np.ndarray, zeros: tuple, **attributes: object) -> tuple[Op, list]:
    values = [x, w, *zeros]
    dtypes = ["uint8", w.dtype.name, "uint8", w.dtype.name]
    tensors = [
        None if v is None else Tensor(f"in{i}", v.shape, dtypes[i], constant=i > 0) for i, v in enumerate(values)
    ]
    names = [f"in{i}" if v is not None else "" for i, v in enumerate(values)]
    node = helper.make_node(kind, names, ["y"], **attributes)
    shape = np.shape(reference(node, values))
    output = Tensor("y", shape, "int32")
    view = matrix_view(kind, attributes, tensors, (output,))
    return Op("op", kind, tuple(tensors), (output,), attributes, matrix=view), values


def reference(node: onnx.NodeProto, values: list) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    feeds = {name: v for name, v in zip(node.input, values, strict=True) if name}
    return ReferenceEvaluator(node).run(None, feeds)[0]


RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (2, 4, 7, 6)).astype(np.uint8)
ROWS = RNG.integers(0, 256, (2, 5, 9)).astype(np.uint8)
KERNEL = RNG.integers(-128, 128, (6, 4, 3, 2)).astype(np.int8)
MATRIX = RNG.integers(0, 256, (9, 4)).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "x", "w", "zeros", "attributes"),
    [
        ("ConvInteger", IMAGE, KERNEL, (), {"pads": (1, 1, 1, 0)}),
        ("ConvInteger", IMAGE, KERNEL, (np.uint8(131),), {"pads": (1, 1, 1, 0), "strides": (2, 1)}),
        ("ConvInteger", IMAGE, KERNEL, (np.uint8(7), np.int8(-3)), {"pads": (0, 1, 0, 1)}),
        ("ConvInteger", IMAGE, KERNEL[:, :2], (np.uint8(200),), {"group": 2}),
        ("MatMulInteger", ROWS, MATRIX, (), {}),
        ("MatMulInteger", ROWS, MATRIX, (np.uint8(90), np.uint8(128)), {}),
        ("MatMulInteger", ROWS, MATRIX, (np.uint8(90), np.array([1, 128, 255, 0], np.uint8)), {}),
    ],
)
def test_integer_products_are_whole_on_both_ways(
    kind: str, x: np.ndarray, w: np.ndarray, zeros: tuple, attributes: dict
) -> None:
    case, values = integers(kind, x, w, tuple(np.asarray(z) for z in zeros), **attributes)
    (right,) = run(case, values)
    rows, columns = lower(case, values)
    assert rows.min() >= 0  # codes as they are: the chip needs no sign
    made = finish(case, lift(case, product(rows, columns)), values)
    assert made.dtype == np.int32
    np.testing.assert_array_equal(made, right)


def test_a_zero_point_for_each_row_is_not_for_matrix_units() -> None:
    inputs = [Tensor("x", (5, 9), "uint8"), Tensor("w", (9, 4), "int8", constant=True), Tensor("z", (5,), "uint8")]
    assert matrix_view("MatMulInteger", {}, inputs, (Tensor("y", (5, 4), "int32"),)) is None
