"""Which tensors of a network are never negative: what follows from the operators alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hetsim.frontends.onnx_nodes import Node
from hetsim.operators import VIEWS
from hetsim.workload import Tensor

MADE_SO = frozenset(("Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Exp", "Abs", "Sqrt", "ReduceL2"))
KEPT_SO = frozenset((
    *VIEWS, "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Concat", "Transpose", "Slice",
    "Add", "Sum", "Mul", "Max", "Min", "Mean", "ReduceMax", "ReduceMean", "ReduceSum",
))  # fmt: skip


def nonnegative(nodes: Iterable[Node], inputs: Iterable[str], constants: Mapping[str, Tensor]) -> set[str]:
    """Names of tensors that cannot be negative, given the names of ``inputs`` that are not.

    ``nodes`` stand in topological order. An operator in `KEPT_SO` keeps what all its moving inputs have; constant
    operands of arithmetic count as if they might be negative.
    """
    found = set(inputs)
    for node in nodes:
        given = [name for name in node.inputs if name]
        moving = given[:1] if node.kind in VIEWS or node.kind == "Slice" else given
        kept = node.kind in KEPT_SO and all(name in found for name in moving)
        if node.kind in MADE_SO or kept or (node.kind == "Clip" and _floor(node, constants) >= 0):
            found.update(name for name in node.outputs if name)
    return found


def _floor(node: Node, constants: Mapping[str, Tensor]) -> float:
    """The lower bound of a Clip."""
    if len(node.inputs) < 2 or node.inputs[1] not in constants:
        return float("-inf")
    return float(constants[node.inputs[1]].value)
