"""Arithmetic of digital parts: the numbers of an op in a part's format, integer codes or rounded floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hetsim.workload import Array, Op

Format = Literal["fp32", "fp16", "bf16", "int16", "int8"]
BYTES: Mapping[Format, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "int16": 2, "int8": 1}
SUM_BYTES: Mapping[Format, int] = {"fp32": 4, "fp16": 4, "bf16": 4, "int16": 6, "int8": 4}  # of an accumulator
SELECTING = frozenset((
    "Relu", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Transpose", "Slice", "Split",
))  # fmt: skip


def bits(form: Format) -> int:
    """Bits of a number."""
    return 8 * BYTES[form]


def deepest(form: Format) -> float:
    """Most products that the accumulators of an integer format sum up without ever overflowing."""
    if not form.startswith("int"):
        return float("inf")
    top = 2 ** (bits(form) - 1) - 1
    return float((2 ** (8 * SUM_BYTES[form] - 1) - 1) // top**2)


def refusal(op: Op, form: Format) -> str:
    """Why a part that computes in the format cannot run the op, whatever it has units for; empty when it can."""
    if op.cost is not None:
        return f"runs tensor operations, not a {op.kind}"
    if op.changed is not None:
        return "does not change stored matrices in place"
    if any(t.dtype == "float64" for t in (*op.outputs, *op.moving, *op.constants)):
        return f"computes in {form}, and the op is float64"
    if op.exact and form != "fp32":
        return f"computes in {form}, and the op must be exact"
    if op.matrix is not None and op.matrix.rows > deepest(form):
        return f"sums of {op.matrix.rows} products overflow its {8 * SUM_BYTES[form]}-bit accumulators"
    return ""


def computed(op: Op, inputs: Sequence[Array | None], form: Format, threads: int = 1) -> tuple[Array, ...]:
    """The op's outputs when all that goes in or out is in the format; sums of products are wider.

    Floats are rounded. Integer formats have one scale a tensor, from its own largest magnitude, stored weights
    one a column; products are summed exactly, bias and activation are applied to the scaled sums, and an
    operator that only selects among its inputs keeps their codes.
    """
    from hetsim.numerics import run

    if not form.startswith("int"):
        return _floats(op, inputs, form, threads)
    if op.matrix is not None and op.matrix.stored is not None:
        return (_stored(_matrix(op, inputs, form), form),)
    values = [
        x if x is None or t is None or t.constant else _stored(x, form) for x, t in zip(inputs, op.inputs, strict=True)
    ]
    made = run(op, values, threads)
    return made if op.kind in SELECTING else tuple(_stored(y, form) for y in made)


def _floats(op: Op, inputs: Sequence[Array | None], form: Format, threads: int) -> tuple[Array, ...]:
    from hetsim.formats import rounded
    from hetsim.numerics import run

    values = [None if x is None else rounded(x, form) for x in inputs]
    return tuple(rounded(y, form) for y in run(op, values, threads))


def _matrix(op: Op, inputs: Sequence[Array | None], form: Format) -> Array:
    """A product with stored weights, in real numbers."""
    from hetsim.formats import integer_product, product, quantised
    from hetsim.numerics import finish, lift, lower

    x, w = lower(op, inputs)
    x_codes, x_scale = quantised(x, bits(form))
    w_codes, w_scale = quantised(w, bits(form), axis=-2)
    if form == "int8":
        sums = integer_product(x_codes, w_codes)
    else:  # `deepest` sums stay below 2^53, so that float64 holds them exactly
        sums = product(x_codes.astype("float64"), w_codes.astype("float64"))
    return finish(op, lift(op, sums * (x_scale * w_scale).astype("float64")), inputs)  # all bits of a sum count


def _stored(x: Array, form: Format) -> Array:
    """The numbers that codes of the format stand for; what is no float stays."""
    from hetsim.formats import quantised

    if x.dtype.kind != "f":
        return x
    codes, scale = quantised(x, bits(form))
    return codes.astype(scale.dtype) * scale
