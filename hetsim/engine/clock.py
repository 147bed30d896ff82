"""Simulated time: SimPy's event queue, in integer ticks of one picosecond."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeVar

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL

from hetsim.errors import RunError

P = TypeVar("P")


class Clock(simpy.Environment):
    """A SimPy environment that counts its events and stops at a limit.

    Next to SimPy's own events its queue holds alarms: a call and its payload, which need no event around them.
    """

    def __init__(self, max_events: int | None = None) -> None:
        super().__init__(initial_time=0)
        self.events = 0
        self._limit = max_events if max_events is not None else 1 << 62

    @property
    def now(self) -> int:
        """The simulated time in ticks."""
        return self._now  # type: ignore[return-value]  # an int as long as every delay is one

    def alarm(self, delay: int, call: Callable[[P], None], payload: P) -> None:
        """Call ``call(payload)`` after ``delay`` ticks. Alarms of one tick ring in the order in which they were set."""
        self.events += 1
        if self.events > self._limit:
            raise self._too_many()
        alarm: Any = (call, payload)
        heappush(self._queue, (self._now + delay, NORMAL, next(self._eid), alarm))

    def count(self) -> None:
        """One event more; RunError when there are more than the limit."""
        self.events += 1
        if self.events > self._limit:
            raise self._too_many()

    def _too_many(self) -> RunError:
        return RunError(f"the run needs more than max_events = {self._limit} events; stopped at {self._now} ps")

    def step(self) -> None:
        """Ring the next alarm, or process the next event."""
        queue: list[Any] = self._queue
        if not queue:
            raise EmptySchedule
        if type(queue[0][3]) is tuple:
            self._now, _, _, (call, payload) = heappop(queue)
            call(payload)
        else:
            super().step()
