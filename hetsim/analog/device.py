"""Memristive devices: the datasheet of a cell, as laws and figures of its conductance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.units import Conductance, Energy, Ratio, Time, Voltage

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class Facts(BaseModel):
    """Part of a datasheet: figures in SI units, read from text with units."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Curve(Facts):
    """A figure that depends on conductance, in units of its ``x = G / reference``.

    Either ``clip(sum_k polynomial[k] x**k + log ln x + a x**b, low, high)`` with ``power = (a, b)``, or a line
    through ``points`` (x, value), constant beyond its ends. A constant needs no reference.
    """

    reference: Conductance | None = Field(default=None, gt=0)
    polynomial: tuple[float, ...] = ()
    log: float = 0.0
    power: tuple[float, float] | None = None
    points: tuple[tuple[float, float], ...] = ()
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _one_law(self) -> Self:
        terms = bool(self.polynomial) or self.log != 0 or self.power is not None
        if terms == bool(self.points):
            raise ValueError("give either polynomial, log and power terms or points")
        if self.reference is None and (len(self.polynomial) != 1 or self.log or self.power):
            raise ValueError("a figure that depends on conductance needs its reference conductance")
        places = [x for x, _ in self.points]
        if any(b <= a for a, b in pairwise(places)):
            raise ValueError("points must be in order of rising conductance")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is above high")
        return self

    def at(self, conductance: Array) -> Array:
        """The figure for each conductance in siemens; same shape and dtype."""
        import numpy as np

        x = conductance / conductance.dtype.type(self.reference or 1.0)
        if self.points:
            places, values = zip(*self.points, strict=True)
            line: Array = np.interp(x, places, values).astype(x.dtype)
            return line
        y: Array = np.zeros_like(x)
        for c in reversed(self.polynomial):
            y = y * x + x.dtype.type(c)
        positive = np.maximum(x, np.finfo(x.dtype).tiny)
        if self.log:
            y += x.dtype.type(self.log) * np.log(positive)
        if self.power is not None:
            y += x.dtype.type(self.power[0]) * positive ** x.dtype.type(self.power[1])
        if self.low is not None or self.high is not None:
            y = np.clip(y, self.low, self.high)
        return y


class Spread(Curve):
    """A standard deviation of conductance: the curve's value times ``unit``."""

    unit: Conductance = Field(gt=0)

    def at(self, conductance: Array) -> Array:
        """Sigma in siemens, never negative."""
        import numpy as np

        sigma: Array = np.maximum(super().at(conductance), 0) * conductance.dtype.type(self.unit)
        return sigma


class Relaxation(Facts):
    """Spread around the target a ``time`` after programming: a total, which replaces the programming error."""

    time: Time = Field(gt=0)
    sigma: Spread


class Drift(Facts):
    """Power-law drift ``G(t) = G(t0) (t/t0)**-nu``, nu a normal variable of each cell; ``time`` is t0."""

    time: Time = Field(gt=0)
    mean: Curve
    deviation: Curve


class ReadNoise(Facts):
    """Noise of one read as a share of the conductance.

    With a ``time_constant`` t_r it grows with the time t since programming by ``sqrt(ln((t + t_r)/(2 t_r)))``, the
    integral of 1/f noise over that time [Nandakumar 2019].
    """

    relative: Curve
    time_constant: Time | None = Field(default=None, gt=0)


class Write(Facts):
    """Write-verify: ``pulses`` of ``energy`` each that a cell takes on average, each followed by a verify read."""

    voltage: Voltage
    time: Time = Field(gt=0)
    energy: Energy = Field(ge=0)
    pulses: float = Field(ge=1)
    verify: Time = Field(ge=0)

    def rounds(self, cells: int) -> float:
        """Expected rounds until all of ``cells`` written side by side are accepted.

        Each pulse is accepted with the same probability 1/pulses, so a cell takes a geometric number of them;
        the expected largest of n is the sum over k of 1 - (1 - q**k)**n.
        """
        q, total, tail = 1 - 1 / self.pulses, 0.0, 1.0
        while cells and tail > 1e-12:
            total += 1 - (1 - tail) ** cells
            tail *= q
        return total


class Stuck(Facts):
    """Cells that cannot be written: their share, and where they are stuck (``anywhere``: uniform in the window)."""

    rate: Ratio = Field(ge=0, le=1)
    at: Literal["off", "on", "anywhere"] = "anywhere"


class DeviceSheet(Facts):
    """Datasheet of a memristive cell.

    ``levels`` conductances, equally spaced from ``g_min`` to ``g_max``, are targets of programming. ``programming``
    is the spread around them after write-verify; where ``relaxation`` is given it holds instead, interpolated in
    the logarithm of time and constant outside the measured times. ``endurance`` is in write pulses.
    """

    kind: Literal["device"] = "device"
    title: str = ""
    references: tuple[str, ...] = ()
    origin: Mapping[str, str] | None = None
    g_min: Conductance = Field(ge=0)
    g_max: Conductance = Field(gt=0)
    levels: int = Field(ge=2)
    programming: Spread
    relaxation: tuple[Relaxation, ...] = ()
    drift: Drift | None = None
    read_noise: ReadNoise | None = None
    write: Write
    endurance: float | None = Field(default=None, gt=0)
    stuck: Stuck | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.g_min >= self.g_max:
            raise ValueError(f"the conductance window is upside down: g_min {self.g_min} S, g_max {self.g_max} S")
        times = [r.time for r in self.relaxation]
        if any(b <= a for a, b in pairwise(times)):
            raise ValueError("relaxation curves must be in order of time")
        return self

    @property
    def step(self) -> float:
        """Conductance between neighbouring levels."""
        return (self.g_max - self.g_min) / (self.levels - 1)

    @property
    def static(self) -> bool:
        """Whether a programmed cell keeps its conductance and its noise for ever."""
        ageing_noise = self.read_noise is not None and self.read_noise.time_constant is not None
        return len(self.relaxation) < 2 and self.drift is None and not ageing_noise

    @property
    def reference_age(self) -> float:
        """Time since programming, in seconds, from which on the laws hold; a younger cell counts as this old."""
        times = [curve.time for curve in self.relaxation[:1]]
        if self.drift is not None:
            times.append(self.drift.time)
        return max(times, default=0.0)
