"""A system: named components and links, and the routes between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hetsim.hardware.component import Component
from hetsim.hardware.link import Link


@dataclass(frozen=True, slots=True)
class Hop:
    """One link of a route, crossed from ``source`` to ``target``."""

    link: Link[Any]
    source: str
    target: str


class System:
    """Named components and links; ``host`` is where inputs start and programs run."""

    def __init__(
        self, components: Mapping[str, Component[Any]], links: Mapping[str, Link[Any]], host: str | None
    ) -> None:
        self.components, self.links, self.host = dict(components), dict(links), host
        self._routes: dict[str, dict[str, tuple[Hop, ...]]] = {}
        for component in self.components.values():
            component.bind(self.components)

    def route(self, source: str, target: str) -> tuple[Hop, ...] | None:
        """The fewest hops from one component to another, in declaration order among equals; None without a way.

        A component on two links bridges them. From a component to itself the route is empty.
        """
        if source == target:
            return ()
        for link in self._joined[source]:  # most are neighbours, and then nothing has to be searched
            if target in self._members[link.name]:
                return (Hop(link, source, target),)
        if source not in self._routes:
            self._routes[source] = self._search(source)
        return self._routes[source].get(target)

    @cached_property
    def _members(self) -> Mapping[str, frozenset[str]]:
        return {link.name: frozenset(link.sheet.between) for link in self.links.values()}

    @cached_property
    def _joined(self) -> Mapping[str, tuple[Link[Any], ...]]:
        """The links on which each component is, in order of declaration."""
        joined: dict[str, list[Link[Any]]] = {name: [] for name in self.components}
        for link in self.links.values():
            for name in dict.fromkeys(link.sheet.between):
                joined[name].append(link)
        return {name: tuple(links) for name, links in joined.items()}

    def _search(self, source: str) -> dict[str, tuple[Hop, ...]]:
        """Breadth-first search: the routes to all that can be reached. A link leads to all on it the first time."""
        paths: dict[str, tuple[Hop, ...]] = {source: ()}
        frontier, crossed = [source], set[str]()
        while frontier:
            reached = []
            for name in frontier:
                for link in self._joined[name]:
                    if link.name in crossed:
                        continue
                    crossed.add(link.name)
                    for target in link.sheet.between:
                        if target not in paths:
                            paths[target] = (*paths[name], Hop(link, name, target))
                            reached.append(target)
            frontier = reached
        return paths
