"""The compute macro: a crossbar with its converters, as a datasheet, and how an MVM runs through it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hetsim.analog.converter import AdcSheet, DacSheet, Pass, passes
from hetsim.analog.device import DeviceSheet, Facts
from hetsim.analog.mapping import Tiling
from hetsim.units import Energy, Time, Voltage


class MacroSheet(Facts):
    """Datasheet of a crossbar of ``rows`` x ``columns`` cells with its converters.

    A signed weight is the difference of a ``pair`` of cells on adjacent ``columns`` (their currents are subtracted)
    or adjacent ``rows`` (driven with opposite voltages). ``subtraction``: ``analog``, one signed conversion a pair,
    or ``digital``, two unsigned ones. ``sensing``: ``current`` into a virtual ground, or ``voltage`` of the floating
    line, V_out = sum(G V) / sum(G), undone with the known sum of target conductances.

    Inputs of ``input_bits`` are unsigned or have a sign and one magnitude bit less. ``signed_inputs``: ``two_phase``,
    positive ones first and negative ones after them, or ``bipolar``, both at once as voltages of either polarity;
    a bipolar driver has a sign bit for unsigned inputs too. An integration takes ``integration_time``, for
    ``pulse_time`` of which (default: all) the cells conduct. ``pipelined``: a sample-and-hold lets conversion overlap
    the next integration. ``overhead`` is the time per MVM between phases.
    ``sample`` is the energy per sensed line and word-line pulse, ``integrate`` per sensed line and integration.
    """

    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    device: DeviceSheet
    pair: Literal["columns", "rows"]
    subtraction: Literal["analog", "digital"]
    sensing: Literal["current", "voltage"] = "current"
    signed_inputs: Literal["two_phase", "bipolar"] = "two_phase"
    input_bits: int = Field(default=8, ge=1, le=15)
    dac: DacSheet
    adc: AdcSheet
    read_voltage: Voltage = Field(gt=0)
    integration_time: Time = Field(gt=0)
    pulse_time: Time | None = Field(default=None, gt=0)
    pipelined: bool = False
    overhead: Time = Field(default=0.0, ge=0)
    sample: Energy = Field(default=0.0, ge=0)
    integrate: Energy = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        on_rows = self.pair == "rows"
        if (self.rows if on_rows else self.columns) < 2:
            raise ValueError(f"a pair takes two adjacent {self.pair}")
        if on_rows and self.subtraction == "digital":
            raise ValueError("pairs on adjacent rows are subtracted on their bit line: subtraction must be analog")
        if self.sensing == "voltage" and not on_rows and self.subtraction == "analog":
            raise ValueError(
                "with voltage sensing each line is normalised by its own conductance: put pairs on rows, "
                "or subtract them digitally"
            )
        if self.sensing == "voltage" and self.adc.range.policy == "unit":
            raise ValueError("a converter range of one code a step needs current sensing")
        if self.signed_inputs == "bipolar" and self.subtraction == "digital":
            raise ValueError("inputs of either polarity need signed conversions: subtraction must be analog")
        if self.signed_inputs == "bipolar" and self.input_bits < 2:
            raise ValueError("bipolar inputs have a sign and at least one magnitude bit")
        if self.subtraction == "analog" and self.adc.bits < 2:
            raise ValueError("a signed conversion takes at least 2 bits")
        return self

    def tiling(self, rows: int, columns: int) -> Tiling:
        """How a matrix of rows x columns spreads over crossbars."""
        if self.pair == "columns":
            return Tiling(rows, columns, self.rows, self.columns // 2)
        return Tiling(rows, columns, self.rows // 2, self.columns)

    @property
    def pulse_energy(self) -> float:
        """Joules per siemens and integration at full read voltage."""
        return self.read_voltage**2 * (self.pulse_time or self.integration_time)

    @property
    def lines(self) -> int:
        """Sensed signals for each output of a tile."""
        return 2 if self.subtraction == "digital" else 1

    def magnitude_bits(self, signed: bool) -> int:
        """Bits of an input's magnitude."""
        return self.input_bits - (signed or self.signed_inputs == "bipolar")

    def passes(self, signed: bool) -> tuple[Pass, ...]:
        """The passes of one MVM, for operands with or without negative values."""
        if self.signed_inputs == "bipolar":
            signs: tuple[int, ...] = (0,)
        else:
            signs = (1, -1) if signed else (1,)
        return passes(self.dac, self.magnitude_bits(signed), signs)

    def sequential(self, outputs: int) -> int:
        """Conversions that one ADC makes in a pass, when a tile has ``outputs`` outputs in its first columns."""
        physical = 2 if self.pair == "columns" else 1
        shared = max(1, self.adc.columns * self.lines // physical)
        return min(outputs * self.lines, shared)

    def pace(self, signed: bool, outputs: int) -> tuple[float, float]:
        """Seconds from the first drive to the last code of one MVM, and from one MVM to the next."""
        convert = self.sequential(outputs) * self.adc.time
        stages = [p.integrations * self.integration_time for p in self.passes(signed)]
        if not self.pipelined:
            total = self.overhead + sum(stages) + len(stages) * convert
            return total, total
        steps = sum(max(stage, convert) for stage in stages)
        # the last conversion overlaps the next MVM's first integration
        latency = self.overhead + stages[0] + sum(max(s, convert) for s in stages[1:]) + convert
        return latency, self.overhead + steps

    def dissipation(self, tiling: Tiling, signed: bool) -> float:
        """Joules expected in the cells for one product: half of the input bits set, half of signed inputs negative,
        and cells in the middle of the conductance window. What floating lines save is left out."""
        driven = sum(p.expected(self.dac.encoding) for p in self.passes(signed))
        if signed and self.signed_inputs == "two_phase":
            driven /= 2  # an input is applied in the passes of its own sign only
        siemens = tiling.rows * tiling.columns * (self.device.g_min + self.device.g_max)  # two cells a weight
        return driven * siemens * self.pulse_energy
