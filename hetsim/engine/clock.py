"""Simulated time: SimPy's event queue, in integer ticks of one picosecond."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeVar

import simpy
from simpy.events import NORMAL

from hetsim.errors import RunError

P = TypeVar("P")
ALARM = 5  # entries of an alarm in the queue; an event has four


class Clock(simpy.Environment):
    """A SimPy environment that counts its events and stops at a limit.

    Next to SimPy's own events its queue holds alarms: a call and its payload, which need no event around them.
    """

    now: int = 0  # simulated ticks; SimPy's property would be a call for each look

    def __init__(self, max_events: int | None = None) -> None:
        super().__init__(initial_time=0)
        self.events = 0
        self._limit = max_events if max_events is not None else 1 << 62

    def alarm(self, delay: int, call: Callable[[P], None], payload: P) -> None:
        """Call ``call(payload)`` after ``delay`` ticks. Alarms of one tick ring in the order in which they were set."""
        self.events += 1
        if self.events > self._limit:
            raise self._too_many()
        alarm: Any = (self.now + delay, NORMAL, next(self._eid), call, payload)
        heappush(self._queue, alarm)

    def count(self) -> None:
        """One event more; RunError when there are more than the limit."""
        self.events += 1
        if self.events > self._limit:
            raise self._too_many()

    def _too_many(self) -> RunError:
        return RunError(f"the run needs more than max_events = {self._limit} events; stopped at {self.now} ps")

    def run(self, until: int | None = None) -> None:  # type: ignore[override]
        """Ring the alarms and process SimPy's events in turn, those before ``until`` if it is given."""
        queue: list[Any] = self._queue
        while queue and (until is None or queue[0][0] < until):
            if len(queue[0]) == ALARM:
                self.now, _, _, call, payload = heappop(queue)
                self._now = self.now
                call(payload)
            else:
                self.now = queue[0][0]
                self.step()
        if until is not None:
            self.now = self._now = until
