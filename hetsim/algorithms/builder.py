"""Building the graphs that a program emits: ops with their shapes and exact costs, written as arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Graph, Op, Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array


class Value(Tensor):
    """A tensor of a graph that is being built. Arithmetic with it appends ops; Python numbers become constants.

    Reductions keep their axes, so that results broadcast against what they were made from.
    """

    __slots__ = ("builder",)

    def __init__(self, builder: Builder, name: str, shape: Sequence[int], dtype: str, **more: Any) -> None:
        super().__init__(name, shape, dtype, **more)
        self.builder = builder

    def named(self, name: str) -> Value:
        """Give the op that made this value a name of its own, by which a scenario can pin it."""
        self.builder.rename(self, name)
        return self

    def __matmul__(self, other: Value) -> Value:
        return self.builder.op("MatMul", "", self, other, shape=(*self.shape[:-1], other.shape[-1]))

    def __add__(self, other: Value | float) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self._with("Sub", other)

    def __mul__(self, other: Value | float) -> Value:
        return self._with("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self._with("Div", other)

    def __rsub__(self, other: float) -> Value:
        return self._number(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def __gt__(self, other: Value | float) -> Value:
        return self._with("Greater", other, dtype="bool")

    def __lt__(self, other: Value | float) -> Value:
        return self._with("Less", other, dtype="bool")

    def apply(self, kind: str, **attributes: Any) -> Value:
        """An element-wise operator of one input: ``Exp``, ``Sigmoid``, ``Tanh``, ``Sign``, ``Abs`` …"""
        return self.builder.op(kind, "", self, **attributes)

    def maximum(self, other: Value | float) -> Value:
        return self._with("Max", other)

    def minimum(self, other: Value | float) -> Value:
        return self._with("Min", other)

    def where(self, yes: Value | float, no: Value | float) -> Value:
        """``yes`` where this (bool) is true, else ``no``."""
        dtype = next((v.dtype for v in (yes, no) if isinstance(v, Value)), "float32")
        made = [v if isinstance(v, Value) else self.builder.number(v, dtype) for v in (yes, no)]
        return self.builder.op("Where", "", self, *made, dtype=dtype)

    def cast(self, dtype: str) -> Value:
        codes = {"float32": 1, "int64": 7, "float64": 11}
        return self.builder.op("Cast", "", self, dtype=dtype, to=codes[dtype])

    def transpose(self) -> Value:
        return self.builder.op("Transpose", "", self, shape=self.shape[::-1], perm=(1, 0))

    def sum(self, *axes: int) -> Value:
        return self._reduced("ReduceSum", axes)

    def mean(self, *axes: int) -> Value:
        return self._reduced("ReduceMean", axes)

    def square_sum(self, *axes: int) -> Value:
        return self._reduced("ReduceSumSquare", axes)

    def norm(self, *axes: int) -> Value:
        return self._reduced("ReduceL2", axes)

    def largest(self, *axes: int) -> Value:
        return self._reduced("ReduceMax", axes)

    def argmax(self, axis: int) -> Value:
        return self._chosen("ArgMax", axis)

    def argmin(self, axis: int) -> Value:
        return self._chosen("ArgMin", axis)

    def smallest(self, count: int) -> tuple[Value, Value]:
        """The ``count`` smallest numbers along the last axis, and their indices."""
        shape, wanted = (*self.shape[:-1], count), self.builder.constant(f"top{count}", _integers(count))
        made = (shape, self.dtype), (shape, "int64")
        values, indices = self.builder.ops("TopK", "", self, wanted, made=made, largest=0)
        return values, indices

    def split(self, count: int) -> Sequence[Value]:
        """Equal parts along the first axis."""
        made = (((self.shape[0] // count, *self.shape[1:]), self.dtype),) * count
        return self.builder.ops("Split", "", self, made=made, axis=0, num_outputs=count)

    def gather(self, indices: Value) -> Value:
        """Rows by index: shape of ``indices``, then that of a row."""
        return self.builder.op("Gather", "", self, indices, shape=(*indices.shape, *self.shape[1:]), axis=0)

    def _number(self, value: float) -> Value:
        return self.builder.number(value, self.dtype)

    def _with(self, kind: str, other: Value | float, **more: Any) -> Value:
        return self.builder.op(kind, "", self, other if isinstance(other, Value) else self._number(other), **more)

    def _reduced(self, kind: str, axes: Sequence[int]) -> Value:
        taken = {axis % len(self.shape) for axis in axes or range(len(self.shape))}
        shape = [1 if axis in taken else n for axis, n in enumerate(self.shape)]
        if not axes:
            return self.builder.op(kind, "", self, shape=shape, keepdims=1)
        name = "axes" + "_".join(map(str, sorted(taken)))
        return self.builder.op(
            kind, "", self, self.builder.constant(name, _integers(*sorted(taken))), shape=shape, keepdims=1
        )

    def _chosen(self, kind: str, axis: int) -> Value:
        shape = [1 if i == axis % len(self.shape) else n for i, n in enumerate(self.shape)]
        return self.builder.op(kind, "", self, shape=shape, dtype="int64", axis=axis, keepdims=1)


class Builder:
    """Collects ops one after the other; each call of `op` returns the tensor that the op makes.

    Ops have the semantics of the ONNX operator of their kind. Everything a program computes goes through here,
    since arithmetic outside ops would be free. An op without a name gets that of the graph and its kind. With
    ``exact``, ops run only where their own dtype is computed.
    """

    def __init__(self, name: str, exact: bool = False) -> None:
        self._name, self._ops, self._inputs = name, list[Op](), list[Tensor]()
        self._exact, self._unnamed = exact, Counter[str]()

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32", nonnegative: bool = False) -> Value:
        """An input that the program feeds at the host."""
        tensor = Value(self, name, shape, dtype, nonnegative=nonnegative)
        self._inputs.append(tensor)
        return tensor

    def constant(self, name: str, value: Array, dtype: str | None = None, version: int = 0) -> Value:
        """Numbers that stay: stored data, coefficients. New numbers under an old name are a new ``version``."""
        value = value if dtype is None else value.astype(dtype)
        return Value(self, name, value.shape, str(value.dtype), load=lambda: value, version=version)

    def number(self, value: float, dtype: str = "float32") -> Value:
        """A scalar, named by what it is."""
        import numpy as np

        return self.constant(f"{value!r} {dtype}", np.array(value, dtype))

    def concat(self, *parts: Value, axis: int = -1) -> Value:
        """One after the other along an axis."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.op("Concat", "", *parts, shape=shape, axis=axis)

    def op(
        self,
        kind: str,
        name: str,
        *inputs: Tensor,
        shape: Sequence[int] | None = None,
        dtype: str | None = None,
        exact: bool = False,
        **attributes: Any,
    ) -> Value:
        """Append an op named ``name``, whose result has the same name. Broadcasting ops infer their shape."""
        made = (_broadcast(inputs) if shape is None else shape, dtype or inputs[0].dtype)
        return self.ops(kind, name, *inputs, made=(made,), exact=exact, **attributes)[0]

    def ops(
        self,
        kind: str,
        name: str,
        *inputs: Tensor,
        made: Sequence[tuple[Sequence[int], str]],
        exact: bool = False,
        **attributes: Any,
    ) -> Sequence[Value]:
        """Append an op with several results, ``made`` of (shape, dtype); the first has the op's name."""
        name = name or self._called(kind)
        outputs = tuple(Value(self, f"{name}.{k}" if k else name, s, d) for k, (s, d) in enumerate(made))
        macs, element_ops = arithmetic(kind, attributes, inputs, outputs)
        view = matrix_view(kind, attributes, inputs, outputs)
        exact = exact or self._exact
        self._ops.append(Op(name, kind, tuple(inputs), outputs, attributes, None, macs, element_ops, view, exact))
        return outputs

    def rename(self, value: Value, name: str) -> None:
        """Give the op that made a value, and the value, a name."""
        at = next(i for i in reversed(range(len(self._ops))) if self._ops[i].outputs[0] is value)
        value.name, self._ops[at] = name, replace(self._ops[at], name=name)

    def graph(self, outputs: Sequence[Tensor]) -> Graph:
        """The graph of all ops so far; ``outputs`` come back to the program."""
        return Graph(self._name, self._ops, self._inputs, outputs)

    def _called(self, kind: str) -> str:
        self._unnamed[kind] += 1
        count = self._unnamed[kind]
        return f"{self._name}.{kind.lower()}" + (f"_{count}" if count > 1 else "")


class Stored:
    """A matrix W [K, N] that stays where it is and is read both ways.

    Parts without transposed reads store it once more for those. ``load`` gives the numbers; None for a matrix that is
    known by its ``shape`` only. A ``trained`` one is changed where it is.
    """

    def __init__(
        self,
        builder: Builder,
        name: str,
        shape: tuple[int, int],
        load: Callable[[], Array] | None,
        version: int = 0,
        trained: bool = False,
    ) -> None:
        self._builder, self._shape = builder, shape
        self._matrix = Value(
            builder, name, shape, "float32", load=load, constant=True, version=version, trained=trained
        )

    def forward(self, x: Value, name: str) -> Value:
        """x [M, K] -> x W [M, N], by an op of this name."""
        return (x @ self._matrix).named(name)

    def back(self, y: Value, name: str) -> Value:
        """y [M, N] -> y Wᵀ [M, K], by an op of this name."""
        return self._builder.op("Gemm", name, y, self._matrix, shape=(y.shape[0], self._shape[0]), transB=1)

    def update(self, x: Value, d: Value, rate: float, name: str, after: Value | None = None, **how: Any) -> None:
        """Add ``rate`` xᵀ d to W where it is, for x [M, K] and d [M, N], when ``after`` is there; ``how``: the scheme
        and the length of trains, see `hetsim.analog.update.outer`."""
        late = () if after is None else (after,)
        self._builder.ops("OuterUpdate", name, x, d, self._matrix, *late, made=(), rate=rate, **how)


def _integers(*values: int) -> Array:
    import numpy as np

    return np.array(values)


def _broadcast(inputs: Sequence[Tensor]) -> tuple[int, ...]:
    """The shape of element-wise operators' results."""
    rank = max(len(t.shape) for t in inputs)
    padded = [(1,) * (rank - len(t.shape)) + t.shape for t in inputs]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))
