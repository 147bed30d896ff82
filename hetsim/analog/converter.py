"""Converters: what drives the word lines and what digitises the bit lines, by resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from hetsim.analog.device import Facts
from hetsim.units import Current, Energy, Ratio, Time, Voltage

# pJ per conversion of a SAR converter in 32 nm, 4 to 10 bits [Shafiee 2016, Table I, as worked out by
# hwcomponents-library]: only ratios to the datasheet's own point are used
_SAR_BITS = 4
_SAR_ENERGY = (0.79, 0.99, 1.2, 1.42, 1.67, 1.97, 2.38)


def sar_energy(bits: int) -> float:
    """Relative energy of a SAR conversion; beyond the table its first and last intervals go on, as a line below
    and as a ratio above."""
    place, last = bits - _SAR_BITS, len(_SAR_ENERGY) - 1
    if place < 0:
        line = _SAR_ENERGY[0] + place * (_SAR_ENERGY[1] - _SAR_ENERGY[0])
        return max(line, _SAR_ENERGY[0] * bits / _SAR_BITS)
    if place > last:
        ratio = _SAR_ENERGY[last] / _SAR_ENERGY[last - 1]
        return _SAR_ENERGY[last] * math.pow(ratio, place - last)
    return _SAR_ENERGY[place]


class ReferencePoint(Facts):
    """The resolution at which a datasheet gives a converter's energy and time per conversion."""

    bits: int = Field(ge=1, le=16)
    energy: Energy = Field(ge=0)
    time: Time = Field(ge=0)


class Range(Facts):
    """Full scale of the converter of a tile, shared by all its columns and input bits.

    ``max``: the largest signal that the rows in use can give, so that nothing clips. ``fraction``: that times
    ``fraction``. ``calibrated``: the ``percentile`` of the magnitudes of the signals, zeros left out, in the first
    batch of vectors that the tile reads. ``unit``: one code for each conductance step and input unit, as an exact
    integer product wants it. ``given``: the ``current`` of one integration or, sensing voltage or charge, the
    ``voltage`` of a line.
    """

    policy: Literal["max", "fraction", "calibrated", "unit", "given"] = "max"
    fraction: Ratio = Field(default=1.0, gt=0)
    percentile: float = Field(default=99.9, gt=0, le=100)
    current: Current | None = Field(default=None, gt=0)
    voltage: Voltage | None = Field(default=None, gt=0)

    def misfit(self, sensing: str) -> str:
        """Why the range does not suit what is sensed, or nothing."""
        wanted = "current" if sensing == "current" else "voltage"
        given = [name for name in ("current", "voltage") if getattr(self, name) is not None]
        if given != ([wanted] if self.policy == "given" else []):
            return f"a given range is the full scale of the {wanted} that is sensed, and needs policy: given"
        return ""


class AdcSheet(Facts):
    """Datasheet of an analog-to-digital converter that ``columns`` neighbouring bit lines share.

    ``bits`` may differ from the ``reference`` point. Energy and time follow the kind: ``sar`` energy by ISAAC's
    table and one time step a bit; ``flash`` energy by 2**bits at constant time; ``ramp`` both by 2**bits.
    """

    kind: Literal["sar", "flash", "ramp"]
    bits: int = Field(ge=1, le=16)
    reference: ReferencePoint
    columns: int = Field(ge=1)
    range: Range = Range()
    offset: Ratio = Field(default=0.0, ge=0)
    gain: Ratio = Field(default=0.0, ge=0, lt=1)
    inl: Ratio = Field(default=0.0, ge=0)

    @property
    def exact(self) -> bool:
        """Whether rounding and clipping are all that it does."""
        return self.offset == self.gain == self.inl == 0

    @property
    def energy(self) -> float:
        """Joules per conversion."""
        return self.reference.energy * self._ratio(energy=True)

    @property
    def time(self) -> float:
        """Seconds per conversion."""
        return self.reference.time * self._ratio(energy=False)

    def _ratio(self, energy: bool) -> float:
        bits, known = self.bits, self.reference.bits
        if self.kind == "sar":
            return sar_energy(bits) / sar_energy(known) if energy else bits / known
        return 1.0 if self.kind == "flash" and not energy else math.ldexp(1.0, bits - known)

    def codes(self, signed: bool) -> tuple[int, int]:
        """Lowest and highest code: two's complement without its lowest code when signed."""
        if not signed:
            return 0, 2**self.bits - 1
        top = 2 ** (self.bits - 1) - 1
        return -top, top


class DacSheet(Facts):
    """Datasheet of the word-line drivers.

    ``bits`` of the input are applied in one pass, each pass converted once: 1 is bit-serial. A pass of several bits
    is either one voltage out of 2**bits (``amplitude``), or full pulses, the n-th bit's integrated 2**(n-1) times
    (``pulses``). ``energy`` is per row and word-line pulse, whatever the bit. Each row's driver has a gain error of its
    own and, when it makes amplitudes, an offset and a bow of its levels, largest in the middle of the range: ``gain``,
    ``offset`` and ``inl`` are their standard deviations, as shares of the full voltage.
    """

    bits: int = Field(default=1, ge=1, le=12)
    encoding: Literal["amplitude", "pulses"] = "pulses"
    energy: Energy = Field(ge=0)
    offset: Ratio = Field(default=0.0, ge=0)
    gain: Ratio = Field(default=0.0, ge=0, lt=1)
    inl: Ratio = Field(default=0.0, ge=0)

    @property
    def exact(self) -> bool:
        """Whether rounding is all that it does."""
        return self.offset == self.gain == self.inl == 0

    def misfit(self) -> str:
        """What the encoding does not know, or nothing."""
        switched = (self.offset > 0 or self.inl > 0) and self.encoding == "pulses"
        return "pulses are switched: an offset or a bow (inl) needs encoding: amplitude" if switched else ""


@dataclass(frozen=True, slots=True)
class Pass:
    """Input bits ``first`` to ``first + bits - 1`` applied together and converted once.

    ``pulses`` word-line pulses and ``integrations`` of the bit-line current. ``sign`` is that of the inputs which
    the pass applies, 0 for both at once, as voltages of either polarity.
    """

    first: int
    bits: int
    pulses: int
    integrations: int
    sign: int

    @property
    def top(self) -> int:
        """Largest input of the pass."""
        return (1 << self.bits) - 1

    def expected(self, encoding: str) -> float:
        """Integrations of a row at full voltage, or with ``amplitude`` the square of its share of it, expected when
        each bit is set half of the time."""
        if encoding == "pulses":
            return self.integrations / 2
        mean, variance = self.top / 2, (float(4**self.bits) - 1) / 12
        return (mean**2 + variance) / self.top**2


def passes(dac: DacSheet, magnitude_bits: int, signs: tuple[int, ...]) -> tuple[Pass, ...]:
    """The passes of one product, from the lowest bits up, for each of the signs in turn.

    The bits are dealt over as few passes as the DAC allows, as evenly as possible.
    """
    count = -(-magnitude_bits // dac.bits)
    sizes = [magnitude_bits // count + (i < magnitude_bits % count) for i in range(count)]
    dealt = []
    for sign in signs:
        for i, bits in enumerate(sizes):
            pulsed = dac.encoding == "pulses"
            dealt.append(Pass(sum(sizes[:i]), bits, bits if pulsed else 1, 2**bits - 1 if pulsed else 1, sign))
    return tuple(dealt)
