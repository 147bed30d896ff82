"""Nodes of an ONNX file: as they stand in it, and with their attributes in the form of today's opset."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.frontends.wire import Fields, Value, fields, floats, integers, messages, signed, text

if TYPE_CHECKING:
    from hetsim.workload import Array

DTYPES: Mapping[int, str] = {  # TensorProto.DataType
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2",
}  # fmt: skip
LIFTED: Mapping[str, tuple[int, tuple[str, ...]]] = {  # attributes that became inputs, and in which opset
    "Clip": (11, ("min", "max")), "Pad": (11, ("pads", "value")), "Slice": (10, ("starts", "ends", "axes")),
    "Split": (13, ("split",)), "Squeeze": (13, ("axes",)), "Unsqueeze": (13, ("axes",)),
    "Dropout": (12, ("ratio",)), "ReduceSum": (13, ("axes",)),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceSumSquare", "ReduceL1",
                     "ReduceL2"), (18, ("axes",))),
}  # fmt: skip
_HELD = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 11: 10}  # AttributeProto: which field holds which type of value
DROPPED = ("consumed_inputs", "is_test", "spatial", "momentum")  # these say nothing about inference


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An operator's use: names of the tensors it reads and writes, empty for one left out.

    ``raw`` is its message in the file, empty for a node of our own; ``captured`` are the names under which its
    subgraphs read outer tensors, ``outer`` those tensors.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    raw: bytes = b""
    captured: tuple[str, ...] = ()
    outer: tuple[str, ...] = ()

    @property
    def reads(self) -> list[str]:
        """All names of tensors that it needs."""
        return [name for name in (*self.inputs, *self.outer) if name]


class Stored:
    """A tensor in the file (TensorProto): what it is, and its numbers when asked for."""

    def __init__(self, message: memoryview) -> None:
        self.message, found = message, fields(message)
        self.name, self.dims = text(found.get(8)), integers(found.get(1, []))
        self.dtype = DTYPES.get(integer(found.get(2)), "an unknown one")
        self.raw: Value | None = found[9][-1] if 9 in found else None
        self._typed = integers(found.get(7, [])) or integers(found.get(5, []))
        self._floats = sum(len(value) // 4 for value in found.get(4, []) if not isinstance(value, int))
        self._doubles = sum(len(value) // 8 for value in found.get(10, []) if not isinstance(value, int))
        self.external = {text(entry.get(1)): text(entry.get(2)) for entry in messages(found.get(13))}

    @property
    def typed(self) -> int:
        """How many numbers stand in the fields of their own types."""
        return max(len(self._typed), self._floats, self._doubles)

    def integers(self) -> list[int] | None:
        """The numbers of an integer tensor inside the file, None for any other."""
        if self.dtype not in ("int32", "int64") or self.external:
            return None
        if isinstance(self.raw, memoryview) and sys.byteorder == "little":
            return list(self.raw.cast("q" if self.dtype == "int64" else "i"))
        return self._typed

    def value(self, folder: Path) -> Array:
        """The numbers, 16-bit floats as float32."""
        from onnx import TensorProto, numpy_helper

        value: Array = numpy_helper.to_array(TensorProto.FromString(bytes(self.message)), str(folder))
        return value.astype("float32") if self.dtype in ("float16", "bfloat16") else value


def attribute(found: Fields) -> tuple[str, Any]:
    """AttributeProto: its name, and its number, text, tensor, graph, or tuple of numbers or texts."""
    name = text(found.get(1))
    kind = integer(found.get(20)) or next((kind for field, kind in _HELD.items() if field in found), 0)
    if kind == 1:
        return name, (floats(found.get(2, [])) or [0.0])[-1]
    if kind == 2:
        return name, signed(integer(found.get(3)))
    if kind == 3:
        return name, text(found.get(4), "replace")  # which may be any bytes
    if kind == 4:
        return name, Stored(message((found.get(5) or [0])[-1]))
    if kind == 5:
        return name, Subgraph(message((found.get(6) or [0])[-1]))
    if kind == 6:
        return name, tuple(floats(found.get(7, [])))
    if kind == 7:
        return name, tuple(integers(found.get(8, [])))
    if kind == 10:
        return name, tuple(Subgraph(message(value)) for value in found.get(11, []))
    return name, tuple(text([value], "replace") for value in found.get(9, []))


class Subgraph:
    """A graph inside a node (GraphProto of an If, Loop or Scan)."""

    def __init__(self, found: memoryview) -> None:
        self.message, graph = bytes(found), fields(found)
        self.inputs = [text(value.get(1)) for value in messages(graph.get(11))]
        self.outputs = [text(value.get(1)) for value in messages(graph.get(12))]
        self.constants = {stored.name: stored for stored in (Stored(message(m)) for m in graph.get(5, []))}
        self.nodes = list(nodes(messages(graph.get(1)), graph.get(1, [])))

    @property
    def captured(self) -> tuple[str, ...]:
        """Names that it reads and nothing inside makes, in order of first use."""
        made = {*self.inputs, *self.constants, *(name for node in self.nodes for name in node.outputs)}
        reads = [name for node in self.nodes for name in node.reads] + self.outputs
        return tuple(dict.fromkeys(name for name in reads if name not in made))


def nodes(protos: list[Fields], raws: list[Value]) -> Iterator[Node]:
    """Nodes as they stand; names of a kind and a number for those without a name of their own."""
    names: dict[str, int] = {}
    for proto in protos:
        names[text(proto.get(3))] = names.get(text(proto.get(3)), 0) + 1
    for index, (proto, raw) in enumerate(zip(protos, raws, strict=True)):
        kind, domain, name = text(proto.get(4)), text(proto.get(7)), text(proto.get(3))
        attributes = dict(attribute(a) for a in messages(proto.get(5)))
        graphs = [g for a in attributes.values() for g in (a if isinstance(a, tuple) else (a,))]
        captured = [name for graph in graphs if isinstance(graph, Subgraph) for name in graph.captured]
        yield Node(
            name if name and names[name] == 1 else f"{kind}_{index}",
            kind if domain in ("", "ai.onnx") else f"{domain}.{kind}",
            tuple(text([value]) for value in proto.get(1, [])),
            tuple(text([output]) for output in proto.get(2, [])),
            attributes,
            b"" if isinstance(raw, int) else bytes(raw),
            tuple(dict.fromkeys(captured)),
            tuple(dict.fromkeys(captured)),
        )


def integer(values: list[Value] | None) -> int:
    """A field that is one number, 0 when it is not there."""
    value = values[-1] if values else 0
    return value if isinstance(value, int) else 0


def message(value: Value) -> memoryview:
    """A field that has to be a message."""
    if isinstance(value, int):
        raise ValueError("a message is expected")
    return value


def last(values: list[Value] | None) -> Fields:
    """A field that is one message, empty when it is not there."""
    found = messages(values)
    return found[-1] if found else {}
