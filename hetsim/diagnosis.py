"""Diagnosis: what pydantic found wrong with a tree, as problems with file, line, path and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

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
    told: dict[tuple[int, str, Key], tuple[Key, ...]] = {}
    for detail in error.errors(include_url=False):
        path, node = _place(tree, detail)
        missing = detail["loc"][-1] if detail["type"] == "missing" else ""
        if told.setdefault((id(node), detail["msg"], missing), path) != path:
            continue  # one node stands in the tree for many equal components: once is enough
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
    if detail["type"] == "union_tag_invalid":
        tag = str(detail["ctx"]["discriminator"]).strip("'")
        node = node.place((tag,))
        path.append(tag)
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
    readers, node = list[Any]([model]), tree
    for part in path:
        child = node.child(part)
        node = child if child is not None else node
        readers = [inner for reader in readers for inner in _inside(reader, part, node)]
    models = [found for reader in readers for found in _models(reader) if _reads(found, node)]
    return [field.alias or name for found in models for name, field in found.model_fields.items()]


def _inside(reader: Any, part: Key, node: Node) -> Iterator[Any]:
    """The types that read ``node``, which stands under a key or position of what ``reader`` reads."""
    models = list(_models(reader))
    for model in models:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                yield _registered(field.annotation, field.metadata, node)
    for argument in () if models else get_args(reader):
        marks = getattr(argument, "__metadata__", ())
        yield _registered(argument, marks, node)


def _registered(kind: Any, marks: Sequence[Any], node: Node) -> Any:
    """The sheet of the block's kind where a field is read by one, else the field's own type."""
    return next((mark.sheet_type(node.plain()) for mark in marks if isinstance(mark, Registered)), kind)


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """The model that a type is, or those among the members of a union."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in (Annotated, Union, UnionType):
        for member in get_args(kind):
            yield from _models(member)


def _reads(model: type[BaseModel], node: Node) -> bool:
    """Whether a member of a union is the one that the block's ``kind`` asks for."""
    kind, asked = model.model_fields.get("kind"), node.child("kind")
    return kind is None or asked is None or kind.default == asked.value
