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
    from onnx import helper, numpy_helper

    proto = _parsed(node)
    moving = {name: shaped for name, shaped in reads.items() if name not in numbers}
    stored = [numpy_helper.from_array(value.astype(reads[name].dtype), name) for name, value in numbers.items()]
    results = [onnx.ValueInfoProto(name=name) for name in proto.output if name]
    found = [shaped(v) for v in _inferred(helper.make_graph([proto], "node", infos(moving), results, stored), opsets)]
    return _with_states(proto, found, opsets, reads) if node.kind == "Loop" else found


def _parsed(node: Node) -> Any:
    from onnx import NodeProto

    try:
        return NodeProto.FromString(node.raw)
    except Exception:
        raise ValueError("the node cannot be read") from None


def infos(tensors: Mapping[str, Shaped]) -> list[Any]:
    """ValueInfoProtos of tensors."""
    from onnx import helper

    return [helper.make_tensor_value_info(n, _NUMBERS[shaped.dtype], shaped.shape) for n, shaped in tensors.items()]


def _inferred(graph: Any, opsets: tuple[tuple[str, int], ...]) -> list[Any]:
    """The outputs of a graph with all that inference finds of them."""
    from onnx import helper, shape_inference

    imports = [helper.make_opsetid(domain, version) for domain, version in opsets]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    try:
        return list(shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output)
    except Exception:  # following numbers through subgraphs fails where shapes alone do not
        try:
            return list(shape_inference.infer_shapes(model, strict_mode=True).graph.output)
        except Exception as error:
            raise ValueError(_brief(error)) from None


def _with_states(
    loop: Any, found: list[tuple[Shape | None, str]], opsets: tuple[tuple[str, int], ...], reads: Mapping[str, Shaped]
) -> list[tuple[Shape | None, str]]:
    """What a Loop makes, where its body leaves every state in the shape that it had."""
    import onnx

    body = onnx.GraphProto()
    body.CopyFrom(next(a.g for a in loop.attribute if a.name == "body"))
    states = [reads.get(name) for name in loop.input[2:]]
    if any(state is None for state in states) or len(body.input) != len(states) + 2:
        return found
    starts = (Shaped((), "int64"), Shaped((), "bool"), *states)
    inner = {value.name: shaped for value, shaped in zip(body.input, starts, strict=True) if shaped is not None}
    results = [onnx.ValueInfoProto(name=value.name) for value in body.output]
    del body.input[:], body.output[:]
    body.input.extend(infos({**{k: v for k, v in reads.items() if k not in inner}, **inner}))
    body.output.extend(results)
    ends = [shaped(value)[0] for value in _inferred(body, opsets)[1 : len(states) + 1]]
    if ends != [state.shape for state in states if state is not None]:
        return found
    kept = dict(zip(list(loop.output), ends, strict=False))
    made = [name for name in loop.output if name]
    return [(kept[n] if shape is None and n in kept else shape, d) for n, (shape, d) in zip(made, found, strict=True)]


def shaped(value: Any) -> tuple[Shape | None, str]:
    """What a ValueInfoProto says: no shape where a dimension is open, no dtype where there is none."""
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
