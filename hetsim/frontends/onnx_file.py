"""An ONNX file: its nodes in today's form and its constants, which are loaded when asked for.

Field numbers are those of ONNX's own schema [onnx.proto, IR version 10]. The onnx package is imported only to
load numbers, so that a network can be checked, and timed without numbers, in no time.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError
from hetsim.frontends.wire import Fields, Value, fields, floats, integers, messages, signed, text
from hetsim.workload import ITEM_BYTES, Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array

OLDEST = 7  # before opset 7 broadcasting was an attribute
DTYPES: Mapping[int, str] = {  # TensorProto.DataType
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4",
}  # fmt: skip
_LIFTED: Mapping[str, tuple[int, tuple[str, ...]]] = {  # attributes that became inputs, and in which opset
    "Clip": (11, ("min", "max")), "Pad": (11, ("pads", "value")), "Slice": (10, ("starts", "ends", "axes")),
    "Split": (13, ("split",)), "Squeeze": (13, ("axes",)), "Unsqueeze": (13, ("axes",)),
    "Dropout": (12, ("ratio",)), "ReduceSum": (13, ("axes",)),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceSumSquare", "ReduceL1",
                     "ReduceL2"), (18, ("axes",))),
}  # fmt: skip
_HELD = {2: 1, 3: 2, 4: 3, 5: 4, 7: 6, 8: 7}  # AttributeProto: which field holds which type of value
_DROPPED = ("consumed_inputs", "is_test", "spatial", "momentum")  # these say nothing about inference


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An operator's use: names of the tensors it reads and writes, empty for one left out."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declared:
    """An input of the graph: its dtype and its dimensions, words where they are left open."""

    name: str
    dtype: str
    dims: tuple[int | str, ...]


class Stored:
    """A tensor in the file (TensorProto): what it is, and its numbers when asked for."""

    def __init__(self, message: memoryview) -> None:
        self.message, found = message, fields(message)
        self.name, self.dims = text(found.get(8)), integers(found.get(1, []))
        self.dtype = DTYPES.get(_integer(found.get(2)), "an unknown one")
        self.raw: Value | None = found[9][-1] if 9 in found else None
        self._typed = integers(found.get(7, [])) or integers(found.get(5, []))
        self.external = {text(entry.get(1)): text(entry.get(2)) for entry in messages(found.get(13))}

    def integers(self) -> list[int] | None:
        """The numbers of an integer tensor inside the file, None for any other."""
        if self.dtype not in ("int32", "int64") or self.external:
            return None
        if isinstance(self.raw, memoryview) and sys.byteorder == "little":
            return list(self.raw.cast("q" if self.dtype == "int64" else "i"))
        return self._typed

    def proto(self) -> Any:
        """The tensor as the onnx package's message."""
        from onnx import TensorProto

        return TensorProto.FromString(bytes(self.message))


class OnnxFile:
    """A parsed ONNX file, called ``title`` in messages; InputError for anything wrong with it."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
        self.constants: dict[str, Tensor] = {}
        self._integers: dict[str, list[int]] = {}
        try:
            model = fields(memoryview(self._bytes()))
            graph = _last(model.get(7))
            self.opset = self._opset(messages(model.get(8)))
            for message in graph.get(5, []):
                self._store(Stored(_message(message)))
            self.inputs = [i for i in map(self._declared, messages(graph.get(11))) if i.name not in self.constants]
            self.outputs = [text(output.get(1)) for output in messages(graph.get(12))]
            self.nodes = tuple(self._nodes(messages(graph.get(1))))
        except ValueError:
            raise self.wrong("this is not an ONNX model, or the file is cut short", "export or copy it again") from None
        if not self.nodes or not self.outputs:
            raise self.wrong("there is no graph in this ONNX file", "export or copy it again")

    def wrong(self, message: str, hint: str = "") -> InputError:
        """An error about this file."""
        return InputError.of(f"{self.title}: {message}", hint)

    def integers(self, name: str) -> list[int] | None:
        """The numbers of a small constant of integers that stands in the file, None for any other tensor."""
        return self._integers.get(name)

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            hint = "give a path relative to the workload's file"
            raise InputError.of(f"ONNX file {self.title!r} does not exist", hint) from None
        except OSError as error:
            raise InputError.of(f"ONNX file {self.title!r} cannot be read: {error.strerror}") from None

    def _opset(self, imports: list[Fields]) -> int:
        for entry in imports:
            if text(entry.get(1)) in ("", "ai.onnx"):
                version = _integer(entry.get(2))
                if version < OLDEST:
                    hint = "convert it with onnx.version_converter"
                    raise self.wrong(f"opset {version} is older than {OLDEST}", hint)
                return version
        raise self.wrong("the file names no operator set; perhaps it is cut short", "export or copy it again")

    def _store(self, stored: Stored, name: str = "") -> None:
        """Make a constant of a tensor in the file."""
        name = name or stored.name
        if stored.dtype not in ITEM_BYTES:
            raise self.wrong(f"tensor {name!r} has dtype {stored.dtype}", f"known: {', '.join(ITEM_BYTES)}")
        tensor = Tensor(name, stored.dims, stored.dtype, load=lambda: self._loaded(stored))
        if isinstance(stored.raw, memoryview) and len(stored.raw) != tensor.nbytes:
            raise self.wrong(f"tensor {name!r} is cut short", "export or copy the file again")
        location = stored.external.get("location")
        if location is not None and not (self.path.parent / location).is_file():
            raise self.wrong(f"its external data {location!r} is missing", "put it beside the file")
        self.constants[name] = tensor
        numbers = stored.integers()
        if numbers is not None:
            self._integers[name] = numbers

    def _loaded(self, stored: Stored) -> Array:
        from onnx import numpy_helper

        try:
            value = numpy_helper.to_array(stored.proto(), str(self.path.parent))
        except Exception as error:
            raise self.wrong(f"tensor {stored.name!r} cannot be read: {error}") from None
        return value.astype("float32") if stored.dtype in ("float16", "bfloat16") else value

    def _declared(self, value: Fields) -> Declared:
        """ValueInfoProto: name and TypeProto, of which only tensors are known."""
        name, kind = text(value.get(1)), _last(_last(value.get(2)).get(1))
        dtype = DTYPES.get(_integer(kind.get(1)), "an unknown one")
        if dtype not in ITEM_BYTES:
            raise self.wrong(f"input {name!r} has dtype {dtype}", f"known: {', '.join(ITEM_BYTES)}")
        dims = messages(_last(kind.get(2)).get(1))
        return Declared(name, dtype, tuple(_integer(d[1]) if 1 in d else text(d.get(2)) or "?" for d in dims))

    def _nodes(self, protos: Sequence[Fields]) -> Iterator[Node]:
        """Nodes with unique names and their attributes in the form of today's opset; constants are stored."""
        names = Counter(text(proto.get(3)) for proto in protos)
        for index, proto in enumerate(protos):
            kind, domain, name = text(proto.get(4)), text(proto.get(7)), text(proto.get(3))
            name = name if name and names[name] == 1 else f"{kind}_{index}"
            kind = kind if domain in ("", "ai.onnx") else f"{domain}.{kind}"
            attributes = dict(_attribute(a) for a in messages(proto.get(5)))
            outputs = tuple(text([output]) for output in proto.get(2, []))
            if kind == "Constant":
                self._constant(outputs[0], attributes)
                continue
            attributes = {k: v for k, v in attributes.items() if k not in _DROPPED}
            inputs = [text([value]) for value in proto.get(1, [])]
            opset, lifted = _LIFTED.get(kind, (0, ()))
            if self.opset < opset:
                inputs += [self._lifted(name, key, attributes.pop(key, None)) for key in lifted]
            if kind == "Split" and len(inputs) == 1 and self.opset < 18:
                attributes["num_outputs"] = len(outputs)
            while inputs and not inputs[-1]:
                inputs.pop()
            yield Node(name, kind, tuple(inputs), outputs, attributes)

    def _constant(self, output: str, attributes: Mapping[str, Any]) -> None:
        """A Constant node holds a tensor, or one of the plain forms ``value_float``, ``value_ints`` …"""
        for key, value in attributes.items():
            if isinstance(value, Stored):
                self._store(value, output)
            else:
                self._plain(output, value, "float32" if "float" in key else "int64")

    def _lifted(self, node: str, key: str, value: Any) -> str:
        """Turn an attribute into a constant and return its name, empty if it is not given."""
        if value is None:
            return ""
        name = f"{node}.{key}"
        self._plain(name, value, "float32" if isinstance(value, float) else "int64")
        return name

    def _plain(self, name: str, value: Any, dtype: str) -> None:
        """A constant out of an attribute's number or numbers."""
        shape = (len(value),) if isinstance(value, tuple) else ()

        def load() -> Array:
            import numpy as np

            return np.asarray(value, dtype)

        self.constants[name] = Tensor(name, shape, dtype, load=load)
        if dtype == "int64":
            self._integers[name] = list(value) if isinstance(value, tuple) else [value]


def _attribute(found: Fields) -> tuple[str, Any]:
    """AttributeProto: its name, and its number, text, tensor, or tuple of numbers or texts."""
    name = text(found.get(1))
    kind = _integer(found.get(20)) or next((kind for field, kind in _HELD.items() if field in found), 0)
    if kind == 1:
        return name, (floats(found.get(2, [])) or [0.0])[-1]
    if kind == 2:
        return name, signed(_integer(found.get(3)))
    if kind == 3:
        return name, text(found.get(4))
    if kind == 4:
        return name, Stored(_message(found[5][-1]))
    if kind == 6:
        return name, tuple(floats(found.get(7, [])))
    if kind == 7:
        return name, tuple(integers(found.get(8, [])))
    return name, tuple(text([value]) for value in found.get(9, []))


def _integer(values: list[Value] | None) -> int:
    value = values[-1] if values else 0
    return value if isinstance(value, int) else 0


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a message is expected")
    return value


def _last(values: list[Value] | None) -> Fields:
    """A field that is one message, empty when it is not there."""
    found = messages(values)
    return found[-1] if found else {}
