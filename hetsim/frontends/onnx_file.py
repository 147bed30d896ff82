"""An ONNX file: its nodes in today's form, its constants (loaded when asked for), its shapes for a batch
size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError
from hetsim.workload import ITEM_BYTES, Tensor

if TYPE_CHECKING:
    import onnx

    from hetsim.workload import Array

OLDEST = 7  # before opset 7 broadcasting was an attribute
SMALL = 1024  # elements up to which a constant may decide shapes; larger ones are weights
_LIFTED: Mapping[str, tuple[int, tuple[str, ...]]] = {  # attributes that became inputs, and in which opset
    "Clip": (11, ("min", "max")), "Pad": (11, ("pads", "value")), "Slice": (10, ("starts", "ends", "axes")),
    "Split": (13, ("split",)), "Squeeze": (13, ("axes",)), "Unsqueeze": (13, ("axes",)),
    "Dropout": (12, ("ratio",)), "ReduceSum": (13, ("axes",)),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceSumSquare", "ReduceL1",
                     "ReduceL2"), (18, ("axes",))),
}  # fmt: skip
_DROPPED = ("consumed_inputs", "is_test", "spatial", "momentum")  # these say nothing about inference


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An operator's use: ``inputs`` and ``outputs`` are names of tensors, empty for an optional one left
    out.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shaped:
    """Shape and dtype of a tensor."""

    shape: tuple[int, ...]
    dtype: str


class OnnxFile:
    """A parsed ONNX file. ``title`` names it in messages. Raises InputError for anything that is wrong
    with it.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
        self.model = _parsed(path, title)
        self.opset = _opset(self.model, title)
        self.constants: dict[str, Tensor] = {}
        for stored in self.model.graph.initializer:
            self.constants[stored.name] = self._initializer(stored)
        self.nodes = tuple(self._nodes())
        self.inputs = [i for i in self.model.graph.input if i.name not in self.constants]
        self.outputs = [o.name for o in self.model.graph.output]

    def wrong(self, message: str, hint: str = "") -> InputError:
        """An error about this file."""
        return InputError.of(f"{self.title}: {message}", hint)

    def _initializer(self, stored: onnx.TensorProto) -> Tensor:
        dtype = self._dtype(stored.data_type, stored.name)
        tensor = Tensor(stored.name, stored.dims, dtype, load=lambda: self._loaded(stored, dtype))
        if stored.HasField("raw_data") and len(stored.raw_data) != tensor.nbytes:
            raise self.wrong(f"tensor {stored.name!r} is cut short", "export or copy the file again")
        for entry in stored.external_data:
            if entry.key == "location" and not (self.path.parent / entry.value).is_file():
                raise self.wrong(f"its external data {entry.value!r} is missing", "put it beside the file")
        return tensor

    def _loaded(self, stored: onnx.TensorProto, dtype: str) -> Array:
        from onnx import numpy_helper

        try:
            value = numpy_helper.to_array(stored, str(self.path.parent))
        except Exception as error:
            raise self.wrong(f"tensor {stored.name!r} cannot be read: {error}") from None
        return value.astype("float32") if dtype in ("float16", "bfloat16") else value

    def _dtype(self, code: int, tensor: str) -> str:
        import onnx

        name = str(onnx.TensorProto.DataType.Name(code)).lower()
        name = {"float": "float32", "double": "float64"}.get(name, name)
        if name not in ITEM_BYTES:
            raise self.wrong(f"tensor {tensor!r} has dtype {name}", f"known: {', '.join(ITEM_BYTES)}")
        return name

    def _nodes(self) -> Iterator[Node]:
        """Nodes with unique names and their attributes in the form of today's opset."""
        from onnx import helper

        names = Counter(node.name for node in self.model.graph.node)
        for index, proto in enumerate(self.model.graph.node):
            name = proto.name if names[proto.name] == 1 and proto.name else f"{proto.op_type}_{index}"
            attributes = {a.name: _plain(helper.get_attribute_value(a)) for a in proto.attribute}
            attributes = {k: v for k, v in attributes.items() if k not in _DROPPED}
            inputs = [*proto.input]
            opset, lifted = _LIFTED.get(proto.op_type, (0, ()))
            if self.opset < opset:
                inputs += [self._lifted(name, key, attributes.pop(key, None)) for key in lifted]
            if proto.op_type == "Split" and len(inputs) == 1 and self.opset < 18:
                attributes["num_outputs"] = len(proto.output)
            while inputs and not inputs[-1]:
                inputs.pop()
            kind = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
            yield Node(name, kind, tuple(inputs), tuple(proto.output), attributes)

    def _lifted(self, node: str, key: str, value: Any) -> str:
        """Turn an attribute into a constant and return its name, empty if it is not given."""
        if value is None:
            return ""
        import numpy as np

        array = np.asarray(value, np.float32 if isinstance(value, float) else np.int64)
        name = f"{node}.{key}"
        self.constants[name] = Tensor(name, array.shape, array.dtype.name, load=lambda: array)
        return name

    def shapes(self, batch: int, known: Mapping[str, Array] | None = None) -> dict[str, Shaped]:
        """Shape and dtype of tensors when the first dimension of the inputs is ``batch``, where they can
        be told.

        ``known`` are values of intermediate tensors that were worked out.
        """
        from onnx import shape_inference

        known = known or {}
        try:
            model = shape_inference.infer_shapes(
                self._skeleton(batch, known), strict_mode=True, data_prop=True
            )
        except Exception as error:
            why = str(error).strip().splitlines()[-1]
            hint = "a batch size written into the file (a Reshape) has to be left open"
            raise self.wrong(f"shapes do not fit for batch {batch}: {why}", hint) from None
        shapes = {name: Shaped(value.shape, value.dtype.name) for name, value in known.items()}
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
            form = value.type.tensor_type
            if form.HasField("shape") and all(d.HasField("dim_value") for d in form.shape.dim):
                sizes = tuple(d.dim_value for d in form.shape.dim)
                shapes[value.name] = Shaped(sizes, self._dtype(form.elem_type, value.name))
        return shapes

    def _skeleton(self, batch: int, known: Mapping[str, Array]) -> onnx.ModelProto:
        """The model without its weights, whose shapes stand among the inputs, with the batch size filled
        in.
        """
        import onnx
        from onnx import helper, numpy_helper

        full = self.model.graph
        graph = onnx.GraphProto(name="skeleton")
        graph.node.extend(node for node in full.node if not known.keys() & set(node.output))
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in known.items())
        targets = {node.inputs[1] for node in self.nodes if node.kind == "Reshape" and len(node.inputs) > 1}
        for stored in full.initializer:
            if self.constants[stored.name].size <= SMALL and not stored.external_data:
                graph.initializer.append(stored)
                if stored.name in targets:
                    self._rebatch(graph.initializer[-1], batch)
            else:
                graph.input.append(helper.make_tensor_value_info(stored.name, stored.data_type, stored.dims))
        for given in self.inputs:
            elem, dims = given.type.tensor_type.elem_type, self._dimensions(given, batch)
            graph.input.append(helper.make_tensor_value_info(given.name, elem, dims))
        for result in full.output:
            elem = result.type.tensor_type.elem_type
            graph.output.append(helper.make_tensor_value_info(result.name, elem, None))
        return helper.make_model(graph, opset_imports=self.model.opset_import)

    def _rebatch(self, target: onnx.TensorProto, batch: int) -> None:
        """Let a Reshape that repeats the file's own, fixed batch size keep its input's first dimension
        instead.
        """
        from onnx import numpy_helper

        dims = self.inputs[0].type.tensor_type.shape.dim if self.inputs else ()
        fixed = dims[0].dim_value if dims else 0
        sizes = numpy_helper.to_array(target).copy()
        if fixed and fixed != batch and sizes.size and sizes[0] == fixed:
            sizes[0] = 0
            target.CopyFrom(numpy_helper.from_array(sizes, target.name))

    def _dimensions(self, given: onnx.ValueInfoProto, batch: int) -> list[int]:
        """Shape of an input: its first dimension, and every one of the same name, is the batch."""
        dims = given.type.tensor_type.shape.dim
        symbol = self.inputs[0].type.tensor_type.shape.dim[0].dim_param if dims else ""
        sizes = [
            batch if i == 0 or (symbol and d.dim_param == symbol) else d.dim_value for i, d in enumerate(dims)
        ]
        for i, size in enumerate(sizes):
            if size < 1:
                what = dims[i].dim_param or f"number {i}"
                raise self.wrong(
                    f"dimension {what!r} of input {given.name!r} is left open",
                    "only the first dimension, the batch, may be; export the model with the others fixed",
                )
        return sizes


def _plain(value: Any) -> Any:
    """An attribute's value as text, number, or tuple of such."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return tuple(_plain(v) for v in value) if isinstance(value, list) else value


def _parsed(path: Path, title: str) -> onnx.ModelProto:
    if not path.is_file():
        raise InputError.of(
            f"ONNX file {title!r} does not exist", "give a path relative to the workload's file"
        )
    import onnx

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise InputError.of(f"ONNX file {title!r} cannot be read: {error.strerror}") from None
    except Exception:
        raise InputError.of(
            f"{title}: this is not an ONNX model, or the file is cut short", "export or copy it again"
        ) from None
    if not model.graph.node or not model.graph.output:
        raise InputError.of(f"{title}: there is no graph in this ONNX file", "export or copy it again")
    return model


def _opset(model: onnx.ModelProto, title: str) -> int:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            if entry.version < OLDEST:
                raise InputError.of(
                    f"{title}: opset {entry.version} is older than {OLDEST}",
                    "convert it with onnx.version_converter",
                )
            return int(entry.version)
    raise InputError.of(f"{title}: the ONNX file names no operator set, perhaps it is cut short")
