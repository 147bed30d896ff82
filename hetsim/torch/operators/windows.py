"""Windows over images and signals: pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hetsim.torch.call import Call, Rule, UnsupportedError, Value, Writer, each, like


def _window(call: Call, dimensions: int) -> dict[str, Any]:
    """Kernel, strides (by default the kernel's size) and pads."""
    if call["ceil_mode"] and any(call["padding"]):
        raise UnsupportedError("ceil_mode with padding counts windows otherwise than ONNX does")
    kernel = each(call["kernel_size"], dimensions)
    stride = each(call["stride"], dimensions) if call["stride"] else kernel
    return {"kernel_shape": kernel, "strides": stride, "pads": each(call["padding"], dimensions) * 2}


def _batched(w: Writer, call: Call, dimensions: int) -> tuple[Value, tuple[int, ...]]:
    """The input with a batch dimension, and the shape of what is made of it."""
    data, shape = call["self"], call.shape
    if len(data.shape) == dimensions + 2:
        return data, shape
    return w.reshaped(data, (1, *data.shape)), (1, *shape)


def _max_pool(dimensions: int) -> Rule:
    """The largest of each window; where it was is not told."""

    def rule(w: Writer, call: Call) -> Sequence[Value | None]:
        data, shape = _batched(w, call, dimensions)
        pooled = w.op("MaxPool", data, like=like(shape, call.dtype), dilations=each(call["dilation"], dimensions),
                      ceil_mode=int(call["ceil_mode"]), **_window(call, dimensions))  # fmt: skip
        return w.reshaped(pooled, call.shape), None

    return rule


def _average_pool(dimensions: int) -> Rule:
    def rule(w: Writer, call: Call) -> Value:
        if call.get("divisor_override") is not None:
            raise UnsupportedError("a divisor of one's own is not known")
        data, shape = _batched(w, call, dimensions)
        pooled = w.op("AveragePool", data, like=like(shape, call.dtype), ceil_mode=int(call["ceil_mode"]),
                      count_include_pad=int(call["count_include_pad"]), **_window(call, dimensions))  # fmt: skip
        return w.reshaped(pooled, call.shape)

    return rule


def _adaptive(dimensions: int) -> Rule:
    """Means of equal parts."""

    def rule(w: Writer, call: Call) -> Value:
        data, shape = _batched(w, call, dimensions)
        sizes, wanted = data.shape[2:], call.shape[-dimensions:]
        if any(size % count for size, count in zip(sizes, wanted, strict=True)):
            raise UnsupportedError(f"{sizes} cannot be cut into {wanted} equal parts")
        kernel = [size // count for size, count in zip(sizes, wanted, strict=True)]
        pooled = w.op("AveragePool", data, like=like(shape, call.dtype), kernel_shape=kernel, strides=kernel)
        return w.reshaped(pooled, call.shape)

    return rule


RULES: Mapping[str, Rule] = {
    **{f"max_pool{n}d_with_indices": _max_pool(n) for n in (2, 3)},
    **{f"avg_pool{n}d": _average_pool(n) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": _adaptive(n) for n in (2, 3)},
    "adaptive_avg_pool1d": _adaptive(1),
}  # fmt: skip
