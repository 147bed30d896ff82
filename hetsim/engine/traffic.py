"""Requests: when they arrive (all at once, one for one that completes, or by the clock), and whose they are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetsim.keys import key
from hetsim.units import ticks

if TYPE_CHECKING:
    from hetsim.scenario import Scenario, Traffic
    from hetsim.workload import Workload


def arrivals(traffic: Traffic, seed: int) -> Iterator[int]:
    """Ticks at which requests arrive, in order; a closed loop's first requests only, the others follow."""
    if traffic.kind == "batch":
        return itertools.repeat(0)
    if traffic.kind == "closed":
        return itertools.repeat(0, traffic.concurrency)
    if traffic.kind == "poisson":
        return _poisson(traffic.rate, seed)
    return (ticks(t) for t in traffic.times)


def _poisson(rate: float, seed: int) -> Iterator[int]:
    """Arrivals of a Poisson process of ``rate`` per second: exponential gaps, drawn in blocks by key."""
    import numpy as np

    last = 0.0
    for block in itertools.count():
        generator = np.random.Generator(np.random.Philox(key=key(seed, "traffic", block)))
        for gap in generator.exponential(1 / rate, 1024):
            last += float(gap)
            yield ticks(last)


class Source:
    """One tenant's requests: when they arrive, how many came, and what became of them.

    Of ``count`` tenants the one at ``position`` has the requests position, position + count …; ``open`` are those that
    wait or are served.
    """

    def __init__(self, tenant: str, position: int, count: int, workload: Workload, traffic: Traffic, seed: int) -> None:
        self.tenant, self.position, self.workload, self.traffic = tenant, position, workload, traffic
        self._count = count
        self.total = traffic.requests or workload.requests
        self.asked, self.dropped, self.done, self.open = 0, 0, 0, 0
        self.answers: dict[int, Any] = {}  # by the tenant's own numbers
        self.arrivals = arrivals(traffic, key(seed, "arrivals", tenant) if tenant else key(seed, "arrivals"))

    def next(self) -> int:
        """The number of the next request."""
        self.asked += 1
        return (self.asked - 1) * self._count + self.position

    def own(self, request: int) -> int:
        """A request's number among the tenant's."""
        return request // self._count

    def draws(self, request: int) -> tuple[str | int, ...]:
        """What keys the draws of a request: the same whoever else shares the system."""
        return (self.tenant, self.own(request)) if self.tenant else (request,)


def sources(scenario: Scenario, workload: Workload) -> list[Source]:
    """The source of each tenant's requests, in the order of the scenario."""
    tenants = workload.tenants
    return [
        Source(name, k, len(tenants), part, scenario.traffic_of(name), scenario.seed)
        for k, (name, part) in enumerate(tenants.items())
    ]
