"""Splitting: one matrix op as several, each with a part of the work, and what puts their results together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, Tag, model_validator

from hetsim.errors import InputError
from hetsim.operators import arithmetic, fused_operations, matrix_view
from hetsim.workload import Op, Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array

Way = Literal["rows", "columns", "depth"]


class Split(BaseModel):
    """How an op is split. Of a product Y = X W ``by: rows`` deals out the rows of X (its batch; every part has the
    whole W), ``columns`` those of W (every part has the whole X), ``depth`` the columns of X with the rows of W (the
    parts' results are added up).

    ``over`` names a component for each part, ``shares`` how much it gets (default: equal parts); ``parts`` makes so
    many equal ones that may go anywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    by: Way
    over: tuple[str, ...] = ()
    parts: StrictInt | None = Field(default=None, ge=2)
    shares: tuple[Annotated[float, Field(gt=0)], ...] = ()

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if (self.parts is None) == (not self.over):
            raise ValueError("give either over, the component of each part, or parts, how many there are")
        if self.over and len(self.over) < 2:
            raise ValueError("a split is over two components at least")
        if self.shares and len(self.shares) != self.count:
            raise ValueError(f"{len(self.shares)} shares for {self.count} parts")
        return self

    @property
    def count(self) -> int:
        """How many parts there are."""
        return self.parts or len(self.over)


class Axes(NamedTuple):
    """Along which axes X, W, the bias and Y are cut; None for one that every part has whole."""

    x: int | None
    w: int | None
    y: int | None


def parted(op: Op, split: Split) -> tuple[list[Op], list[Op]]:
    """The parts of an op, and the ops around them: one that deals X out, if it is dealt out, and one that joins.

    InputError for an op that cannot be split in this way, or not into so many parts.
    """
    axes = _axes(op, split.by)
    x, w = op.inputs[0], op.inputs[1]
    assert x is not None and w is not None
    length = x.shape[axes.x] if axes.x is not None else w.shape[axes.w or 0]
    cuts = _cuts(op, length, split)
    around, pieces = [], [x] * split.count
    if axes.x is not None:
        dealt = _dealt(op, x, axes.x, cuts)
        around, pieces = [dealt], list(dealt.outputs)
    parts = [_part(op, number, piece, axes, cut) for number, (piece, cut) in enumerate(zip(pieces, cuts, strict=True))]
    return parts, [*around, _joined(op, parts, axes)]


def ways(op: Op) -> tuple[Way, ...]:
    """The ways in which an op can be split: none if it is no product with a stored matrix on its right."""
    stored = op.matrix.stored if op.matrix is not None else None
    if stored is None or len(op.inputs) < 2 or op.inputs[1] is not stored or op.inputs[0] is stored:
        return ()
    found: list[Way] = []
    if _row_axis(op) is not None:
        found.append("rows")
    if op.kind != "Conv" or int(op.attributes.get("group", 1)) == 1:
        found += ["columns", "depth"]
    return tuple(found)


def _axes(op: Op, by: Way) -> Axes:
    able = ways(op)
    if by not in able:
        what = f"op {op.name!r} ({op.kind}) cannot be split by {by}"
        raise InputError.of(what, f"it can by {' or '.join(able)}" if able else "it is no product with stored weights")
    x = op.inputs[0]
    assert x is not None
    if by == "rows":
        return Axes(_row_axis(op), None, _row_axis(op))
    turned = op.kind == "Gemm" and bool(op.attributes.get("transB"))
    first, second = (1, 0) if op.kind == "Conv" or turned else (0, 1)  # of W: along the depth, along the columns
    if by == "columns":
        return Axes(None, second, 1 if op.kind == "Conv" else len(op.outputs[0].shape) - 1)
    across = op.kind == "Gemm" and bool(op.attributes.get("transA"))
    return Axes(1 if op.kind == "Conv" else 0 if across else len(x.shape) - 1, first, None)


def _row_axis(op: Op) -> int | None:
    """The axis of X, and of Y, along which there is more than one row; None where there is one."""
    x = op.inputs[0]
    assert x is not None
    if op.kind == "Conv":
        return 0 if x.shape[0] > 1 else None
    if op.kind == "Gemm" and op.attributes.get("transA"):
        return None
    return next((axis for axis in range(len(x.shape) - 1) if x.shape[axis] > 1), None)


def _cuts(op: Op, length: int, split: Split) -> list[slice]:
    """Where the parts begin and end: as near to their shares as whole numbers come."""
    shares = split.shares or (1.0,) * split.count
    ends = [round(length * sum(shares[: k + 1]) / sum(shares)) for k in range(split.count)]
    cuts = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
    if any(cut.stop <= cut.start for cut in cuts):
        raise InputError.of(f"op {op.name!r} has {length} {split.by} and cannot be split into {split.count} such parts")
    return cuts


def _dealt(op: Op, x: Tensor, axis: int, cuts: Sequence[slice]) -> Op:
    """The op that cuts X into pieces."""
    sizes = [cut.stop - cut.start for cut in cuts]
    pieces = tuple(
        Tensor(f"{op.name}/x{k}", _with(x.shape, axis, size), x.dtype, nonnegative=x.nonnegative)
        for k, size in enumerate(sizes)
    )
    lengths = Tensor(f"{op.name}/sizes", (len(sizes),), "int64", load=lambda: _integers(sizes))
    return Op(f"{op.name}/split", "Split", (x, lengths), pieces, {"axis": axis})


def _part(op: Op, number: int, x: Tensor, axes: Axes, cut: slice) -> Op:
    """One part: it has the op's bias and activation unless its result is only a share of a sum."""
    w, output = op.inputs[1], op.outputs[0]
    assert w is not None
    inputs: list[Tensor | None] = [x, w if axes.w is None else _cut(w, axes.w, cut)]
    if axes.y is not None:
        inputs += [_bias(b, output.shape[axes.y], cut, axes) for b in op.inputs[2:]]
    shape = output.shape if axes.y is None else _with(output.shape, axes.y, cut.stop - cut.start)
    made = Tensor(f"{op.name}/y{number}", shape, output.dtype, nonnegative=output.nonnegative and axes.y is not None)
    macs, element_ops = arithmetic(op.kind, op.attributes, inputs, (made,))
    activation = op.activation if axes.y is not None else None
    if activation is not None:
        element_ops += fused_operations(activation, made)
    view = matrix_view(op.kind, op.attributes, inputs, (made,))
    part = replace(op, name=f"{op.name}/{number}", inputs=tuple(inputs), outputs=(made,), activation=activation)
    return replace(part, macs=macs, element_ops=element_ops, matrix=view)


def _bias(bias: Tensor | None, columns: int, cut: slice, axes: Axes) -> Tensor | None:
    """A part's bias: its share of one for each column, else the whole."""
    if bias is None or axes.w is None or not bias.shape or bias.shape[-1] != columns:
        return bias
    return _cut(bias, len(bias.shape) - 1, cut)


def _joined(op: Op, parts: Sequence[Op], axes: Axes) -> Op:
    """The op that puts the parts' results one behind the other, or adds them up with what was left out of them."""
    results: list[Tensor | None] = [part.outputs[0] for part in parts]
    if axes.y is not None:
        return Op(f"{op.name}/join", "Concat", tuple(results), op.outputs, {"axis": axes.y})
    results += [_spread(op, b) for b in op.inputs[2:] if b is not None]
    macs, element_ops = arithmetic("Sum", {}, results, op.outputs)
    if op.activation is not None:
        element_ops += fused_operations(op.activation, op.outputs[0])
    return Op(f"{op.name}/join", "Sum", tuple(results), op.outputs, {}, op.activation, macs, element_ops)


def _spread(op: Op, bias: Tensor) -> Tensor:
    """The bias as an operand of a sum: times beta, and of a convolution one for each channel of an image."""
    beta = float(op.attributes.get("beta", 1.0)) if op.kind == "Gemm" else 1.0
    shape = (-1, *(1,) * (len(op.outputs[0].shape) - 2)) if op.kind == "Conv" else bias.shape
    if beta == 1 and shape == bias.shape:
        return bias
    sizes = (bias.shape[0], *shape[1:]) if op.kind == "Conv" else bias.shape
    return _made(bias, f"{op.name}/bias", sizes, lambda value: (value * value.dtype.type(beta)).reshape(shape))


def _cut(tensor: Tensor, axis: int, cut: slice) -> Tensor:
    """A part of a constant, by a name of its own."""
    index = (slice(None),) * axis + (cut,)
    shape = _with(tensor.shape, axis, cut.stop - cut.start)
    return _made(tensor, f"{tensor.name}[{':,' * axis}{cut.start}:{cut.stop}]", shape, lambda value: value[index])


def _made(
    tensor: Tensor, name: str, shape: Sequence[int], change: Callable[[Array], Array]
) -> Tensor:
    """A constant whose numbers are made of another one's."""
    return Tensor(
        name, shape, tensor.dtype, load=lambda: change(tensor.value), version=tensor.version,
        nonnegative=tensor.nonnegative,
    )  # fmt: skip


def _with(shape: Sequence[int], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _integers(sizes: Sequence[int]) -> Any:
    import numpy as np

    return np.array(sizes, np.int64)


def word_or_mapping(value: Any) -> str:
    """Tells a setting that is a word from one that is a mapping, so that only what was meant is held against it."""
    return "word" if isinstance(value, str) else "mapping"


Splits = Annotated[
    Annotated[Literal["none", "auto"], Tag("word")] | Annotated[Mapping[str, Split], Tag("mapping")],
    Discriminator(word_or_mapping),
]
