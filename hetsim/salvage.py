"""Salvage: what is left to judge of a scenario in which something is wrong, so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hetsim.document import Key, Node, Source, of
from hetsim.errors import Problem

_COMPONENT = of({"kind": "abstract"}, Source("stand-in"))
_LINK = of({"kind": "ideal", "bandwidth": "1 B/s"}, Source("stand-in"))
_WORKLOAD = of({"tasks": {"task": {"cost": {"component": "1 s"}}}}, Source("stand-in"))


def salvaged(tree: Node, wrong: Iterable[Problem]) -> Node:
    """The tree with stand-ins for what is wrong in it.

    A component stays under its name, since others speak of it, and a link between what it joins; of everything else
    the setting goes or, when that has gone, its block.
    """
    for problem in wrong:
        keys = problem.path.split(".")
        if keys[:2] == ["system", "components"] and len(keys) > 2:
            tree = tree.put(keys[:3], _COMPONENT)
        elif keys[:2] == ["system", "links"] and len(keys) > 2:
            tree = _link(tree, keys)
        elif keys[0] == "workload":
            tree = tree.put(("workload",), _WORKLOAD)
        elif keys[0] == "workloads" and len(keys) > 2:
            own = keys[2] == "traffic"
            tree = (_without(tree, keys[:3]) or tree) if own else tree.put(keys[:2], _WORKLOAD)
        else:
            tree = _without(tree, keys[:2]) or _without(tree, keys[:1]) or tree
    return tree


def _link(tree: Node, keys: Sequence[Key]) -> Node:
    """The tree with a stand-in for a link; without it if what it joins is wrong."""
    between = tree.place(keys[:3]).child("between")
    if between is None or "between" in keys[3:]:
        return _without(tree, keys[:3]) or tree
    return tree.put(keys[:3], _LINK.put(("between",), between))


def _without(tree: Node, path: Sequence[Key]) -> Node | None:
    """The tree without what stands at a path; None where nothing does."""
    *above, last = path
    holder = tree
    for key in above:
        child = holder.child(key)
        if child is None:
            return None
        holder = child
    if not isinstance(holder.value, dict) or holder.child(last) is None:
        return None
    return tree.put(above, holder.without(str(last)))


def judged(found: Iterable[Problem], unread: Sequence[Problem]) -> list[Problem]:
    """What is found wrong besides what could not be read: of the blocks of that nothing is known."""
    blocks = [problem.path.rpartition(".")[0] for problem in unread if not problem.file.startswith("--set")]
    return [p for p in found if not any(block and f"{p.path}.".startswith(f"{block}.") for block in blocks)]
