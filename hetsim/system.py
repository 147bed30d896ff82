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
        if source not in self._routes:
            self._routes[source] = self._search(source)
        return self._routes[source].get(target)

    @cached_property
    def _neighbours(self) -> Mapping[str, tuple[Hop, ...]]:
        hops: dict[str, list[Hop]] = {name: [] for name in self.components}
        for link in self.links.values():
            for a in link.sheet.between:
                hops[a] += [Hop(link, a, b) for b in link.sheet.between if b != a]
        return {name: tuple(h) for name, h in hops.items()}

    def _search(self, source: str) -> dict[str, tuple[Hop, ...]]:
        """Breadth-first search: the routes to all that can be reached."""
        paths: dict[str, tuple[Hop, ...]] = {source: ()}
        frontier = [source]
        while frontier:
            reached = []
            for name in frontier:
                for hop in self._neighbours[name]:
                    if hop.target not in paths:
                        paths[hop.target] = (*paths[name], hop)
                        reached.append(hop.target)
            frontier = reached
        return paths
