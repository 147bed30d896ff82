"""Shapes of what an ONNX node makes, by the onnx package's own inference: for operators without a rule here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hetsim.frontends.onnx_nodes import DTYPES, Node
from hetsim.frontends.use import Shape, Shaped

if TYPE_CHECKING:
    from hetsim.workload import Array

_NUMBERS = {dtype: number for number, dtype in DTYPES.items()}


class NoTensorError(ValueError):
    """An operator makes a sequence, or an optional value."""


def known(kind: str) -> bool:
    """Whether ONNX knows an operator, named with its domain if that is not the standard one."""
    from onnx import defs

    domain, _, name = kind.rpartition(".")
    return bool(defs.has(name, domain))


def inferred(
    node: Node, opsets: tuple[tuple[str, int], ...], reads: Mapping[str, Shaped], numbers: Mapping[str, Array]
) -> list[tuple[Shape | None, str]]:
    """Shape and dtype of each output that is not left out; no shape where it depends on numbers that are not given.

    ``reads`` tells the tensors that the node reads, ``numbers`` the values of some of them, each under the names that
    the node's message has for them. Raises ValueError for inputs that do not fit, and for results that are no tensors.
    """
    import onnx
    from onnx import helper, numpy_helper, shape_inference

    proto = onnx.NodeProto.FromString(node.raw)
    given = [
        helper.make_tensor_value_info(name, _NUMBERS[shaped.dtype], shaped.shape)
        for name, shaped in reads.items()
        if name not in numbers
    ]
    stored = [numpy_helper.from_array(value.astype(reads[name].dtype), name) for name, value in numbers.items()]
    results = [onnx.ValueInfoProto(name=name) for name in proto.output if name]
    graph = helper.make_graph([proto], "node", given, results, stored)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    try:
        found = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        raise ValueError(_brief(error)) from None
    return [_shaped(value) for value in found.graph.output]


def _shaped(value: Any) -> tuple[Shape | None, str]:
    """What a ValueInfoProto says."""
    kind = value.type.WhichOneof("value")
    if kind not in (None, "tensor_type"):
        raise NoTensorError(f"they make a {kind.removesuffix('_type')}, which is no tensor")
    tensor = value.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type, "")
    if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None, dtype
    return tuple(dim.dim_value for dim in tensor.shape.dim), dtype


def _brief(error: Exception) -> str:
    """The inference's own words, without where in its source they come from."""
    text = str(error).strip().splitlines()
    return text[-1].rpartition("] ")[2].strip() if text else type(error).__name__
