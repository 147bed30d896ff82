"""Sleep of components that have nothing to do, and what waking them takes."""

from __future__ import annotations

from hetsim.hardware.component import Sleep
from hetsim.units import TICK, ticks


class Rest:
    """One component that falls asleep when it was idle for a while, and is awake when the run begins.

    The op that finds it asleep waits until it is awake, and so does one that comes while it wakes. Waking draws the
    power of being awake.
    """

    def __init__(self, sleep: Sleep) -> None:
        self._after, self._wake, self._saved = ticks(sleep.after), ticks(sleep.wake), sleep.saved
        self._running, self._idle, self._awake, self._slept = 0, 0, 0, 0

    def begin(self, now: int) -> int:
        """An op starts; returns the ticks until the component is awake."""
        if not self._running and now - self._idle > self._after:
            self._slept += now - self._idle - self._after
            self._awake = now + self._wake
        self._running += 1
        return max(0, self._awake - now)

    def end(self, now: int) -> None:
        """An op ends."""
        self._running -= 1
        if not self._running:
            self._idle = now

    def joules(self, end: int) -> float:
        """What the component has not drawn in a run that ends then."""
        last = 0 if self._running else max(0, end - self._idle - self._after)
        return self._saved * (self._slept + last) * TICK
