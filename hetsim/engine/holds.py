"""Resources that ops queue for: a core, an array, the tiles of a stored matrix."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hetsim.engine.job import Job

Claim = tuple["Job", int]  # a job, and its op


class Hold:
    """A resource with ``capacity`` places, granted first come first served among ops of equal rank.

    Ops whose scheduler fixed an order (`expect`) are granted in order of their planned start, and of those as they
    were decided, even when a later one is ready first; the others take places as they come, a lower rank first.
    ``ripe`` are ordered ops that wait for their turn, ``waiting`` the others. An op that needs several resources
    takes all of them or none: nobody waits for a turn with places that others need.
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

    def open(self, job: Job, op: int) -> bool:
        """Whether there is a place for the op, and it is its turn."""
        if self.users >= self.capacity:
            return False
        if job.ordered[op]:
            return self._expected[0][2:] == (job.run, op)
        return not self.waiting

    def take(self, job: Job, op: int) -> None:
        """Take a place that is `open`."""
        if job.ordered[op]:
            heapq.heappop(self._expected)
        self.users += 1

    def queue(self, job: Job, op: int) -> None:
        """Wait for a place."""
        if job.ordered[op]:
            self.ripe[job.run, op] = (job, op)
            return
        waiting = self.waiting
        if waiting and waiting[-1][0].rank > job.rank:
            waiting.insert(bisect_right(waiting, job.rank, key=_rank), (job, op))
        else:
            waiting.append((job, op))

    def claim(self, job: Job, op: int) -> bool:
        """Take a place now (True) or queue for one."""
        if self.users < self.capacity:
            if job.ordered[op]:
                _, _, run, first = self._expected[0]
                if first == op and run == job.run:
                    heapq.heappop(self._expected)
                    self.users += 1
                    return True
            elif not self.waiting:
                self.users += 1
                return True
        self.queue(job, op)
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

    def back(self, job: Job, op: int) -> None:
        """Give a place back that was granted, with the turn: the op still comes first here."""
        self.users -= 1
        if job.ordered[op]:
            heapq.heappush(self._expected, (job.starts[op], 0, job.run, op))


def _rank(claim: Claim) -> tuple[int, int]:
    return claim[0].rank
