"""Shapes of convolutions, matrix products and recurrent layers [ONNX operator specification, opset 21]."""

from __future__ import annotations

from collections.abc import Mapping

from hetsim.frontends.use import Rule, Shape, UnruledError, Use, broadcast


def spread(use: Use, kernel: Shape) -> Shape:
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
    return [(data[0], kernel[0], *spread(use, kernel[2:]))]


def _conv_transpose(use: Use) -> list[Shape]:
    data, kernel, get = use.shape(0), use.shape(1), use.attributes.get
    n = len(data) - 2
    strides, dilations = get("strides", (1,) * n), get("dilations", (1,) * n)
    extra, pads = get("output_padding", (0,) * n), get("pads", (0,) * (2 * n))
    if "output_shape" in use.attributes or get("auto_pad", "NOTSET") != "NOTSET":
        raise UnruledError("only explicit pads are known")
    places = (
        strides[d] * (data[2 + d] - 1) + extra[d] + dilations[d] * (kernel[2 + d] - 1) + 1 - pads[d] - pads[d + n]
        for d in range(n)
    )
    return [(data[0], kernel[1] * get("group", 1), *places)]


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


def _quantised_conv(use: Use) -> list[Shape]:
    """Data, its scale and zero point, then the kernel."""
    plain = Use(use.attributes, [use.inputs[0], use.inputs[3]], 1, use.numbers)
    return _conv(plain)


def _quantised_matmul(use: Use) -> list[Shape]:
    return _matmul(Use(use.attributes, [use.inputs[0], use.inputs[3]], 1, use.numbers))


def _recurrent(use: Use) -> list[Shape]:
    """All hidden states of sequences [T, batch, inputs], the last one, and the last cell state of an LSTM."""
    if use.attributes.get("layout"):
        raise UnruledError("only sequences with time first are known")
    steps, batch, _ = use.shape()
    directions, hidden = use.shape(2)[0], use.attributes["hidden_size"]
    last = (directions, batch, hidden)
    return [(steps, directions, batch, hidden), last, last][: use.outputs]


PRODUCT_SHAPES: Mapping[str, Rule] = {
    "Conv": _conv, "ConvInteger": _conv, "QLinearConv": _quantised_conv, "ConvTranspose": _conv_transpose,
    "Gemm": _gemm, "MatMul": _matmul, "MatMulInteger": _matmul, "QLinearMatMul": _quantised_matmul,
    **dict.fromkeys(("RNN", "GRU", "LSTM", "com.microsoft.DynamicQuantizeLSTM"), _recurrent),
}  # fmt: skip
