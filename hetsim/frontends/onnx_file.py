"""An ONNX file: its nodes in today's form and its constants, which are loaded when asked for.

Field numbers are those of ONNX's own schema [onnx.proto, IR version 10]. The onnx package is imported only to
load numbers, so that a network can be checked, and timed without numbers, in no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError
from hetsim.frontends.onnx_nodes import DROPPED, DTYPES, LIFTED, Node, Stored, Subgraph, integer, last, message, nodes
from hetsim.frontends.wire import Fields, fields, messages, signed, text
from hetsim.operators import OPSET
from hetsim.workload import ITEM_BYTES, Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array

OLDEST = 7  # before opset 7 broadcasting was an attribute


@dataclass(frozen=True, slots=True)
class Declared:
    """An input of the graph: its dtype and its dimensions, words where they are left open.

    ``dims`` is None where the file does not even say how many there are.
    """

    name: str
    dtype: str
    dims: tuple[int | str, ...] | None


class OnnxFile:
    """A parsed ONNX file, called ``title`` in messages; InputError for anything wrong with it."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
        self.constants: dict[str, Tensor] = {}
        self._integers: dict[str, list[int]] = {}
        try:
            self._read(memoryview(self._bytes()))
        except ValueError:
            raise self.wrong("this is not an ONNX model, or the file is cut short", "export or copy it again") from None
        except RecursionError:
            raise self.wrong("graphs are nested too deeply in this ONNX file") from None
        if not self.outputs:
            raise self.wrong("there is no graph in this ONNX file", "export or copy it again")

    def _read(self, data: memoryview) -> None:
        model = fields(data)
        if model.get(25):
            model = fields(memoryview(self._inlined(bytes(data))))
        graph = last(model.get(7))
        self.opsets = self._opsets(messages(model.get(8)))
        self.opset = dict(self.opsets)[""]
        if graph.get(15):
            raise self.wrong("it has sparse constants", "export it with dense ones")
        for stored in graph.get(5, []):
            self._store(Stored(message(stored)))
        self.inputs = [i for i in map(self._declared, messages(graph.get(11))) if i.name not in self.constants]
        self.outputs = [text(output.get(1)) for output in messages(graph.get(12))]
        found = list(nodes(messages(graph.get(1)), graph.get(1, [])))
        self._used = {name for node in found for name in node.reads} | set(self.outputs)
        self.nodes = tuple(self._nodes(found))

    def wrong(self, message: str, hint: str = "") -> InputError:
        """An error about this file."""
        return InputError.of(f"{self.title}: {message}", hint)

    def broken(self) -> str:
        """What ONNX's own checker has to say against the file, empty for nothing."""
        import onnx

        try:
            onnx.checker.check_model(onnx.load(self.path), full_check=True)
        except Exception as error:
            return (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ""

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

    def _inlined(self, data: bytes) -> bytes:
        """The model with the functions that it defines put in the place of their uses."""
        import onnx
        from onnx.inliner import inline_local_functions

        try:
            whole: bytes = inline_local_functions(onnx.ModelProto.FromString(data)).SerializeToString()
        except Exception as error:
            raise self.wrong(f"its functions cannot be put in place: {error}") from None
        return whole

    def _opsets(self, imports: list[Fields]) -> tuple[tuple[str, int], ...]:
        found = {text(entry.get(1)): integer(entry.get(2)) for entry in imports}
        found = {"" if domain == "ai.onnx" else domain: version for domain, version in found.items()}
        if found:
            found.setdefault("", OPSET)  # a file may use operators of other sets alone
        else:
            raise self.wrong("the file names no operator set; perhaps it is cut short", "export or copy it again")
        if found[""] < OLDEST:
            hint = "convert it with onnx.version_converter"
            raise self.wrong(f"opset {found['']} is older than {OLDEST}", hint)
        return tuple(sorted(found.items()))

    def _store(self, stored: Stored, name: str = "") -> None:
        """Make a constant of a tensor in the file."""
        name = name or stored.name
        if stored.dtype not in ITEM_BYTES:
            raise self.wrong(f"tensor {name!r} has dtype {stored.dtype}", f"known: {', '.join(ITEM_BYTES)}")
        if min(stored.dims, default=0) < 0:
            raise self.wrong(f"tensor {name!r} has a negative dimension", "export or copy the file again")
        tensor = Tensor(name, stored.dims, stored.dtype, load=lambda: self._loaded(stored))
        location = stored.external.get("location")
        if isinstance(stored.raw, memoryview):
            short = len(stored.raw) != tensor.nbytes
        else:
            short = location is None and stored.typed * (1 + stored.dtype.startswith("complex")) < tensor.size
        if short:
            raise self.wrong(f"tensor {name!r} is cut short", "export or copy the file again")
        if location is not None:
            self._find(location, int(stored.external.get("offset") or 0) + tensor.nbytes, name)
        self.constants[name] = tensor
        numbers = stored.integers()
        if numbers is not None:
            self._integers[name] = numbers

    def _find(self, location: str, size: int, name: str) -> None:
        """External data: a file beside this one, so many bytes long."""
        path = self.path.parent / location
        if not path.is_file():
            raise self.wrong(f"its external data {location!r} is missing", "put it beside the file")
        if path.stat().st_size < size:
            raise self.wrong(f"its external data {location!r} are cut short at tensor {name!r}", "copy them again")

    def _loaded(self, stored: Stored) -> Array:
        try:
            return stored.value(self.path.parent)
        except Exception as error:
            raise self.wrong(f"tensor {stored.name!r} cannot be read: {error}") from None

    def _declared(self, value: Fields) -> Declared:
        """ValueInfoProto: name and TypeProto, of which only tensors are known."""
        name, kind = text(value.get(1)), last(value.get(2))
        dtype = DTYPES.get(integer(last(kind.get(1)).get(1)), "an unknown one")
        if 1 not in kind:
            dtype = next((word for field, word in ((4, "sequence"), (9, "optional")) if field in kind), dtype)
        if dtype not in ITEM_BYTES:
            raise self.wrong(f"input {name!r} has dtype {dtype}", f"known: {', '.join(ITEM_BYTES)}")
        shape = last(kind.get(1)).get(2)
        dims = messages(last(shape).get(1))
        sizes = tuple(signed(integer(d[1])) if 1 in d else text(d.get(2)) or "?" for d in dims)
        return Declared(name, dtype, None if shape is None else sizes)

    def inlined(self, node: Node, branch: Subgraph) -> list[Node]:
        """The nodes of a subgraph in the place of the node that holds it; inner names get the node's name in front."""
        made = [name for inner in branch.nodes for name in inner.outputs if name]
        names = {name: f"{node.name}/{name}" for name in (*branch.constants, *made)}
        for name, stored in branch.constants.items():
            self._store(stored, names[name])
        inner = [
            replace(
                n,
                name=f"{node.name}/{n.name}",
                inputs=tuple(names.get(name, name) for name in n.inputs),
                outputs=tuple(names.get(name, name) for name in n.outputs),
                outer=tuple(names.get(name, name) for name in n.outer),
            )
            for n in branch.nodes
        ]
        ends = zip(branch.outputs, node.outputs, strict=True)
        passed = [
            Node(f"{node.name}/{target}", "Identity", (names.get(source, source),), (target,), {})
            for source, target in ends
            if target
        ]
        return [*self._nodes(inner), *passed]

    def _nodes(self, found: Sequence[Node]) -> Iterator[Node]:
        """Nodes with their attributes in the form of today's opset; constants are stored."""
        for node in found:
            if node.kind == "Constant":
                self._constant(node.outputs[0] if node.outputs else "", node.attributes)
                continue
            attributes = {k: v for k, v in node.attributes.items() if k not in DROPPED}
            inputs = list(node.inputs)
            opset, lifted = LIFTED.get(node.kind, (0, ()))
            if self.opset < opset:
                inputs += [self._lifted(node.name, key, attributes.pop(key, None)) for key in lifted]
            if node.kind == "Split" and len(inputs) == 1 and self.opset < 18:
                attributes["num_outputs"] = len(node.outputs)
            while inputs and not inputs[-1]:
                inputs.pop()
            outputs = node.outputs
            if node.kind == "Dropout" and not self._used.intersection(outputs[1:]):
                outputs = outputs[:1]  # nobody reads the mask
            yield replace(node, inputs=tuple(inputs), outputs=outputs, attributes=attributes)

    def _constant(self, output: str, attributes: Mapping[str, Any]) -> None:
        """A Constant node holds a tensor, or one of the plain forms ``value_float``, ``value_ints`` …"""
        for key, value in attributes.items():
            if isinstance(value, Stored):
                self._store(value, output)
            elif key in ("value_float", "value_floats", "value_int", "value_ints"):
                self._plain(output, value, "float32" if "float" in key else "int64")
            else:
                raise self.wrong(f"constant {output!r} is given by {key!r}", "a tensor or numbers are known")

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
