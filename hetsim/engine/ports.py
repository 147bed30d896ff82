"""Shared-rate ports: memory bandwidth and arithmetic throughput divided among those that use them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from hetsim.engine.clock import Clock
from hetsim.units import ticks


class Port:
    """Egalitarian processor sharing: n jobs each get 1/n of the rate.

    Kept in virtual time ``v`` (service given to each job): a job that arrives with demand d leaves when v has
    grown by d, whatever comes and goes meanwhile, so each arrival and departure costs one heap operation and
    re-times only the next departure. Since v restarts at 0 whenever the port is idle, a job that is alone takes
    exactly ``ticks(demand / rate)``.
    """

    def __init__(self, name: str, rate: float, clock: Clock) -> None:
        self.name, self.rate, self._clock = name, rate, clock
        self.busy, self.served = 0, 0.0
        self._v, self._since, self._number, self._alarm = 0.0, 0, 0, 0
        self._jobs: list[tuple[float, int, Callable[[Any], None], Any]] = []

    def join(self, demand: float, done: Callable[[Any], None], payload: Any) -> None:
        """Start serving ``demand`` units; ``done(payload)`` is called when they are served."""
        self._advance()
        self._number += 1
        self.served += demand
        heapq.heappush(self._jobs, (self._v + demand, self._number, done, payload))
        self._retime()

    def _advance(self) -> None:
        now = self._clock.now
        if self._jobs:
            self._v += (now - self._since) * 1e-12 * self.rate / len(self._jobs)
            self.busy += now - self._since
        else:
            self._v = 0.0
        self._since = now

    def _retime(self) -> None:
        """Set the alarm for the next departure; an alarm that was set before is stale from now on."""
        self._alarm += 1
        if self._jobs:
            left = max(0.0, self._jobs[0][0] - self._v)
            self._clock.alarm(ticks(left * len(self._jobs) / self.rate), self._depart, self._alarm)

    def _depart(self, alarm: int) -> None:
        if alarm != self._alarm:
            return
        self._advance()
        target = self._jobs[0][0]
        self._v = max(self._v, target)  # the alarm was rounded to a tick
        leaving = []
        while self._jobs and self._jobs[0][0] <= self._v:
            leaving.append(heapq.heappop(self._jobs))
        self._retime()
        for _, _, done, payload in leaving:
            done(payload)
