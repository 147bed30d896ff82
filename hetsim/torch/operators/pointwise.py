"""Element-wise operators: of one tensor, of two that broadcast, and those with parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from hetsim.torch.call import CODES, Call, Rule, UnsupportedError, Value, Writer, dtype_name

_UNARY: Mapping[str, str] = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "neg": "Neg",
    "abs": "Abs", "floor": "Floor", "ceil": "Ceil", "round": "Round", "erf": "Erf", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh",
    "acosh": "Acosh", "atanh": "Atanh", "reciprocal": "Reciprocal", "sign": "Sign",
}  # fmt: skip
_BINARY: Mapping[str, str] = {"mul": "Mul", "maximum": "Max", "minimum": "Min", "pow": "Pow"}
_COMPARISONS: Mapping[str, str] = {
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
}  # fmt: skip
_LOGIC: Mapping[str, str] = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}
_BITS: Mapping[str, str] = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor"}


def _result(call: Call, kind: str, w: Writer, *inputs: Value | None, **attributes: Any) -> Value:
    made: Value = w.op(kind, *inputs, like=call.makes[0], **attributes)
    return made


def _unary(kind: str) -> Rule:
    """Of one tensor; whole numbers become floats where the result is one."""

    def rule(w: Writer, call: Call) -> Value:
        if len(call) > 1:
            raise UnsupportedError("only one argument is known")
        return _result(call, kind, w, w.cast(call.first, call.dtype))

    return rule


def _binary(kind: str) -> Rule:
    """Of two that broadcast, in the dtype of the result."""
    return lambda w, call: _result(call, kind, w, *_pair(w, call, call.dtype))


def _pair(w: Writer, call: Call, dtype: str) -> tuple[Value, Value]:
    return w.cast(call.first, dtype), w.cast(call.second, dtype)


def _sum(kind: str) -> Rule:
    """``self ± alpha other``."""

    def rule(w: Writer, call: Call) -> Value:
        left, right = _pair(w, call, call.dtype)
        if call.get("alpha", 1) != 1:
            right = w.op("Mul", right, w.number(call["alpha"], call.dtype), like=right.fake)
        return _result(call, kind, w, left, right)

    return rule


def _comparison(kind: str) -> Rule:
    """Of two in the dtype to which both are promoted."""

    def rule(w: Writer, call: Call) -> Value:
        left, right = (x.fake if isinstance(x, Value) else x for x in (call.first, call.second))
        return _result(call, kind, w, *_pair(w, call, dtype_name(torch.result_type(left, right))))

    return rule


def _not_equal(w: Writer, call: Call) -> Value:
    return _result(call, "Not", w, _comparison("Equal")(w, call))  # type: ignore[arg-type]


def _logic(kind: str) -> Rule:
    """Of two as truth values."""
    return lambda w, call: _result(call, kind, w, *_pair(w, call, "bool"))


def _bits(kind: str) -> Rule:
    """Of bits: truth values are one bit."""
    return lambda w, call: _result(call, kind if call.dtype == "bool" else f"Bitwise{kind}", w,
                                   *_pair(w, call, call.dtype))  # fmt: skip


def _not(w: Writer, call: Call) -> Value:
    if call.operator == "bitwise_not" and call.dtype != "bool":
        return _result(call, "BitwiseNot", w, call.first)
    return _result(call, "Not", w, w.cast(call.first, "bool"))


def _div(w: Writer, call: Call) -> Value:
    pair = _pair(w, call, call.dtype)
    mode = call.get("rounding_mode")
    if mode not in (None, "floor"):
        raise UnsupportedError(f"rounding_mode {mode!r} is not known")
    if mode and not call.dtype.startswith("float"):
        raise UnsupportedError("whole numbers are divided with rounding")
    quotient = _result(call, "Div", w, *pair)
    return _result(call, "Floor", w, quotient) if mode else quotient


def _remainder(w: Writer, call: Call) -> Value:
    """What is left, with the sign of the divisor (``remainder``) or of the dividend (``fmod``)."""
    floats = call.dtype.startswith("float")
    left, right = _pair(w, call, call.dtype)
    if call.operator == "fmod" or not floats:
        return _result(call, "Mod", w, left, right, fmod=int(call.operator == "fmod"))
    whole = _result(call, "Floor", w, _result(call, "Div", w, left, right))
    return _result(call, "Sub", w, left, _result(call, "Mul", w, whole, right))


def _rsqrt(w: Writer, call: Call) -> Value:
    return _result(call, "Reciprocal", w, _result(call, "Sqrt", w, w.cast(call.first, call.dtype)))


def _where(w: Writer, call: Call) -> Value:
    yes, no = w.cast(call["self"], call.dtype), w.cast(call["other"], call.dtype)
    return _result(call, "Where", w, call["condition"], yes, no)


def _clip(low: str, high: str) -> Rule:
    """Between two bounds, of which either may be left out."""

    def rule(w: Writer, call: Call) -> Value:
        bounds = [None if call[key] is None else w.cast(call[key], call.dtype) for key in (low, high)]
        if any(bound is not None and bound.shape for bound in bounds):
            kinds = zip(("Max", "Min"), bounds, strict=True)
            value = call["self"]
            for kind, bound in kinds:
                value = value if bound is None else _result(call, kind, w, value, bound)
            return value  # type: ignore[no-any-return]
        return _result(call, "Clip", w, w.cast(call["self"], call.dtype), *bounds)

    return rule


def _elu(w: Writer, call: Call) -> Value:
    if call["scale"] != 1 or call["input_scale"] != 1:
        raise UnsupportedError("only a scale of 1 is known")
    return _result(call, "Elu", w, call["self"], alpha=float(call["alpha"]))


def _leaky(w: Writer, call: Call) -> Value:
    return _result(call, "LeakyRelu", w, call["self"], alpha=float(call["negative_slope"]))


def _gelu(w: Writer, call: Call) -> Value:
    return _result(call, "Gelu", w, call["self"], approximate=str(call["approximate"]))


def _cast(w: Writer, call: Call) -> Value:
    return _result(call, "Cast", w, call.first, to=CODES[call.dtype])


def _filled(w: Writer, call: Call) -> Value:
    """One number everywhere; of the tensor that it is like only the shape counts."""
    scalar = w.cast(call.get("fill_value", call.get("value")), call.dtype)
    return _result(call, "Expand", w, scalar, w.integers(call.shape))


def _isinf(w: Writer, call: Call) -> Value:
    return _result(call, "IsInf", w, call.first)


def _isnan(w: Writer, call: Call) -> Value:
    return _result(call, "IsNaN", w, call.first)


def _log_to(base: float) -> Rule:
    """The logarithm to a base."""

    def rule(w: Writer, call: Call) -> Value:
        natural = _result(call, "Log", w, w.cast(call.first, call.dtype))
        return _result(call, "Mul", w, natural, w.number(1 / math.log(base), call.dtype))

    return rule


def _softplus(w: Writer, call: Call) -> Value:
    if call.get("beta", 1) != 1:
        raise UnsupportedError("only beta = 1 is known")
    return _result(call, "Softplus", w, call.first)


def _rsub(w: Writer, call: Call) -> Value:
    left, right = _pair(w, call, call.dtype)
    return _result(call, "Sub", w, right, left)


def _table(names: Mapping[str, str], rule: Callable[[str], Rule]) -> Mapping[str, Rule]:
    return {name: rule(kind) for name, kind in names.items()}


RULES: Mapping[str, Rule] = {
    **_table(_UNARY, _unary), **_table(_BINARY, _binary), **_table(_COMPARISONS, _comparison),
    **_table(_LOGIC, _logic), **_table(_BITS, _bits),
    "add": _sum("Add"), "sub": _sum("Sub"), "rsub": _rsub, "div": _div, "remainder": _remainder, "fmod": _remainder,
    "ne": _not_equal, "logical_not": _not, "bitwise_not": _not, "rsqrt": _rsqrt, "where": _where,
    "clamp": _clip("min", "max"), "hardtanh": _clip("min_val", "max_val"),
    "elu": _elu, "leaky_relu": _leaky, "gelu": _gelu, "softplus": _softplus, 
    "_to_copy": _cast, "full_like": _filled, "fill": _filled, "isinf": _isinf, "isnan": _isnan,
    "log2": _log_to(2.0), "log10": _log_to(10.0),
}  # fmt: skip
