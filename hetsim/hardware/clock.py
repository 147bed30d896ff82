"""Clock, voltage and power: operating points, and the clock that a power limit sustains."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.units import Frequency, Voltage


class OperatingPoint(BaseModel):
    """A frequency, and the lowest voltage that sustains it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    frequency: Frequency = Field(gt=0)
    voltage: Voltage = Field(gt=0)


class ClockSheet(BaseModel):
    """The clock of a chip (dynamic voltage and frequency scaling).

    Rates, cache bandwidths and energies of the datasheet are those at the ``nominal`` frequency. ``points`` are
    in order of frequency; between them the voltage is on a straight line, below the first one it falls no
    further. ``cap`` is the highest frequency allowed (a power mode), by default the last point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    nominal: Frequency = Field(gt=0)
    points: tuple[OperatingPoint, ...] = Field(min_length=1)
    cap: Frequency | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Frequencies grow, voltages do not fall, and the nominal frequency is one that can be had."""
        steps = list(pairwise(self.points))
        if any(b.frequency <= a.frequency or b.voltage < a.voltage for a, b in steps):
            raise ValueError("points must be in order of frequency, and voltage cannot fall with it")
        if self.nominal > self.points[-1].frequency:
            raise ValueError("the nominal frequency lies above the last point")
        return self

    @property
    def highest(self) -> float:
        """The highest clock allowed, relative to the nominal one."""
        last = self.points[-1].frequency
        return (last if self.cap is None else min(self.cap, last)) / self.nominal

    def voltage(self, frequency: float) -> float:
        """The lowest voltage that sustains a frequency, in volts."""
        if frequency <= self.points[0].frequency:
            return self.points[0].voltage
        for a, b in pairwise(self.points):
            if frequency <= b.frequency:
                rise = (b.voltage - a.voltage) / (b.frequency - a.frequency)
                return a.voltage + rise * (frequency - a.frequency)
        return self.points[-1].voltage

    def energy(self, clock: float) -> float:
        """Energy of an operation at a relative clock, over that at the nominal one: it goes as C V^2."""
        return (self.voltage(clock * self.nominal) / self.voltage(self.nominal)) ** 2


def sustained(power: Callable[[float], float], limit: float, highest: float) -> float:
    """The highest relative clock, at most ``highest``, at which the power stays within the limit.

    ``power`` grows with the clock. A chip that cannot be brought below its limit runs at a hundredth of
    ``highest``.
    """
    if power(highest) <= limit:
        return highest
    low, high = highest / 100, highest
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) > limit else (middle, high)
    return low
