"""Reductions and normalisations: sums, means, extremes, softmax, and layers that centre and scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from hetsim.torch.call import Call, Rule, UnsupportedError, Value, Writer, like


def _reduction(kind: str) -> Rule:
    """Over some axes, or all."""

    def rule(w: Writer, call: Call) -> Value:
        axes = w.integers(call.axes() if "dim" in call else range(len(call["self"].shape)))
        data = w.cast(call["self"], call.dtype)
        made: Value = w.op(kind, data, axes, like=call.makes[0], keepdims=int(bool(call.get("keepdim"))))
        return made

    return rule


def _any(w: Writer, call: Call) -> Value:
    """Whether any is true: the largest of zeros and ones."""
    ones = w.cast(w.cast(call["self"], "bool"), "int32")
    axes = w.integers(call.axes() if "dim" in call else range(len(ones.shape)))
    largest = w.op("ReduceMax", ones, axes, like=like(call.shape, "int32"), keepdims=int(bool(call.get("keepdim"))))
    return w.cast(largest, "bool")


def _arg(kind: str) -> Rule:
    """Where the largest or smallest is along an axis."""

    def rule(w: Writer, call: Call) -> Value:
        data = call["self"] if call["dim"] is not None else w.reshaped(call["self"], (prod(call["self"].shape),))
        axis, keep = (call["dim"] or 0) % len(data.shape), int(call["keepdim"] and call["dim"] is not None)
        found: Value = w.op(kind, data, like=call.makes[0], axis=axis, keepdims=keep)
        return w.reshaped(found, call.shape)

    return rule


def _extreme(kind: str, place: str) -> Rule:
    """The largest or smallest along an axis, and where it is; of all without an axis."""

    def rule(w: Writer, call: Call) -> Value | Sequence[Value]:
        if "other" in call:
            raise UnsupportedError("of two tensors: use maximum or minimum")
        if "dim" not in call:
            whole: Value = w.op(kind, call["self"], w.integers(range(len(call["self"].shape))), like=call.makes[0],
                                keepdims=0)  # fmt: skip
            return whole
        axis, keep = call["dim"] % len(call["self"].shape), int(call["keepdim"])
        values: Value = w.op(kind, call["self"], w.integers([axis]), like=call.makes[0], keepdims=keep)
        places: Value = w.op(place, call["self"], like=call.makes[1], axis=axis, keepdims=keep)
        return values, places

    return rule


def _variance(w: Writer, call: Call) -> Value:
    """Mean square about the mean, over n less the correction."""
    data, axes = call["self"], call.axes()
    kept = like([1 if i in axes else n for i, n in enumerate(data.shape)], data.dtype)
    mean = w.op("ReduceMean", data, w.integers(axes), like=kept, keepdims=1)
    off = w.op("Sub", data, mean, like=data.fake)
    square = w.op("ReduceSumSquare", off, w.integers(axes), like=call.makes[0], keepdims=int(call["keepdim"]))
    count = prod(data.shape[axis] for axis in axes) - (1 if call["correction"] is None else call["correction"])
    made: Value = w.op("Div", square, w.number(float(count), data.dtype), like=call.makes[0])
    return made


def _norm(w: Writer, call: Call) -> Value:
    """The sum of magnitudes, or the root of the sum of squares."""
    kinds = {1: "ReduceL1", 2: "ReduceL2"}
    if call["ord"] not in kinds:
        raise UnsupportedError(f"order {call['ord']} is not known, only 1 and 2")
    return _reduction(kinds[call["ord"]])(w, call)  # type: ignore[return-value]  # a reduction gives one tensor


def _softmax(kind: str) -> Rule:
    def rule(w: Writer, call: Call) -> Value:
        if not call.shape:
            raise UnsupportedError("a single number has no axis")
        made: Value = w.op(kind, call["self"], like=call.makes[0], axis=call["dim"] % len(call.shape))
        return made

    return rule


def _cumulative(w: Writer, call: Call) -> Value:
    axis = call["dim"] % max(len(call.shape), 1)
    along = w.constant(np.array(axis, np.int64), f"{axis}")
    made: Value = w.op("CumSum", w.cast(call["self"], call.dtype), along, like=call.makes[0])
    return made


def _top(w: Writer, call: Call) -> Sequence[Value]:
    made: Sequence[Value] = w.op(
        "TopK", call["self"], w.integers([call["k"]]), like=call.makes, outputs=2,
        axis=call["dim"] % len(call.shape), largest=int(call["largest"]), sorted=int(call["sorted"]),
    )  # fmt: skip
    return made


def _layer_norm(w: Writer, call: Call) -> Sequence[Value | None]:
    shape = call["normalized_shape"]
    weight = call["weight"] or w.constant(np.ones(shape, call.dtype), f"ones {list(shape)} {call.dtype}")
    made = w.op("LayerNormalization", call["input"], weight, call["bias"], like=call.makes[0], axis=-len(shape),
                epsilon=call["eps"])  # fmt: skip
    return made, None, None


def _batch_norm(w: Writer, call: Call) -> Sequence[Value | None]:
    """With the statistics of training."""
    count = call["running_mean"].shape
    weight = call["weight"] or w.constant(np.ones(count, call.dtype), f"ones {list(count)} {call.dtype}")
    bias = call["bias"] or w.constant(np.zeros(count, call.dtype), f"zeros {list(count)} {call.dtype}")
    made = w.op("BatchNormalization", call["input"], weight, bias, call["running_mean"], call["running_var"],
                like=call.makes[0], epsilon=call["eps"])  # fmt: skip
    return made, None, None


def _group_norm(w: Writer, call: Call) -> Sequence[Value | None]:
    """Each group of channels as one channel of an instance normalisation, then scale and shift of each channel."""
    data, groups = call["input"], call["group"]
    flat = w.reshaped(data, (data.shape[0], groups, prod(data.shape[1:]) // groups))
    ones = w.constant(np.ones(groups, call.dtype), f"ones [{groups}] {call.dtype}")
    zeros = w.constant(np.zeros(groups, call.dtype), f"zeros [{groups}] {call.dtype}")
    made = w.op("InstanceNormalization", flat, ones, zeros, like=flat.fake, epsilon=call["eps"])
    made = w.reshaped(made, data.shape)
    for kind, factor in (("Mul", call["weight"]), ("Add", call["bias"])):
        if factor is not None:
            each = w.reshaped(factor, (factor.shape[0], *(1,) * (len(data.shape) - 2)))
            made = w.op(kind, made, each, like=data.fake)
    return made, None, None


RULES: Mapping[str, Rule] = {
    "sum": _reduction("ReduceSum"), "mean": _reduction("ReduceMean"), "amax": _reduction("ReduceMax"),
    "amin": _reduction("ReduceMin"), "prod": _reduction("ReduceProd"), "any": _any,
    "argmax": _arg("ArgMax"), "argmin": _arg("ArgMin"),
    "max": _extreme("ReduceMax", "ArgMax"), "min": _extreme("ReduceMin", "ArgMin"),
    "var": _variance, "linalg_vector_norm": _norm,
    "_softmax": _softmax("Softmax"), "_log_softmax": _softmax("LogSoftmax"),
    "cumsum": _cumulative, "topk": _top, "native_layer_norm": _layer_norm, "native_group_norm": _group_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
}  # fmt: skip
