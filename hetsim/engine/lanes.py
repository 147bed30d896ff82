"""Calendars of links: transfers on a lane are served in the order in which they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from hetsim.system import System
from hetsim.units import ticks


class Lane:
    """One transfer at a time; ``free`` is when the last one reserved leaves it."""

    __slots__ = ("free",)

    def __init__(self) -> None:
        self.free = 0


@dataclass(slots=True, eq=False)
class Hop:
    """One link crossed by a transfer of known size: what it takes, and how often it was crossed."""

    lane: Lane | None
    link: int
    source: int
    target: int
    occupancy: int
    total: int
    joules: float
    size: int
    crossed: int = 0


class Roads:
    """The hops between any two components for any size, worked out once."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._index = {name: i for i, name in enumerate(system.components)}
        self._links = {name: i for i, name in enumerate(system.links)}
        self._lanes: dict[str, Lane] = {}
        self.passages: dict[tuple[str, str, int], tuple[Hop, ...]] = {}

    def passage(self, source: str, target: str, size: int) -> tuple[Hop, ...] | None:
        """The hops from one to the other; None when there is no way."""
        found = self.passages.get((source, target, size))
        if found is None:
            route = self._system.route(source, target)
            if route is None:
                return None
            hops = []
            for hop in route:
                link, name = hop.link, hop.link.lane(hop.source, hop.target)
                lane = None if name is None else self._lanes.setdefault(name, Lane())
                occupancy, latency = link.occupancy(size), link.latency()
                hops.append(
                    Hop(lane, self._links[link.name], self._index[hop.source], self._index[hop.target],
                        ticks(occupancy), ticks(latency + occupancy), link.joules(size), size)
                )  # fmt: skip
            found = self.passages[source, target, size] = tuple(hops)
        return found
