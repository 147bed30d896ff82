"""The two innermost loops, which keep their sums in registers: table lookups and matrix products.

Both are written in LLVM's vectors of 64 bytes, one instruction each where a processor has them and as many as it
takes elsewhere; Numba's own loops keep sums in memory, at half the speed. The order of a sum is that of the rows,
whatever the processor's registers, the number of vectors and the place of one among them.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hetsim.analog.kernels.memory import address
from hetsim.analog.kernels.strips import alike, pairs_added
from hetsim.analog.lines import LANES, LINE

SLOTS = 16  # sums of a set, which one call of `add_rows` takes on
PANEL = 6  # rows of a product
# 32 registers of a whole vector, or 16 of half of one
WIDE = bool(llvm.get_host_cpu_features().get("avx512f"))

_INDEX, _INT, _SHORT, _BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(16), ir.IntType(8)


def _counted(builder: Any, count: Any, sums: list[Any], body: Any) -> list[Any]:
    """Emit ``for i in range(count): sums = body(i, sums)`` with the sums in registers; at least one round."""
    before = builder.block
    loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    i = builder.phi(_INDEX)
    held = [builder.phi(x.type) for x in sums]
    after = body(i, held)
    following = builder.add(i, _INDEX(1))
    for phi, first, last in zip([i, *held], [_INDEX(0), *sums], [following, *after], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(last, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
    builder.position_at_end(done)
    return after


def _four(builder: Any, place: Any, at: int) -> list[Any]:
    """Four numbers of 16 bits from the ``at``-th at an address on, by one load: loads are what `add_rows` waits for."""
    word = builder.load(builder.bitcast(builder.gep(place, [_INDEX(at)]), _INDEX.as_pointer()), align=2)
    return [builder.and_(builder.lshr(word, _INDEX(16 * i)), _INDEX(0xFFFF)) for i in range(4)]


def _row_adder(onward: bool) -> Any:
    """`add_rows` if sums go ``onward`` from what they were, else `sum_rows`."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, table: Any, offsets: Any, at: Any, groups: Any, sums: Any, row: Any) -> Any:
        whole = types.int64
        single = table.dtype == types.float32

        def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
            table, offsets, at, groups, sums, row = arguments
            element, lanes = (ir.FloatType(), LANES) if single else (ir.IntType(16), 2 * LANES)
            kind, add = ir.VectorType(element, lanes), builder.fadd if single else builder.add
            rows = address(context, builder, found.args[0], table, _INDEX(0), _BYTE)
            first = builder.mul(row, _INDEX(lanes))
            held = SLOTS if WIDE else SLOTS // 4
            for slot in range(0, SLOTS, held):
                offset = builder.add(at, _INDEX(slot))
                chosen = address(context, builder, found.args[1], offsets, offset, ir.IntType(16))
                where = [builder.add(first, _INDEX((slot + s) * lanes)) for s in range(held)]
                places = [address(context, builder, found.args[4], sums, w, kind) for w in where]

                def body(g: Any, held: list[Any], chosen: Any = chosen) -> list[Any]:
                    group = builder.gep(chosen, [builder.mul(g, _INDEX(SLOTS))])
                    offset = [each for s in range(0, len(held), 4) for each in _four(builder, group, s)]
                    picked = [builder.gep(rows, [o]) for o in offset]
                    parts = [builder.load(builder.bitcast(p, kind.as_pointer()), align=LINE) for p in picked]
                    return [add(x, y) for x, y in zip(held, parts, strict=True)]

                begun = [builder.load(p, align=LINE) if onward else ir.Constant(kind, None) for p in places]
                for place, result in zip(places, _counted(builder, groups, begun, body), strict=True):
                    builder.store(result, place, align=LINE)
            return context.get_dummy_value()

        return types.void(table, offsets, whole, whole, sums, whole), emit

    return function


# Sums of a row of `table` for each of `groups`, in the 16 rows of `sums` from `row` on, 64 bytes each, or added to what
# stands there. `table` and `sums` are contiguous, aligned arrays of float32, int16 or uint16; `offsets` uint16, from
# index `at` on, are [groups, 16] bytes from the start of the table.
sum_rows, add_rows = _row_adder(False), _row_adder(True)


def _multiplied(builder: Any, value: Any, weights: Any, total: Any) -> Any:
    """``total`` and the products of a single, or of a pair of 16-bit numbers, with a vector of singles or pairs."""
    if weights.type.element == ir.FloatType():
        return builder.fadd(builder.fmul(value, weights, flags=["contract"]), total, flags=["contract"])
    wide = ir.VectorType(_INT, 2 * LANES)
    pairs = builder.sext(builder.bitcast(value, weights.type), wide)
    return builder.add(pairs_added(builder, builder.mul(pairs, builder.sext(weights, wide))), total)


def _product(vectors: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def multiply(
        typing: Any, left: Any, at: Any, apart: Any, step: Any, count: Any, right: Any, where: Any, wide: Any,
        out: Any, to: Any, row: Any,
    ) -> Any:  # fmt: skip
        whole, paired = types.int64, left.dtype == types.int16
        kind = ir.VectorType(_INT if paired else ir.FloatType(), LANES)
        number, weight = (_SHORT, ir.VectorType(_SHORT, 2 * LANES)) if paired else (ir.FloatType(), kind)

        def emit(context: Any, builder: Any, found: Any, arguments: Any) -> Any:
            left, at, apart, step, count, right, where, wide, out, to, row = arguments
            begin = address(context, builder, found.args[0], left, at, number)
            rows = [builder.gep(begin, [builder.mul(apart, _INDEX(r))]) for r in range(PANEL)]
            columns = address(context, builder, found.args[5], right, where, number)

            def body(k: Any, sums: list[Any]) -> list[Any]:
                line = builder.gep(columns, [builder.mul(k, wide)])
                places = [builder.gep(line, [_INDEX(v * weight.count)]) for v in range(vectors)]
                weights = [builder.load(builder.bitcast(p, weight.as_pointer()), align=LINE) for p in places]
                far = builder.mul(k, step)
                result = []
                for r in range(PANEL):
                    place = builder.bitcast(builder.gep(rows[r], [far]), kind.element.as_pointer())
                    value = alike(builder, builder.load(place, align=4), kind)
                    parts = zip(weights, sums[r * vectors : (r + 1) * vectors], strict=True)
                    result += [_multiplied(builder, value, w, s) for w, s in parts]
                return result

            zeros = [ir.Constant(kind, None)] * (PANEL * vectors)
            for i, result in enumerate(_counted(builder, count, zeros, body)):
                r, v = divmod(i, vectors)
                index = builder.add(to, builder.add(builder.mul(row, _INDEX(r)), _INDEX(v * LANES)))
                builder.store(result, address(context, builder, found.args[8], out, index, kind), align=LINE)
            return context.get_dummy_value()

        return types.void(left, whole, whole, whole, whole, right, whole, whole, out, whole, whole), emit

    return multiply


# Products of 6 rows of `left`, float32 from index `at` on, rows `apart` and numbers of a row `step` from each other,
# `count` of them, with 64 (16) columns of `right`, from index `where` on, in rows that are `wide`. They are written
# to `out` from index `to` on, in rows of length `row`. Or, of int16, of pairs of neighbours in `left` with pairs in
# `right`, exact in int32.
multiply_block, multiply_strip = _product(4), _product(1)
