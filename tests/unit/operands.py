"""Ops with random operands, for tests: each function returns (op, its inputs' numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Op, Tensor

Array = np.ndarray


def random(shape: Sequence[int], dtype: str = "float32", seed: int = 0) -> Array:
    """Standard normal numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def constant(name: str, value: Array) -> Tensor:
    """A stored tensor."""
    return Tensor(name, value.shape, value.dtype.name, load=lambda: value)


def op(
    kind: str,
    values: Sequence[Array | None],
    shape: Sequence[int],
    stored: Sequence[int] = (),
    activation: str | None = None,
    exact: bool = False,
    **attributes: Any,
) -> tuple[Op, list[Array | None]]:
    """An op on the values; those at the positions ``stored`` are constants."""
    inputs = tuple(
        None if v is None else constant(f"in{i}", v) if i in stored else Tensor(f"in{i}", v.shape, v.dtype.name)
        for i, v in enumerate(values)
    )
    outputs = (Tensor("out", shape, values[0].dtype.name if values[0] is not None else "float32"),)
    macs, element_ops = arithmetic(kind, attributes, inputs, outputs)
    view = matrix_view(kind, attributes, inputs, outputs)
    made = Op(kind.lower(), kind, inputs, outputs, attributes, activation, macs, element_ops, view, exact=exact)
    return made, list(values)


def conv(
    image: Sequence[int] = (2, 4, 9, 10),
    kernel: Sequence[int] = (8, 4, 3, 2),
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    dtype: str = "float32",
    activation: str | None = None,
) -> tuple[Op, list[Array | None]]:
    """A convolution with stored weights and bias; its groups follow from the channels."""
    places = [
        (image[2 + d] + pads[d] + pads[2 + d] - dilations[d] * (kernel[2 + d] - 1) - 1) // strides[d] + 1
        for d in range(2)
    ]
    values = [random(image, dtype, 1), random(kernel, dtype, 2), random(kernel[:1], dtype, 3)]
    return op(
        "Conv", values, (image[0], kernel[0], *places), (1, 2), activation,
        strides=tuple(strides), pads=tuple(pads), dilations=tuple(dilations), group=image[1] // kernel[1],
    )  # fmt: skip


def dense(
    batch: int = 5, taken: int = 30, made: int = 7, dtype: str = "float32", **more: Any
) -> tuple[Op, list[Array | None]]:
    """A Gemm with stored, transposed weights and bias."""
    values = [random((batch, taken), dtype, 1), random((made, taken), dtype, 2), random((made,), dtype, 3)]
    return op("Gemm", values, (batch, made), (1, 2), transB=1, **more)


def matmul(batch: int = 5, taken: int = 30, made: int = 7, dtype: str = "float32") -> tuple[Op, list[Array | None]]:
    """A MatMul with a stored right operand."""
    return op("MatMul", [random((batch, taken), dtype, 1), random((taken, made), dtype, 2)], (batch, made), (1,))


def pool(image: Sequence[int] = (2, 4, 8, 8), window: int = 2) -> tuple[Op, list[Array | None]]:
    """A max pooling without overlap."""
    shape = (image[0], image[1], image[2] // window, image[3] // window)
    return op("MaxPool", [random(image, seed=1)], shape, kernel_shape=(window,) * 2, strides=(window,) * 2)
