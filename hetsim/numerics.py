"""Digital arithmetic: one op through onnxruntime, and convolutions and dense layers as one matrix product.

Numbers of all floating-point dtypes but float64 are carried in float32 arrays, rounded to the format in which
a part keeps them. Everything here gives the same bytes whatever the number of BLAS threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hetsim.errors import InputError
from hetsim.extensions import OPERATORS
from hetsim.formats import product
from hetsim.operators import MATRIX_OPERATORS, clip_bounds
from hetsim.rewrites import ENDLESS, refuse
from hetsim.sessions import MARK, TELLING, carried, first_line, form, one, told, wired

if TYPE_CHECKING:
    from hetsim.workload import Array, Op

INTEGER = ("ConvInteger", "MatMulInteger")


def run(op: Op, inputs: Sequence[Array | None], threads: int = 1) -> tuple[Array, ...]:
    """Compute an op in its own dtype, with the activation fused behind it.

    ``inputs`` follow ``op.inputs``; ``threads`` are onnxruntime's within the op. Outputs have the shapes of
    ``op.outputs``. Raises InputError for an operator or dtype that onnxruntime does not compute, and for a shape
    that depends on numbers and came out otherwise than planned.
    """
    if op.kind == "Conv" and any(x is not None and x.dtype == np.float64 for x in inputs):
        x, w = lower(op, inputs)  # onnxruntime has no such kernel
        return (finish(op, lift(op, product(x, w)), inputs),)
    made = evaluated(op, inputs, threads)
    return tuple(fitted(op, k, y) for k, y in enumerate(made))


def evaluated(op: Op, inputs: Sequence[Array | None], threads: int = 1) -> list[Array]:
    """What `run` computes, in whatever shapes it comes; the outputs' shapes need not be known."""
    arrays = as_stated(op, inputs)
    if op.kind in OPERATORS:
        return [OPERATORS[op.kind](op, arrays)]
    refuse(op, arrays)
    wires = [None if t is None else wired(op, t) for t in op.inputs]
    feeds = {
        f"{MARK}x{i}": np.ascontiguousarray(x, wire).reshape(x.shape)
        for i, (x, wire) in enumerate(zip(arrays, wires, strict=True))
        if x is not None
    }
    try:
        results = one(form(op, wires), threads).run(None, feeds)
    except Exception as error:
        try:
            large = {name: x for name, x in feeds.items() if x.size > TELLING}
            results = told(form(op, wires), feeds, threads).run(None, large)
        except Exception:
            raise failure(op, error) from None
    return [y.astype(carried(y.dtype), copy=False) for y in results]


def fitted(op: Op, k: int, y: Array) -> Array:
    """Output k as the op states it. Only an op that is not an ONNX file's own may give a view of what it made."""
    tensor = op.outputs[k]
    if op.written and y.shape != tensor.shape:
        raise InputError.of(
            f"op {op.name!r} ({op.kind}) makes {y.shape}, where {tensor.shape} was planned: "
            "its shape depends on the numbers",
            "numbers that decide shapes have to be the same in every request and on every component",
        )
    return y.astype(carried(tensor.dtype), copy=False).reshape(tensor.shape)


def failure(op: Op, error: Exception) -> InputError:
    """What to say when onnxruntime fails on an op."""
    if isinstance(error, InputError):
        return error
    text = first_line(error)
    if ENDLESS in text:
        return InputError.of(f"op {op.name!r} holds {ENDLESS}", "give the Loop a trip count")
    return InputError.of(f"op {op.name!r} ({op.kind}) does not compute: {text}")


def as_stated(op: Op, inputs: Sequence[Array | None]) -> list[Array | None]:
    """Inputs in the shapes that the op states (it may read a view), in the dtype they are carried in."""
    return [
        None if x is None or t is None else np.ascontiguousarray(x, carried(x.dtype)).reshape(t.shape)
        for x, t in zip(inputs, op.inputs, strict=True)
    ]


def activate(activation: str | None, y: Array) -> Array:
    """Apply a fused element-wise activation: ``Relu``, ``Sigmoid``, ``Tanh``, ``Clip(low,high)`` or None."""
    if activation is None:
        return y
    if activation == "Relu":
        return np.maximum(y, np.zeros_like(y))  # with a scalar, NumPy takes twice as long
    if activation == "Sigmoid":
        return (0.5 * np.tanh(0.5 * y) + 0.5).astype(y.dtype)  # the logistic function, without overflow
    if activation == "Tanh":
        return np.tanh(y)
    low, high = clip_bounds(activation)
    return np.clip(y, y.dtype.type(low), y.dtype.type(high))


def lower(op: Op, inputs: Sequence[Array | None]) -> tuple[Array, Array]:
    """A Conv, Gemm or MatMul with a stored operand as a product X @ W: X [M, K] and W [K, N].

    M, K, N are ``vectors``, ``rows`` and ``columns`` of ``op.matrix``; with several groups both have a
    leading axis for them: X [G, M, K], W [G, K, N]. Bias, alpha and activation are left out: see `finish`.
    The k-th row of W multiplies input channel and kernel position in that order, (channel, y, x), as in
    ``W.reshape(Cout, -1).T``.
    """
    at = _stored(op)
    stated = as_stated(op, inputs)
    stored, moving = stated[at], stated[1 - at]
    assert stored is not None and moving is not None
    outside = 0.0
    if op.kind in INTEGER:
        stored, outside = _weights(op, stated), _zero(stated)
        moving = moving.astype(np.float32)
    if op.kind in ("Conv", "ConvInteger"):
        return _windows(op, moving, stored.shape, outside), kernels(op, stored)
    if op.kind == "Gemm":
        stored = stored.T if op.attributes.get("transB" if at else "transA") else stored
        moving = moving.T if op.attributes.get("transA" if at else "transB") else moving
    if at == 1:
        return moving.reshape(-1, stored.shape[0]), stored
    vectors = moving if moving.ndim == 1 else np.swapaxes(moving, -1, -2)  # (A B)' = B' A'
    return vectors.reshape(-1, stored.shape[1]), stored.T


def lift(op: Op, y: Array) -> Array:
    """The product Y [M, N] (or [G, M, N]) of what `lower` gave, in the operator's own shape."""
    at = _stored(op)
    source = op.inputs[1 - at]
    assert source is not None and op.matrix is not None
    if op.kind in ("Conv", "ConvInteger"):
        batch, places = source.shape[0], _places(op, source.shape[2:])
        blocks = y.reshape(op.matrix.groups, batch, -1, op.matrix.columns)
        return np.ascontiguousarray(blocks.transpose(1, 0, 3, 2)).reshape(batch, -1, *places)
    if len(source.shape) == 1:
        return y.reshape(-1)
    shape = source.shape
    if op.kind == "Gemm" and op.attributes.get("transA" if at else "transB"):
        shape = shape[::-1]
    if at == 1:
        return y.reshape(*shape[:-1], op.matrix.columns)
    return np.swapaxes(y.reshape(*shape[:-2], shape[-1], op.matrix.columns), -1, -2)


def finish(op: Op, y: Array, inputs: Sequence[Array | None]) -> Array:
    """What a matrix unit leaves to digital logic: alpha, the bias, the fused activation, the output's shape.

    ``y`` is what `lift` gave. The result is in the output's dtype.
    """
    if op.kind in INTEGER:
        return _whole(op, y, inputs)
    bias = inputs[2] if len(inputs) > 2 else None
    if op.kind == "Gemm":
        alpha, beta = op.attributes.get("alpha", 1.0), op.attributes.get("beta", 1.0)
        y = y if alpha == 1.0 else y * y.dtype.type(alpha)
        bias = bias if bias is None or beta == 1.0 else bias * bias.dtype.type(beta)
    if bias is not None:
        y = y + (bias.reshape(-1, *(1,) * (y.ndim - 2)) if op.kind == "Conv" else bias)
    output = op.outputs[0]
    return activate(op.activation, y).astype(carried(output.dtype), copy=False).reshape(output.shape)


def _whole(op: Op, y: Array, inputs: Sequence[Array | None]) -> Array:
    """Sums of integer codes: those of the inputs' zero point taken off, and what is not whole rounded.

    The matrix unit multiplied the codes as they are, since they have no sign.
    """
    stated = as_stated(op, inputs)
    weights, zero = _weights(op, stated), _zero(stated)
    if zero:
        conv = op.kind == "ConvInteger"
        sums = weights.sum(axis=tuple(range(1, weights.ndim)) if conv else 0, dtype=np.float64)
        y = y - zero * (sums.reshape(-1, *(1,) * (y.ndim - 2)) if conv else sums)
    return np.rint(y).astype(np.int32).reshape(op.outputs[0].shape)


def _weights(op: Op, inputs: Sequence[Array | None]) -> Array:
    """Integer weights less their zero point, one for all or one for each column or output channel."""
    stored = inputs[1]
    assert stored is not None
    weights = stored.astype(np.float32)
    zero = inputs[3] if len(inputs) > 3 else None
    if zero is None:
        return weights
    return weights - zero.astype(np.float32).reshape(-1, *(1,) * (weights.ndim - 1 if op.kind == "ConvInteger" else 0))


def _zero(inputs: Sequence[Array | None]) -> float:
    """The zero point of the moving integers; one for each row is not for matrix units."""
    zero = inputs[2] if len(inputs) > 2 else None
    return 0.0 if zero is None else float(zero.reshape(-1)[0])


def _stored(op: Op) -> int:
    """Position of the stored operand among the inputs: 0 or 1."""
    if op.kind not in MATRIX_OPERATORS or op.matrix is None or op.matrix.stored is None:
        raise ValueError(f"op {op.name!r} ({op.kind}) has no stored matrix")
    first = op.inputs[0]
    return 0 if first is not None and first.constant and first.name == op.matrix.stored.name else 1


def geometry(op: Op, dimensions: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Strides, pads (all starts, then all ends) and dilations of a convolution."""
    get = op.attributes.get
    return (
        get("strides") or (1,) * dimensions,
        get("pads") or (0,) * (2 * dimensions),
        get("dilations") or (1,) * dimensions,
    )


def _places(op: Op, sizes: Sequence[int]) -> tuple[int, ...]:
    """Number of window positions in each spatial dimension."""
    kernel_tensor = op.inputs[1]
    assert kernel_tensor is not None
    kernel, n = kernel_tensor.shape[2:], len(sizes)
    strides, pads, dilations = geometry(op, n)
    return tuple(
        (sizes[d] + pads[d] + pads[d + n] - dilations[d] * (kernel[d] - 1) - 1) // strides[d] + 1 for d in range(n)
    )


def _windows(op: Op, x: Array, weight: Sequence[int], outside: float = 0.0) -> Array:
    """Image to columns: [B, C, ...] to [B * places, C * kernel], with a leading axis for groups if any."""
    n, groups, kernel = x.ndim - 2, int(op.attributes.get("group", 1)), tuple(weight[2:])
    strides, pads, dilations = geometry(op, n)
    if any(pads):
        x = np.pad(x, [(0, 0), (0, 0), *((pads[d], pads[d + n]) for d in range(n))], constant_values=outside)
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + n)))
    taken: list[Any] = [..., *(slice(None, None, d) for d in dilations)]
    windows = windows[tuple(taken)]
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    batch, channels, *places = windows.shape[: 2 + n]
    blocks = windows.reshape(batch, groups, channels // groups, math.prod(places), math.prod(kernel))
    columns: Array = blocks.transpose(1, 0, 3, 2, 4).reshape(groups, batch * math.prod(places), -1)
    return columns[0] if groups == 1 else columns


def kernels(op: Op, weight: Array) -> Array:
    """Kernels [Cout, Cin / G, ...] as columns: [K, N] or [G, K, N]."""
    groups = int(op.attributes.get("group", 1))
    columns: Array = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(0, 2, 1)
    return columns[0] if groups == 1 else columns
