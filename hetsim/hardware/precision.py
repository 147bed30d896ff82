"""Arithmetic in a processor's format: numbers rounded on their way in and out, integer codes multiplied exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hetsim.workload import Array, Op

BITS: Mapping[str, int] = {"fp64": 64, "fp32": 32, "tf32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}
CODES = ("int8", "int4")  # symmetric, with one scale a tensor, weights one a column

State = dict[tuple[str, int], "Array"]


def computed(op: Op, inputs: Sequence[Array | None], form: str, state: State, threads: int) -> tuple[Array, ...]:
    """The op's numbers in a format; float64 is computed as it is.

    Floating-point formats round inputs, constants and outputs, sums are float32. In ``tf32`` the operands of
    products alone are rounded. Integer formats multiply codes, sum them exactly and store codes again.
    ``state`` keeps rounded constants for the run, by name and version, and those that are changed in place.
    """
    from hetsim.numerics import evaluated, run

    inputs = [
        x if t is None or not t.trained else state.get((t.name, t.version), x)
        for t, x in zip(op.inputs, inputs, strict=True)
    ]
    if op.changed is not None:
        (made,) = evaluated(op, [*inputs[:3], *(None for _ in inputs[3:])], threads)
        state[op.changed.name, op.changed.version] = stored(made, form)
        return ()
    if form == "fp32" or is_double(op) or (form == "tf32" and op.matrix is None):
        return run(op, inputs, threads)
    if form in CODES and op.matrix is not None and op.matrix.stored is not None:
        return (_coded_product(op, inputs, BITS[form]),)
    values: list[Array | None] = []
    for tensor, value in zip(op.inputs, inputs, strict=True):
        if tensor is None or value is None or not tensor.constant:
            values.append(None if value is None else stored(value, form))
            continue
        at = (tensor.name, tensor.version)
        if at not in state:
            state[at] = stored(value, form)
        values.append(state[at])
    results = run(op, values, threads)
    return results if form == "tf32" else tuple(stored(y, form) for y in results)


def is_double(op: Op) -> bool:
    """Whether an op is computed in float64, whatever the part's format."""
    return any(t.dtype == "float64" for t in (*op.outputs, *op.moving, *op.constants))


def stored(x: Array, form: str) -> Array:
    """Numbers as a format keeps them; integers stay."""
    from hetsim.formats import quantised, rounded

    if x.dtype.kind != "f":
        return x
    if form == "tf32":
        return _tf32(x)
    if form not in CODES:
        return rounded(x, form)
    codes, scale = quantised(x, BITS[form])
    return codes.astype(scale.dtype) * scale


def _tf32(x: Array) -> Array:
    """Keep 10 bits of a float32's mantissa, ties to even."""
    import numpy as np

    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    kept = (bits + 0xFFF + ((bits >> 13) & 1)) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(x), kept.view(np.float32), x)


def _coded_product(op: Op, inputs: Sequence[Array | None], bits: int) -> Array:
    """A product of integer codes; bias and activation are applied to the scaled sums."""
    from hetsim.formats import integer_product, quantised
    from hetsim.numerics import finish, lift, lower

    x, w = lower(op, inputs)
    (x_codes, x_scale), (w_codes, w_scale) = quantised(x, bits), quantised(w, bits, axis=-2)
    sums = integer_product(x_codes, w_codes) * (x_scale * w_scale).astype("float64")
    y = finish(op, lift(op, sums), inputs)
    codes, scale = quantised(y, bits)
    return codes.astype(scale.dtype) * scale
