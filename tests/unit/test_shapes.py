"""Shapes of operators' outputs, against onnx's own inference and its test cases."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from hetsim.errors import InputError
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.frontends.shapes import Shaped, Use, broadcast, made
from hetsim.numerics import run
from hetsim.operators import RULES

Shape = tuple[int, ...]
IMAGE = (2, 6, 13, 10)
KERNEL = (4, 6, 3, 2)

CASES: list[tuple[str, list[Any], dict[str, Any]]] = [  # lists are constant inputs' numbers, tuples shapes
    ("Relu", [IMAGE], {}),
    ("Conv", [IMAGE, KERNEL], {}),
    ("Conv", [IMAGE, KERNEL, (4,)], {"strides": [2, 3], "pads": [1, 0, 2, 1], "dilations": [2, 1]}),
    ("Conv", [IMAGE, (4, 3, 3, 2)], {"group": 2}),
    ("Conv", [IMAGE, KERNEL], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    ("Conv", [IMAGE, KERNEL], {"auto_pad": "VALID", "strides": [2, 3]}),
    ("Conv", [(2, 6, 13), (4, 6, 3)], {"strides": [2]}),
    ("ConvTranspose", [IMAGE, (6, 4, 3, 2)], {"strides": [2, 3], "pads": [1, 0, 1, 1], "output_padding": [1, 0]}),
    ("ConvTranspose", [IMAGE, (6, 2, 3, 2)], {"group": 2, "dilations": [2, 1]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [0, 0, 1, 1]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("GlobalAveragePool", [IMAGE], {}),
    ("Gemm", [(3, 4), (4, 5)], {}),
    ("Gemm", [(4, 3), (5, 4), (5,)], {"transA": 1, "transB": 1}),
    ("MatMul", [(3, 4), (4, 5)], {}),
    ("MatMul", [(2, 1, 3, 4), (7, 4, 5)], {}),
    ("MatMul", [(4,), (2, 4, 5)], {}),
    ("MatMul", [(2, 3, 4), (4,)], {}),
    ("MatMul", [(4,), (4,)], {}),
    ("Add", [(2, 1, 4), (3, 1)], {}),
    ("Greater", [(2, 3), (3,)], {}),
    ("Concat", [(2, 3, 4), (2, 5, 4)], {"axis": -2}),
    ("Flatten", [IMAGE], {"axis": 2}),
    ("Flatten", [IMAGE], {"axis": -1}),
    ("Reshape", [(2, 6, 4), [0, -1, 8]], {}),
    ("Reshape", [(2, 6, 4), [48]], {}),
    ("Squeeze", [(2, 1, 3, 1), [-1]], {}),
    ("Squeeze", [(2, 1, 3, 1)], {}),
    ("Unsqueeze", [(2, 3), [0, -1]], {}),
    ("Transpose", [(2, 3, 4)], {}),
    ("Transpose", [(2, 3, 4)], {"perm": [0, 2, 1]}),
    ("Pad", [(2, 3, 4), [0, 1, 2, 0, 3, -1]], {}),
    ("Slice", [(9, 8, 7), [1, -2], [6, 99], [0, 2]], {}),
    ("Slice", [(9, 8), [7], [-99], [0], [-2]], {}),
    ("Split", [(9, 8), [2, 3, 4]], {"axis": 0}),
    ("Split", [(9, 8)], {"axis": 1, "num_outputs": 3}),
    ("Gather", [(9, 8, 7), [[0, 1], [2, 3]]], {"axis": 1}),
    ("Expand", [(3, 1), [2, 1, 6]], {}),
    ("Tile", [(3, 2), [2, 4]], {}),
    ("ReduceMean", [(2, 3, 4), [1]], {}),
    ("ReduceMean", [(2, 3, 4), [0, -1]], {"keepdims": 0}),
    ("ReduceSum", [(2, 3, 4)], {"keepdims": 0}),
    ("ReduceSum", [(2, 3, 4)], {"noop_with_empty_axes": 1}),
    ("ArgMax", [(2, 3, 4)], {"axis": -1, "keepdims": 0}),
    ("LayerNormalization", [(2, 3, 4), (4,), (4,)], {}),
    ("DepthToSpace", [(2, 8, 3, 5)], {"blocksize": 2}),
    ("SpaceToDepth", [(2, 8, 4, 6)], {"blocksize": 2}),
    ("Cast", [(2, 3)], {"to": int(TensorProto.INT32)}),
    ("Softmax", [(2, 3)], {}),
]


def ours(kind: str, inputs: list[Any], attributes: dict[str, Any], outputs: int = 1) -> list[Shaped]:
    shaped = [Shaped(i if isinstance(i, tuple) else np.shape(i), "float32") for i in inputs]

    def numbers(position: int) -> list[int] | None:
        return np.ravel(inputs[position]).tolist() if position < len(inputs) else None

    return made(kind, Use(attributes, shaped, outputs, numbers), "int32" if kind == "Cast" else "")


def theirs(kind: str, inputs: list[Any], attributes: dict[str, Any], outputs: int = 1) -> list[Shape]:
    names = [f"x{i}" for i in range(len(inputs))]
    made = [f"y{i}" for i in range(outputs)]
    given = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, i) for n, i in zip(names, inputs, strict=True)
        if isinstance(i, tuple)
    ]  # fmt: skip
    stored = [
        numpy_helper.from_array(np.asarray(i), n) for n, i in zip(names, inputs, strict=True) if isinstance(i, list)
    ]
    results = [onnx.ValueInfoProto(name=name) for name in made]
    graph = helper.make_graph([helper.make_node(kind, names, made, **attributes)], "g", given, results, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    return [tuple(d.dim_value for d in o.type.tensor_type.shape.dim) for o in inferred.graph.output]


@pytest.mark.parametrize(("kind", "inputs", "attributes"), CASES)
def test_shapes_are_those_that_onnx_infers(kind: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
    outputs = 3 if kind == "Split" else 1
    found = ours(kind, inputs, attributes, outputs)
    assert [shaped.shape for shaped in found] == theirs(kind, inputs, attributes, outputs)


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "word"),
    [
        ("Conv", [IMAGE, (4, 5, 3, 2)], {}, "channels differ"),
        ("Conv", [(2, 6, 2, 2), KERNEL], {}, "the window is larger than the input"),
        ("Conv", [(2, 6, 9), KERNEL], {}, "window and input differ in dimensions"),
        ("MatMul", [(3, 4), (5, 6)], {}, "inner dimensions differ"),
        ("Gemm", [(3, 4), (5, 4)], {}, "inner dimensions differ"),
        ("Add", [(2, 3), (4,)], {}, "they do not stretch to one shape"),
        ("Concat", [(2, 3), (3, 3)], {"axis": 1}, "they differ beside the axis"),
        ("Conv", [IMAGE], {}, "input 1 is missing"),
        ("MaxPool", [IMAGE], {}, "not what the operator takes"),
        ("Pad", [(4,), [-3, -3]], {}, "negative size"),
        ("BatchNormalization", [IMAGE, (6,), (6,), (6,), (6,)], {"training_mode": 1}, "training mode"),
        ("ConvTranspose", [IMAGE, (6, 4, 3, 2)], {"output_shape": [9, 9]}, "only explicit pads"),
    ],
)
def test_what_does_not_fit_is_told(kind: str, inputs: list[Any], attributes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ours(kind, inputs, attributes)


def test_dtypes_follow_the_first_input_but_for_tests_positions_and_casts() -> None:
    assert ours("Relu", [(2,)], {})[0].dtype == "float32"
    assert ours("Less", [(2,), (2,)], {})[0].dtype == "bool"
    assert ours("ArgMin", [(2,)], {})[0].dtype == "int64"
    assert ours("Cast", [(2,)], {"to": 6})[0].dtype == "int32"
    maxima = ours("MaxPool", [IMAGE], {"kernel_shape": [2, 2]}, outputs=2)
    assert [shaped.dtype for shaped in maxima] == ["float32", "int64"]
    assert broadcast((1, 3), (2, 1, 1)) == (2, 1, 3)


# ------------------------------------------------------------------------------------- onnx's own test cases

BEYOND = (  # what onnx tests and we refuse, or leave to training
    "training", "string", "empty_set", "zero_size", "triu_zero", "tril_zero",
    "start_out_of_bounds", "allowzero_reordered", "default_mask",
    "convtranspose_output_shape", "convtranspose_kernel_shape", "convtranspose_autopad",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_operators_compute_what_onnx_says_they_do(tmp_path: Path) -> None:
    """Every single-node case of the operators known here: the first input moves, the others are constants."""
    from onnx.backend.test.case.node import collect_testcases

    ran: Counter[str] = Counter()
    for case in collect_testcases():
        node = case.model.graph.node[0] if case.model is not None and len(case.model.graph.node) == 1 else None
        if node is None or node.op_type not in RULES or any(word in case.name for word in BEYOND):
            continue
        values, expected = case.data_sets[0] if case.data_sets else ([], [])
        if not values or not all(isinstance(v, np.ndarray) for v in values) or values[0].ndim == 0:
            continue
        try:
            results = _ran(case.model, values, tmp_path / "case.onnx")
        except InputError as error:  # dtypes that onnxruntime has no kernel for, opsets of long ago
            told = str(error).lower()
            assert any(word in told for word in ("onnxruntime", "older than 7", "depends on the numbers")), case.name
            continue
        for result, right in zip(results, expected, strict=True):
            assert result.shape == np.shape(right), case.name
            np.testing.assert_allclose(result, np.asarray(right).astype(result.dtype), rtol=1e-3, atol=1e-5)
        ran[node.op_type] += 1
    assert sum(ran.values()) > 450
    assert len(ran) > 65


def _ran(model: onnx.ModelProto, values: list[np.ndarray], path: Path) -> list[np.ndarray]:
    names = [given.name for given in model.graph.input]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.input[1:]
    copy.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in zip(names[1:], values[1:], strict=True)
    )
    onnx.save(copy, path)
    graph = build(OnnxFile(path, path.name), len(values[0]))
    computed = {graph.inputs[0].name: values[0]}
    for op in graph.ops:
        inputs = [None if t is None else t.value if t.constant else computed[t.name] for t in op.inputs]
        computed.update(zip([t.name for t in op.outputs], run(op, inputs), strict=True))
    return [computed[t.name].reshape(t.shape) for t in graph.outputs]
