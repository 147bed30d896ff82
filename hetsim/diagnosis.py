"""Diagnosis: what pydantic found wrong with a tree, as problems with file, line, path and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hetsim.document import Key, Node, dotted
from hetsim.errors import Problem, closest, did_you_mean
from hetsim.kinds import Registered

_LIMITS = {
    "greater_than": ("must be more than {gt:g}", "gt"),
    "greater_than_equal": ("must be at least {ge:g}", "ge"),
    "less_than": ("must be less than {lt:g}", "lt"),
    "less_than_equal": ("must be at most {le:g}", "le"),
}
_EXPECTED = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a finite number",
    "string_type": "a word", "bool_type": "true or false", "bool_parsing": "true or false",
    "mapping_type": "a mapping {key: value, …}", "dict_type": "a mapping {key: value, …}",
    "model_type": "a mapping {key: value, …}", "model_attributes_type": "a mapping {key: value, …}",
    "tuple_type": "a list [a, b, …]", "list_type": "a list [a, b, …]",
}  # fmt: skip


def problems(error: ValidationError, tree: Node, model: type[BaseModel]) -> list[Problem]:
    """Every problem of a validation, one a place, in the order of the file."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        path, node = _place(tree, detail)
        message, hint = _words(detail, node, model, tree, path)
        key = dotted(path)
        if key in found:
            both = f"{found[key].message}; or {message}"
            message = found[key].message if message in found[key].message else both
            hint = found[key].hint or hint
        found[key] = Problem(message, hint, node.source.file, node.line, key)
    return sorted(found.values(), key=lambda p: (p.file, p.line or 0))


def _place(tree: Node, detail: ErrorDetails) -> tuple[tuple[Key, ...], Node]:
    """The path of an error within the tree, and the innermost node on it.

    Pydantic's location also names members of unions, which are not keys of the file.
    """
    node, path = tree, list[Key]()
    for part in detail["loc"]:
        child = node.child(part)
        if child is not None:
            node = child
            path.append(part)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path), node


def _words(
    detail: ErrorDetails, node: Node, model: type[BaseModel], tree: Node, path: tuple[Key, ...]
) -> tuple[str, str]:
    """What was found and expected, and what to do."""
    kind, context = detail["type"], detail.get("ctx", {})
    name = str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "missing":
        return f"{name!r} is missing", ""
    if kind == "extra_forbidden":
        return f"key {name!r} is not known", did_you_mean(name, _fields(model, tree, path[:-1]))
    if kind == "kind":
        return str(context["what"]), str(context["hint"])
    if kind == "value_error":
        return str(context["error"]), ""
    shown = _shown(node)
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"{shown} is out of range: it {words.format(**{limit: context[limit]})}", ""
    if kind in ("literal_error", "union_tag_invalid", "enum"):
        return _choice(node, context)
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        return f"it has {context['actual_length']} entries; {kind[4:]}er than {bound} is not allowed", ""
    if kind in _EXPECTED:
        return f"{shown} is not right here; {_EXPECTED[kind]} is expected", ""
    return f"{shown}: {detail['msg'][:1].lower()}{detail['msg'][1:]}", ""


def _choice(node: Node, context: Mapping[str, Any]) -> tuple[str, str]:
    """A word that is not one of the few that are allowed."""
    allowed = str(context.get("expected_tags") or context.get("expected"))
    word = context.get("tag", node.plain())
    near = closest(str(word), re.findall(r"'([^']*)'", allowed))
    return f"{word!r} is not known; {allowed} is expected", f"did you mean {near!r}?" if near else ""


def _shown(node: Node) -> str:
    text = repr(node.plain())
    return text if len(text) <= 60 else text[:57] + "…"


def _fields(model: type[BaseModel], tree: Node, path: Sequence[Key]) -> list[str]:
    """The keys that a file may have at a path, from the models that read it."""
    types, node = [model], tree
    readers: list[tuple[Any, Sequence[Any]]] = [(model, ())]
    for part in path:
        readers = [inner for kind, marks in readers for inner in _inside(kind, marks, part)]
        child = node.child(part)
        node = child if child is not None else node
        readers = [(_read_by(kind, marks, node), ()) for kind, marks in readers]
    types = [found for kind, _ in readers for found in _models(kind)]
    return [f.alias or name for m in types for name, f in m.model_fields.items()]


def _read_by(kind: Any, marks: Sequence[Any], node: Node) -> Any:
    """The sheet of the registered kind, where a field is read by one; else the field's own type."""
    for mark in marks:
        if isinstance(mark, Registered):
            return mark.sheet_type(node.plain())
    return kind


def _inside(kind: Any, marks: Sequence[Any], part: Key) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The types that a key or position of a value of the type may have."""
    for model in _models(kind):
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                yield field.annotation, field.metadata
    arguments = [a for a in get_args(kind) if a is not Ellipsis and a is not str]
    if not list(_models(kind)):
        yield from (
            (get_args(a)[0], a.__metadata__) if hasattr(a, "__metadata__") else (a, ()) for a in arguments
        )


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """The models among the members of a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif type(None) in get_args(kind) or hasattr(kind, "__metadata__"):
        for member in get_args(kind):
            yield from _models(member)
