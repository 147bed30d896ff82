"""Nodes of a captured graph as rules see them, and what rules write: operators with ONNX's names and semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hetsim.frontends.onnx_nodes import DTYPES

if TYPE_CHECKING:
    from hetsim.workload import Array

CODES: Mapping[str, int] = {name: code for code, name in DTYPES.items()}  # TensorProto.DataType


class UnsupportedError(ValueError):
    """A form of an operator that its rule leaves out; the text says which."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph: its name, and a tensor without numbers (``fake``) that has its shape and dtype.

    ``stored`` is the name of the parameter or buffer that it is, empty for what is computed.
    """

    name: str
    fake: Any
    stored: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.fake.shape)

    @property
    def dtype(self) -> str:
        return dtype_name(self.fake.dtype)


def dtype_name(dtype: Any) -> str:
    """hetsim's word for a dtype of PyTorch's."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True, slots=True)
class StoredMatrix:
    """How a parameter lies in crossbars: as ``groups`` matrices, by the op of this name.

    ``turned``: its first axis counts outputs, as in a linear layer or a convolution, so that it is stored transposed.
    """

    op: str
    groups: int
    turned: bool

    def matrices(self, parameter: Array) -> Array:
        """The matrices [groups, rows, columns] that are stored."""
        blocks = parameter.reshape(self.groups, parameter.shape[0] // self.groups, -1)
        return blocks.transpose(0, 2, 1) if self.turned else blocks

    def parameter(self, matrices: Array, shape: Sequence[int]) -> Array:
        """The inverse of `matrices`."""
        return (matrices.transpose(0, 2, 1) if self.turned else matrices).reshape(shape)


class Call:
    """A call of an ATen operator: its arguments by the names in the operator's schema, defaults included.

    Tensors among them are `Value`s. ``makes`` are the tensors without numbers that it makes.
    """

    def __init__(self, name: str, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], made: Any) -> None:
        self.name, self.operator = name, target._schema.name.partition("::")[2]
        self.overload = f"{self.operator}.{target._overloadname}"
        self.makes = tuple(made) if isinstance(made, tuple | list) else (made,)
        self._arguments: dict[str, Any] = {}
        for position, argument in enumerate(target._schema.arguments):
            default = argument.default_value if argument.has_default_value() else None
            given = args[position] if position < len(args) else kwargs.get(argument.name, default)
            self._arguments[argument.name] = given

    def __getitem__(self, name: str) -> Any:
        return self._arguments[name]

    def __len__(self) -> int:
        return len(self._arguments)

    def __contains__(self, name: str) -> bool:
        return name in self._arguments

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or the default where the operator has none of this name."""
        return self._arguments.get(name, default)

    @property
    def first(self) -> Any:
        """The first argument."""
        return next(iter(self._arguments.values()))

    @property
    def second(self) -> Any:
        return list(self._arguments.values())[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what it makes first."""
        return tuple(int(size) for size in self.makes[0].shape)

    @property
    def dtype(self) -> str:
        return dtype_name(self.makes[0].dtype)

    def axes(self, name: str = "dim", of: str = "self") -> list[int]:
        """Axes that an argument names, counted from the front; all of them for none named."""
        rank, named = len(self[of].shape), self[name]
        named = [named] if isinstance(named, int) else named
        return sorted(axis % max(rank, 1) for axis in named) if named else list(range(rank))


Rule = Callable[["Writer", Call], "Value | Sequence[Value | None]"]


class Writer:
    """Collects the operators that calls come to, and the constants that these read."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.stored: dict[str, StoredMatrix] = {}  # parameters that are stored in crossbars
        self._names, self._tensors = set[str](), set[str]()
        self._call = ""

    def begin(self, call: str) -> None:
        """From here on operators without a name of their own are named after this call."""
        self._call = call

    def op(
        self, kind: str, *inputs: Value | None, like: Any, name: str = "", outputs: int = 1, **attributes: Any
    ) -> Any:
        """Append an operator; return what it makes, tensors like ``like`` (one, or one for each of ``outputs``)."""
        from onnx import helper

        unique = _unique(name or self._call, self._names)
        made = [f"%{unique}" + (f".{k}" if k else "") for k in range(outputs)]
        names = ["" if value is None else value.name for value in inputs]
        while names and not names[-1]:
            names.pop()
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(kind, names, made, unique, **given))
        if outputs == 1:
            return Value(made[0], like)
        return tuple(Value(n, fake) for n, fake in zip(made, like, strict=True))

    def given_out(self, value: Value, name: str) -> Value:
        """An output of the whole, under a name of its own."""
        from onnx import helper

        unique = self.named(name)
        self.nodes.append(helper.make_node("Identity", [value.name], [unique], _unique(name, self._names)))
        return Value(unique, value.fake)

    def constant(self, value: Array, name: str) -> Value:
        """Numbers that stay."""
        self.constants[name] = value
        self._tensors.add(name)
        fake = torch.empty(value.shape, dtype=getattr(torch, str(value.dtype)), device="meta")
        return Value(name, fake)

    def number(self, value: float, dtype: str) -> Value:
        """A scalar, named by what it is."""
        return self.constant(np.array(value, dtype), f"{value!r} {dtype}")

    def integers(self, values: Sequence[int]) -> Value:
        """Whole numbers such as axes or a shape, named by what they are."""
        return self.constant(np.array(list(values), np.int64), f"{list(values)}")

    def cast(self, value: Value | float, dtype: str) -> Value:
        """A tensor or a number in a dtype."""
        if not isinstance(value, Value):
            return self.number(value, dtype)
        if value.dtype == dtype:
            return value
        return self.op("Cast", value, like=like(value.shape, dtype), to=CODES[dtype])  # type: ignore[no-any-return]

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """The same numbers in another shape."""
        if value.shape == tuple(shape):
            return value
        made = like(shape, value.dtype)
        return self.op("Reshape", value, self.integers(shape), like=made, allowzero=1)  # type: ignore[no-any-return]

    def transposed(self, value: Value, axes: Sequence[int]) -> Value:
        """The tensor with its axes in another order."""
        if list(axes) == list(range(len(value.shape))):
            return value
        made = like([value.shape[axis] for axis in axes], value.dtype)
        return self.op("Transpose", value, like=made, perm=list(axes))  # type: ignore[no-any-return]

    def product(
        self, kind: str, *inputs: Value | None, like: Any, groups: int = 1, turned: bool = False, **attributes: Any
    ) -> Value:
        """Append a product, named after the parameter of two dimensions or more that is among its operands."""
        found = next((x for x in inputs[:2] if x is not None and x.stored and len(x.shape) > 1), None)
        if found is None:
            made: Value = self.op(kind, *inputs, like=like, **attributes)
            return made
        name = found.stored.removesuffix(".weight")
        made = self.op(kind, *inputs, like=like, name=name, **attributes)
        self.stored.setdefault(found.stored, StoredMatrix(name, groups, turned))
        return made

    def named(self, name: str) -> str:
        """A name like this for a tensor that no constant has. What ops make is never in the way: it starts with %."""
        return _unique(name, self._tensors)


def _unique(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is taken; it is taken from now on."""
    unique, count = name, 0
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    return unique


def like(shape: Sequence[int], dtype: str) -> Any:
    """A tensor without numbers."""
    return torch.empty(tuple(shape), dtype=getattr(torch, dtype), device="meta")


def each(sizes: Sequence[int], dimensions: int) -> list[int]:
    """A size for each dimension, where one may stand for all."""
    return list(sizes) * dimensions if len(sizes) == 1 else list(sizes)
