"""Simulated time: SimPy's event queue, in integer ticks of one picosecond."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy

from hetsim.errors import RunError


class Clock(simpy.Environment):
    """A SimPy environment that counts its events and stops at a limit."""

    def __init__(self, max_events: int | None = None) -> None:
        super().__init__(initial_time=0)
        self.events = 0
        self._limit = max_events if max_events is not None else 1 << 62

    @property
    def now(self) -> int:
        """The simulated time in ticks."""
        return self._now  # type: ignore[return-value]  # an int as long as every delay is one

    def alarm(self, delay: int, call: Callable[[Any], None], payload: Any) -> None:
        """Call ``call(event)`` after ``delay`` ticks; ``event.payload`` is the payload.

        Alarms of one tick ring in the order in which they were set.
        """
        self.events += 1
        if self.events > self._limit:
            raise RunError(f"the run needs more than max_events = {self._limit} events; stopped at {self._now} ps")
        self.schedule(Alarm(call, payload), delay=delay)  # type: ignore[arg-type]


class Alarm:
    """What SimPy needs of an event that has been triggered, and no more: a timeout without a process to resume."""

    __slots__ = ("callbacks", "payload")
    _ok = True

    def __init__(self, call: Callable[[Any], None], payload: Any) -> None:
        self.callbacks, self.payload = [call], payload
