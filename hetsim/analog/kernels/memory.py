"""Strips from and to memory: sixteen numbers of an array, or at an address.

What innermost loops read is given by address: counting references to arrays would cost more than the reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hetsim.analog.kernels.compiled import inlined
from hetsim.analog.kernels.strips import (
    FLOATS,
    INT,
    INTS,
    LOOSE,
    SHORT,
    SHORTS,
    SINGLE,
    WHOLE,
    alike,
    of_llvm,
    pairs_added,
)
from hetsim.analog.lines import LANES, LINE

_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


@inlined()
def origin(array: Any) -> Any:
    """Where an array begins: an address is unsigned, and Numba adds such numbers to signed ones as floats."""
    return np.int64(array.ctypes.data)


def address(context: Any, builder: Any, kind: Any, array: Any, at: Any, as_type: Any) -> Any:
    """Where an array's element lies, counted in memory order, as a pointer to ``as_type``."""
    data = builder.gep(context.make_array(kind)(context, builder, array).data, [at])
    return builder.bitcast(data, as_type.as_pointer())


def _loaded(builder: Any, place: Callable[[Any], Any], number: Any) -> Any:
    """Sixteen numbers of a Numba type as singles; ``place`` gives their address as a pointer to a vector."""
    if number == types.float32:
        return builder.load(place(FLOATS), align=4)
    if number == types.int32:
        return builder.sitofp(builder.load(place(INTS), align=4), FLOATS)
    wider = builder.sext if number.signed else builder.zext
    return builder.sitofp(wider(builder.load(place(SHORTS), align=2), INTS), FLOATS)


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
        kind = FLOATS if single else SHORTS
        values = strip if single else builder.fptosi(strip, kind)
        builder.store(values, address(context, builder, found.args[1], array, at, kind), align=2)
        return context.get_dummy_value()

    return types.void(strip, array, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def load_words(typing: Any, array: Any, at: Any) -> Any:
    """Sixteen whole numbers of a uint32 array from index ``at`` on."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, found.args[0], *arguments, INTS), align=4)

    return WHOLE(array, types.int64), emit


def _at(builder: Any, place: Any, kind: Any) -> Any:
    return builder.inttoptr(place, kind.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def read(typing: Any, place: Any, dtype: Any) -> Any:
    """Sixteen numbers of a type (float32, int32, int16, uint16) at an address, as singles."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return _loaded(builder, lambda kind: _at(builder, arguments[0], kind), dtype.dtype)

    return SINGLE(types.int64, dtype), emit


def _reader(result: Any, kind: Any) -> Any:
    """A function that gives the whole numbers at an address as they are."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, place: Any) -> Any:
        def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
            return builder.load(_at(builder, arguments[0], kind), align=2)

        return result(types.int64), emit

    return function


read_words, read_shorts = _reader(WHOLE, INTS), _reader(SHORT, SHORTS)  # sixteen of 32 bits, sixteen of 16


@intrinsic  # type: ignore[untyped-decorator]
def number_at(typing: Any, place: Any) -> Any:
    """The uint16 at an address."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return builder.zext(builder.load(_at(builder, arguments[0], ir.IntType(16))), ir.IntType(64))

    return types.int64(types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def spaced(typing: Any, place: Any, step: Any) -> Any:
    """Sixteen float32, the first at an address and each next one ``step`` bytes further on."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        (place, step), strip = arguments, ir.Constant(FLOATS, ir.Undefined)
        for i in range(LANES):
            one = builder.load(_at(builder, builder.add(place, builder.mul(step, step.type(i))), ir.FloatType()))
            strip = builder.insert_element(strip, one, INT(i))
        return strip

    return SINGLE(types.int64, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def every(typing: Any, place: Any) -> Any:
    """A strip whose lanes are all the float32 at an address."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        return alike(builder, builder.load(_at(builder, arguments[0], ir.FloatType())), FLOATS)

    return SINGLE(types.int64), emit


def _writer(kind: Any, change: Callable[[Any, Any], Any] = lambda builder, strip: strip) -> Any:
    """A function that writes a strip to an address as numbers of a kind."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, strip: Any, place: Any) -> Any:
        def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
            strip, place = arguments
            builder.store(change(builder, strip), _at(builder, place, kind), align=2)
            return context.get_dummy_value()

        return types.void(strip, types.int64), emit

    return function


write = _writer(FLOATS)  # singles as float32
write_words = _writer(INTS)  # whole numbers as int32
# whole numbers as int16, or uint16
write_shorts = _writer(SHORTS, lambda b, strip: strip if strip.type == SHORTS else b.trunc(strip, SHORTS))


@intrinsic  # type: ignore[untyped-decorator]
def scaled(typing: Any, place: Any, scale: Any) -> Any:
    """Sixteen float64 at an address, times ``scale``, as singles."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        values = builder.load(_at(builder, arguments[0], _DOUBLES), align=8)
        product = builder.fmul(values, alike(builder, arguments[1], _DOUBLES))
        return builder.fptrunc(product, FLOATS)

    return SINGLE(types.int64, types.float64), emit


@intrinsic  # type: ignore[untyped-decorator]
def add_scaled(typing: Any, strip: Any, scale: Any, place: Any) -> Any:
    """Add singles, times the float64 at address ``scale``, to the float64 at address ``place``."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        strip, scale, place = arguments
        factors = builder.load(_at(builder, scale, _DOUBLES), align=8)
        product = builder.fmul(builder.fpext(strip, _DOUBLES), factors, flags=LOOSE)
        out = _at(builder, place, _DOUBLES)
        builder.store(builder.fadd(builder.load(out, align=8), product, flags=LOOSE), out, align=8)
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
            summed = builder.fadd(summed, builder.extract_element(product, INT(i)))
        return summed

    return types.float64(strip, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def add_lines(typing: Any, left: Any, at: Any, right: Any, of: Any, out: Any, to: Any) -> Any:
    """Sums of 64 bytes of two arrays of singles or 16-bit numbers, written to a third; all of them aligned."""
    whole = types.int64

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        left, at, right, of, out, to = arguments
        single = found.args[0].dtype == types.float32
        kind = FLOATS if single else ir.VectorType(ir.IntType(16), 2 * LANES)
        x = builder.load(address(context, builder, found.args[0], left, at, kind), align=LINE)
        y = builder.load(address(context, builder, found.args[2], right, of, kind), align=LINE)
        place = address(context, builder, found.args[4], out, to, kind)
        builder.store(builder.fadd(x, y) if single else builder.add(x, y), place, align=LINE)
        return context.get_dummy_value()

    return types.void(left, whole, right, whole, out, whole), emit


def _shown(builder: Any, place: Any, first: Any, mask: Any, kind: Any) -> tuple[Any, Any]:
    """Which of the int16 at an address are positive, and the bits of their magnitudes from the ``first`` on that
    ``mask`` lets pass."""
    codes, none = builder.load(_at(builder, place, kind), align=2), ir.Constant(kind, None)
    positive = builder.icmp_signed(">", codes, none)
    magnitude = builder.select(positive, codes, builder.sub(none, codes))
    return positive, builder.and_(builder.lshr(magnitude, alike(builder, first, kind)), alike(builder, mask, kind))


@intrinsic  # type: ignore[untyped-decorator]
def parts(typing: Any, place: Any, first: Any, mask: Any, plus: Any, minus: Any) -> Any:
    """Of sixteen int16 at an address, the bits of their magnitudes from the ``first`` on that ``mask`` lets pass, times
    ``plus`` where they are positive and ``minus`` where not; all of them int16."""
    short = types.int16

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        positive, part = _shown(builder, *arguments[:3], SHORTS)
        plus, minus = (alike(builder, figure, SHORTS) for figure in arguments[3:])
        return builder.sext(builder.mul(part, builder.select(positive, plus, minus)), INTS)

    return WHOLE(types.int64, short, short, short, short), emit


_set_bits = of_llvm("ctpop", SHORTS, "i16")


@intrinsic  # type: ignore[untyped-decorator]
def ones(typing: Any, place: Any) -> Any:
    """How many bits of the magnitudes of sixteen int16 at an address are set."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        short = ir.IntType(16)
        magnitude = _shown(builder, arguments[0], short(0), short(0x7FFF), SHORTS)[1]
        return builder.zext(_set_bits(builder, magnitude), INTS)

    return WHOLE(types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def magnitudes_of(typing: Any, place: Any, sign: Any) -> Any:
    """Magnitudes of those of sixteen int16 at an address that have the ``sign`` int16, 1 or -1; 0 for the others."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        codes = builder.load(_at(builder, arguments[0], SHORTS), align=2)
        turned = builder.mul(codes, alike(builder, arguments[1], SHORTS))
        none = ir.Constant(SHORTS, None)
        return builder.select(builder.icmp_signed(">", turned, none), turned, none)

    return SHORT(types.int64, types.int16), emit


@intrinsic  # type: ignore[untyped-decorator]
def squares(typing: Any, place: Any, first: Any, mask: Any) -> Any:
    """Of 32 int16 at an address, the squares of the bits of their magnitudes from the ``first`` on that ``mask`` lets
    pass, each two neighbours' added."""

    def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
        wide = ir.VectorType(INT, 2 * LANES)
        part = builder.sext(_shown(builder, *arguments, ir.VectorType(ir.IntType(16), 2 * LANES))[1], wide)
        return pairs_added(builder, builder.mul(part, part))

    return WHOLE(types.int64, types.int16, types.int16), emit
