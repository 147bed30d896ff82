"""Queues for resources: an op takes all that it needs at once, or waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hetsim.engine.holds import Hold
from hetsim.engine.job import Job
from hetsim.engine.recipe import Recipe


class Queues:
    """Every resource of the system; ``granted(job, op, now)`` is called when an op has all of its own."""

    def __init__(self, capacity: Callable[[str], int], granted: Callable[[Job, int, int], None]) -> None:
        self._capacity, self._granted = capacity, granted
        self._holds: dict[str, Hold] = {}

    def places(self, recipe: Recipe) -> tuple[Hold, ...]:
        """The resources that a recipe holds, looked up once."""
        for name in recipe.holds:
            if name not in self._holds:
                self._holds[name] = Hold(name, self._capacity(name))
        recipe.places = tuple(self._holds[name] for name in recipe.holds)
        return recipe.places

    def acquire(self, job: Job, i: int, now: int) -> None:
        """Take all of the op's holds, or queue for one that it cannot have yet."""
        recipe = job.recipes[i]
        places = recipe.places or self.places(recipe)
        if len(places) != 1:
            self._acquire_all(job, i, places, None, now)
            return
        hold = places[0]
        if hold.claim(job, i):
            self._granted(job, i, now)
            if hold.users < hold.capacity and (hold.ripe or hold.waiting):  # a place is left for the next in order
                self._wake(hold, now)

    def _acquire_all(self, job: Job, i: int, places: Sequence[Hold], had: Hold | None, now: int) -> None:
        """Take several holds at once, one of which the op may have been granted already."""
        for hold in places:
            if hold is not had and not hold.open(job, i):
                if had is not None:
                    had.back(job, i)
                hold.queue(job, i)
                return
        for hold in places:
            if hold is not had:
                hold.take(job, i)
        self._granted(job, i, now)
        self._wake_all(places, now)

    def release(self, places: Sequence[Hold], now: int) -> None:
        """Let go of places, and grant them to the next in turn."""
        if len(places) == 1:
            hold = places[0]
            hold.users -= 1
            if hold.ripe or hold.waiting:
                self._wake(hold, now)
            return
        for hold in places:
            hold.users -= 1
        self._wake_all(places, now)

    def _wake_all(self, places: Sequence[Hold], now: int) -> None:
        for hold in places:
            if hold.ripe or hold.waiting:
                self._wake(hold, now)

    def _wake(self, hold: Hold, now: int) -> None:
        while (claim := hold.next()) is not None:
            job, i = claim
            places = job.recipes[i].places
            if len(places) == 1:
                self._granted(job, i, now)
            else:
                self._acquire_all(job, i, places, hold, now)

    def exchange(self, job: Job, i: int, old: Recipe, fresh: Recipe, now: int) -> None:
        """The op needs other holds than it has: it keeps its turn, and goes before those that wait for the old ones."""
        for hold in old.places:
            hold.users -= 1
        for hold in fresh.places if job.ordered[i] else ():
            hold.expect(job.starts[i], job, i)
        self.acquire(job, i, now)
        self._wake_all(old.places, now)
