"""Placement: where ops may run, given what components support, what is pinned, and which links there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from hetsim.system import System
from hetsim.workload import Graph, Op

Pin = Mapping[str, str | tuple[str, ...]]


def pinned(pin: Pin, op: str) -> tuple[str, ...] | None:
    """The components to which an op is pinned: by its very name, else by the first pattern that matches."""
    found = pin.get(op)
    if found is None:
        found = next((parts for pattern, parts in pin.items() if fnmatchcase(op, pattern)), None)
    return (found,) if isinstance(found, str) else found


def refusals(op: Op, system: System, pin: Pin) -> Mapping[str, str]:
    """For each component why it cannot run the op, empty where it can."""
    allowed = pinned(pin, op.name)
    return {
        name: part.supports(op) if allowed is None or name in allowed else "the op is pinned elsewhere"
        for name, part in system.components.items()
    }


def islands(system: System) -> Mapping[str, int]:
    """Components numbered so that two have the same number when a route joins them."""
    number = {name: i for i, name in enumerate(system.components)}
    members = {i: [name] for name, i in number.items()}
    for link in system.links.values():
        first, *others = link.sheet.between
        for other in others:
            home, guest = number[first], number[other]
            if home != guest:
                number.update(dict.fromkeys(members[guest], home))
                members[home] += members.pop(guest)
    return number


def severed(
    graph: Graph, options: Mapping[str, tuple[str, ...]], system: System
) -> Iterator[tuple[str, str, str, str]]:
    """Pairs of components between which data would have to move without a route.

    Yields ``(source, target, who sends, who reads)``, each pair of components once. A scheduler may place two
    ops that share an edge on any two of their ``options`` (by op name), so all those must be joined.
    """
    island, seen = islands(system), set[tuple[str, str]]()
    if len(set(island.values())) == 1:
        return
    for sender, reader in _edges(graph):
        for a in options[sender] if sender else (system.host,):
            for b in options[reader] if reader else (system.host,):
                if a and b and island[a] != island[b] and (a, b) not in seen:
                    seen.add((a, b))
                    yield a, b, sender, reader


def _edges(graph: Graph) -> Iterator[tuple[str, str]]:
    """Names of ops that send and read; empty for the host."""
    for op, sources in zip(graph.ops, graph.edges, strict=True):
        for producer, _, _ in sources:
            yield graph.ops[producer].name if producer >= 0 else "", op.name
    for producer, _, _ in graph.returned:
        if producer >= 0:
            yield graph.ops[producer].name, ""
