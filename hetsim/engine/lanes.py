"""Calendars of links: transfers on a lane are served in the order in which they are asked for."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hetsim.engine.arbiter import Arbiter, arbiter
from hetsim.engine.clock import Clock
from hetsim.hardware.link import Link
from hetsim.system import System
from hetsim.units import ticks


class Lane:
    """One transfer at a time; ``free`` is when the last one reserved leaves it."""

    __slots__ = ("free",)

    def __init__(self) -> None:
        self.free = 0


class Places(Lane):
    """So many transfers at a time. Setting ``free`` books the place that is free first until then."""

    __slots__ = ("_ends",)

    def __init__(self, count: int) -> None:
        self._ends = [0] * count

    @property
    def free(self) -> int:
        return self._ends[0]

    @free.setter
    def free(self, end: int) -> None:
        heapq.heapreplace(self._ends, end)


@dataclass(frozen=True, slots=True)
class Timing:
    """A link's part of a route for so many bytes, in ticks.

    ``lead`` is how long after its begin the first packet is at the next link; ``trail`` what the last packet takes:
    a link ends no sooner than that after the one before it, and leaves gaps to others if it is faster. ``step`` is
    from lane to lane.
    """

    occupancy: int
    latency: int
    step: int
    lead: int
    trail: int


def timings(route: Sequence[tuple[Link[Any], int]], size: int) -> list[Timing]:
    """What each link of a route takes, given with its number of lanes."""
    packets = [min(size, int(link.sheet.packet)) for link, _ in route]
    found = []
    for k, (link, hops) in enumerate(route):
        occupancy = ticks(link.occupancy(size))
        step = ticks(link.latency(1)) if hops > 1 else 0
        latency = ticks(link.latency(hops) + link.occupancy(size)) - occupancy if hops <= 1 else hops * step
        first = max(packets[k : k + 2]) if link.arbitration() is None else size  # others' bursts may come between
        last = max(packets[max(k - 1, 0) : k + 1])
        lead = latency + ticks(link.occupancy(first))
        found.append(Timing(occupancy, latency, step, lead, ticks(link.occupancy(last))))
    return found


def alone(parts: Sequence[Timing]) -> int:
    """Ticks over a route when nothing contends: packets follow each other over its links."""
    begin, end = 0, 0
    for part in parts:
        end = max(begin + part.occupancy, end + part.trail if begin else 0) + part.latency
        begin += part.lead
    return end


@dataclass(slots=True, eq=False)
class Hop:
    """One link crossed by a transfer of known size: what it takes, and how often it was crossed.

    ``lane`` is the first of its lanes (None when transfers never wait) and ``more`` are the others;
    ``arbiter`` serves it where the order is not that of request, in ``bursts``.
    """

    lane: Lane | None
    link: int
    source: int
    target: int
    occupancy: int
    total: int
    joules: float
    size: int
    lead: int = 0
    trail: int = 0
    step: int = 0
    more: tuple[Lane, ...] = ()
    arbiter: Arbiter | None = None
    bursts: int = 1
    crossed: int = 0


class Roads:
    """The hops between any two components for any size, worked out once."""

    def __init__(self, system: System, clock: Clock) -> None:
        self._system, self._clock = system, clock
        self._index = {name: i for i, name in enumerate(system.components)}
        self._links = {name: i for i, name in enumerate(system.links)}
        self._lanes: dict[str, Lane] = {}
        self._arbiters: dict[str, Arbiter] = {}
        self.passages: dict[tuple[str, str, int], tuple[Hop, ...]] = {}

    def passage(self, source: str, target: str, size: int) -> tuple[Hop, ...] | None:
        """The hops from one to the other; None when there is no way."""
        found = self.passages.get((source, target, size))
        if found is None:
            route = self._system.route(source, target)
            if route is None:
                return None
            parts = timings([(hop.link, hop.link.hops(hop.source, hop.target)) for hop in route], size)
            hops = [self._hop(hop.link, hop.source, hop.target, size, p) for hop, p in zip(route, parts, strict=True)]
            found = self.passages[source, target, size] = tuple(hops)
        return found

    def _hop(self, link: Link[Any], source: str, target: str, size: int, part: Timing) -> Hop:
        names = link.lanes(source, target)
        lanes = [self._lane(name, link) for name in names]
        hop = Hop(
            lanes[0] if lanes else None, self._links[link.name], self._index[source], self._index[target],
            part.occupancy, part.latency + part.occupancy, link.joules(size) * max(1, len(lanes)), size,
            part.lead, part.trail, part.step, tuple(lanes[1:]),
        )  # fmt: skip
        shared = link.arbitration()
        if shared is not None and part.occupancy:
            if names[0] not in self._arbiters:
                self._arbiters[names[0]] = arbiter(shared, self._clock, self._index)
            hop.arbiter, hop.bursts = self._arbiters[names[0]], -(-size // int(shared.burst))
        return hop

    def _lane(self, name: str, link: Link[Any]) -> Lane:
        if name not in self._lanes:
            self._lanes[name] = Lane() if link.places() == 1 else Places(link.places())
        return self._lanes[name]
