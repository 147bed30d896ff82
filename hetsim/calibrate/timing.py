"""Timing on a machine that does other things as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Call = Callable[[], object]
Progress = Callable[[int, int], None]
Clock = Callable[[], float]
ROUNDS = 4
RESOLVED = 0.1  # least share of a call's time that the difference of two can tell


@dataclass(eq=False)
class Probe:
    """Something timed: a call, or what is between two that differ in how often they do it.

    Whatever else a machine does only adds to a time, so that of all times of a call the lowest is nearest to the
    truth.
    """

    calls: Sequence[Call]
    repeats: Sequence[int] = (1,)
    best: list[float] = field(default_factory=list)

    def sample(self, seconds: float, clock: Clock = time.perf_counter) -> None:
        """Time the calls in turn for so many seconds, each at least once after a first turn that does not count."""
        self.best = self.best or [float("inf")] * len(self.calls)
        end, turn = clock() + seconds, 0
        while turn < 2 or clock() < end:
            for i, call in enumerate(self.calls):
                start = clock()
                call()
                spent = clock() - start
                if turn:  # the first one fetches code and data
                    self.best[i] = min(self.best[i], spent)
            turn += 1

    @property
    def seconds(self) -> float:
        """Seconds of one repeat; with two calls, without what both of them take besides."""
        if len(self.calls) == 1:
            return self.best[0] / self.repeats[0]
        each = (self.best[1] - self.best[0]) / (self.repeats[1] - self.repeats[0])
        return max(each, self.best[1] / self.repeats[1] * RESOLVED)  # a busy moment can make the short call the longer


def sample(probes: Iterable[Probe], seconds: float, progress: Progress | None = None) -> None:
    """Time all probes within about so many seconds, in rounds, so that a busy moment spoils none of them."""
    turns = [*probes] * ROUNDS
    for done, probe in enumerate(turns, 1):
        probe.sample(seconds / len(turns))
        if progress is not None:
            progress(done, len(turns))
