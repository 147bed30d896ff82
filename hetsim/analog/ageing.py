"""Ageing: what time, temperature and reads do to a programmed conductance."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from hetsim.analog.curve import Curve, Facts, Shift, Spread
from hetsim.analog.noise import BOLTZMANN
from hetsim.units import Energy, Ratio, Temperature, Time

End = Literal["off", "on"]


class Relaxation(Facts):
    """Where cells lie a ``time`` after programming: ``sigma`` around the target that ``mean`` has shifted.

    By default ``sigma`` is a total, which replaces the programming error; what ``adds`` was measured as a change since
    programming, and the two variances are added up.
    """

    time: Time = Field(gt=0)
    sigma: Spread
    mean: Shift | None = None
    adds: bool = False


class Drift(Facts):
    """Power-law drift ``G(t) = G(t0) (t/t0)**-nu``, nu a normal variable of each cell; ``time`` is t0."""

    time: Time = Field(gt=0)
    mean: Curve
    deviation: Curve


class Activation(Facts):
    """Arrhenius: ageing measured at ``temperature`` runs at T faster by ``exp(energy / k (1/temperature - 1/T))``."""

    energy: Energy = Field(ge=0)
    temperature: Temperature = Field(gt=0)

    def acceleration(self, temperature: float | None) -> float:
        """The factor at a temperature in kelvin, 1 when none is given."""
        if temperature is None:
            return 1.0
        return math.exp(self.energy / BOLTZMANN * (1 / self.temperature - 1 / temperature))


class Retention(Facts):
    """Loss of the programmed state: after ``time`` a cell has gone the share ``loss`` of the way ``towards`` an end.

    In between it follows ``1 - exp(-(t/tau)**shape)``; with an ``activation`` energy time runs faster in the heat.
    """

    time: Time = Field(gt=0)
    loss: Ratio = Field(gt=0, lt=1)
    towards: End = "off"
    shape: float = Field(default=1.0, gt=0)
    activation: Activation | None = None

    @property
    def tau(self) -> float:
        """Seconds after which 1 - 1/e of the way is gone."""
        gone: float = (-math.log1p(-self.loss)) ** (1 / self.shape)
        return self.time / gone


class Disturb(Facts):
    """Read disturb: ``reads`` at full read voltage move a cell 1 - 1/e of the way ``towards`` an end of the window."""

    reads: float = Field(gt=0)
    towards: End
