"""Memristive devices: the datasheet of a cell, as laws and figures of its conductance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from hetsim.analog.ageing import Activation, Disturb, Drift, Relaxation, Retention
from hetsim.analog.curve import Curve, Facts, Shift, Spread
from hetsim.analog.faults import Failure, Stuck
from hetsim.analog.noise import Correlation, Flicker, ReadNoise, Sinh, Telegraph, Thermal
from hetsim.analog.write import Response, Write, WriteVerify
from hetsim.units import Conductance

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = [
    "Activation", "Curve", "DeviceSheet", "Disturb", "Drift", "Facts", "Failure", "Flicker", "ReadNoise", "Relaxation",
    "Response", "Retention", "Shift", "Sinh", "Spread", "Stuck", "Telegraph", "Thermal", "Write", "WriteVerify",
]  # fmt: skip


class DeviceSheet(Facts):
    """Datasheet of a memristive cell.

    ``levels`` conductances, equally spaced from ``g_min`` to ``g_max`` or given as ``conductances``, are targets of
    programming. A cell is programmed in one of two ways: ``programming`` is a published spread around the target
    after write-verify; ``pulsed`` simulates the pulses. Where ``relaxation`` is given it holds instead, interpolated
    in the logarithm of time and constant outside the measured times. ``activation`` speeds up relaxation and drift
    with temperature.

    ``endurance`` is in write pulses; without ``failure`` no cell wears out, but wear is counted. ``update`` is the
    response to single pulses that training in place uses. ``iv`` is the current beyond Ohm's law.
    """

    kind: Literal["device"] = "device"
    title: str = ""
    references: tuple[str, ...] = ()
    origin: Mapping[str, str] | None = None
    g_min: Conductance = Field(ge=0)
    g_max: Conductance = Field(gt=0)
    levels: int = Field(ge=2, le=2048)
    conductances: tuple[Conductance, ...] = ()
    programming: Spread | None = None
    pulsed: WriteVerify | None = None
    relaxation: tuple[Relaxation, ...] = ()
    drift: Drift | None = None
    activation: Activation | None = None
    retention: Retention | None = None
    disturb: Disturb | None = None
    read_noise: ReadNoise | None = None
    flicker: Flicker | None = None
    telegraph: Telegraph | None = None
    thermal: Thermal | None = None
    iv: Sinh | None = None
    write: Write
    update: Response | None = None
    endurance: float | None = Field(default=None, gt=0)
    failure: Failure | None = None
    stuck: Stuck | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.g_min >= self.g_max:
            raise ValueError(
                f"the conductance window is upside down: g_min {self.g_min:.6g} S is not below g_max {self.g_max:.6g} S"
            )
        times = [r.time for r in self.relaxation]
        if any(b <= a for a, b in pairwise(times)):
            raise ValueError("relaxation curves must be in order of time")
        if len({r.adds for r in self.relaxation}) > 1:
            raise ValueError("either all relaxation curves add to the programming error, or none does")
        if (self.programming is None) == (self.pulsed is None):
            raise ValueError("a cell is programmed in one way: give either programming (a spread) or pulsed")
        for response in (self.update, self.pulsed.response if self.pulsed is not None else None):
            low, high = (response.bounds if response is not None else None) or (self.g_min, self.g_max)
            if low > self.g_min or high < self.g_max:
                raise ValueError("the bounds of a cell's response must enclose the window from g_min to g_max")
        if self.failure is not None and self.endurance is None:
            raise ValueError("a distribution of failures needs the endurance around which it lies")
        return self

    @model_validator(mode="after")
    def _noise_is_positive(self) -> Self:
        noises = {"read_noise": self.read_noise, "telegraph": self.telegraph}
        for name, noise in noises.items():
            lowest = 0.0 if noise is None else noise.relative.lowest(self.g_min, self.g_max)
            if lowest < 0:
                raise ValueError(
                    f"{name}.relative is a share of the conductance, but comes to {lowest:.3g} in the window"
                )
        drift = self.drift
        if drift is not None and (lowest := drift.deviation.lowest(self.g_min, self.g_max)) < 0:
            raise ValueError(f"drift.deviation is a standard deviation, but comes to {lowest:.3g} in the window")
        return self

    @model_validator(mode="after")
    def _levels_can_be_told_apart(self) -> Self:
        given = self.conductances
        if given and len(given) != self.levels:
            raise ValueError(f"{len(given)} conductances are given for {self.levels} levels")
        if given and (given[0] != self.g_min or given[-1] != self.g_max):
            raise ValueError("the first of the conductances must be g_min and the last one g_max")
        smallest = min((b - a for a, b in pairwise(given)), default=self.step)
        if smallest <= 0:
            raise ValueError("conductances must rise from level to level")
        told = math.ldexp(self.g_max, -22)  # twice what single precision resolves
        if smallest < told:
            raise ValueError(
                f"{self.levels} levels are more than the range resolves: they are {smallest:.3g} S apart, "
                f"and conductances near g_max are told apart from {told:.3g} S on"
            )
        if self.pulsed is not None:
            self._levels_can_be_verified(self.pulsed, smallest)
        return self

    def _levels_can_be_verified(self, pulsed: WriteVerify, smallest: float) -> None:
        if 2 * pulsed.tolerance > smallest * (1 + 1e-9):
            raise ValueError(
                f"{self.levels} levels are more than write-verify tells apart: they are {smallest:.3g} S apart, and "
                f"what is accepted for one reaches {pulsed.tolerance:.3g} S to either side"
            )
        if pulsed.bits is not None and 2**pulsed.bits < self.levels:
            raise ValueError(f"a verify read of {pulsed.bits} bits does not tell {self.levels} levels apart")

    @property
    def step(self) -> float:
        """Conductance between neighbouring levels, on average where they are given."""
        return (self.g_max - self.g_min) / (self.levels - 1)

    @property
    def static(self) -> bool:
        """Whether a programmed cell keeps its conductance and its noise for ever."""
        ageing_noise = self.read_noise is not None and self.read_noise.time_constant is not None
        ages = self.drift is not None or self.retention is not None or self.disturb is not None
        return len(self.relaxation) < 2 and not ages and not ageing_noise

    @property
    def reference_age(self) -> float:
        """Time since programming, in seconds, from which on the laws hold; a younger cell counts as this old."""
        times = [curve.time for curve in self.relaxation[:1]]
        if self.drift is not None:
            times.append(self.drift.time)
        return max(times, default=0.0)

    def noisy(self, correlation: Correlation) -> bool:
        """Whether any noise of reads lasts for a ``sample``, an ``mvm`` or an ``inference``."""
        sources = (self.read_noise, self.flicker, self.telegraph)
        white = self.thermal is not None and correlation == "sample"
        return white or any(s is not None and s.correlation == correlation for s in sources)

    def acceleration(self, temperature: float | None) -> float:
        """How much faster relaxation and drift run at a temperature in kelvin than as measured."""
        return 1.0 if self.activation is None else self.activation.acceleration(temperature)

    def nearest(self, asked: Array) -> Array:
        """The conductance that programming aims at where so many siemens, float32, are asked for: same shape.

        What is asked for, or where conductances are given, the nearest of them.
        """
        import numpy as np

        if not self.conductances:
            return asked
        given = np.array(self.conductances)
        middles = (given[1:] + given[:-1]) / 2
        return given.astype(np.float32)[np.searchsorted(middles, asked)]
