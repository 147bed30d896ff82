"""Transit: how long data are on their way between any two components when nothing contends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from hetsim.engine.lanes import alone, timings
from hetsim.engine.memo import Memo
from hetsim.engine.menus import Menu
from hetsim.hardware.link import Link
from hetsim.schedulers.scheduler import FOREVER
from hetsim.system import System


class Sending(NamedTuple):
    """Bytes that are sent, and the ticks from their component to any other but those ``apart``, by number."""

    source: str
    size: int
    ticks: int
    apart: Mapping[int, int]


class Transit:
    """Ticks from component to component for any size.

    Routes over links of the same law take the same time, so there are few times to work out for a size however
    many components there are: ``routes[a]`` gives for each component, in the order of the scenario, the number of
    the kind of route that leads there from component ``a``, and then ``times[size]`` the ticks for each kind,
    ``joules[size]`` the energy.
    ``usual[a]`` is the most frequent kind from ``a``, and the components that are reached in another way.
    ``sendings[a, size]`` tells the same of ticks, and ``charges[a, size]`` of joules.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._kinds: dict[tuple[tuple[str, int], ...] | None, int] = {}
        self._examples: list[tuple[tuple[Link[Any], int], ...] | None] = []
        self._laws = {name: _law(link) for name, link in system.links.items()}
        self._components = list(system.components)
        self._ways: dict[tuple[Menu, Menu], list[tuple[int, int]]] = {}
        self.routes: Memo[str, Memo[int, int]] = Memo(self._row)
        self.usual: Memo[str, tuple[int, tuple[int, ...]]] = Memo(self._usual)
        self.sendings: Memo[tuple[str, int], Sending] = Memo(lambda pair: self._sending(*pair))
        self.charges: Memo[tuple[str, int], tuple[float, Mapping[int, float]]] = Memo(lambda pair: self._charge(*pair))
        self.times: Memo[int, Memo[int, int]] = Memo(lambda size: Memo(lambda kind: self._ticks(kind, size)))
        self.joules: Memo[int, Memo[int, float]] = Memo(lambda size: Memo(lambda kind: self._joules(kind, size)))

    def ways(self, sources: Menu, targets: Menu) -> list[tuple[int, int]]:
        """Kinds of route between two different components, and how many pairs each of them joins."""
        found = self._ways.get((sources, targets))
        if found is None:
            rows = [(a, self.routes[self._components[a]]) for a in sources.numbers]
            kinds = Counter(routes[b] for a, routes in rows for b in targets.numbers if a != b)
            found = [(kind, count) for kind, count in kinds.items() if self.times[0][kind] < FOREVER]
            self._ways[sources, targets] = found
        return found

    def _row(self, source: str) -> Memo[int, int]:
        return Memo(lambda target: self._kind(source, self._components[target]))

    def _usual(self, source: str) -> tuple[int, tuple[int, ...]]:
        routes = self.routes[source]
        row = [routes[c] for c in range(len(self._components))]
        kind = Counter(row).most_common(1)[0][0]
        return kind, tuple([c for c, other in enumerate(row) if other != kind])

    def _sending(self, source: str, size: int) -> Sending:
        times, routes, (kind, apart) = self.times[size], self.routes[source], self.usual[source]
        return Sending(source, size, times[kind], {c: times[routes[c]] for c in apart})

    def _charge(self, source: str, size: int) -> tuple[float, Mapping[int, float]]:
        joules, routes, (kind, apart) = self.joules[size], self.routes[source], self.usual[source]
        return joules[kind], {c: joules[routes[c]] for c in apart}

    def _kind(self, source: str, target: str) -> int:
        """The number of the kind of route between two components."""
        route = self._system.route(source, target)
        way = None if route is None else tuple([(h.link, h.link.hops(h.source, h.target)) for h in route])
        law = None if way is None else tuple([(self._laws[link.name], hops) for link, hops in way])
        if law not in self._kinds:
            self._kinds[law] = len(self._examples)
            self._examples.append(way)
        return self._kinds[law]

    def _ticks(self, kind: int, size: int) -> int:
        """Ticks for so many bytes over a kind of route; forever where there is no way."""
        way = self._examples[kind]
        return FOREVER if way is None else alone(timings(way, size))

    def _joules(self, kind: int, size: int) -> float:
        """Joules for so many bytes over a kind of route; nothing where there is no way."""
        return sum([hops * link.joules(size) for link, hops in self._examples[kind] or ()])


def _law(link: Link[Any]) -> str:
    """What decides how long a transfer takes: the kind of link and its datasheet, whatever it joins."""
    return f"{link.kind} {link.sheet.model_dump_json(exclude={'between', 'origin', 'title', 'references'})}"
