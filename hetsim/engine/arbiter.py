"""Arbiters: a lane that senders share burst by burst, or on which changing hands costs time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from hetsim.engine.clock import Clock
from hetsim.hardware.link import Arbitration
from hetsim.units import ticks

Done = Callable[[Any, int], None]  # what was asked for, and when it began


class Request:
    """A message: ``left`` bursts of ``burst`` ticks, the last one of them with the ``rest`` besides."""

    __slots__ = ("begun", "burst", "done", "left", "payload", "rest", "sender")

    def __init__(self, sender: int, occupancy: int, bursts: int, done: Done, payload: Any) -> None:
        self.sender, self.left, self.done, self.payload = sender, bursts, done, payload
        self.burst, self.rest = divmod(occupancy, bursts)
        self.begun = -1


class Arbiter:
    """Messages one after another, in order of request.

    ``ring`` holds those whose turn comes; the first of them began its burst last. Nothing happens at the bursts
    themselves: they are counted when somebody comes or is done, whole rounds of them at once.
    """

    whole = True  # messages are not cut into bursts

    def __init__(self, clock: Clock, turnaround: int, ranks: Mapping[int, int]) -> None:
        self._clock, self._turnaround, self._ranks = clock, turnaround, ranks
        self.ring: deque[Request] = deque()
        self._at, self._driver, self._number = 0, -1, 0

    def ask(self, sender: int, occupancy: int, bursts: int, done: Done, payload: Any) -> None:
        """Queue a message of so many ticks in all; ``done(payload, begin)`` is called when its last burst is over."""
        now = self._clock.now
        over = self._advance(now)
        if not self.ring:
            self._at = now
        self._join(Request(sender, occupancy, 1 if self.whole else bursts, done, payload))
        self._retime()
        self._tell(over)

    def _join(self, request: Request) -> None:
        self.ring.append(request)

    def _turn(self) -> None:
        """A burst is over and its message is not: whose turn is next."""

    def _leave(self, request: Request) -> None:
        """A message is over; it is the first in the ring."""
        self.ring.popleft()

    def _rounds(self, limit: int) -> None:
        """Count bursts that end before ``limit`` and end no message, many at once."""

    def _cost(self, request: Request) -> int:
        """Ticks of its next burst, the lane's change of hands included."""
        change = self._turnaround if self._driver not in (-1, request.sender) else 0
        return change + request.burst + (request.rest if request.left == 1 else 0)

    def _burst(self) -> Request | None:
        """Count the burst of the first in the ring; return its message if that is over."""
        first = self.ring[0]
        if first.begun < 0:
            first.begun = self._at + self._cost(first) - first.burst - (first.rest if first.left == 1 else 0)
        self._at += self._cost(first)
        self._driver = first.sender
        first.left -= 1
        if first.left:
            self._turn()
            return None
        self._leave(first)
        return first

    def _advance(self, now: int) -> list[Request]:
        """Count what is over by now; return the messages that are."""
        over = []
        while self.ring:
            self._rounds(now)
            if self._at + self._cost(self.ring[0]) > now:
                break
            request = self._burst()
            if request is not None:
                over.append(request)
        return over

    def _retime(self) -> None:
        """Set the alarm for the next message to be over; one that was set before is stale from now on."""
        self._number += 1
        if self.ring:
            self._clock.alarm(self._next() - self._clock.now, self._ring, self._number)

    def _next(self) -> int:
        """When the next message is over if nobody comes, found on a copy of what is left."""
        at, driver, saved = self._at, self._driver, self._saved()
        counts = [(request, request.left, request.begun) for request in self.ring]
        while True:
            self._rounds(1 << 62)
            if self._burst() is not None:
                break
        found = self._at
        self._at, self._driver = at, driver
        for request, left, begun in counts:
            request.left, request.begun = left, begun
        self._restore(saved)
        return found

    def _saved(self) -> Any:
        return list(self.ring)

    def _restore(self, saved: Any) -> None:
        self.ring = deque(saved)

    def _ring(self, number: int) -> None:
        if number != self._number:
            return
        over = self._advance(self._clock.now)
        self._retime()
        self._tell(over)

    @staticmethod
    def _tell(over: list[Request]) -> None:
        for request in over:
            request.done(request.payload, request.begun)


class RoundRobin(Arbiter):
    """A burst of each sender in turn; the messages of one sender follow each other."""

    whole = False

    def __init__(self, clock: Clock, turnaround: int, ranks: Mapping[int, int]) -> None:
        super().__init__(clock, turnaround, ranks)
        self._behind: dict[int, deque[Request]] = {}

    def _join(self, request: Request) -> None:
        if any(other.sender == request.sender for other in self.ring):
            self._behind.setdefault(request.sender, deque()).append(request)
        else:
            self.ring.append(request)

    def _turn(self) -> None:
        self.ring.rotate(-1)

    def _leave(self, request: Request) -> None:
        self.ring.popleft()
        behind = self._behind.get(request.sender)
        if behind:
            self.ring.append(behind.popleft())

    def _rounds(self, limit: int) -> None:
        ring, alone = self.ring, len(self.ring) == 1
        if not alone and self._driver != ring[-1].sender:
            return  # not yet in the rhythm in which the last in the ring went before the first
        if alone and self._driver != ring[0].sender:
            return
        if any(r.begun < 0 for r in ring):
            return
        change = 0 if alone else self._turnaround
        length = sum(r.burst + change for r in ring)
        rounds = min(r.left for r in ring) - 1
        if length:
            rounds = min(rounds, (limit - self._at) // length)
        if rounds > 0:
            for request in ring:
                request.left -= rounds
            self._at += rounds * length

    def _saved(self) -> Any:
        return list(self.ring), {sender: deque(waiting) for sender, waiting in self._behind.items()}

    def _restore(self, saved: Any) -> None:
        self.ring, self._behind = deque(saved[0]), saved[1]


class Priority(Arbiter):
    """The highest sender first; a burst that is under way is not broken off."""

    whole = False

    def _join(self, request: Request) -> None:
        first = [self.ring.popleft()] if self.ring and self._at < self._clock.now else []
        waiting = sorted([*self.ring, request], key=self._rank)
        self.ring = deque([*first, *waiting])

    def _turn(self) -> None:
        self.ring = deque(sorted(self.ring, key=self._rank))

    def _rank(self, request: Request) -> int:
        return self._ranks.get(request.sender, len(self._ranks))

    def _rounds(self, limit: int) -> None:
        first = self.ring[0]
        if (
            first.begun < 0
            or self._driver != first.sender
            or self._rank(first) > self._rank(min(self.ring, key=self._rank))
        ):
            return
        bursts = first.left - 1
        if first.burst:
            bursts = min(bursts, (limit - self._at) // first.burst)
        if bursts > 0:
            first.left -= bursts
            self._at += bursts * first.burst


_POLICIES: Mapping[str, type[Arbiter]] = {"fifo": Arbiter, "round_robin": RoundRobin, "priority": Priority}


def arbiter(shared: Arbitration, clock: Clock, index: Mapping[str, int]) -> Arbiter:
    """The arbiter of a lane."""
    ranks = {index[name]: rank for rank, name in enumerate(shared.order)}
    return _POLICIES[shared.policy](clock, ticks(shared.turnaround), ranks)
