"""Arrays of volatile memristors: nodes of a reservoir that forget [Du 2017; Moon 2019; Zhong 2021].

A pulse opens part of a device's window that is still closed, the more, the higher it is; between pulses the state
fades exponentially. Each device is a node of its own; several sets of nodes take sequences side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hetsim.hardware.component import Component, Measured, Moment, Outcome, Plan, Residency, Sheet, Step, register
from hetsim.units import Bandwidth, Conductance, Energy, EnergyPerByte, Ratio, Time, Voltage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hetsim.workload import Array, Op


class VolatileSheet(Sheet):
    """Datasheet of so many ``devices``, nodes that are pulsed and read side by side.

    A step of ``period`` is a pulse of ``width`` and up to ``voltage``, one of 2**``input_bits`` amplitudes from a
    driver that takes ``drive``, and a read of ``read_width`` at ``read_voltage``, converted to ``output_bits`` by
    converters that ``sharing`` devices share, each taking ``conversion`` and ``convert``. ``rest`` after a sequence
    lets devices forget it. Between ``g_min`` and ``g_max``, a state fades with the time constant ``tau``; a pulse of
    the amplitude a in 0..1 opens 1 - exp(-``gain`` f(a)) of what is closed, f(a) = sinh(``steepness`` a) /
    sinh(``steepness``). ``tau_spread`` and ``gain_spread`` are relative deviations from device to device, ``cycle``
    that of what a pulse opens from pulse to pulse, ``noise`` the deviation of a read, as a share of the window.
    Amplitudes and states cross a bus of ``bandwidth`` at ``transfer``.
    """

    kind: Literal["volatile"] = "volatile"
    devices: int = Field(ge=1)
    g_min: Conductance = Field(ge=0)
    g_max: Conductance = Field(gt=0)
    tau: Time = Field(gt=0)
    gain: float = Field(gt=0)
    steepness: float = Field(gt=0, le=50)
    tau_spread: Ratio = Field(default=0.0, ge=0, lt=1)
    gain_spread: Ratio = Field(default=0.0, ge=0, lt=1)
    cycle: Ratio = Field(default=0.0, ge=0)
    noise: Ratio = Field(default=0.0, ge=0)
    voltage: Voltage = Field(gt=0)
    width: Time = Field(gt=0)
    read_voltage: Voltage = Field(gt=0)
    read_width: Time = Field(gt=0)
    period: Time = Field(gt=0)
    rest: Time = Field(ge=0)
    input_bits: int = Field(ge=1, le=12)
    drive: Energy = Field(ge=0)
    output_bits: int = Field(ge=1, le=16)
    convert: Energy = Field(ge=0)
    conversion: Time = Field(ge=0)
    sharing: int = Field(default=1, ge=1)
    bandwidth: Bandwidth = Field(gt=0)
    transfer: EnergyPerByte = Field(ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.g_min >= self.g_max:
            raise ValueError("g_min must be below g_max")
        if self.width + self.read_width > self.period:
            raise ValueError("a pulse and a read do not fit in the period")
        return self

    @property
    def step(self) -> float:
        """Seconds from pulse to pulse: the period, or what the pulse and all conversions take."""
        return max(self.period, self.width + self.sharing * max(self.conversion, self.read_width))

    def joules(self, amplitude_squared: Any, opened: Any) -> Any:
        """Energy in devices, of a pulse and a read, for squared amplitudes and states: numbers or arrays."""
        conductance = self.g_min + (self.g_max - self.g_min) * opened
        pulse = amplitude_squared * self.voltage**2 * self.width
        return conductance * (pulse + self.read_voltage**2 * self.read_width)


class Nodes:
    """The devices of a run: how each fades over a step, and opens at a full pulse. float64 [devices]."""

    def __init__(self, sheet: VolatileSheet, key: int) -> None:
        import numpy as np

        from hetsim.keys import key as derive

        random = np.random.Generator(np.random.Philox(key=derive(key, "volatile")))
        spreads = 1 + np.array([[sheet.tau_spread], [sheet.gain_spread]]) * random.standard_normal((2, sheet.devices))
        tau, gain = np.maximum(spreads, 0.01) * [[sheet.tau], [sheet.gain]]
        self.decay, self.gain = np.exp(-sheet.step / tau), gain
        self.nominal = math.exp(-sheet.step / sheet.tau), sheet.gain


@register
class Volatile(Component[VolatileSheet]):
    """``FadingMemory`` of sequences, one after the other, as many side by side as there are sets of nodes."""

    kind: ClassVar[str] = "volatile"
    sheet_type: ClassVar[type[Sheet]] = VolatileSheet

    def supports(self, op: Op) -> str:
        if op.kind != "FadingMemory":
            return f"is driven and forgets, and runs no {op.kind}"
        if op.exact:
            return "forgets as its devices do, and the op must be exact"
        nodes = op.outputs[0].shape[2]
        return "" if nodes <= self.sheet.devices else f"{nodes} nodes are more than its {self.sheet.devices} devices"

    def plan(self, op: Op, residency: Residency) -> Plan:
        """Sequences in rounds of as many as there are sets; amplitudes and states move while devices rest and step."""
        sheet, (sequences, steps, nodes) = self.sheet, op.outputs[0].shape
        samples, rounds = sequences * steps * nodes, -(-sequences // (sheet.devices // nodes))
        moved = samples * (sheet.input_bits + sheet.output_bits) / 8
        lasting = max(steps * sheet.step + sheet.rest, moved / rounds / sheet.bandwidth)
        return Plan(
            holds=(f"{self.name}.devices",),
            output_bytes=(-(-samples * sheet.output_bits // 8),),
            steps=(
                Step("load", moved, 1 / sheet.bandwidth, sheet.transfer, "buffer"),
                Step("drive", samples, 0.0, sheet.drive, "dac"),
                Step("pulse", samples, sheet.step, sheet.joules(1 / 3, 0.5), "array", expected=True),
                Step("convert", samples, sheet.conversion, sheet.convert, "adc"),
            ),
            fill=lasting,
            interval=lasting,
            chunks=rounds,
        )

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Nodes, moment: Moment, plan: Plan) -> Outcome:
        """States as read, float32 [m, s, n]; an ideal device is like all others, without noise."""
        import numpy as np

        from hetsim.extensions import opened

        given, sheet = inputs[0], self.sheet
        assert given is not None
        top, codes = 2**sheet.input_bits - 1, 2**sheet.output_bits - 1
        amplitude = np.rint(np.clip(given.reshape(op.outputs[0].shape), 0, 1) * top) / top
        random = np.random.Generator(np.random.Philox(key=moment.key))
        out, joules = np.empty(amplitude.shape, np.float32), 0.0
        for turn, devices in self._turns(len(amplitude), amplitude.shape[2]):
            decay, gain = state.nominal if moment.ideal else (state.decay[devices], state.gain[devices])
            x = np.zeros(amplitude[turn, 0].shape)
            for step in range(amplitude.shape[1]):
                a, noise = amplitude[turn, step], np.zeros((2, 1, 1))
                if not moment.ideal:
                    noise = random.standard_normal((2, *x.shape)) * [[[sheet.cycle]], [[sheet.noise]]]
                part = np.clip(opened(a, gain, sheet.steepness) * (1 + noise[0]), 0, 1)
                x = decay * x + (1 - decay * x) * part
                joules += float(sheet.joules(a * a, x).sum())
                out[turn, step] = np.clip(np.rint((x + noise[1]) * codes), 0, codes) / codes
        count = float(given.size)
        return Outcome((out,), {"pulse": Measured(count, joules)}, counts={"adc_conversions": count})

    def _turns(self, sequences: int, nodes: int) -> Iterator[tuple[slice, slice]]:
        """Which sequences each set of nodes takes, and where its devices are."""
        sets = self.sheet.devices // nodes
        for i in range(min(sets, sequences)):
            yield slice(i, None, sets), slice(i * nodes, (i + 1) * nodes)

    def state(self, key: int) -> Nodes:
        return Nodes(self.sheet, key)

    def peaks(self) -> Mapping[str, float]:
        """All devices pulsed and read without a pause; to fade, open and add are three operations."""
        sheet = self.sheet
        pulses = sheet.devices / sheet.step
        power = sheet.static_power + pulses * (sheet.joules(1 / 3, 0.5) + sheet.drive + sheet.convert)
        return {"peak_ops_per_s": 3 * pulses, "peak_ops_per_J": 3 * pulses / power, "peak_power_W": power}
