"""Digital arithmetic: one op through onnxruntime, and convolutions and dense layers as one matrix product.

Numbers of all floating-point dtypes but float64 are carried in float32 arrays, rounded to the format in which
a part keeps them. Everything here gives the same bytes whatever the number of BLAS threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hetsim.errors import InputError
from hetsim.extensions import OPERATORS
from hetsim.formats import product
from hetsim.operators import OPSET

if TYPE_CHECKING:
    import onnxruntime

    from hetsim.workload import Array, Op

_CARRIED = {"float16": "float32", "bfloat16": "float32", "byte": "uint8"}


def carried(dtype: str) -> np.dtype[Any]:
    """The NumPy dtype in which numbers of a tensor's dtype are kept."""
    return np.dtype(_CARRIED.get(dtype, dtype))


def run(op: Op, inputs: Sequence[Array | None], threads: int = 1) -> tuple[Array, ...]:
    """Compute an op in its own dtype, with the activation fused behind it.

    ``inputs`` follow ``op.inputs``; ``threads`` are onnxruntime's within the op. Outputs have the shapes of
    ``op.outputs``. Raises InputError for an operator or dtype that onnxruntime does not compute.
    """
    arrays = _as_stated(op, inputs)
    if op.kind == "Conv" and any(x is not None and x.dtype == np.float64 for x in arrays):
        x, w = lower(op, arrays)  # onnxruntime has no such kernel
        return (finish(op, lift(op, product(x, w)), arrays),)
    if op.kind in OPERATORS:
        return (OPERATORS[op.kind](op, arrays),)
    session = _session(
        op.kind,
        _frozen(op.attributes),
        tuple(None if x is None else x.dtype.name for x in arrays),
        tuple(carried(t.dtype).name for t in op.outputs),
        threads,
    )
    feeds = {f"x{i}": x for i, x in enumerate(arrays) if x is not None}
    try:
        results = session.run(None, feeds)
    except Exception as error:
        raise InputError.of(f"op {op.name!r} ({op.kind}) does not compute: {_first_line(error)}") from None
    results[0] = activate(op.activation, results[0])
    return tuple(y.reshape(t.shape) for y, t in zip(results, op.outputs, strict=True))


def _as_stated(op: Op, inputs: Sequence[Array | None]) -> list[Array | None]:
    """Inputs in the shapes that the op states (it may read a view), in the dtype they are carried in."""
    return [
        None if x is None or t is None else np.ascontiguousarray(x, carried(x.dtype.name)).reshape(t.shape)
        for x, t in zip(inputs, op.inputs, strict=True)
    ]


def _frozen(attributes: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Attributes as something hashable, in a fixed order."""
    return tuple(
        (name, tuple(value) if isinstance(value, list | tuple | np.ndarray) else value)
        for name, value in sorted(attributes.items())
    )


@lru_cache(maxsize=1024)
def _session(
    kind: str,
    attributes: tuple[tuple[str, Any], ...],
    inputs: tuple[str | None, ...],
    outputs: tuple[str, ...],
    threads: int,
) -> onnxruntime.InferenceSession:
    """A session of one node, for any shapes: deterministic, sequential, without spinning threads."""
    import onnxruntime
    from onnx import helper

    def described(name: str, dtype: str) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)

    names = [f"x{i}" if dtype else "" for i, dtype in enumerate(inputs)]
    results = [f"y{i}" for i in range(len(outputs))]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.enable_mem_pattern = options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        graph = helper.make_graph(
            [helper.make_node(kind, names, results, **dict(attributes))],
            kind,
            [described(name, dtype) for name, dtype in zip(names, inputs, strict=True) if dtype],
            [described(name, dtype) for name, dtype in zip(results, outputs, strict=True)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        what = f"operator {kind} on {', '.join(d or 'nothing' for d in inputs)}"
        raise InputError.of(f"{what} cannot be computed: {_first_line(error)}", "use numerics: none") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def activate(activation: str | None, y: Array) -> Array:
    """Apply a fused element-wise activation: ``Relu``, ``Sigmoid``, ``Tanh``, ``Clip(low,high)`` or None."""
    if activation is None:
        return y
    if activation == "Relu":
        return np.maximum(y, 0)
    if activation == "Sigmoid":
        return (0.5 * np.tanh(0.5 * y) + 0.5).astype(y.dtype)  # the logistic function, without overflow
    if activation == "Tanh":
        return np.tanh(y)
    low, high = clip_bounds(activation)
    return np.clip(y, y.dtype.type(low), y.dtype.type(high))


def clip_bounds(activation: str) -> tuple[float, float]:
    """The bounds in ``Clip(low,high)``; ValueError for any other activation."""
    name, _, bounds = activation.rstrip(")").partition("(")
    if name != "Clip":
        raise ValueError(f"activation {activation!r} is not known")
    low, high = bounds.split(",")
    return float(low), float(high)


def lower(op: Op, inputs: Sequence[Array | None]) -> tuple[Array, Array]:
    """A Conv, Gemm or MatMul with a stored operand as a product X @ W: X [M, K] and W [K, N].

    M, K, N are ``vectors``, ``rows`` and ``columns`` of ``op.matrix``; with several groups both have a
    leading axis for them: X [G, M, K], W [G, K, N]. Bias, alpha and activation are left out: see `finish`.
    The k-th row of W multiplies input channel and kernel position in that order, (channel, y, x), as in
    ``W.reshape(Cout, -1).T``.
    """
    at = _stored(op)
    stated = _as_stated(op, inputs)
    stored, moving = stated[at], stated[1 - at]
    assert stored is not None and moving is not None
    if op.kind == "Conv":
        return _windows(op, moving, stored.shape), _kernels(op, stored)
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
    if op.kind == "Conv":
        batch, places = source.shape[0], _places(op, source.shape[2:])
        blocks = y.reshape(op.matrix.groups, batch, -1, op.matrix.columns)
        return blocks.transpose(1, 0, 3, 2).reshape(batch, -1, *places)
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
    bias = inputs[2] if len(inputs) > 2 else None
    if op.kind == "Gemm":
        y = y * y.dtype.type(op.attributes.get("alpha", 1.0))
        bias = None if bias is None else bias * bias.dtype.type(op.attributes.get("beta", 1.0))
    if bias is not None:
        y = y + (bias.reshape(-1, *(1,) * (y.ndim - 2)) if op.kind == "Conv" else bias)
    output = op.outputs[0]
    return activate(op.activation, y).astype(carried(output.dtype), copy=False).reshape(output.shape)


def _stored(op: Op) -> int:
    """Position of the stored operand among the inputs: 0 or 1."""
    if op.kind not in ("Conv", "Gemm", "MatMul") or op.matrix is None or op.matrix.stored is None:
        raise ValueError(f"op {op.name!r} ({op.kind}) has no stored matrix")
    first = op.inputs[0]
    return 0 if first is not None and first.constant and first.name == op.matrix.stored.name else 1


def _geometry(op: Op, dimensions: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Strides, dilations and pads (all starts, then all ends) of a convolution."""
    get = op.attributes.get
    return (
        get("strides") or (1,) * dimensions,
        get("dilations") or (1,) * dimensions,
        get("pads") or (0,) * (2 * dimensions),
    )


def _places(op: Op, sizes: Sequence[int]) -> tuple[int, ...]:
    """Number of window positions in each spatial dimension."""
    kernel_tensor = op.inputs[1]
    assert kernel_tensor is not None
    kernel, n = kernel_tensor.shape[2:], len(sizes)
    strides, dilations, pads = _geometry(op, n)
    return tuple(
        (sizes[d] + pads[d] + pads[d + n] - dilations[d] * (kernel[d] - 1) - 1) // strides[d] + 1 for d in range(n)
    )


def _windows(op: Op, x: Array, weight: Sequence[int]) -> Array:
    """Image to columns: [B, C, ...] to [B * places, C * kernel], with a leading axis for groups if any."""
    n, groups, kernel = x.ndim - 2, int(op.attributes.get("group", 1)), tuple(weight[2:])
    strides, dilations, pads = _geometry(op, n)
    if any(pads):
        x = np.pad(x, [(0, 0), (0, 0), *((pads[d], pads[d + n]) for d in range(n))])
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + n)))
    taken: list[Any] = [..., *(slice(None, None, d) for d in dilations)]
    windows = windows[tuple(taken)]
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    batch, channels, *places = windows.shape[: 2 + n]
    blocks = windows.reshape(batch, groups, channels // groups, math.prod(places), math.prod(kernel))
    columns: Array = blocks.transpose(1, 0, 3, 2, 4).reshape(groups, batch * math.prod(places), -1)
    return columns[0] if groups == 1 else columns


def _kernels(op: Op, weight: Array) -> Array:
    """Kernels [Cout, Cin / G, ...] as columns: [K, N] or [G, K, N]."""
    groups = int(op.attributes.get("group", 1))
    columns: Array = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(0, 2, 1)
    return columns[0] if groups == 1 else columns
