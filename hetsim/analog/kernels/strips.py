"""Sixteen numbers as one value of compiled code: a strip of lines in a register.

Loops over 16 lines, written out, are left scalar by Numba, which cannot tell that arrays do not overlap. These
are LLVM's vectors: one instruction each where a processor has vectors of 64 bytes, a few elsewhere. A strip holds
singles or whole numbers of 32 bits; the operators ``+ - *`` work on two strips of a kind, ``& | ^ << >>`` on whole
ones.
What innermost loops read is given by address: counting references to arrays would cost more than the reads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from hetsim.analog.lines import LANES, LINE


class Singles(types.Type):  # type: ignore[misc]
    """Sixteen float32."""


class Words(types.Type):  # type: ignore[misc]
    """Sixteen int32, or bits."""


SINGLE, WHOLE = Singles("Singles"), Words("Words")
_INT, _INDEX = ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_INT, LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_LOOSE = ("contract", "nsz")
_LLVM = {SINGLE: _FLOATS, WHOLE: _INTS}


@register_model(Singles)
class _SinglesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


@register_model(Words)
class _WordsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _INTS)


def _operator(symbol: Any, *emitters: tuple[Any, Callable[[Any, Any, Any], Any]]) -> None:
    """Let ``symbol`` work on two strips of each of the kinds."""
    listed = [signature(kind, kind, kind) for kind, _ in emitters]
    infer_global(symbol)(type("Strips", (ConcreteTemplate,), {"cases": listed}))
    for kind, emit in emitters:

        def lower(context: Any, builder: Any, found: Any, arguments: Any, emit: Any = emit) -> Any:
            return emit(builder, *arguments)

        lower_builtin(symbol, kind, kind)(lower)


_operator(operator.add, (SINGLE, lambda b, x, y: b.fadd(x, y, flags=_LOOSE)), (WHOLE, lambda b, x, y: b.add(x, y)))
_operator(operator.sub, (SINGLE, lambda b, x, y: b.fsub(x, y, flags=_LOOSE)), (WHOLE, lambda b, x, y: b.sub(x, y)))
_operator(operator.mul, (SINGLE, lambda b, x, y: b.fmul(x, y, flags=_LOOSE)), (WHOLE, lambda b, x, y: b.mul(x, y)))
_operator(operator.and_, (WHOLE, lambda b, x, y: b.and_(x, y)))
_operator(operator.or_, (WHOLE, lambda b, x, y: b.or_(x, y)))
_operator(operator.xor, (WHOLE, lambda b, x, y: b.xor(x, y)))
_operator(operator.lshift, (WHOLE, lambda b, x, y: b.shl(x, y)))
_operator(operator.rshift, (WHOLE, lambda b, x, y: b.lshr(x, y)))


def address(context: Any, builder: Any, kind: Any, array: Any, at: Any, as_type: Any) -> Any:
    """Where an array's element lies, counted in memory order, as a pointer to ``as_type``."""
    data = builder.gep(context.make_array(kind)(context, builder, array).data, [at])
    return builder.bitcast(data, as_type.as_pointer())


def alike(builder: Any, value: Any, kind: Any) -> Any:
    """A vector whose lanes are all ``value``."""
    nothing = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(nothing, value, _INT(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES))


def _unary(result: Any, emit: Callable[[Any, Any], Any]) -> Any:
    """A function of one value that gives a strip."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, x: Any) -> Any:
        return result(x), lambda context, builder, found, arguments: emit(builder, arguments[0])

    return function


def _of_llvm(name: str) -> Callable[..., Any]:
    """An operation that LLVM has as a function of vectors."""

    def emit(builder: Any, *operands: Any) -> Any:
        named = f"llvm.{name}.v{LANES}f32"
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(operands))
        function = builder.module.globals.get(named) or ir.Function(builder.module, kind, named)
        return builder.call(function, operands)

    return emit


spread = _unary(SINGLE, lambda b, x: alike(b, x, _FLOATS))  # all lanes a float32
spread_whole = _unary(WHOLE, lambda b, x: alike(b, x, _INTS))  # all lanes an int32
floor = _unary(SINGLE, _of_llvm("floor"))
nearest = _unary(SINGLE, _of_llvm("rint"))  # halves to even
root = _unary(SINGLE, _of_llvm("sqrt"))
magnitude = _unary(SINGLE, _of_llvm("fabs"))
as_single = _unary(SINGLE, lambda b, x: b.sitofp(x, _FLOATS))
bits_of = _unary(WHOLE, lambda b, x: b.bitcast(x, _INTS))
from_bits = _unary(SINGLE, lambda b, x: b.bitcast(x, _FLOATS))


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
    """``x`` in lanes where a whole number is not zero, else ``y``."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        which, x, y = arguments
        return builder.select(builder.icmp_unsigned("!=", which, ir.Constant(_INTS, None)), x, y)

    return SINGLE(which, x, y), emit


@intrinsic  # type: ignore[untyped-decorator]
def counted(typing: Any, count: Any, x: Any, y: Any) -> Any:
    """``count``, one more in lanes where ``x`` and ``y`` differ."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        count, x, y = arguments
        more = builder.add(count, ir.Constant(_INTS, [1] * LANES))
        return builder.select(builder.fcmp_unordered("!=", x, y), more, count)

    return WHOLE(count, x, y), emit


@intrinsic  # type: ignore[untyped-decorator]
def lanes(typing: Any) -> Any:
    """The strip 0, 1, … 15 of whole numbers."""
    return WHOLE(), lambda context, builder, found, arguments: ir.Constant(_INTS, list(range(LANES)))


@intrinsic  # type: ignore[untyped-decorator]
def total(typing: Any, x: Any) -> Any:
    """The sum of 16 whole numbers, int64."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        summed = _INDEX(0)
        for i in range(LANES):
            summed = builder.add(summed, builder.sext(builder.extract_element(arguments[0], _INT(i)), _INDEX))
        return summed

    return types.int64(x), emit


def _loaded(builder: Any, place: Callable[[Any], Any], number: Any) -> Any:
    """Sixteen numbers of a Numba type as singles; ``place`` gives their address as a pointer to a vector."""
    if number == types.float32:
        return builder.load(place(_FLOATS), align=4)
    if number == types.int32:
        return builder.sitofp(builder.load(place(_INTS), align=4), _FLOATS)
    short = ir.VectorType(ir.IntType(16), LANES)
    wider = builder.sext if number.signed else builder.zext
    return builder.sitofp(wider(builder.load(place(short), align=2), _INTS), _FLOATS)


@intrinsic  # type: ignore[untyped-decorator]
def load(typing: Any, array: Any, at: Any) -> Any:
    """Sixteen numbers of a float32, int32, int16 or uint16 array from index ``at`` on, as singles."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        def place(kind: Any) -> Any:
            return address(context, builder, found.args[0], *arguments, kind)

        return _loaded(builder, place, array.dtype)

    return SINGLE(array, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def store(typing: Any, strip: Any, array: Any, at: Any) -> Any:
    """Write singles into an array from index ``at`` on, as float32 or int16."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        strip, array, at = arguments
        single = found.args[1].dtype == types.float32
        kind = _FLOATS if single else ir.VectorType(ir.IntType(16), LANES)
        values = strip if single else builder.fptosi(strip, kind)
        builder.store(values, address(context, builder, found.args[1], array, at, kind), align=2)
        return context.get_dummy_value()

    return types.void(strip, array, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def load_words(typing: Any, array: Any, at: Any) -> Any:
    """Sixteen whole numbers of a uint32 array from index ``at`` on."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, found.args[0], *arguments, _INTS), align=4)

    return WHOLE(array, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def store_short(typing: Any, strip: Any, array: Any, at: Any) -> Any:
    """Write whole numbers into a uint16 array from index ``at`` on."""
    short = ir.VectorType(ir.IntType(16), LANES)

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        strip, array, at = arguments
        place = address(context, builder, found.args[1], array, at, short)
        builder.store(builder.trunc(strip, short), place, align=2)
        return context.get_dummy_value()

    return types.void(strip, array, types.int64), emit


def _at(builder: Any, place: Any, kind: Any) -> Any:
    return builder.inttoptr(place, kind.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def read(typing: Any, place: Any, dtype: Any) -> Any:
    """Sixteen numbers of a type (float32, int32, int16, uint16) at an address, as singles."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return _loaded(builder, lambda kind: _at(builder, arguments[0], kind), dtype.dtype)

    return SINGLE(types.int64, dtype), emit


@intrinsic  # type: ignore[untyped-decorator]
def every(typing: Any, place: Any) -> Any:
    """A strip whose lanes are all the float32 at an address."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return alike(builder, builder.load(_at(builder, arguments[0], ir.FloatType())), _FLOATS)

    return SINGLE(types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def write(typing: Any, strip: Any, place: Any) -> Any:
    """Write singles as float32 to an address."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        builder.store(arguments[0], _at(builder, arguments[1], _FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(strip, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def scaled(typing: Any, place: Any, scale: Any) -> Any:
    """Sixteen float64 at an address, times ``scale``, as singles."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        values = builder.load(_at(builder, arguments[0], _DOUBLES), align=8)
        product = builder.fmul(values, alike(builder, arguments[1], _DOUBLES))
        return builder.fptrunc(product, _FLOATS)

    return SINGLE(types.int64, types.float64), emit


@intrinsic  # type: ignore[untyped-decorator]
def add_scaled(typing: Any, strip: Any, scale: Any, place: Any) -> Any:
    """Add singles, times the float64 at address ``scale``, to the float64 at address ``place``."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        strip, scale, place = arguments
        factors = builder.load(_at(builder, scale, _DOUBLES), align=8)
        product = builder.fmul(builder.fpext(strip, _DOUBLES), factors, flags=_LOOSE)
        out = _at(builder, place, _DOUBLES)
        builder.store(builder.fadd(builder.load(out, align=8), product, flags=_LOOSE), out, align=8)
        return context.get_dummy_value()

    return types.void(strip, types.int64, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def weighted(typing: Any, strip: Any, weights: Any) -> Any:
    """The sum, in order, of 16 singles times the float64 at address ``weights``."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        strip, weights = arguments
        factors = builder.load(_at(builder, weights, _DOUBLES), align=8)
        product = builder.fmul(builder.fpext(strip, _DOUBLES), factors)
        summed = ir.Constant(ir.DoubleType(), 0.0)
        for i in range(LANES):
            summed = builder.fadd(summed, builder.extract_element(product, _INT(i)))
        return summed

    return types.float64(strip, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def add_lines(typing: Any, left: Any, at: Any, right: Any, of: Any, out: Any, to: Any) -> Any:
    """Sums of 64 bytes of two arrays of singles or 16-bit numbers, written to a third; all of them aligned."""
    whole = types.int64

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        left, at, right, of, out, to = arguments
        single = found.args[0].dtype == types.float32
        kind = _FLOATS if single else ir.VectorType(ir.IntType(16), 2 * LANES)
        x = builder.load(address(context, builder, found.args[0], left, at, kind), align=LINE)
        y = builder.load(address(context, builder, found.args[2], right, of, kind), align=LINE)
        place = address(context, builder, found.args[4], out, to, kind)
        builder.store(builder.fadd(x, y) if single else builder.add(x, y), place, align=LINE)
        return context.get_dummy_value()

    return types.void(left, whole, right, whole, out, whole), emit
