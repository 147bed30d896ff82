"""Shapes of what the ONNX operators make, by operator [ONNX operator specification, opset 21]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hetsim.frontends.product_shapes import PRODUCT_SHAPES, spread
from hetsim.frontends.use import Rule, Shape, Shaped, UnruledError, Use, broadcast


def _same(use: Use) -> list[Shape]:
    if use.outputs > 1:
        raise UnruledError("only the first output is known")
    return [use.shape()]


def _broadcast(use: Use) -> list[Shape]:
    return [broadcast(*(t.shape for t in use.inputs if t is not None))]


def _pool(use: Use) -> list[Shape]:
    data = use.shape()
    return [(*data[:2], *spread(use, use.attributes["kernel_shape"]))] * use.outputs


def _global_pool(use: Use) -> list[Shape]:
    data = use.shape()
    return [(*data[:2], *(1,) * (len(data) - 2))]


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


def _stft(use: Use) -> list[Shape]:
    """Frames, each with its frequencies as real and imaginary parts; those of a real signal mirror each other."""
    signal, step, length = use.shape(), use.needed(1)[0], use.numbers(3)
    window = length[0] if length is not None else use.shape(2)[0]
    bins = window // 2 + 1 if use.attributes.get("onesided", 1) else window
    return [(signal[0], (signal[1] - window) // step + 1, bins, 2)]


def _layer_norm(use: Use) -> list[Shape]:
    """The normalised tensor, then mean and inverse deviation of each row."""
    data = use.shape()
    axis = use.attributes.get("axis", -1) % len(data)
    rows = (*data[:axis], *(1,) * (len(data) - axis))
    if use.outputs > 1 and use.inputs[0] is not None and use.inputs[0].dtype != "float32":
        raise UnruledError("mean and deviation have a dtype of their own")
    return [data, rows, rows][: use.outputs]


def _batch_norm(use: Use) -> list[Shape]:
    if use.outputs > 1 or use.attributes.get("training_mode"):
        raise UnruledError("training mode is not known")
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
    **PRODUCT_SHAPES,
    **dict.fromkeys((
        "Relu", "LeakyRelu", "Clip", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Softplus", "Abs",
        "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Erf", "Sin", "Cos", "Not", "Cast",
        "Identity", "Dropout", "Softmax", "LogSoftmax", "InstanceNormalization", "LRN", "ScatterND", "QuantizeLinear",
        "DequantizeLinear", "IsNaN", "MeanVarianceNormalization",
    ), _same),
    "DynamicQuantizeLinear": lambda use: [use.shape(), (), ()], "Size": lambda use: [()],
    "STFT": _stft, "MaxPool": _pool, "AveragePool": _pool, "GlobalMaxPool": _global_pool,
    "GlobalAveragePool": _global_pool,
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
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not", "IsNaN"),
                    "bool"),
    **dict.fromkeys(("ArgMax", "ArgMin", "Shape", "Size"), "int64"), "DynamicQuantizeLinear": "uint8",
    "ConvInteger": "int32", "MatMulInteger": "int32",
}  # fmt: skip
_LIKE: Mapping[str, int] = {  # the input whose dtype is the result's, where it is not the first
    "Where": 1, "DequantizeLinear": 1, "QLinearConv": 7, "QLinearMatMul": 7, "QuantizeLinear": 2,
}  # fmt: skip
_OTHERS: Mapping[str, tuple[str, ...]] = {  # dtypes of outputs beyond the first, where they differ
    "MaxPool": ("int64",), "DynamicQuantizeLinear": ("float32", "uint8"),
}  # fmt: skip
RULED = frozenset(_RULES)


def made(kind: str, use: Use, dtype: str = "") -> list[Shaped]:
    """Shape and dtype of every output. ``dtype`` is what an attribute says it is (Cast, ConstantOfShape).

    Raises ValueError, in a few words, for inputs that do not fit together; UnruledError for a kind without a rule, or
    one that leaves this form of the operator out.
    """
    if kind not in _RULES:
        raise UnruledError(f"there is no rule for {kind}")
    try:
        shapes = _RULES[kind](use)
    except (LookupError, ArithmeticError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"they are not what the operator takes ({type(error).__name__})") from None
    if any(size < 0 for shape in shapes for size in shape):
        raise ValueError("the result has a negative size")
    dtype = dtype or _DTYPES.get(kind) or _like(kind, use)
    others = _OTHERS.get(kind, (dtype,) * len(shapes))
    return [Shaped(shape, others[i - 1] if i else dtype) for i, shape in enumerate(shapes)]


def _like(kind: str, use: Use) -> str:
    position = _LIKE.get(kind, 0)
    if kind == "QuantizeLinear" and (len(use.inputs) < 3 or use.attributes.get("output_dtype")):
        raise UnruledError("its dtype is told by an attribute")
    source = use.inputs[position] if position < len(use.inputs) else None
    return source.dtype if source else "float32"
