"""Counted components: one entry with a ``count`` stands for so many equal parts, ``tile_0``, ``tile_1``, …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hetsim.document import Node, dotted
from hetsim.errors import InputError, Problem

MOST = 1_000_000

Path = tuple[str, ...]
_PARTS: Path = ("system", "components")


def expanded(tree: Node) -> Node:
    """The tree with every part of its own: components with a ``count``, and what names all of them at once, which are
    the ends of links, pins and splits.

    Raises InputError for a count that is none, and for a name that another component has.
    """
    counts = _counts(tree)
    if not counts:
        return tree
    parts = _children(tree, _PARTS)
    members = {name: [f"{name}_{i}" for i in range(count)] for name, count in counts.items()}
    taken = [Problem(
        f"{name!r} has a count, and stands for {member!r}, which is a component too", "rename one of them",
        node.source.file, node.line, dotted((*_PARTS, member)),
    ) for name, names in members.items() for member in names if (node := parts.get(member)) is not None]  # fmt: skip
    if taken:
        raise InputError(taken)
    alike: dict[str, Node] = {}
    for name, node in parts.items():
        bare = node.without("count") if name in members else node
        alike |= dict.fromkeys(members.get(name, [name]), bare)
    whole = tree.put(_PARTS, replace(tree.place(_PARTS), value=alike))
    for path in _namings(tree):
        whole = whole.put(path, _named(tree.place(path), members))
    return whole


def folded(resolved: dict[str, Any], tree: Node) -> dict[str, Any]:
    """Undo in a resolved scenario what `expanded` did to its tree, so that it stays as short as it was asked."""
    counts = _counts(tree)
    if not counts:
        return resolved
    all_parts, parts = resolved["system"]["components"], {}
    for name in _children(tree, _PARTS):
        count = counts.get(name)
        parts[name] = all_parts[name] if count is None else {**all_parts[f"{name}_0"], "count": count}
    resolved["system"]["components"] = parts
    for *above, key in _namings(tree):
        block = resolved
        for step in above:
            block = block[step]
        block[key] = tree.place((*above, key)).plain()
    return resolved


def _counts(tree: Node) -> Mapping[str, int]:
    """The count of each component that has one."""
    counts, wrong = {}, []
    for name, node in _children(tree, _PARTS).items():
        given = node.child("count") if isinstance(node.value, dict) else None
        if given is None:
            continue
        if isinstance(given.value, int) and not isinstance(given.value, bool) and 1 <= given.value <= MOST:
            counts[name] = given.value
            continue
        what = f"{given.plain()!r} is no count; a whole number from 1 to {MOST:,} is expected"
        wrong.append(Problem(what, "", given.source.file, given.line, dotted((*_PARTS, name, "count"))))
    if wrong:
        raise InputError(wrong)
    return counts


def _namings(tree: Node) -> Iterator[Path]:
    """Where components are named, several at once."""
    for name, link in _children(tree, ("system", "links")).items():
        yield from (("system", "links", name, key) for key in ("between", "order") if link.child(key))
    yield from (("scheduler", "pin", pattern) for pattern in _children(tree, ("scheduler", "pin")))
    for pattern, split in _children(tree, ("scheduler", "split")).items():
        if split.child("over"):
            yield "scheduler", "split", pattern, "over"


def _named(node: Node, members: Mapping[str, list[str]]) -> Node:
    """A name or a list of names, with all that a name stands for."""
    if isinstance(node.value, str) and node.value in members:
        return replace(node, value=[replace(node, value=name) for name in members[node.value]])
    if not isinstance(node.value, list):
        return node
    found: list[Node] = []
    for end in node.value:
        names = _named(end, members).value
        found += names if isinstance(names, list) and isinstance(end.value, str) else [end]
    return replace(node, value=found)


def _children(tree: Node, path: Path) -> Mapping[str, Node]:
    """The mapping at a path, empty where there is none."""
    node: Node | None = tree
    for key in path:
        node = node.child(key) if node is not None else None
    return node.value if node is not None and isinstance(node.value, dict) else {}
