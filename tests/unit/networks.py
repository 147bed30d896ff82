"""ONNX files for tests, written with onnx's own helper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray


def weights(seed: int = 0, **shapes: Sequence[int]) -> dict[str, Array]:
    """Random float32 arrays by name."""
    rng = np.random.default_rng(seed)
    return {name: (rng.standard_normal(shape) * 0.3).astype(np.float32) for name, shape in shapes.items()}


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node named as its output."""
    return helper.make_node(kind, inputs, [output], name=attributes.pop("name", output), **attributes)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, Array],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    opset: int = 17,
) -> Path:
    """Write a model; symbolic dimensions are words."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def small_cnn(folder: Path) -> Path:
    """The demo's shape: two convolutions with ReLU, two poolings (the last with ceiling), dense."""
    constants = weights(w1=(8, 1, 3, 3), b1=(8,), w2=(12, 8, 3, 3), b2=(12,), w3=(10, 192), b3=(10,))
    nodes = [
        node("Conv", ["image", "w1", "b1"], "c1", name="conv1"),
        node("Relu", ["c1"], "r1"),
        node("MaxPool", ["r1"], "p1", name="pool1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p1", "w2", "b2"], "c2", name="conv2"),
        node("Relu", ["c2"], "r2"),
        node("MaxPool", ["r2"], "p2", name="pool2", kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1),
        node("Flatten", ["p2"], "flat"),
        node("Gemm", ["flat", "w3", "b3"], "logits", name="dense", transB=1),
    ]
    return save(folder / "small.onnx", nodes, constants, {"image": ["N", 1, 28, 28]}, ["logits"])


def mixed_network(folder: Path) -> Path:
    """Residuals, normalisation, groups, automatic padding, bounds and shapes that nodes work out."""
    constants = weights(
        w1=(8, 3, 3, 3), w2=(8, 4, 2, 2), scale=(8,), shift=(8,), mean=(8,), w3=(8, 1, 3, 3), w4=(32, 16),
        b4=(16,),
    )  # fmt: skip
    constants |= {"variance": np.full(8, 0.7, np.float32), "first": np.array(0), "last": np.array([-1])}
    constants |= {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "axes": np.array([3])}
    six = numpy_helper.from_array(np.array(6, np.float32))
    nodes = [
        node("Constant", [], "six", value=six),
        node("Constant", [], "zero", value_float=0.0),
        node("Conv", ["image", "w1"], "c1", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Clip", ["c1", "zero", "six"], "a1"),
        node("Conv", ["a1", "w2"], "c2", auto_pad="SAME_LOWER", group=2),
        node("BatchNormalization", ["c2", "scale", "shift", "mean", "variance"], "n2"),
        node("Add", ["n2", "a1"], "sum"),
        node("LeakyRelu", ["sum"], "leaky", alpha=0.2),
        node("Conv", ["leaky", "w3"], "c3", group=8, pads=[1, 1, 1, 1]),
        node("Sigmoid", ["c3"], "gate"),
        node("Mul", ["leaky", "gate"], "gated"),
        node("Pad", ["gated", "pads"], "padded"),
        node("AveragePool", ["padded"], "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Concat", ["pooled", "pooled"], "twice", axis=1),
        node("GlobalAveragePool", ["twice"], "global"),
        node("ReduceMean", ["twice"], "columns", axes=[2, 3]),
        node("Shape", ["global"], "shape"),
        node("Gather", ["shape", "first"], "batch"),
        node("Unsqueeze", ["batch", "first_axis"], "batch1"),
        node("Concat", ["batch1", "last"], "target", axis=0),
        node("Reshape", ["global", "target"], "vector"),
        node("Concat", ["vector", "columns_flat"], "features", axis=1),
        node("MatMul", ["features", "w4"], "hidden"),
        node("Add", ["hidden", "b4"], "biased"),
        node("Softmax", ["biased"], "answer", axis=-1),
    ]
    constants["first_axis"] = np.array([0])
    nodes.insert(16, node("Flatten", ["columns"], "columns_flat"))
    return save(folder / "mixed.onnx", nodes, constants, {"image": ["N", 3, 11, 10]}, ["answer"], opset=13)
