"""What an If, a Loop or a Scan costs: the arithmetic of the graph inside, as often as it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_infer import infos, shaped
from hetsim.frontends.onnx_nodes import Node, Stored, Subgraph
from hetsim.frontends.use import Shaped
from hetsim.operators import arithmetic
from hetsim.workload import Tensor

if TYPE_CHECKING:
    from onnx import GraphProto

    Reads = Mapping[str, Tensor | None]

KINDS = ("If", "Loop", "Scan")
_NUMBER = Shaped((), "int64")


def counted(node: Node, tensors: Sequence[Tensor | None], file: OnnxFile) -> tuple[int, int]:
    """MACs and element-wise operations of a node with graphs inside.

    ``tensors`` are those that it reads, captured ones last. The dearer branch of an If counts, a Scan's body for each
    slice, a Loop's for each trip; where the file does not say how many there are, once. What is inside and has a
    shape that depends on numbers is not counted.
    """
    given = tensors[: len(node.inputs)]
    reads = dict(zip(node.captured, tensors[len(node.inputs) :], strict=True))
    return _counted(node, given, reads, file)


def endless(kind: str, inputs: Sequence[Tensor | None]) -> bool:
    """Whether the file does not say how often a Loop runs."""
    return kind == "Loop" and _trips(inputs) is None


def _counted(node: Node, given: Sequence[Tensor | None], reads: Reads, file: OnnxFile) -> tuple[int, int]:
    runs, starts = _runs(node, given)
    bodies = [body for body in node.attributes.values() if isinstance(body, Subgraph)]
    costs = [_inside(body, starts, reads, file) for body in bodies]
    macs, element_ops = max(costs, key=lambda cost: 2 * cost[0] + cost[1], default=(0, 0))
    return runs * macs, runs * element_ops


def _runs(node: Node, given: Sequence[Tensor | None]) -> tuple[int, list[Shaped | None]]:
    """How often the body runs, and the shapes of what it is given each time."""
    if node.kind == "If":
        return 1, []
    known = [None if t is None else Shaped(t.shape, t.dtype) for t in given]
    if node.kind == "Loop":
        trips = _trips(given)
        return 1 if trips is None else trips, [_NUMBER, Shaped((), "bool"), *known[2:]]
    count = node.attributes["num_scan_inputs"]
    axes = node.attributes.get("scan_input_axes", (0,) * count)
    slices, length = [], 1
    for whole, axis in zip(known[-count:], axes, strict=True):
        assert whole is not None
        at = axis % len(whole.shape)
        length = whole.shape[at]
        slices.append(Shaped(whole.shape[:at] + whole.shape[at + 1 :], whole.dtype))
    return length, [*known[:-count], *slices]


def _trips(inputs: Sequence[Tensor | None]) -> int | None:
    limit = inputs[0] if inputs else None
    return max(int(limit.value.reshape(-1)[0]), 0) if limit is not None and limit.constant else None


def _inside(body: Subgraph, starts: Sequence[Shaped | None], reads: Reads, file: OnnxFile) -> tuple[int, int]:
    """The arithmetic of one run of a graph."""
    tensors = _tensors(body, starts, reads, file)
    macs = element_ops = 0
    for node in body.nodes:
        inputs = [tensors.get(name) if name else None for name in node.inputs]
        outputs = [tensors[name] for name in node.outputs if name in tensors]
        if node.kind == "Constant":
            continue
        if node.kind in KINDS:
            inner = {name: tensors.get(name) for name in node.captured}
            more = _counted(node, inputs, inner, file)
        elif outputs and all(name in tensors for name in node.inputs if name):
            more = arithmetic(node.kind, node.attributes, inputs, outputs)
        else:
            continue
        macs, element_ops = macs + more[0], element_ops + more[1]
    return macs, element_ops


def _tensors(body: Subgraph, starts: Sequence[Shaped | None], reads: Reads, file: OnnxFile) -> dict[str, Tensor]:
    """All tensors inside whose shapes can be told, constants with their numbers."""
    outer = {name: tensor for name, tensor in reads.items() if tensor is not None}
    given = {name: start for name, start in zip(body.inputs, starts, strict=False) if start is not None}
    around = {name: Shaped(tensor.shape, tensor.dtype) for name, tensor in outer.items()}
    found = {name: Tensor(name, s.shape, s.dtype) for name, s in _shapes(body, {**around, **given}, file)}
    stored = {**body.constants, **{n.outputs[0]: n.attributes.get("value") for n in body.nodes if n.kind == "Constant"}}
    constants = {
        name: Tensor(name, tuple(value.dims), value.dtype, load=partial(value.value, file.path.parent))
        for name, value in stored.items()
        if isinstance(value, Stored)
    }
    return {**found, **outer, **{n: found[n] for n in given if n in found}, **constants}


def _shapes(body: Subgraph, given: Mapping[str, Shaped], file: OnnxFile) -> Iterator[tuple[str, Shaped]]:
    """What the onnx package's inference finds in a graph that is given tensors of these shapes."""
    import onnx
    from onnx import helper, shape_inference

    graph: GraphProto = onnx.GraphProto.FromString(body.message)
    results = [onnx.ValueInfoProto(name=value.name) for value in graph.output]
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.extend(infos(given))
    graph.output.extend(results)
    imports = [helper.make_opsetid(domain, version) for domain, version in file.opsets]
    model: Any = helper.make_model(graph, opset_imports=imports, ir_version=10)
    inferred = shape_inference.infer_shapes(model).graph
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        if value.type.WhichOneof("value") == "tensor_type":
            shape, dtype = shaped(value)
            if shape is not None and dtype:
                yield value.name, Shaped(shape, dtype)
