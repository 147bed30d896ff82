"""Noise of reads: its sources, and over what time each stays as it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim.analog.curve import Curve, Facts
from hetsim.units import Frequency, Ratio, Time, Voltage

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

BOLTZMANN = 1.380649e-23  # J/K
ROOM = 300.0  # K

Correlation = Literal["sample", "mvm", "inference"]
Slow = Literal["mvm", "inference"]


class ReadNoise(Facts):
    """Noise of one read as a share of the conductance.

    With a ``time_constant`` t_r it grows with the time t since programming by ``sqrt(ln((t + t_r)/(2 t_r)))``, the
    integral of 1/f noise over that time [Nandakumar 2019]. ``correlation`` says how long a deviation lasts: a new one
    for each ``sample`` of a converter, one for all samples of an ``mvm``, or one for all vectors that are read
    together in an ``inference``.
    """

    relative: Curve
    time_constant: Time | None = Field(default=None, gt=0)
    correlation: Correlation = "sample"


class Flicker(Facts):
    """1/f noise with the power density ``S_G / G**2 = density / f`` between the frequencies ``low`` and ``high``.

    Its variance is ``density ln(high / low)``; ``low`` is about one over the time since the last calibration, ``high``
    the bandwidth of the read [Hooge 1969].
    """

    density: float = Field(gt=0)
    low: Frequency = Field(gt=0)
    high: Frequency = Field(gt=0)
    correlation: Correlation = "mvm"

    @property
    def relative(self) -> float:
        """Standard deviation as a share of the conductance."""
        return math.sqrt(self.density * math.log(max(self.high / self.low, 1.0)))


class Telegraph(Facts):
    """Random telegraph noise: a ``share`` of the cells switch between two conductances, both equally likely.

    The states are ``G (1 - relative)`` and ``G (1 + relative)``; among cells ``relative`` varies by a log-normal factor
    of median 1 whose logarithm has the standard deviation ``spread``. Slower than a sample: the state is drawn for
    each ``mvm`` or for each ``inference``.
    """

    share: Ratio = Field(ge=0, le=1)
    relative: Curve
    spread: float = Field(default=0.0, ge=0)
    correlation: Slow = "mvm"


class Thermal(Facts):
    """Johnson-Nyquist noise of the cell's current, ``4 k T G bandwidth``, read at ``voltage`` [Nyquist 1928]."""

    bandwidth: Frequency = Field(gt=0)
    voltage: Voltage = Field(gt=0)

    def variance(self, conductance: Array, temperature: float) -> Array:
        """Variance of a sample in siemens squared: that of the current over the voltage squared."""
        factor = 4 * BOLTZMANN * temperature * self.bandwidth / self.voltage**2
        variance: Array = conductance * conductance.dtype.type(factor)
        return variance


class Sinh(Facts):
    """Current of a cell beyond Ohm's law: ``I = G V_r sinh(V / voltage) / sinh(V_r / voltage)``.

    G is the conductance at the read voltage V_r, where the current is G V_r by definition [Yang 2013: conduction
    through thin oxides]. The smaller ``voltage``, the less linear the cell.
    """

    voltage: Voltage = Field(gt=0)

    def current(self, conductance: Array, voltage: Array, read_voltage: float) -> Array:
        """Amperes of cells in siemens at volts of either sign; arrays that broadcast, read_voltage in volts."""
        import numpy as np

        scale = read_voltage / math.sinh(read_voltage / self.voltage)
        current: Array = conductance * np.sinh(voltage / self.voltage) * scale
        return current

    def slope(self, conductance: Array, voltage: Array, read_voltage: float) -> Array:
        """The derivative of `current` by voltage, in siemens."""
        import numpy as np

        scale = read_voltage / self.voltage / math.sinh(read_voltage / self.voltage)
        slope: Array = conductance * np.cosh(voltage / self.voltage) * scale
        return slope
