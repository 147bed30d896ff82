"""Moving tensors: each to each place at most once, hop by hop, first come first served on every lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hetsim.engine.clock import Clock
from hetsim.engine.job import Job
from hetsim.engine.lanes import Hop, Roads
from hetsim.engine.meter import Meter
from hetsim.errors import InputError


class Mover:
    """Keeps track of copies; ``arrived(job, reader, now)`` is called for each reader of one that comes in."""

    def __init__(self, clock: Clock, roads: Roads, meter: Meter, arrived: Callable[[Job, int, int], None]) -> None:
        self._clock, self._roads, self._meter, self._arrived = clock, roads, meter, arrived

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
        self._cross(job, place, hops, 0, self._clock.now)
        return False

    def _cross(self, job: Job, place: tuple[int, str], hops: tuple[Hop, ...], number: int, now: int) -> None:
        """Reserve the next hop."""
        hop = hops[number]
        lane, begin = hop.lane, now
        if lane is not None:
            if lane.free > begin:
                begin = lane.free
            lane.free = begin + hop.occupancy
        end = begin + hop.total
        self._meter.transfer(job, place[0], hop, now, begin, end)
        self._clock.alarm(end - now, self._crossed, (job, place, hops, number + 1))

    def _crossed(self, event: Any) -> None:
        job, place, hops, number = event.payload
        now = self._clock.now
        if number < len(hops):
            self._cross(job, place, hops, number, now)
            return
        readers, job.copies[place] = job.copies[place], None
        for reader in readers:
            self._arrived(job, reader, now)
