"""Resources that ops queue for: a core, an array, the tiles of a stored matrix."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hetsim.engine.job import Job

Claim = tuple["Job", int, int]  # a job, its op, and how many of the op's holds it has already


class Hold:
    """A resource with ``capacity`` places, granted first come first served among ops of equal rank.

    Ops whose scheduler fixed an order (`expect`) are granted in order of their planned start, and of those as they
    were decided, even when a later one is ready first; the others take places as they come, a lower rank first.
    ``ripe`` are ordered ops that wait for their turn, ``waiting`` the others.
    """

    __slots__ = ("_expected", "_turns", "capacity", "name", "ripe", "users", "waiting")

    def __init__(self, name: str, capacity: int) -> None:
        self.name, self.capacity, self.users = name, capacity, 0
        self.waiting: deque[Claim] = deque()
        self._expected: list[tuple[int, int, int, int]] = []
        self._turns = 0
        self.ripe: dict[tuple[int, int], Claim] = {}

    def expect(self, start: int, job: Job, op: int) -> None:
        """Reserve the op's turn among the ordered ones."""
        self._turns += 1
        heapq.heappush(self._expected, (start, self._turns, job.run, op))

    def claim(self, job: Job, op: int, position: int) -> bool:
        """Take a place now (True) or queue for one."""
        if job.ordered[op]:
            if self.users < self.capacity and self._expected[0][2:] == (job.run, op):
                heapq.heappop(self._expected)
                self.users += 1
                return True
            self.ripe[job.run, op] = (job, op, position)
        else:
            if self.users < self.capacity and not self.waiting:
                self.users += 1
                return True
            waiting = self.waiting
            if waiting and waiting[-1][0].rank > job.rank:
                waiting.insert(bisect_right(waiting, job.rank, key=_rank), (job, op, position))
            else:
                waiting.append((job, op, position))
        return False

    def next(self) -> Claim | None:
        """Grant a free place to the next in turn, if there is one."""
        if self.users >= self.capacity:
            return None
        claim = None
        if self._expected and self._expected[0][2:] in self.ripe:
            _, _, run, op = heapq.heappop(self._expected)
            claim = self.ripe.pop((run, op))
        elif self.waiting:
            claim = self.waiting.popleft()
        if claim is not None:
            self.users += 1
        return claim


def _rank(claim: Claim) -> tuple[int, int]:
    return claim[0].rank
