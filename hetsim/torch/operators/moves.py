"""Moving and reshaping data: views, permutations, parts, joins, look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hetsim.torch.call import Call, Rule, UnsupportedError, Value, Writer, like

_END = 2**63 - 1


def _view(w: Writer, call: Call) -> Value:
    """The same numbers in the shape of the result."""
    if call.first.dtype != call.dtype:
        raise UnsupportedError("bits cannot be taken as numbers of another dtype")
    return w.reshaped(call.first, call.shape)


def _same(w: Writer, call: Call) -> Value:
    value: Value = call.first
    return value


def _permute(w: Writer, call: Call) -> Value:
    return w.transposed(call["self"], [axis % len(call.shape) for axis in call["dims"]])


def _expand(w: Writer, call: Call) -> Value:
    if call["self"].shape == call.shape:
        return _same(w, call)
    made: Value = w.op("Expand", call["self"], w.integers(call.shape), like=call.makes[0])
    return made


def _repeat(w: Writer, call: Call) -> Value:
    lead = len(call["repeats"]) - len(call["self"].shape)
    data = w.reshaped(call["self"], (*(1,) * lead, *call["self"].shape))
    made: Value = w.op("Tile", data, w.integers(call["repeats"]), like=call.makes[0])
    return made


def _slice(w: Writer, call: Call) -> Value:
    if call["self"].shape == call.shape:
        return _same(w, call)
    first, last = call["start"] or 0, _END if call["end"] is None else call["end"]
    parts = (w.integers([number]) for number in (first, last, call["dim"] % len(call.shape), call["step"]))
    made: Value = w.op("Slice", call["self"], *parts, like=call.makes[0])
    return made


def _select(w: Writer, call: Call) -> Value:
    """One index of an axis, which goes."""
    data, axis = call["self"], call["dim"] % len(call["self"].shape)
    index = w.constant(np.array(call["index"] % data.shape[axis], np.int64), f"{call['index'] % data.shape[axis]}")
    made: Value = w.op("Gather", data, index, like=call.makes[0], axis=axis)
    return made


def _flip(w: Writer, call: Call) -> Value:
    axes = call.axes("dims")
    starts, steps = w.integers([-1] * len(axes)), w.integers([-1] * len(axes))
    ends = w.integers([-_END] * len(axes))
    made: Value = w.op("Slice", call["self"], starts, ends, w.integers(axes), steps, like=call.makes[0])
    return made


def _cat(w: Writer, call: Call) -> Value:
    parts = [w.cast(part, call.dtype) for part in call["tensors"] if part.shape != (0,)]
    made: Value = w.op("Concat", *parts, like=call.makes[0], axis=call["dim"] % len(call.shape))
    return made


def _split(w: Writer, call: Call) -> Sequence[Value | None]:
    axis, sizes = call["dim"] % len(call["self"].shape), [int(made.shape[call["dim"]]) for made in call.makes]
    if len(sizes) == 1:
        return (call["self"],)
    made: Sequence[Value] = w.op(
        "Split", call["self"], w.integers(sizes), like=call.makes, outputs=len(sizes), axis=axis
    )
    return made


def _unbind(w: Writer, call: Call) -> Sequence[Value | None]:
    """Each index of an axis, which goes."""
    data, axis = call["self"], call["dim"] % len(call["self"].shape)
    indices = [w.constant(np.array(k, np.int64), f"{k}") for k in range(data.shape[axis])]
    return [w.op("Gather", data, index, like=made, axis=axis) for index, made in zip(indices, call.makes, strict=True)]


def _embedding(w: Writer, call: Call) -> Value:
    """Rows of a table by index."""
    made: Value = w.op("Gather", call["weight"], call["indices"], like=call.makes[0], axis=0)
    return made


def _index_select(w: Writer, call: Call) -> Value:
    axis = call["dim"] % len(call.shape)
    made: Value = w.op("Gather", call["self"], call["index"], like=call.makes[0], axis=axis)
    return made


def _gather(w: Writer, call: Call) -> Value:
    axis = call["dim"] % len(call.shape)
    made: Value = w.op("GatherElements", call["self"], call["index"], like=call.makes[0], axis=axis)
    return made


def _index(w: Writer, call: Call) -> Value:
    """Indexing along one axis by whole numbers."""
    given = [axis for axis, index in enumerate(call["indices"]) if index is not None]
    index = call["indices"][given[0]]
    if len(given) != 1 or index.dtype == "bool":
        raise UnsupportedError("only one axis can be indexed by a tensor, and by whole numbers")
    made: Value = w.op("Gather", call["self"], index, like=call.makes[0], axis=given[0])
    return made


def _pad(w: Writer, call: Call) -> Value:
    """A number around the last axes; pads come from the last axis on, start and end of each."""
    data, pads = call["self"], call["pad"]
    rank, pairs = len(data.shape), [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)][::-1]
    whole = [(0, 0)] * (rank - len(pairs)) + pairs
    sizes = w.integers([start for start, _ in whole] + [end for _, end in whole])
    made: Value = w.op("Pad", data, sizes, w.number(call["value"], call.dtype), like=call.makes[0])
    return made


def _triangle(upper: int) -> Rule:
    def rule(w: Writer, call: Call) -> Value:
        diagonal = w.constant(np.array(call["diagonal"], np.int64), f"{call['diagonal']}")
        made: Value = w.op("Trilu", call["self"], diagonal, like=call.makes[0], upper=upper)
        return made

    return rule


def _stack(w: Writer, call: Call) -> Value:
    axis = call["dim"] % len(call.shape)
    shape = [1 if i == axis else size for i, size in enumerate(call.shape)]
    parts = [w.reshaped(part, shape) for part in call["tensors"]]
    made: Value = w.op("Concat", *parts, like=like(call.shape, call.dtype), axis=axis)
    return made


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "flatten"), _view),
    **dict.fromkeys(("clone", "alias", "detach", "lift_fresh_copy", "contiguous"), _same),
    "permute": _permute, "expand": _expand, "repeat": _repeat, "slice": _slice, "select": _select, "flip": _flip,
    "cat": _cat, "stack": _stack, "split_with_sizes": _split, "split": _split, "unbind": _unbind,
    "embedding": _embedding, "index_select": _index_select, "gather": _gather, "index": _index,
    "constant_pad_nd": _pad, "tril": _triangle(0), "triu": _triangle(1),
}  # fmt: skip
