"""Sixteen numbers as one value of compiled code: a strip of lines in a register.

Loops over 16 lines, written out, are left scalar by Numba, which cannot tell that arrays do not overlap. These
are LLVM's vectors: one instruction each where a processor has vectors of 64 bytes, a few elsewhere. A strip holds
singles or whole numbers of 32 or 16 bits; the operators ``+ - *`` work on two strips of singles or of 32 bits,
``& | ^ << >>`` on whole numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from hetsim.analog.lines import LANES


class Singles(types.Type):  # type: ignore[misc]
    """Sixteen float32."""


class Words(types.Type):  # type: ignore[misc]
    """Sixteen int32, or bits."""


class Shorts(types.Type):  # type: ignore[misc]
    """Sixteen times 16 bits."""


SINGLE, WHOLE, SHORT = Singles("Singles"), Words("Words"), Shorts("Shorts")
INT, INDEX = ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(INT, LANES)
SHORTS = ir.VectorType(ir.IntType(16), LANES)
LOOSE = ("contract", "nsz")


@register_model(Singles)
class _SinglesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


@register_model(Words)
class _WordsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, INTS)


@register_model(Shorts)
class _ShortsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, SHORTS)


def _operator(symbol: Any, *emitters: tuple[Any, Callable[[Any, Any, Any], Any]]) -> None:
    """Let ``symbol`` work on two strips of each of the kinds."""
    listed = [signature(kind, kind, kind) for kind, _ in emitters]
    infer_global(symbol)(type("Strips", (ConcreteTemplate,), {"cases": listed}))
    for kind, emit in emitters:

        def lower(context: Any, builder: Any, found: Any, arguments: Any, emit: Any = emit) -> Any:
            return emit(builder, *arguments)

        lower_builtin(symbol, kind, kind)(lower)


_operator(operator.add, (SINGLE, lambda b, x, y: b.fadd(x, y, flags=LOOSE)), (WHOLE, lambda b, x, y: b.add(x, y)))
_operator(operator.sub, (SINGLE, lambda b, x, y: b.fsub(x, y, flags=LOOSE)), (WHOLE, lambda b, x, y: b.sub(x, y)))
_operator(operator.mul, (SINGLE, lambda b, x, y: b.fmul(x, y, flags=LOOSE)), (WHOLE, lambda b, x, y: b.mul(x, y)))
_operator(operator.and_, *((kind, lambda b, x, y: b.and_(x, y)) for kind in (WHOLE, SHORT)))
_operator(operator.or_, *((kind, lambda b, x, y: b.or_(x, y)) for kind in (WHOLE, SHORT)))
_operator(operator.xor, *((kind, lambda b, x, y: b.xor(x, y)) for kind in (WHOLE, SHORT)))
_operator(operator.lshift, *((kind, lambda b, x, y: b.shl(x, y)) for kind in (WHOLE, SHORT)))
_operator(operator.rshift, *((kind, lambda b, x, y: b.lshr(x, y)) for kind in (WHOLE, SHORT)))


def alike(builder: Any, value: Any, kind: Any) -> Any:
    """A vector whose lanes are all ``value``."""
    nothing = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(nothing, value, INT(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(INT, kind.count), [0] * kind.count))


def pairs_added(builder: Any, products: Any) -> Any:
    """Sums of neighbours in 32 products of 16-bit numbers: LLVM knows all of it as one instruction."""
    nothing = ir.Constant(products.type, ir.Undefined)
    kept = [ir.Constant(ir.VectorType(INT, LANES), list(range(i, 2 * LANES, 2))) for i in (0, 1)]
    even, odd = (builder.shuffle_vector(products, nothing, each) for each in kept)
    return builder.add(even, odd)


def _unary(result: Any, emit: Callable[[Any, Any], Any]) -> Any:
    """A function of one value that gives a strip."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, x: Any) -> Any:
        return result(x), lambda context, builder, found, arguments: emit(builder, arguments[0])

    return function


def of_llvm(name: str, result: Any = FLOATS, lane: str = "f32") -> Callable[..., Any]:
    """An operation that LLVM has as a function of vectors whose lanes are of a type."""
    named = f"llvm.{name}.v{LANES}{lane}"

    def emit(builder: Any, *operands: Any) -> Any:
        kind = ir.FunctionType(result, [operand.type for operand in operands])
        function = builder.module.globals.get(named) or ir.Function(builder.module, kind, named)
        return builder.call(function, operands)

    return emit


spread = _unary(SINGLE, lambda b, x: alike(b, x, FLOATS))  # all lanes a float32
spread_whole = _unary(WHOLE, lambda b, x: alike(b, x, INTS))  # all lanes an int32
spread_short = _unary(SHORT, lambda b, x: alike(b, x, SHORTS))  # all lanes an int16
floor = _unary(SINGLE, of_llvm("floor"))
nearest = _unary(SINGLE, of_llvm("rint"))  # halves to even
root = _unary(SINGLE, of_llvm("sqrt"))
magnitude = _unary(SINGLE, of_llvm("fabs"))
rounded = _unary(SINGLE, of_llvm("arithmetic.fence"))  # a product that no sum is fused with, whatever stands around
as_single = _unary(SINGLE, lambda b, x: b.sitofp(x, FLOATS))
bits_of = _unary(WHOLE, lambda b, x: b.bitcast(x, INTS))
from_bits = _unary(SINGLE, lambda b, x: b.bitcast(x, FLOATS))


@intrinsic  # type: ignore[untyped-decorator]
def least(typing: Any, x: Any, y: Any) -> Any:
    """The smaller of two strips, lane by lane."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return SINGLE(x, y), emit


@intrinsic  # type: ignore[untyped-decorator]
def most(typing: Any, x: Any, y: Any) -> Any:
    """The larger of two strips, lane by lane."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return SINGLE(x, y), emit


@intrinsic  # type: ignore[untyped-decorator]
def chosen(typing: Any, which: Any, x: Any, y: Any) -> Any:
    """``x`` in lanes where a whole number is negative, else ``y``."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        which, x, y = arguments
        return builder.select(builder.icmp_signed("<", which, ir.Constant(INTS, None)), x, y)

    return SINGLE(which, x, y), emit


@intrinsic  # type: ignore[untyped-decorator]
def counted(typing: Any, count: Any, x: Any, y: Any) -> Any:
    """``count``, one more in lanes where ``x`` and ``y`` differ."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        count, x, y = arguments
        more = builder.add(count, ir.Constant(INTS, [1] * LANES))
        return builder.select(builder.fcmp_unordered("!=", x, y), more, count)

    return WHOLE(count, x, y), emit


@intrinsic  # type: ignore[untyped-decorator]
def lanes(typing: Any) -> Any:
    """The strip 0, 1, … 15 of whole numbers."""
    return WHOLE(), lambda context, builder, found, arguments: ir.Constant(INTS, list(range(LANES)))


_added = of_llvm("vector.reduce.add", INDEX, "i64")


@intrinsic  # type: ignore[untyped-decorator]
def total(typing: Any, x: Any) -> Any:
    """The sum of 16 whole numbers, int64."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return _added(builder, builder.sext(arguments[0], ir.VectorType(INDEX, LANES)))

    return types.int64(x), emit
