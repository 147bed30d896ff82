"""What the ONNX operators cost: multiply-accumulates and element-wise operations, from shapes alone.

Counting rules. A MAC is counted in convolutions and matrix products, padding included, since hardware
multiplies it too. Everything else is element-wise: an addition, multiplication, division, comparison or
selection is one operation, and so is an elementary function (exp, log, sqrt, power, tanh, erf). Moving or
reshaping data is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hetsim.products import PRODUCTS, Rule, Shapes
from hetsim.workload import Matrix, Tensor

OPSET = 21  # ops have the form of this opset; later ones changed nothing in the operators known here
ACTIVATIONS = ("Relu", "Clip", "Sigmoid", "Tanh")  # may be fused behind a matrix product
FUSING = ("Conv", "Gemm", "MatMul")  # behind which an activation may be fused
MATRIX_OPERATORS = (*FUSING, "ConvInteger", "MatMulInteger")
VIEWS = (
    "Flatten",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
)  # the same numbers in another shape


def _each(count: int) -> Rule:
    """So many operations for each element made."""
    return lambda op: (0, count * op.made)


def _fold(op: Shapes) -> tuple[int, int]:
    """Several inputs, broadcast and combined two at a time."""
    return 0, (len(op.inputs) - 1) * op.made


def _mean(op: Shapes) -> tuple[int, int]:
    return 0, len(op.inputs) * op.made


def _window(extra: int) -> Rule:
    """A window's elements combined two at a time, and so many operations more (the mean's division)."""
    return lambda op: (0, op.made * (math.prod(op.attributes["kernel_shape"]) - 1 + extra))


def _reduced(before: int, after: int) -> Rule:
    """All inputs combined down to the outputs, with some operations on each before and after."""
    return lambda op: (0, before * op.taken + op.taken - op.made + after * op.made)


def _softmax(per_row: int) -> Rule:
    """Along rows of n: maximum n-1, subtract n, exp n, sum n-1, divide n; or subtract n and 1 logarithm."""

    def rule(op: Shapes) -> tuple[int, int]:
        rows = op.made // max(op.source.shape[op.attributes.get("axis", -1)], 1)
        return 0, 5 * op.made + per_row * rows

    return rule


def _scatter(op: Shapes) -> tuple[int, int]:
    """One addition (or comparison) for each element of the updates, if they are combined at all."""
    return 0, op.given(2).size * (op.attributes.get("reduction", "none") != "none")


def _top(op: Shapes) -> tuple[int, int]:
    """A heap of the best k: each element is compared with its root and at worst sinks to its bottom."""
    k = op.outputs[0].shape[op.attributes.get("axis", -1)]
    return 0, op.taken * max(k, 1).bit_length()


def _solve(op: Shapes) -> tuple[int, int]:
    """LU factors and two triangular solves for each right-hand side: n³/3 and n² MACs [Golub 2013]."""
    n = op.source.shape[0]
    return n**3 // 3 + n * op.made, 0


def _cam_search(op: Shapes) -> tuple[int, int]:
    """Two comparisons for each sample, row and feature."""
    return 0, 2 * op.made * op.source.shape[1]


def _outer_update(op: Shapes) -> tuple[int, int]:
    """The product of all samples, the rate times one side of it, and the sum with what is stored."""
    return op.given(0).size * op.given(1).shape[1], op.given(1).size + op.given(2).size


def _local_response(op: Shapes) -> tuple[int, int]:
    """Square, sum of the neighbourhood, multiply, add, power, divide [Krizhevsky 2012, section 3.3]."""
    return 0, op.made * (op.attributes["size"] + 4)


RULES: Mapping[str, Rule] = {
    **PRODUCTS,
    **dict.fromkeys(("Concat", "Pad", "Transpose", "Slice", "Split", "Gather", "Expand", "Tile", "Cast",
                     "DepthToSpace", "SpaceToDepth", "GatherND", "GatherElements", "ReverseSequence", "OneHot",
                     "Compress", "ConstantOfShape", "EyeLike", "CenterCropPad", "Trilu", "CastLike", "BitCast",
                     *VIEWS), _each(0)),
    "DynamicQuantizeLinear": _each(7),  # smallest, largest, divide, round, add, clip twice
    "RMSNormalization": _each(4),  # square, sum, times the inverse root, scale
    "RotaryEmbedding": _each(3), "Swish": _each(5),
    "QuantizeLinear": _each(5), "DequantizeLinear": _each(2),
    **dict.fromkeys(("Relu", "Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round",
                     "Sign", "Erf", "Tanh", "Sin", "Cos", "Not", "Add", "Sub", "Mul", "Div", "Pow", "Mod",
                     "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor",
                     "Where"), _each(1)),
    "LeakyRelu": _each(2), "PRelu": _each(2), "Clip": _each(2),  # compare or clip twice; compare and multiply
    "Elu": _each(4), "Softplus": _each(3), "Sigmoid": _each(4),  # negate, exp, add, divide
    "HardSigmoid": _each(4), "HardSwish": _each(5), "Gelu": _each(5),
    "Sum": _fold, "Max": _fold, "Min": _fold, "Mean": _mean,
    "BatchNormalization": _each(2),  # one scale and one shift, prepared beforehand
    "InstanceNormalization": _each(8),  # mean 1, variance 3, normalise 2, scale and shift 2
    "LayerNormalization": _each(8),
    "TopK": _top, "AnalogSolve": _solve, "CamSearch": _cam_search, "OuterUpdate": _outer_update,
    "FadingMemory": _each(10),  # fade; scale, sinh, scale, scale, exp, from one; from one, multiply, add
    "ScatterND": _scatter, "LRN": _local_response, "Softmax": _softmax(-2), "LogSoftmax": _softmax(-1),
    "MaxPool": _window(0), "AveragePool": _window(1),
    "GlobalMaxPool": _reduced(0, 0), "GlobalAveragePool": _reduced(0, 1),
    "ReduceSum": _reduced(0, 0), "ReduceMax": _reduced(0, 0), "ReduceMin": _reduced(0, 0),
    "ReduceProd": _reduced(0, 0), "ReduceMean": _reduced(0, 1), "ReduceSumSquare": _reduced(1, 0),
    "ReduceL1": _reduced(1, 0), "ReduceL2": _reduced(1, 1),
    "ArgMax": _reduced(0, 0), "ArgMin": _reduced(0, 0),
}  # fmt: skip


def arithmetic(
    kind: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
) -> tuple[int, int]:
    """MACs and element-wise operations of an operator; one without a rule is taken to do one for each element made."""
    if kind not in RULES:
        return 0, sum(tensor.size for tensor in outputs)
    return RULES[kind](Shapes(attributes, inputs, outputs))


def fused_operations(activation: str, output: Tensor) -> int:
    """Element-wise operations of an activation fused behind an op, the bounds of a Clip left aside."""
    return RULES[activation.partition("(")[0]](Shapes({}, (output,), (output,)))[1]


def matrix_view(
    kind: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
) -> Matrix | None:
    """The operator as products of vectors with a matrix, None for one that is no such thing."""
    if kind not in (*MATRIX_OPERATORS, "OuterUpdate"):
        return None
    a, b = inputs[0], inputs[1]
    assert a is not None and b is not None
    if kind == "OuterUpdate":  # on a digital part; crossbars have it as pulses
        return Matrix(a.shape[0], b.shape[1], a.shape[1])
    output = outputs[0]
    if kind in ("ConvInteger", "MatMulInteger") and not _codes(inputs):
        return None
    if kind.startswith("Conv"):
        groups = int(attributes.get("group", 1))
        vectors = output.size // output.shape[1]
        stored = b if b.constant else None
        return Matrix(math.prod(b.shape[1:]), b.shape[0] // groups, vectors, groups, stored)
    depth = a.shape[0 if kind == "Gemm" and attributes.get("transA") else -1]
    sides = ((b, "transB", True), (a, "transA", False))  # as a left operand: (A B)' = B' A'
    for operand, flag, turned in sides[:1] if kind == "MatMulInteger" else sides:
        if operand.constant and len(operand.shape) == 2 and not (a.constant and b.constant):
            columns = operand.size // depth
            transposed = turned == bool(kind == "Gemm" and attributes.get(flag))
            return Matrix(depth, columns, output.size // columns, 1, operand, transposed)
    if len(a.shape) < 2 or len(b.shape) < 2:
        return Matrix(depth, 1, output.size)
    groups = math.prod(output.shape[:-2])
    return Matrix(depth, output.shape[-1], output.shape[-2], groups)


def _codes(inputs: Sequence[Tensor | None]) -> bool:
    """Whether an integer product has one zero point for all inputs, and a stored one, if any, for its weights."""
    left, right = (inputs[i] if len(inputs) > i else None for i in (2, 3))
    return (left is None or left.size == 1) and (right is None or right.constant)


def clip_bounds(activation: str) -> tuple[float, float]:
    """The bounds in ``Clip(low,high)``; ValueError for any other activation."""
    name, _, bounds = activation.rstrip(")").partition("(")
    if name != "Clip":
        raise ValueError(f"activation {activation!r} is not known")
    low, high = bounds.split(",")
    return float(low), float(high)
