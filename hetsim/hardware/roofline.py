"""The roofline of one op on one chip: what bounds its time, and what it draws, at any clock [Williams 2009]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hetsim.hardware.tiling import Share


@dataclass(frozen=True, slots=True)
class Kernel:
    """An op as a chip runs it. Times are in seconds at the nominal clock, energies in joules at its voltage.

    ``product`` gives the matrix units' share at a relative clock; ``element_wise`` is the time of the vector
    units, of which the op has ``part``; ``caches`` that of the slowest cache. ``memory`` is the memory's time,
    ``narrow`` that of the units which draw from it, where they are too few to ask for all its bandwidth; neither
    follows the clock. ``chip`` is the energy that goes with the square of the voltage, ``board`` that of the
    memory.
    """

    product: Callable[[float], Share]
    element_wise: float
    part: float
    caches: float
    memory: float
    narrow: float
    chip: float
    board: float

    def alone(self, clock: float) -> float:
        """Seconds when nothing contends: the longest of computing and of each level's bytes [Ilic 2014]."""
        return max(self.own(clock), self.memory)

    def own(self, clock: float) -> float:
        """Seconds that the op takes however much of the chip and of the memory is free for it."""
        return max(self.product(clock).seconds + self.element_wise / clock, self.caches / clock, self.narrow)

    def busy(self, clock: float) -> float:
        """Seconds of the whole chip's arithmetic that it uses up: less than `own` where units stay idle."""
        return self.product(clock).busy + self.element_wise * self.part / clock
