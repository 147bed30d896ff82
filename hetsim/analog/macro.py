"""The compute macro: a crossbar with its converters, as a datasheet, and how an MVM runs through it."""

from __future__ import annotations

from functools import cached_property
from math import sinh
from statistics import fmean
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from hetsim.analog.converter import AdcSheet, DacSheet, Pass, passes
from hetsim.analog.device import DeviceSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.scheme import Encoding, Scheme
from hetsim.analog.storage import Storage
from hetsim.analog.wires.sheet import Wires
from hetsim.units import Capacitance, Energy, Temperature, Time, Voltage


class MacroSheet(Storage):
    """Datasheet of a crossbar of ``rows`` x ``columns`` cells with its converters.

    ``mapping`` of a signed weight: ``differential``, the difference of a ``pair`` of cells of which one holds the
    weight, or ``two_sided``, of which each holds half of it around the middle of the window; or ``offset``, one cell
    that holds the weight plus half of the range. A pair stands on adjacent ``columns`` (their currents are
    subtracted) or adjacent ``rows`` (driven with opposite voltages). ``subtraction``: ``analog``, one signed
    conversion a pair, or ``digital``, two unsigned ones; of an offset, ``digital``, with the sum of the input codes,
    or ``unit``, with what a column of zero weights in each tile shows. ``sensing``: ``current`` into a virtual
    ground; ``voltage`` of the floating line, V_out = sum(G V) / sum(G); or ``charge`` on a line of a ``capacitance``,
    V_out (1 - exp(-t sum(G) / C)) after the pulse time t; the last two undone with the known sum of target
    conductances.

    Inputs of ``input_bits`` are unsigned or have a sign and one magnitude bit less. ``signed_inputs``: ``two_phase``,
    positive ones first and negative ones after them, or ``bipolar``, both at once as voltages of either polarity;
    a bipolar driver has a sign bit for unsigned inputs too. An integration takes ``integration_time``, for
    ``pulse_time`` of which (default: all) the cells conduct. ``pipelined``: a sample-and-hold lets conversion overlap
    the next integration. ``overhead`` is the time per MVM between phases. No more than ``active_rows`` are driven at
    once, the others cut off, and a tile takes turns. ``bidirectional``: the array can be driven at its columns and
    sensed at its rows.
    ``sample`` is the energy per sensed line and word-line pulse, ``integrate`` per sensed line and integration.
    ``wires``: resistances between drivers, cells and converters (default: none). ``temperature`` of the chip speeds up
    ageing by Arrhenius' law (default: cells age as they did when they were measured) and makes thermal noise (300 K).
    """

    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    device: DeviceSheet
    mapping: Encoding = "differential"
    pair: Literal["columns", "rows"] | None = None
    subtraction: Literal["analog", "digital", "unit"]
    sensing: Literal["current", "voltage", "charge"] = "current"
    capacitance: Capacitance | None = Field(default=None, gt=0)
    signed_inputs: Literal["two_phase", "bipolar"] = "two_phase"
    input_bits: int = Field(default=8, ge=1, le=15)
    dac: DacSheet
    adc: AdcSheet
    read_voltage: Voltage = Field(gt=0)
    integration_time: Time = Field(gt=0)
    pulse_time: Time | None = Field(default=None, gt=0)
    pipelined: bool = False
    overhead: Time = Field(default=0.0, ge=0)
    active_rows: int | None = Field(default=None, ge=1)
    bidirectional: bool = False
    wires: Wires | None = None
    temperature: Temperature | None = Field(default=None, gt=0)
    sample: Energy = Field(default=0.0, ge=0)
    integrate: Energy = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problem := self.problem():
            raise ValueError(problem)
        return self

    def problem(self) -> str:
        """What does not go together, or nothing."""
        try:
            rules = (self._pairs, self._sensed, self._driven, self._stored, self._coded)
            return next((problem for rule in rules if (problem := rule())), "")
        except ValueError as error:  # slices that cannot hold the weights
            return str(error)

    def _pairs(self) -> str:
        if self.mapping == "offset":
            if self.pair is not None:
                return "an offset takes one cell, not a pair: leave pair out"
            if self.subtraction == "analog":
                return "an offset is subtracted digital, or with a unit column"
            return ""
        if self.pair is None:
            return f"a {self.mapping} weight is a pair of cells: say whether on columns or on rows"
        on_rows = self.pair == "rows"
        if (self.rows if on_rows else self.columns) < 2:
            return f"a pair takes two adjacent {self.pair}"
        if self.subtraction == "unit":
            return "a unit column is subtracted from offset weights, not from pairs"
        if on_rows and self.subtraction == "digital":
            return "pairs on adjacent rows are subtracted on their bit line: subtraction must be analog"
        return ""

    def _sensed(self) -> str:
        if (self.sensing == "charge") != (self.capacitance is not None):
            return "charge sensing, and no other, needs the capacitance of a line"
        if self.wires is not None and (self.sensing == "charge" or (self.sensing == "voltage" and self.bidirectional)):
            return "wires are known for current sensing, and for voltage sensing in one direction"
        if self.wires is not None and (misfit := self.wires.misfit(self.rows, self.columns)):
            return misfit
        if self.device.iv is not None and (self.wires is not None or self.sensing != "current"):
            return (
                "the device's current bends with its voltage (iv), and reads know only cells that have all of their "
                "driver's voltage: sense the current, without wires, or leave iv out"
            )
        if self.sensing == "current":
            return ""
        if self.pair == "columns" and self.subtraction == "analog":
            return (
                f"with {self.sensing} sensing each line is normalised by its own conductance: put pairs on rows, "
                "or subtract them digitally"
            )
        if self.bidirectional and self.subtraction == "analog":
            return f"with {self.sensing} sensing a pair is subtracted before conversion in one direction only"
        return "a converter range of one code a step needs current sensing" if self.adc.range.policy == "unit" else ""

    def _driven(self) -> str:
        if self.signed_inputs == "bipolar" and not self.signed_codes:
            return "inputs of either polarity need signed conversions: subtraction must be analog"
        if self.signed_inputs == "bipolar" and self.input_bits < 2:
            return "bipolar inputs have a sign and at least one magnitude bit"
        if self.signed_codes and self.adc.bits < 2:
            return "a signed conversion takes at least 2 bits"
        if self.bent and not self.dac.exact:
            return (
                "the device's current bends with its voltage (iv), and reads do not know what that makes of errors of "
                "drivers: apply pulses of full voltage (encoding: pulses), or leave out the dac's gain, offset and inl"
            )
        return self.adc.range.misfit(self.sensing) or self.dac.misfit()

    def _stored(self) -> str:
        step = self.scheme.footprint
        self.code_levels(self.scheme)
        width = step.width * (1 + (self.subtraction == "unit"))
        if self.rows < step.height or self.columns < width:
            return f"a weight takes {step.height} x {width} cells, the crossbar has {self.rows} x {self.columns}"
        return self._limited(self.rows // step.height, step.height, "rows") or (
            self._limited(self.columns // step.width, step.width // self.lines or 1, "columns")
            if self.bidirectional
            else ""
        )

    def _limited(self, weights: int, each: int, name: str) -> str:
        group = weights if self.active_rows is None else self.active_rows // each
        if group == 0 or weights % min(group, weights):
            return (
                f"active_rows {self.active_rows} must divide the tile into equal groups: its {weights} weights "
                f"take {each} {name} each"
            )
        return ""

    def _coded(self) -> str:
        if self.an_code is None:
            return ""
        if self.an_code % 2 == 0:
            return "an AN code takes an odd number: an even one does not see errors of powers of two"
        if self.mapping == "offset" or self.adc.range.policy != "unit":
            return "an AN code needs pairs of cells and a converter range of one code a step (policy: unit)"
        if (self.average == "digital" and self.copies > 1) or self.arrays > 1:
            return "an AN code needs whole numbers: no digital average, no further arrays"
        largest = self.rows // self.scheme.footprint.height * self.copies * (self.scheme.levels - 1)
        if largest * (2**self.dac.bits - 1) >= 2**24:
            return f"sums of up to {largest * (2**self.dac.bits - 1)} are checked in 24 bits: spread the weights less"
        return ""

    @cached_property
    def scheme(self) -> Scheme:
        """How codes stand on cells, and lines on outputs; ValueError for slices that cannot hold the weights."""
        return Scheme(
            self.mapping,
            self.tops(self.device.levels, self.mapping),
            self.copies,
            self.average == "digital",
            self.signed_codes,
            self.pair == "rows",
        )

    def storage(self) -> dict[str, Any]:
        """What `Storage` says of each of its replicas."""
        return {name: getattr(self, name) for name in Storage.model_fields if name != "replicas"}

    @property
    def signed_codes(self) -> bool:
        """Whether conversions are of the difference of a pair."""
        return self.subtraction == "analog"

    @property
    def bent(self) -> bool:
        """Whether cells get voltages at which their current is not G V."""
        return self.device.iv is not None and self.dac.encoding == "amplitude" and self.dac.bits > 1

    def tiling(self, rows: int, columns: int) -> Tiling:
        """How a matrix of rows x columns spreads over crossbars; with a unit column its columns are more."""
        step, units = self.scheme.footprint, int(self.subtraction == "unit")
        height, width = self.rows // step.height, self.columns // step.width
        across = -(-columns // (width - units))
        return Tiling(rows, columns + units * across, height, width, step, units)

    def reading(self, tiling: Tiling, transposed: bool = False) -> Tiling:
        """The matrix as it is read: its rows in the groups that are driven at once, as tiles of that height."""
        step, height, lines = tiling.footprint, tiling.height, self.scheme.lines
        if transposed:
            group = self._group(tiling.width, step.width // lines or 1)
            return Tiling(tiling.columns, tiling.rows, group, height)
        return Tiling(tiling.rows, tiling.columns, self._group(height, step.height), tiling.width)

    def _group(self, weights: int, each: int) -> int:
        return weights if self.active_rows is None else min(weights, self.active_rows // each)

    def turns(self, tiling: Tiling, transposed: bool = False) -> int:
        """How often a pass is driven: once for each group of rows, and transposed, where the lines of an output are
        one word line, for each of them."""
        read = self.reading(tiling, transposed)
        fullest = tiling.widest if transposed else tiling.tallest
        return -(-fullest // read.height) * (self.scheme.lines if transposed else 1)

    @property
    def pulse_energy(self) -> float:
        """Joules per siemens and integration at full read voltage."""
        return self.read_voltage**2 * (self.pulse_time or self.integration_time)

    @property
    def lines(self) -> int:
        """Sensed signals for each output of a tile."""
        return self.scheme.lines

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

    def single_pass(self, step: Pass) -> Self:
        """The macro with inputs of that pass alone: a sign, where it has both, and its bits."""
        bits = step.bits + (self.signed_inputs == "bipolar")
        return self.model_copy(update={"input_bits": bits, "dac": self.dac.model_copy(update={"bits": step.bits})})

    def sequential(self, outputs: int, transposed: bool = False) -> int:
        """Conversions that one ADC makes in a pass, when a tile has ``outputs`` outputs in its first columns."""
        step, lines = self.scheme.footprint, 1 if transposed else self.lines
        shared = max(1, self.adc.columns * lines // (step.height if transposed else step.width))
        return min(outputs * lines, shared)

    def pace(self, signed: bool, outputs: int, turns: int = 1, transposed: bool = False) -> tuple[float, float]:
        """Seconds from the first drive to the last code of one MVM, and from one MVM to the next, when each pass is
        driven and converted in so many ``turns``."""
        convert = self.sequential(outputs, transposed) * self.adc.time
        stages = [p.integrations * self.integration_time for p in self.passes(signed) for _ in range(turns)]
        if not self.pipelined:
            total = self.overhead + sum(stages) + len(stages) * convert
            return total, total
        steps = sum(max(stage, convert) for stage in stages)
        # the last conversion overlaps the next MVM's first integration
        latency = self.overhead + stages[0] + sum(max(s, convert) for s in stages[1:]) + convert
        return latency, self.overhead + steps

    def conversions(self, tiling: Tiling, signed: bool, transposed: bool = False) -> int:
        """Conversions of one product with a tiled matrix."""
        read = self.reading(tiling, transposed)
        return len(self.passes(signed)) * read.down * read.columns * self.lines

    def dissipation(self, tiling: Tiling, signed: bool) -> float:
        """Joules expected in the cells for one product: half of the input bits set, half of signed inputs negative,
        and cells in the middle of the conductance window. What floating lines save is left out."""
        driven = sum(self._expected(p) for p in self.passes(signed))
        if signed and self.signed_inputs == "two_phase":
            driven /= 2  # an input is applied in the passes of its own sign only
        cells = tiling.rows * tiling.columns * self.scheme.cells
        siemens = cells * (self.device.g_min + self.device.g_max) / 2
        return driven * siemens * self.pulse_energy

    def _expected(self, step: Pass) -> float:
        """Integrations of a row in a pass, or the power of a cell as a share of that at full voltage."""
        if not self.bent or self.device.iv is None:
            return step.expected(self.dac.encoding)
        bend = self.read_voltage / self.device.iv.voltage
        shares = (level / step.top for level in range(step.top + 1))
        return fmean(s * sinh(s * bend) / sinh(bend) for s in shares)
