"""Building the graphs that a program emits: ops with their shapes and exact costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Graph, Op, Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array


class Builder:
    """Collects ops one after the other; each call of `op` returns the tensor that the op makes.

    Ops have the semantics of the ONNX operator of their kind. Everything a program computes goes through here,
    since arithmetic outside ops would be free.
    """

    def __init__(self, name: str) -> None:
        self._name, self._ops, self._inputs = name, list[Op](), list[Tensor]()

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32") -> Tensor:
        """An input that the program feeds at the host."""
        tensor = Tensor(name, shape, dtype)
        self._inputs.append(tensor)
        return tensor

    def constant(self, name: str, value: Array, dtype: str | None = None) -> Tensor:
        """Numbers that stay: stored data, coefficients."""
        value = value if dtype is None else value.astype(dtype)
        return Tensor(name, value.shape, str(value.dtype), load=lambda: value)

    def op(
        self,
        kind: str,
        name: str,
        *inputs: Tensor,
        shape: Sequence[int] | None = None,
        dtype: str | None = None,
        exact: bool = False,
        **attributes: Any,
    ) -> Tensor:
        """Append an op named ``name``, whose result has the same name. Broadcasting ops infer their shape."""
        made = Tensor(name, _broadcast(inputs) if shape is None else shape, dtype or inputs[0].dtype)
        macs, element_ops = arithmetic(kind, attributes, inputs, (made,))
        view = matrix_view(kind, attributes, inputs, (made,))
        self._ops.append(Op(name, kind, tuple(inputs), (made,), attributes, None, macs, element_ops, view, exact))
        return made

    def graph(self, outputs: Sequence[Tensor]) -> Graph:
        """The graph of all ops so far; ``outputs`` come back to the program."""
        return Graph(self._name, self._ops, self._inputs, outputs)


def _broadcast(inputs: Sequence[Tensor]) -> tuple[int, ...]:
    """The shape of element-wise operators' results."""
    rank = max(len(t.shape) for t in inputs)
    padded = [(1,) * (rank - len(t.shape)) + t.shape for t in inputs]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))
