"""Sessions of onnxruntime: an op, or several that feed each other, as a model of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hetsim.errors import InputError
from hetsim.operators import OPSET, clip_bounds
from hetsim.rewrites import bounded, widened
from hetsim.workload import Written

if TYPE_CHECKING:
    import onnxruntime

    from hetsim.workload import Array, Op, Tensor

_CARRIED = {"float16": "float32", "bfloat16": "float32", "byte": "uint8"}
_TODAY = (("", OPSET),)
_IR = 10
TELLING = 16  # elements of an input that may decide shapes inside an operator
Described = tuple[str, tuple[int, ...] | None]
MARK = "~"  # before our own names, so that they never meet those inside a file's subgraphs


@lru_cache(maxsize=64)
def carried(dtype: str | np.dtype[Any]) -> np.dtype[Any]:
    """The NumPy dtype in which numbers of a tensor's dtype are kept."""
    name = dtype if isinstance(dtype, str) else dtype.name  # which NumPy spells out anew each time
    return np.dtype(_CARRIED.get(name, name))


def opsets(op: Op) -> tuple[tuple[str, int], ...]:
    """Versions of the operator sets that the op is written in, by domain."""
    return op.written.opsets if op.written else _TODAY


def wired(op: Op, tensor: Tensor) -> str:
    """The dtype in which a session takes or gives a tensor of the op."""
    return tensor.dtype if op.written else _carried_name(tensor.dtype)


@lru_cache(maxsize=64)
def _carried_name(dtype: str) -> str:
    return carried(dtype).name


@dataclass(frozen=True, slots=True)
class Form:
    """An op without its names and shapes: all that its session depends on. Dtypes of inputs, None for one left out."""

    kind: str
    attributes: tuple[tuple[str, Any], ...]
    written: Written | None
    activation: str | None
    inputs: tuple[str | None, ...]
    outputs: int


def form(op: Op, dtypes: Iterable[str | None]) -> Form:
    """The form of an op whose inputs have these dtypes."""
    written = None if op.written is None else _anonymous(op.written)
    frozen = () if written else tuple(
        (name, tuple(value) if isinstance(value, list | tuple | np.ndarray) else value)
        for name, value in sorted(op.attributes.items())
    )  # fmt: skip
    return Form(op.kind, frozen, written, op.activation, tuple(dtypes), len(op.outputs))


@lru_cache(maxsize=4096)
def _anonymous(written: Written) -> Written:
    """The same without names, so that equal operators share a session."""
    from onnx import NodeProto

    node = NodeProto.FromString(written.node)
    node.name = node.doc_string = ""
    node.input[:] = [f"x{i}" if name else "" for i, name in enumerate(node.input)]
    node.output[:] = [f"y{i}" if name else "" for i, name in enumerate(node.output)]
    del node.metadata_props[:]
    return Written(node.SerializeToString(), written.opsets, written.captured)


# --- nodes ---


def nodes(form: Form, inputs: Sequence[str], outputs: Sequence[str], name: str = "") -> list[Any]:
    """The NodeProtos of an op between tensors of these names (empty for an input left out).

    ``name`` stands before the names of tensors in between.
    """
    from onnx import helper

    results = list(outputs)
    if form.activation is not None:
        results[0] = f"{MARK}bare/{name}"
    if form.written is None:
        made = [helper.make_node(form.kind, inputs, results, **dict(form.attributes))]
    else:
        made = _in_own_words(form.written, inputs, results)
    made = widened(made, form.inputs, f"{MARK}wide/{name}")
    if form.activation is not None:
        made += _activation(form.activation, results[0], outputs[0], opset(form))
    return made


def opset(form: Form) -> int:
    """Version of the standard operators."""
    versions = dict(form.written.opsets if form.written else _TODAY)
    return versions.get("", OPSET)


def _in_own_words(written: Written, inputs: Sequence[str], outputs: Sequence[str]) -> list[Any]:
    """The file's node under new names; what its subgraphs read from outside keeps its name."""
    from onnx import NodeProto, helper

    node = NodeProto.FromString(written.node)
    first = len(inputs) - len(written.captured)
    given = min(len(node.input), first)  # inputs in between are attributes of old that hardware is told as inputs
    node.input[:] = inputs[:given]
    node.name = node.doc_string = ""
    fresh = iter(outputs)
    inner = any(attribute.HasField("g") for attribute in node.attribute)  # which onnxruntime wants to give out all
    spare = [f"{outputs[0]}/spare{i}" if inner else "" for i in range(len(node.output))]
    node.output[:] = [next(fresh) if name else spare[i] for i, name in enumerate(node.output)]
    bounded(node)
    outer = zip(inputs[first:], written.captured, strict=True)
    return [*(helper.make_node("Identity", [source], [name]) for source, name in outer), node]


def _activation(name: str, source: str, target: str, version: int) -> list[Any]:
    """The node of a fused activation."""
    from onnx import helper

    if "(" not in name:
        return [helper.make_node(name, [source], [target])]
    low, high = clip_bounds(name)
    if version < 11:
        return [helper.make_node("Clip", [source], [target], min=low, max=high)]
    bounds = {f"{target}/low": low, f"{target}/high": high}
    constants = [helper.make_node("Constant", [], [k], value_float=v) for k, v in bounds.items()]
    return [*constants, helper.make_node("Clip", [source, *bounds], [target])]


# --- sessions ---


@lru_cache(maxsize=1024)
def one(form: Form, threads: int) -> onnxruntime.InferenceSession:
    """A session of one op, for any shapes: inputs ``x0``, ``x1`` …, outputs ``y0`` … in the op's order.

    Raises InputError for an operator or dtype that onnxruntime has no kernel for.
    """
    inputs = [f"{MARK}x{i}" if dtype else "" for i, dtype in enumerate(form.inputs)]
    outputs = [f"{MARK}y{i}" for i in range(form.outputs)]
    described: dict[str, Described] = {
        name: (dtype, None) for name, dtype in zip(inputs, form.inputs, strict=True) if name and dtype
    }
    try:
        made = nodes(form, inputs, outputs)
        return opened(made, described, outputs, form.written.opsets if form.written else _TODAY, threads)
    except Exception as error:
        what = f"operator {form.kind} on {', '.join(d or 'nothing' for d in form.inputs)}"
        raise InputError.of(f"{what} cannot be computed: {first_line(error)}", "use numerics: none") from None


def told(form: Form, feeds: Mapping[str, Array], threads: int) -> onnxruntime.InferenceSession:
    """A session of one op for these very shapes, small inputs built in.

    The few operators that onnxruntime takes apart into others, when it knows enough of what goes in, need that.
    """
    if form.written is None:
        raise ValueError("only operators of a file's own are taken apart")
    inputs = [f"{MARK}x{i}" if dtype else "" for i, dtype in enumerate(form.inputs)]
    outputs = [f"{MARK}y{i}" for i in range(form.outputs)]
    small = {name: x for name, x in feeds.items() if x.size <= TELLING}
    large: dict[str, Described] = {name: (x.dtype.name, x.shape) for name, x in feeds.items() if name not in small}
    return opened(nodes(form, inputs, outputs), large, outputs, form.written.opsets, threads, small)


def opened(
    made: Sequence[Any], inputs: Mapping[str, Described], outputs: Sequence[str], versions: Iterable[tuple[str, int]],
    threads: int, constants: Mapping[str, Array] | None = None, many: bool = False,
) -> onnxruntime.InferenceSession:  # fmt: skip
    """A session of nodes between inputs (name -> dtype, and shape if it matters) and outputs.

    Deterministic, sequential, without spinning threads.
    """
    import onnxruntime
    from onnx import ValueInfoProto, helper, numpy_helper

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.enable_mem_pattern = options.enable_cpu_mem_arena = many
    options.log_severity_level = 4
    graph = helper.make_graph(
        made,
        "ops",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            for name, (dtype, shape) in inputs.items()
        ],
        [ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )  # fmt: skip
    known = [helper.make_opsetid(domain, version) for domain, version in versions]
    model = helper.make_model(graph, opset_imports=known, ir_version=_IR)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def first_line(error: Exception) -> str:
    """What an error of onnxruntime says, in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
