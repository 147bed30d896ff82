"""Products: what crossbars can do, and attention between tensors that move.

A product with a parameter is named after it, without ``.weight``: by this name a scenario can pin it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from hetsim.torch.call import Call, Rule, UnsupportedError, Value, Writer, each, like


def _linear(w: Writer, call: Call) -> Value:
    """``input @ weight' + bias``: one product with a stored matrix, whatever the input's leading dimensions."""
    data, weight, bias = call["input"], call["weight"], call["bias"]
    rows, columns = weight.shape[-1], weight.shape[0]
    if len(weight.shape) != 2:
        raise UnsupportedError("its weight is no matrix")
    flat = w.reshaped(data, (prod(data.shape[:-1]), rows))
    made = like((flat.shape[0], columns), call.dtype)
    product = w.product("Gemm", flat, weight, bias, like=made, turned=True, transB=1)
    return w.reshaped(product, call.shape)


def _matmul(w: Writer, call: Call) -> Value:
    return w.product("MatMul", call.first, call.second, like=call.makes[0])


def _added(w: Writer, call: Call) -> Value:
    """``beta self + alpha (left @ right)``: of matrices, or of stacks of them."""
    left, right = (call["mat1"], call["mat2"]) if call.operator == "addmm" else (call["batch1"], call["batch2"])
    if call["alpha"] != 1 or call["beta"] != 1:
        raise UnsupportedError("only alpha = beta = 1 is known")
    if call.operator == "addmm":
        return w.product("Gemm", left, right, call["self"], like=call.makes[0])
    product = w.product("MatMul", left, right, like=call.makes[0])
    total: Value = w.op("Add", product, call["self"], like=call.makes[0])
    return total


def _convolution(w: Writer, call: Call) -> Value:
    data, weight, bias = call["input"], call["weight"], call["bias"]
    n = len(weight.shape) - 2
    if len(data.shape) != n + 2:
        raise UnsupportedError("its input has no batch dimension")
    stride, padding, dilation = (each(call[key], n) for key in ("stride", "padding", "dilation"))
    window: dict[str, Any] = {
        "kernel_shape": list(weight.shape[2:]), "strides": stride, "pads": padding * 2, "dilations": dilation,
    }  # fmt: skip
    if call["transposed"]:  # no crossbar does this
        more = each(call["output_padding"], n)
        made: Value = w.op("ConvTranspose", data, weight, bias, like=call.makes[0], name=weight.stored,
                           group=call["groups"], output_padding=more, **window)  # fmt: skip
        return made
    return w.product("Conv", data, weight, bias, like=call.makes[0], groups=call["groups"], turned=True,
                     group=call["groups"], **window)  # fmt: skip


def _attention(w: Writer, call: Call) -> Value:
    """``softmax(Q K' scale + mask) V`` over the last two dimensions [Vaswani 2017]."""
    query, key, value, mask = call["query"], call["key"], call["value"], call["attn_mask"]
    if call["dropout_p"] or call.get("enable_gqa"):
        raise UnsupportedError("dropout and shared heads are not known: repeat the heads")
    rank, depth = len(query.shape), query.shape[-1]
    scale = depth**-0.5 if call["scale"] is None else call["scale"]
    turned = w.transposed(key, [*range(rank - 2), rank - 1, rank - 2])
    made = like((*query.shape[:-1], key.shape[-2]), call.dtype)
    scores = w.op("MatMul", query, turned, like=made)
    scores = w.op("Mul", scores, w.number(scale, call.dtype), like=made)
    if call["is_causal"]:
        below = np.tril(np.ones((query.shape[-2], key.shape[-2]), bool))
        mask = w.constant(below, f"causal {list(below.shape)}")
    if mask is not None and mask.dtype == "bool":
        lowest = w.number(float("-inf"), call.dtype)
        scores = w.op("Where", mask, scores, lowest, like=made)
    elif mask is not None:
        scores = w.op("Add", scores, mask, like=made)
    shares = w.op("Softmax", scores, like=made, axis=-1)
    mixed: Value = w.op("MatMul", shares, value, like=call.makes[0])
    return mixed


RULES: Mapping[str, Rule] = {
    "linear": _linear, "mm": _matmul, "bmm": _matmul, "addmm": _added, "baddbmm": _added,
    "convolution": _convolution, "scaled_dot_product_attention": _attention,
}  # fmt: skip
