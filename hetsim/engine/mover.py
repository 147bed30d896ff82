"""Moving tensors: each to each place at most once, packet by packet over the links of its route."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hetsim.engine.clock import Clock
from hetsim.engine.job import Job
from hetsim.engine.lanes import Hop, Roads
from hetsim.engine.meter import Meter
from hetsim.errors import InputError

if TYPE_CHECKING:
    from hetsim.engine.stores import Stores

Place = tuple[Any, str]  # a tensor's number in its job, or the name of bytes that are carried; and where to


class Mover:
    """Keeps track of copies; ``arrived(job, reader, now)`` is called for each reader of one that comes in."""

    def __init__(self, clock: Clock, roads: Roads, meter: Meter, arrived: Callable[[Job, int, int], None]) -> None:
        self._clock, self._roads, self._meter, self._arrived = clock, roads, meter, arrived
        self._carried: dict[tuple[int, Place], tuple[Callable[[Any], None], Any]] = {}
        self.stores: Stores | None = None  # which memories may get full; what arrives there asks for room

    def send(self, job: Job, tensor: int, source: Any, target: Any, size: int, reader: int) -> bool:
        """True if the tensor is at the target; else it moves, or is moving, and the reader will be told."""
        place = (tensor, target)
        if place in job.copies:
            waiting = job.copies[place]
            if waiting is None:
                return True
            waiting.append(reader)
            return False
        hops = self._roads.passages.get((source, target, size)) or self._roads.passage(source, target, size)
        if hops is None:
            name = job.shape.tensors[tensor].name
            raise InputError.of(
                f"tensor {name!r} must move from {source!r} to {target!r}, and no link leads there",
                "add a link between them, or pin its ops to components that are connected",
            )
        job.copies[place] = [reader]
        self._cross(job, place, hops, 0, self._clock.now, 0)
        return False

    def carry(
        self, job: Job, name: str, source: str, target: str, size: int, done: Callable[[Any], None], payload: Any
    ) -> None:
        """Move bytes that are no copy for a reader, such as those that make room; then ``done(payload)``."""
        hops = self._roads.passage(source, target, size)
        if not hops:
            raise InputError.of(
                f"{name!r} must move from {source!r} to {target!r}, and no link leads there",
                "a memory spills to another component that a link joins to those that work on it",
            )
        place = (name, target)
        self._carried[job.run, place] = done, payload
        self._cross(job, place, hops, 0, self._clock.now, 0)

    def _cross(
        self, job: Job, place: Place, hops: tuple[Hop, ...], number: int, now: int, before: int
    ) -> None:
        """Reserve the next hop. ``before`` is when the last byte leaves the hop before it."""
        hop = hops[number]
        if hop.arbiter is not None:
            payload = (job, place, hops, number, (now, before))
            hop.arbiter.ask(hop.source, hop.occupancy, hop.bursts, self._served, payload)
            return
        lane, begin = hop.lane, now
        if lane is not None:
            if lane.free > begin:
                begin = lane.free
            lane.free = begin + hop.occupancy
            if hop.more:
                self._thread(job, place, hops, number, (now, begin, before), 0, begin + hop.step)
                return
        if len(hops) > 1:
            self._booked(job, place, hops, number, (now, begin, before), begin + hop.total)
            return
        end = begin + hop.total
        self._meter.transfer(job, place[0], hop, now, begin, end)
        self._clock.alarm(end - now, self._crossed, (job, place, hops, 1, end))

    def _booked(
        self,
        job: Job,
        place: Place,
        hops: tuple[Hop, ...],
        number: int,
        times: tuple[int, int, int],
        end: int,
    ) -> None:
        """A hop is reserved until ``end``, or longer if it is faster than the one before it.

        Its first packet goes on when that is over, the tensor has arrived when all of it is. ``times`` are when it was
        asked for and begun, and when the last byte leaves the hop before.
        """
        hop = hops[number]
        asked, begin, before = times
        number += 1
        then = end - hop.total + hop.lead
        if before:
            end = max(end, before + hop.trail + hop.total - hop.occupancy)
        self._meter.transfer(job, place[0], hop, asked, begin, end)
        if number == len(hops):
            then = end
        self._clock.alarm(then - self._clock.now, self._crossed, (job, place, hops, number, end))

    def _thread(
        self, job: Job, place: Place, hops: tuple[Hop, ...], number: int, times: tuple[int, int, int],
        k: int, head: int,
    ) -> None:  # fmt: skip
        """Reserve the further lanes of a network, up to one on which the head is held up: from there when it goes on.

        The head is at lane ``k`` of the further ones at ``head``.
        """
        hop = hops[number]
        while k < len(hop.more):
            lane, free = hop.more[k], hop.more[k].free
            begin = free if free > head else head
            lane.free = begin + hop.occupancy
            held, head = begin > head, begin + hop.step
            k += 1
            if held and k < len(hop.more):
                payload = (job, place, hops, number, times, k, head)
                self._clock.alarm(head - self._clock.now, self._threaded, payload)
                return
        self._booked(job, place, hops, number, times, head + hop.occupancy)

    def _threaded(self, payload: Any) -> None:
        self._thread(*payload)

    def _served(self, payload: Any, begin: int) -> None:
        """The arbiter of a lane is done with a transfer."""
        job, place, hops, number, (asked, before) = payload
        latency = hops[number].total - hops[number].occupancy
        self._booked(job, place, hops, number, (asked, begin, before), self._clock.now + latency)

    def _crossed(self, payload: Any) -> None:
        job, place, hops, number, end = payload
        if number < len(hops):
            self._cross(job, place, hops, number, self._clock.now, end)
        elif self.stores is None:
            self._landed(payload)
        elif isinstance(place[0], str):
            done, payload = self._carried.pop((job.run, place))
            done(payload)
        elif place[1] in self.stores.of:
            self.stores.land(job, place[0], place[1], hops[-1].size, self._landed, payload)
        else:
            self._landed(payload)

    def _landed(self, payload: tuple[Job, Place, tuple[Hop, ...], int, int]) -> None:
        """A tensor has arrived, and has its room."""
        job, place, _, _, _ = payload
        readers, job.copies[place] = job.copies[place], None
        now = self._clock.now
        for reader in readers or ():
            self._arrived(job, reader, now)
