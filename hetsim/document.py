"""Documents: YAML or JSON text as a tree in which every value knows its file and line.

Only plain data are read (YAML 1.2): no tags that name classes, no duplicate keys, no aliases that expand
without bound. A tree is never changed: `Node.put` and `Node.merge` return a new one that shares most of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError, Problem

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node as YamlNode

MAX_BYTES = 10_000_000
MAX_REPEATS = 10_000  # values that aliases may stand for, all together

Scalar = str | int | float | bool | None
Key = str | int


@dataclass(frozen=True, slots=True)
class Source:
    """A file: the name by which a person knows it, and the folder in which it lies."""

    file: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value with its place. ``line`` is that of its key; ``facts`` tell where a datum comes from.

    A tuple stands for a long column of a file, whose values have no places of their own.
    """

    value: Scalar | tuple[str, ...] | dict[str, Node] | list[Node]
    source: Source
    line: int | None = None
    facts: Mapping[str, str] | None = None

    def plain(self) -> Any:
        """The value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, key: Key) -> Node | None:
        """The value under a key or, in a list, at a position."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        if isinstance(self.value, list) and str(key).isdecimal() and int(key) < len(self.value):
            return self.value[int(key)]
        return None

    def walk(self, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Node]]:
        """Every node with its path, this one first."""
        yield path, self
        children: Iterator[tuple[Key, Node]] = iter(())
        if isinstance(self.value, dict):
            children = iter(self.value.items())
        elif isinstance(self.value, list):
            children = iter(enumerate(self.value))
        for key, child in children:
            yield from child.walk((*path, key))

    def put(self, path: Sequence[Key], new: Node) -> Node:
        """The tree with another value at the path; keys on the way that are missing are made."""
        if not path:
            return new
        key, rest = path[0], path[1:]
        if isinstance(self.value, list):
            old = self.child(key)
            if old is None:
                size = len(self.value)
                raise InputError.of(f"{key!r} is not a position in a list of {size}", "positions start at 0")
            at = int(key)
            return replace(self, value=[*self.value[:at], old.put(rest, new), *self.value[at + 1 :]])
        base = self.value if isinstance(self.value, dict) else {}
        below = base.get(str(key)) or Node({}, new.source, new.line)
        return replace(self, value={**base, str(key): below.put(rest, new)}, facts=None)

    def without(self, key: str) -> Node:
        """The mapping without a key."""
        assert isinstance(self.value, dict)
        return replace(self, value={k: child for k, child in self.value.items() if k != key})

    def place(self, path: Sequence[Key]) -> Node:
        """The innermost node on a path."""
        node = self
        for key in path:
            node = node.child(key) or node
        return node

    def merge(self, over: Node) -> Node:
        """The tree with another laid over it: mappings are merged key by key, all else is replaced.

        A mapping that was filled from a datasheet (it has an ``origin``) replaces what stands there, so that nothing
        of another cell or memory is left over.
        """
        if not isinstance(self.value, dict) or not isinstance(over.value, dict) or "origin" in over.value:
            return over
        merged = dict(self.value)
        for key, new in over.value.items():
            merged[key] = merged[key].merge(new) if key in merged else new
        return replace(self, value=merged)


def dotted(path: Sequence[Key]) -> str:
    """A path as it is written: ``system.components.cpu``."""
    return ".".join(str(key) for key in path)


def of(data: Any, source: Source) -> Node:
    """Return the tree of plain Python data; a mapping that stands in it several times is one node."""
    known: dict[int, Node] = {}

    def node(data: Any) -> Node:
        if isinstance(data, Mapping):
            if id(data) not in known:
                known[id(data)] = Node({str(key): node(value) for key, value in data.items()}, source)
            return known[id(data)]
        if isinstance(data, list | tuple):
            return Node([node(value) for value in data], source)
        if data is None or isinstance(data, str | int | float | bool):
            return Node(data, source)
        raise InputError.of(f"{type(data).__name__} is not plain data: {data!r}"[:200])

    return node(data)


def shared(tree: Node) -> Any:
    """The tree as plain data in which equal mappings and lists are one object, so that each is read once."""
    seen: dict[int, Any] = {}  # a node may stand in a tree several times
    known: dict[Any, Any] = {}

    def mark(data: Any) -> Any:
        return id(data) if isinstance(data, dict | list) else (type(data), data)

    def plain(node: Node) -> Any:
        value = node.value
        if not isinstance(value, dict | list):
            return value
        if id(node) not in seen:
            if isinstance(value, dict):
                data: Any = {key: plain(child) for key, child in value.items()}
                key: Any = tuple([(key, mark(child)) for key, child in data.items()])
            else:
                data = [plain(child) for child in value]
                key = tuple([mark(child) for child in data])
            seen[id(node)] = known.setdefault((type(value), key), data)
        return seen[id(node)]

    return plain(tree)


def read(path: Path) -> tuple[Node, bytes]:
    """Return a file's tree and bytes; InputError says why it cannot be read."""
    source = Source(shown(path), path.parent)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError([Problem(f"the file cannot be read: {reason}", file=source.file)]) from None
    except UnicodeDecodeError:
        raise InputError([Problem("the file is not UTF-8 text", file=source.file)]) from None
    if len(raw) > MAX_BYTES:
        raise InputError([Problem(f"the file is larger than {MAX_BYTES // 1_000_000} MB", file=source.file)])
    return (parse_json if path.suffix == ".json" else parse)(text, source), raw


@lru_cache(maxsize=64)  # parsing is most of a check's time, and a datasheet is used by many scenarios
def parse(text: str, source: Source) -> Node:
    """Return the tree of YAML text, which must hold one document that is not empty."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = _quickly(text) or YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.problem, error.context) if part)
        line = mark.line + 1 if mark else None
        raise InputError([Problem(f"not valid YAML: {what}", file=source.file, line=line)]) from None
    except YAMLError as error:
        what = str(error).splitlines()[0]
        raise InputError([Problem(f"not valid YAML: {what}", file=source.file)]) from None
    except RecursionError:
        raise InputError([Problem("the file is nested too deeply", file=source.file)]) from None
    if root is None:
        raise InputError([Problem("the file is empty", file=source.file)])
    return _Builder(source).build(root)


def _quickly(text: str) -> Any:
    """The text composed by libyaml, seven times as fast as in Python; None where it objects: Python says it better."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=False).compose(text)
    except (YAMLError, ValueError, RecursionError):
        return None


class _Builder:
    """Turns what the YAML parser composed into a tree, and collects what is wrong with it."""

    def __init__(self, source: Source) -> None:
        self.source, self.problems = source, list[Problem]()
        self.seen, self.open, self.repeats = set[int](), set[int](), 0

    def build(self, root: YamlNode) -> Node:
        try:
            tree = self.node(root, root.start_mark.line + 1, ())
        except RecursionError:
            self.complain("the file is nested too deeply", None, ())
        if self.problems:
            raise InputError(self.problems)
        return tree

    def complain(self, message: str, line: int | None, path: tuple[Key, ...], hint: str = "") -> None:
        self.problems.append(Problem(message, hint, self.source.file, line, dotted(path)))

    def node(self, yaml: YamlNode, line: int, path: tuple[Key, ...]) -> Node:
        self.repeats += id(yaml) in self.seen
        self.seen.add(id(yaml))
        if self.repeats > MAX_REPEATS or id(yaml) in self.open:
            self.complain("the aliases (*name) expand to too much", line, path[:1], "write the values out")
            raise InputError(self.problems)
        self.open.add(id(yaml))
        value = self.value(yaml, line, path)
        self.open.discard(id(yaml))
        return Node(value, self.source, line)

    def value(self, yaml: YamlNode, line: int, path: tuple[Key, ...]) -> Scalar | dict[str, Node] | list[Node]:
        tag = str(yaml.tag).removeprefix("tag:yaml.org,2002:")
        if tag == "map" and isinstance(yaml.value, list):
            return self.mapping(yaml, path)
        if tag == "seq" and isinstance(yaml.value, list):
            children = enumerate(yaml.value)
            return [self.node(child, child.start_mark.line + 1, (*path, i)) for i, child in children]
        if tag in _SCALARS and isinstance(yaml.value, str):
            try:
                scalar: Scalar = _SCALARS[tag](yaml.value)
                return scalar
            except ValueError:
                self.complain(f"{yaml.value[:40]!r} cannot be read as {tag}", line, path)
                return None
        tag = str(yaml.tag)[:60]
        self.complain(f"the tag {tag!r} is not allowed", line, path, "only plain data are read")
        return None

    def mapping(self, yaml: YamlNode, path: tuple[Key, ...]) -> dict[str, Node]:
        children: dict[str, Node] = {}
        for key, child in yaml.value:
            line = key.start_mark.line + 1
            if not isinstance(key.value, str):
                self.complain("a key must be a word", line, path)
                continue
            if key.value in children:
                first = children[key.value].line
                hint = f"it is already on line {first}; remove one"
                self.complain(f"duplicate key {key.value!r}", line, (*path, key.value), hint)
            children[key.value] = self.node(child, line, (*path, key.value))
        return children


def _integer(text: str) -> int:
    text = text.replace("_", "")
    return int(text, 0) if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else int(text)


def _number(text: str) -> float:
    text = text.replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Mapping[str, Any] = {
    "str": str, "timestamp": str, "int": _integer, "float": _number,
    "bool": lambda text: text.lower() == "true", "null": lambda text: None,
}  # fmt: skip


def parse_json(text: str, source: Source) -> Node:
    """Return the tree of JSON text; its nodes have no lines."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) < len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError([Problem(f"duplicate key {twice!r}", file=source.file)])
        return dict(items)

    try:
        return of(json.loads(text, object_pairs_hook=pairs, parse_constant=lambda _: math.nan), source)
    except json.JSONDecodeError as error:
        raise InputError([Problem(f"not valid JSON: {error.msg}", "", source.file, error.lineno)]) from None
    except (RecursionError, ValueError):
        raise InputError([Problem("not valid JSON: nested too deeply", file=source.file)]) from None


def shown(path: Path) -> str:
    """The path as a person would write it: relative when it lies below the working folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
