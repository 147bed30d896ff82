"""Shapes of what the ONNX operators make, by operator [ONNX operator specification, opset 21]."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shaped:
    """Shape and dtype of a tensor."""

    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True)
class Use:
    """An operator's use: its attributes, inputs (None where left out), and number of outputs.

    ``numbers(i)`` are the integers in the constant input ``i``, None when it is left out.
    """

    attributes: Mapping[str, Any]
    inputs: Sequence[Shaped | None]
    outputs: int
    numbers: Callable[[int], Sequence[int] | None]

    def shape(self, position: int = 0) -> Shape:
        """Shape of an input that has to be there."""
        if position >= len(self.inputs) or self.inputs[position] is None:
            raise ValueError(f"input {position} is missing")
        found = self.inputs[position]
        assert found is not None
        return found.shape

    def needed(self, position: int) -> Sequence[int]:
        """The numbers of a constant input that has to be there."""
        found = self.numbers(position)
        if found is None:
            raise ValueError(f"input {position} is missing")
        return found


Rule = Callable[[Use], Sequence[Shape]]


def _same(use: Use) -> list[Shape]:
    return [use.shape()] * use.outputs


def _broadcast(use: Use) -> list[Shape]:
    return [broadcast(*(t.shape for t in use.inputs if t is not None))]


def broadcast(*shapes: Shape) -> Shape:
    """The shape to which all shapes stretch; ValueError when they do not."""
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True)
    result = []
    for sizes in columns:
        stretched = {size for size in sizes if size != 1} or {1}
        if len(stretched) > 1:
            raise ValueError("they do not stretch to one shape")
        result.append(stretched.pop())
    return tuple(result)


def _spread(use: Use, kernel: Shape) -> Shape:
    """Places of a window: floor (or ceiling) of what is left over the stride, plus one."""
    get, sizes = use.attributes.get, use.shape()[2:]
    ones = (1,) * len(sizes)
    strides, dilations = get("strides", ones), get("dilations", ones)
    mode = get("auto_pad", "NOTSET")
    pads = get("pads", (0,) * (2 * len(sizes)))
    if not len(sizes) == len(kernel) == len(strides) == len(dilations) == len(pads) // 2:
        raise ValueError("window and input differ in dimensions")
    places = []
    for d, (size, k, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        reach, padded = dilation * (k - 1) + 1, size + pads[d] + pads[d + len(sizes)]
        if mode.startswith("SAME"):
            places.append(-(-size // stride))
            continue
        if padded < reach:
            raise ValueError("the window is larger than the input")
        count = (padded - reach + (stride - 1 if get("ceil_mode") else 0)) // stride + 1
        outside = (count - 1) * stride >= size + pads[d]  # the last window has to start inside
        places.append(count - outside)
    return tuple(places)


def _conv(use: Use) -> list[Shape]:
    data, kernel = use.shape(0), use.shape(1)
    if data[1] != kernel[1] * use.attributes.get("group", 1):
        raise ValueError("channels differ")
    return [(data[0], kernel[0], *_spread(use, kernel[2:]))]


def _conv_transpose(use: Use) -> list[Shape]:
    data, kernel, get = use.shape(0), use.shape(1), use.attributes.get
    n = len(data) - 2
    strides, dilations = get("strides", (1,) * n), get("dilations", (1,) * n)
    extra, pads = get("output_padding", (0,) * n), get("pads", (0,) * (2 * n))
    if "output_shape" in use.attributes or get("auto_pad", "NOTSET") != "NOTSET":
        raise ValueError("only explicit pads are known")
    places = (
        strides[d] * (data[2 + d] - 1) + extra[d] + dilations[d] * (kernel[2 + d] - 1) + 1 - pads[d] - pads[d + n]
        for d in range(n)
    )
    return [(data[0], kernel[1] * get("group", 1), *places)]


def _pool(use: Use) -> list[Shape]:
    data = use.shape()
    return [(*data[:2], *_spread(use, use.attributes["kernel_shape"]))] * use.outputs


def _global_pool(use: Use) -> list[Shape]:
    data = use.shape()
    return [(*data[:2], *(1,) * (len(data) - 2))]


def _gemm(use: Use) -> list[Shape]:
    a = use.shape(0)[:: -1 if use.attributes.get("transA") else 1]
    b = use.shape(1)[:: -1 if use.attributes.get("transB") else 1]
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise ValueError("inner dimensions differ")
    return [(a[0], b[1])]


def _matmul(use: Use) -> list[Shape]:
    a, b = use.shape(0), use.shape(1)
    left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    if left[-1] != right[-2]:
        raise ValueError("inner dimensions differ")
    product = (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    product = product if len(a) > 1 else (*product[:-2], product[-1])
    return [product if len(b) > 1 else product[:-1]]


def _concat(use: Use) -> list[Shape]:
    shapes = [t.shape for t in use.inputs if t is not None]
    axis = use.attributes["axis"] % len(shapes[0])
    if len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) > 1:
        raise ValueError("they differ beside the axis")
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _flatten(use: Use) -> list[Shape]:
    data, axis = use.shape(), use.attributes.get("axis", 1)
    axis = axis + len(data) if axis < 0 else axis
    return [(math.prod(data[:axis]), math.prod(data[axis:]))]


def _reshape(use: Use) -> list[Shape]:
    data, target = use.shape(), list(use.needed(1))
    if not use.attributes.get("allowzero"):
        target = [data[i] if size == 0 else size for i, size in enumerate(target)]
    if -1 in target:
        known = -math.prod(target)
        target[target.index(-1)] = math.prod(data) // known if known else 0
    return [tuple(target)]


def _squeeze(use: Use) -> list[Shape]:
    data, axes = use.shape(), use.numbers(1)
    gone = {a % len(data) for a in axes} if axes is not None else {i for i, n in enumerate(data) if n == 1}
    return [tuple(n for i, n in enumerate(data) if i not in gone)]


def _unsqueeze(use: Use) -> list[Shape]:
    axes, rest = use.needed(1), iter(use.shape())
    rank = len(use.shape()) + len(axes)
    new = {a % rank for a in axes}
    return [tuple(1 if i in new else next(rest) for i in range(rank))]


def _transpose(use: Use) -> list[Shape]:
    data = use.shape()
    return [tuple(data[i] for i in use.attributes.get("perm", range(len(data))[::-1]))]


def _pad(use: Use) -> list[Shape]:
    data, pads, axes = use.shape(), use.needed(1), use.numbers(3)
    n, sizes = len(pads) // 2, list(data)
    for i, axis in enumerate(range(len(data)) if axes is None else axes):
        sizes[axis] += pads[i] + pads[i + n]
    return [tuple(sizes)]


def _slice(use: Use) -> list[Shape]:
    sizes, starts, ends = list(use.shape()), use.needed(1), use.needed(2)
    axes, steps = use.numbers(3), use.numbers(4)
    for i, axis in enumerate(range(len(starts)) if axes is None else axes):
        start, end, step = starts[i], ends[i], steps[i] if steps else 1
        stop = None if step < 0 and end < -sizes[axis] else end
        sizes[axis] = len(range(sizes[axis])[start:stop:step])
    return [tuple(sizes)]


def _split(use: Use) -> list[Shape]:
    data, axis, parts = use.shape(), use.attributes.get("axis", 0), use.numbers(1)
    if parts is None:
        each = -(-data[axis] // use.outputs)
        parts = [min(each, data[axis] - each * i) for i in range(use.outputs)]
    axis %= len(data)
    return [(*data[:axis], size, *data[axis + 1 :]) for size in parts]


def _gather(use: Use) -> list[Shape]:
    data, axis = use.shape(), use.attributes.get("axis", 0) % len(use.shape())
    return [(*data[:axis], *use.shape(1), *data[axis + 1 :])]


def _tile(use: Use) -> list[Shape]:
    return [tuple(n * times for n, times in zip(use.shape(), use.needed(1), strict=True))]


def _reduce(use: Use) -> list[Shape]:
    axes = use.numbers(1)
    if not axes:
        axes = () if use.attributes.get("noop_with_empty_axes") else range(len(use.shape()))
    return [_reduced(use, axes)]


def _arg(use: Use) -> list[Shape]:
    return [_reduced(use, (use.attributes.get("axis", 0),))]


def _reduced(use: Use, axes: Sequence[int]) -> Shape:
    data = use.shape()
    gone, keep = {a % len(data) for a in axes}, use.attributes.get("keepdims", 1)
    return tuple(1 if i in gone else n for i, n in enumerate(data) if keep or i not in gone)


def _layer_norm(use: Use) -> list[Shape]:
    """The normalised tensor, then mean and inverse deviation of each row."""
    data = use.shape()
    axis = use.attributes.get("axis", -1) % len(data)
    rows = (*data[:axis], *(1,) * (len(data) - axis))
    return [data, rows, rows][: use.outputs]


def _batch_norm(use: Use) -> list[Shape]:
    if use.outputs > 1 or use.attributes.get("training_mode"):
        raise ValueError("training mode is not known")
    return [use.shape()]


def _blocks(grow: bool) -> Rule:
    """Depth to space, or (not ``grow``) space to depth."""

    def rule(use: Use) -> list[Shape]:
        (batch, channels, height, width), b = use.shape(), use.attributes["blocksize"]
        if grow:
            return [(batch, channels // b**2, height * b, width * b)]
        return [(batch, channels * b**2, height // b, width // b)]

    return rule


_RULES: Mapping[str, Rule] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _matmul,
    "MaxPool": _pool, "AveragePool": _pool, "GlobalMaxPool": _global_pool, "GlobalAveragePool": _global_pool,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Mod", "PRelu", "Sum", "Max", "Min", "Mean", "Equal",
                     "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Where"), _broadcast),
    "Concat": _concat, "Flatten": _flatten, "Reshape": _reshape, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Transpose": _transpose, "Pad": _pad, "Slice": _slice, "Split": _split, "Gather": _gather, "Tile": _tile,
    "Expand": lambda use: [broadcast(use.shape(), tuple(use.needed(1)))],
    "Shape": lambda use: [(len(range(len(use.shape()))[use.attributes.get("start") : use.attributes.get("end")]),)],
    "ConstantOfShape": lambda use: [tuple(use.needed(0))],
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare",
                     "ReduceL1", "ReduceL2"), _reduce),
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm,
    "ArgMax": _arg, "ArgMin": _arg, "DepthToSpace": _blocks(True), "SpaceToDepth": _blocks(False),
}  # fmt: skip
_DTYPES: Mapping[str, str] = {
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not"), "bool"),
    "ArgMax": "int64", "ArgMin": "int64", "Shape": "int64",
}  # fmt: skip


def made(kind: str, use: Use, dtype: str = "") -> list[Shaped]:
    """Shape and dtype of every output. ``dtype`` is what an attribute says it is (Cast, ConstantOfShape).

    Raises ValueError, in a few words, for inputs that do not fit together.
    """
    try:
        shapes = _RULES.get(kind, _same)(use)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"they are not what the operator takes ({type(error).__name__})") from None
    if any(size < 1 for shape in shapes for size in shape):
        raise ValueError("the result is empty")
    source = use.inputs[1 if kind == "Where" else 0] if use.inputs else None
    dtype = dtype or _DTYPES.get(kind) or (source.dtype if source else "float32")
    others = "int64" if kind == "MaxPool" else dtype  # the positions of the maxima
    return [Shaped(shape, others if i else dtype) for i, shape in enumerate(shapes)]
