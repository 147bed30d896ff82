"""What convolutions, matrix products, recurrent layers and attention cost, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hetsim.workload import Tensor

_REQUANTISE = 5  # multiply, round, add the zero point, clip twice


@dataclass(frozen=True, slots=True)
class Shapes:
    """An operator applied: its attributes, and its inputs (None where left out) and outputs."""

    attributes: Mapping[str, Any]
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]

    @property
    def taken(self) -> int:
        """Elements of the first input."""
        return self.source.size

    @property
    def made(self) -> int:
        """Elements of the first output."""
        return self.outputs[0].size

    @property
    def source(self) -> Tensor:
        """The first input."""
        return self.given(0)

    def given(self, position: int) -> Tensor:
        """The input at a position that the operator demands."""
        tensor = self.inputs[position]
        assert tensor is not None
        return tensor

    def has(self, position: int) -> bool:
        """Whether an optional input is given."""
        return len(self.inputs) > position and self.inputs[position] is not None


Rule = Callable[[Shapes], tuple[int, int]]  # -> (macs, element_ops)


def _conv(op: Shapes) -> tuple[int, int]:
    return op.made * math.prod(op.given(1).shape[1:]), op.made * op.has(2)


def _conv_transpose(op: Shapes) -> tuple[int, int]:
    return op.taken * math.prod(op.given(1).shape[1:]), op.made * op.has(2)


def _gemm(op: Shapes) -> tuple[int, int]:
    depth = op.source.shape[0 if op.attributes.get("transA") else 1]
    scaling = op.made * (op.attributes.get("alpha", 1.0) != 1.0)
    if op.has(2):
        scaling += op.made + op.given(2).size * (op.attributes.get("beta", 1.0) != 1.0)
    return op.made * depth, scaling


def _matmul(op: Shapes) -> tuple[int, int]:
    return op.made * op.source.shape[-1], 0


def _zero_points(op: Shapes) -> int:
    """Subtractions of the zero points of both operands."""
    return op.taken * op.has(2) + op.given(1).size * op.has(3)


def _conv_integer(op: Shapes) -> tuple[int, int]:
    return op.made * math.prod(op.given(1).shape[1:]), _zero_points(op)


def _matmul_integer(op: Shapes) -> tuple[int, int]:
    return _matmul(op)[0], _zero_points(op)


def _quantised_conv(op: Shapes) -> tuple[int, int]:
    macs = op.made * math.prod(op.given(3).shape[1:])
    return macs, op.taken + op.given(3).size + op.made * (_REQUANTISE + op.has(8))


def _quantised_matmul(op: Shapes) -> tuple[int, int]:
    return _matmul(op)[0], op.taken + op.given(3).size + op.made * _REQUANTISE


def _deform_conv(op: Shapes) -> tuple[int, int]:
    """Each value under the kernel is interpolated between four neighbours: 2 additions for the place, 7 to blend."""
    kernel = op.given(1).shape
    batch, channels = op.source.shape[:2]
    sampled = batch * channels * math.prod(kernel[2:]) * math.prod(op.outputs[0].shape[2:])
    macs = op.made * math.prod(kernel[1:])
    return macs, sampled * (9 + op.has(4)) + op.made * op.has(3)


def _einsum(op: Shapes) -> tuple[int, int]:
    """Every combination of all indices, once for each product; of a single operand the sums alone."""
    equation = str(op.attributes["equation"]).replace(" ", "")
    sizes: dict[str, int] = {}
    for labels, tensor in zip(equation.partition("->")[0].split(","), op.inputs, strict=True):
        if tensor is None:
            raise ValueError("an operand is missing")
        before, dots, after = labels.partition("...")
        hidden = len(tensor.shape) - len(before) - len(after) if dots else 0
        names = [*before, *(f".{hidden - i}" for i in range(hidden)), *after]
        for name, size in zip(names, tensor.shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), size)
    whole = math.prod(sizes.values())
    if len(op.inputs) == 1:
        return 0, max(whole - op.made, 0)
    return whole * (len(op.inputs) - 1), 0


def _recurrent(gates: int, each: int, peephole: int = 0) -> Rule:
    """Products of ``gates`` matrices with inputs and state, and so many operations for each element of the state.

    Each includes the sum of both products; biases are one sum each, prepared beforehand.
    """

    def rule(op: Shapes) -> tuple[int, int]:
        first, second, width = op.source.shape
        hidden, directions = int(op.attributes["hidden_size"]), op.given(1).shape[0]
        states = first * second * directions * hidden
        extra = gates * op.has(3) + peephole * op.has(7)
        if gates == 3 and op.has(3) and op.attributes.get("linear_before_reset"):
            extra += 1  # the recurrent bias stays apart from the input's
        return states * gates * (width + hidden), states * (each + extra)

    return rule


def _attention(op: Shapes) -> tuple[int, int]:
    """Scores and context [Vaswani 2017, eq. 1]: scaled, masked, softmax; keys and values with those of the past."""
    query, key, value = (op.given(i).shape for i in range(3))
    if len(query) == 4:
        batch, heads, length, depth = query
        seen, width = key[2], value[3]
    else:
        batch, length = query[:2]
        heads, few = int(op.attributes["q_num_heads"]), int(op.attributes["kv_num_heads"])
        depth, seen, width = query[2] // heads, key[1], value[2] // few
    if op.has(4):
        seen += op.given(4).shape[2]
    scores = batch * heads * length * seen
    masks = op.has(3) + bool(op.attributes.get("is_causal")) + 3 * bool(op.attributes.get("softcap"))
    return scores * (depth + width), scores * (6 + masks) - 2 * batch * heads * length


PRODUCTS: Mapping[str, Rule] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _matmul,
    "ConvInteger": _conv_integer, "MatMulInteger": _matmul_integer, "QLinearConv": _quantised_conv,
    "QLinearMatMul": _quantised_matmul, "DeformConv": _deform_conv, "Einsum": _einsum, "Attention": _attention,
    "RNN": _recurrent(1, 2),  # sum of products, tanh
    "GRU": _recurrent(3, 17),  # 3 sums, 2 logistic of 4, tanh, reset 1, blend 4
    "LSTM": _recurrent(4, 22, 6),  # 4 sums, 3 logistic of 4, 2 tanh, cell 3, output 1; peepholes 3 of 2
    "com.microsoft.DynamicQuantizeLSTM": _recurrent(4, 22, 6),
}  # fmt: skip
