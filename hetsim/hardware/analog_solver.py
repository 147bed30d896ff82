"""Solvers in one step: crossbars in the feedback of amplifiers settle to the solution of A x = b [Sun 2019].

Amplifier i keeps its input at virtual ground by driving x_i, so that currents balance: sum_j a_ij x_j = b_i, with A
in units of the largest entry, held by an array A⁺ and, behind inverters, an array A⁻. With an open-loop gain g,
an offset v and a load of D_i = 1 + sum_j (a⁺_ij + a⁻_ij) on its input, what settles is

    (A + D / g) x = b + D v,

if all eigenvalues of D⁻¹ A have a positive real part; the smallest of them, times 2π times the gain-bandwidth product,
is the slowest rate at which it settles [Sun 2020].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hetsim.analog.device import DeviceSheet, Facts
from hetsim.analog.mapping import Tiling
from hetsim.analog.programming import Programming, Written
from hetsim.analog.scheme import Scheme
from hetsim.errors import RunError
from hetsim.hardware.component import (
    Component,
    Deployment,
    Measured,
    Moment,
    Outcome,
    Placement,
    Plan,
    Residency,
    Sheet,
    Step,
    register,
)
from hetsim.hardware.writing import spent, write_steps
from hetsim.units import Energy, Frequency, Power, Ratio, Time, Voltage

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor


class Amplifiers(Facts):
    """Operational amplifiers: open-loop ``gain``, gain-``bandwidth`` product, the deviation of their ``offset``, and
    the ``power`` of each with the inverter behind it."""

    gain: float = Field(gt=1)
    bandwidth: Frequency = Field(gt=0)
    offset: Voltage = Field(ge=0)
    power: Power = Field(ge=0)


class Converters(Facts):
    """Converters of ``bits``, one for each row, with ``energy`` and ``time`` of a conversion."""

    bits: int = Field(ge=1, le=16)
    energy: Energy = Field(ge=0)
    time: Time = Field(gt=0)


class AnalogSolverSheet(Sheet):
    """Datasheet of a solver for up to ``size`` unknowns, whose outputs swing up to ``swing``.

    Inputs are scaled so that the largest output reaches the swing. ``eigenvalue`` is the smallest one of D⁻¹ A that
    is expected, for timing without numbers. ``age`` is the time since programming. The cells of both arrays are written
    side by side as ``programming`` has it, row after row, and verified by the converters.
    """

    kind: Literal["analog_solver"] = "analog_solver"
    size: int = Field(ge=1)
    device: DeviceSheet
    amplifiers: Amplifiers
    dac: Converters
    adc: Converters
    swing: Voltage = Field(gt=0)
    programming: Programming = Programming()
    eigenvalue: Ratio = Field(default=0.01, gt=0)
    age: Time | None = None


@dataclass(slots=True)
class Arrays:
    """What a run's arrays hold: the matrix as its cells are, in units of its largest entry, and its rows' load."""

    key: int
    name: tuple[str, int] | None = None
    matrix: Array | None = None
    load: Array | None = None
    scale: float = 1.0
    rate: float = 0.0
    pulses: Array | None = None
    written: Written = field(default_factory=lambda: Written(0.0, 0.0))


@register
class AnalogSolver(Component[AnalogSolverSheet]):
    """Holds one matrix at a time; right-hand sides are converted, settle and are read one after the other."""

    kind: ClassVar[str] = "analog_solver"
    sheet_type: ClassVar[type[Sheet]] = AnalogSolverSheet

    def residency(self) -> Residency:
        return Residency((), 1)

    def supports(self, op: Op) -> str:
        if op.kind != "AnalogSolve":
            return f"solves linear systems, no {op.kind}"
        if op.exact:
            return "computes with an error, and the op must be exact"
        matrix = _matrix(op)
        if not matrix.constant:
            return "the matrix must be a constant"
        n = matrix.shape[0]
        return f"the system has {n} unknowns, it solves up to {self.sheet.size}" if n > self.sheet.size else ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        matrix, sheet, rhs = _matrix(op), self.sheet, op.outputs[0].shape[1]
        n = matrix.shape[0]
        after, deployment, writing = None, None, 0.0
        settling = rhs * self._settling(sheet.eigenvalue)
        steps = self._steps(n, rhs, settling)
        if not residency.holds(matrix):
            after, evicted = residency.placing(Placement(matrix.name, matrix.version, 1))
            pulses, write = 2 * n * n * sheet.device.write.pulses, sheet.device.write
            seconds, written = sheet.programming.expected(self._tiling(n).shapes(), write), self._write_steps(n, pulses)
            if matrix.version == 0 and not evicted:
                deployment = Deployment(seconds, spent(written), pulses)
            else:
                steps, writing = (*written, *steps), seconds
        return Plan(
            holds=(f"{self.name}.arrays",),
            output_bytes=tuple(t.nbytes for t in op.outputs),
            steps=steps,
            setup=writing + settling,
            fill=rhs * (sheet.dac.time + sheet.adc.time),
            after=after,
            deployment=deployment,
        )

    def _steps(self, n: int, rhs: int, settling: float) -> tuple[Step, ...]:
        sheet = self.sheet
        return (
            Step("drive", n * rhs, sheet.dac.time, sheet.dac.energy, "dac"),
            Step("settle", n * rhs, settling / rhs, sheet.amplifiers.power * settling / rhs, "array", expected=True),
            Step("convert", n * rhs, sheet.adc.time, sheet.adc.energy, "adc"),
        )

    def _write_steps(self, n: int, pulses: float) -> tuple[Step, ...]:
        return write_steps(self.sheet.device.write, pulses, 2 * n * n, self.sheet.adc.energy)

    def _tiling(self, n: int) -> Tiling:
        """The arrays for n unknowns, side by side: each row of both is written at once."""
        return Tiling(n, n, self.sheet.size, self.sheet.size, _pairs(self.sheet.device).footprint)

    def _settling(self, eigenvalue: float) -> float:
        """Seconds until the slowest part is within half a step of the converter."""
        within = (self.sheet.adc.bits + 1) * math.log(2)
        return within / (2 * math.pi * self.sheet.amplifiers.bandwidth * eigenvalue)

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Arrays, moment: Moment, plan: Plan) -> Outcome:
        """Settled and converted solutions. Raises RunError for a matrix with which the feedback is not stable."""
        import numpy as np

        matrix, rhs = inputs
        assert matrix is not None and rhs is not None
        name = (_matrix(op).name, _matrix(op).version)
        if state.name != name or plan.after is not None:
            self._store(op, matrix.astype("float64"), state, moment, name)
        settling = rhs.shape[1] * self._settling(state.rate)
        n, sheet, written = len(matrix), self.sheet, self._write_steps(len(matrix), state.written.pulses)
        power = n * sheet.amplifiers.power
        steps = {"settle": Measured(n * rhs.shape[1], power * settling)}
        writing, deployment = 0.0, None
        if plan.deployment is not None:
            deployment = Deployment(state.written.seconds, spent(written), state.written.pulses)
        elif plan.after is not None:
            writing = state.written.seconds
            steps |= {step.name: Measured(step.count, step.count * step.joules) for step in written}
        columns = [self._solved(column, state, moment.ideal) for column in rhs.T.astype("float64")]
        made = np.stack(columns, axis=1).astype(op.outputs[0].dtype)
        return Outcome((made,), steps, writing + settling, deployment)

    def _store(self, op: Op, matrix: Array, state: Arrays, moment: Moment, name: tuple[str, int]) -> None:
        """Write the two arrays; what their cells then hold is what is solved with."""
        import numpy as np

        from hetsim.analog import conductance
        from hetsim.analog.mapping import codes_to_levels, levels_to_conductances, weights_to_codes
        from hetsim.keys import key as derive

        device = self.sheet.device
        codes, scale = weights_to_codes(matrix, device.levels)
        pairs = _pairs(device)
        levels = codes_to_levels(codes, pairs)
        target = device.nearest(levels_to_conductances(levels, pairs, device.g_min, device.g_max))
        key = derive(state.key, "program", *name)
        programmed, cells = conductance.program(device, target, key, None, self.sheet.adc.bits), target
        if not moment.ideal:
            age = device.reference_age if self.sheet.age is None else self.sheet.age
            cells = conductance.conductance(device, programmed, age)
        unit = device.step * (device.levels - 1)
        values = cells.astype("float64") / unit
        state.name, state.scale = name, scale * (device.levels - 1)
        state.matrix, state.load = values[0] - values[1], 1 + values.sum(axis=(0, 2))
        rates = np.linalg.eigvals(state.matrix / state.load[:, None])
        state.rate = float(rates.real.min())
        if not state.rate > 0:
            what = f"an eigenvalue of the matrix as the cells hold it has the real part {state.rate:.3g}"
            raise RunError(f"op {op.name!r} on {self.name!r}: the feedback is not stable: {what}, it must be positive")
        pulses = programmed.pulses
        assert pulses is not None, "programming counts pulses"
        seconds = self.sheet.programming.taken(self._tiling(len(codes)).place(pulses), device.write)
        state.written = Written(seconds, float(pulses.sum()))
        old = np.zeros((2, self.sheet.size, self.sheet.size)) if state.pulses is None else state.pulses
        old[:, : len(codes), : len(codes)] += pulses
        state.pulses = old

    def _solved(self, rhs: Array, state: Arrays, ideal: bool) -> Array:
        """One right-hand side: converted, settled with finite gain and offsets, and converted back."""
        import numpy as np

        from hetsim.analog.conductance import generator

        sheet, matrix, load = self.sheet, state.matrix, state.load
        assert matrix is not None and load is not None
        b = _converted(rhs / state.scale, sheet.dac.bits)
        if ideal:
            return _converted(np.linalg.solve(matrix, b), sheet.adc.bits)
        real = matrix + np.diag(load) / sheet.amplifiers.gain
        largest = np.abs(np.linalg.solve(real, b)).max()
        per_volt = largest / sheet.swing if largest > 0 else 1.0
        offsets = sheet.amplifiers.offset * generator(state.key, "offset").standard_normal(sheet.size)[: len(b)]
        return _converted(np.linalg.solve(real, b + load * offsets * per_volt), sheet.adc.bits)

    def state(self, key: int) -> Arrays:
        return Arrays(key)

    def report(self, state: Arrays, seconds: float) -> Mapping[str, float]:
        """``smallest_eigenvalue`` of D⁻¹ A, ``max_write_pulses`` of a cell, and that as a share of the endurance."""
        if state.pulses is None:
            return {}
        worst, endurance = float(state.pulses.max()), self.sheet.device.endurance
        told = {"smallest_eigenvalue": state.rate, "max_write_pulses": worst}
        return told | ({"wear": worst / endurance} if endurance else {})

    def peaks(self) -> Mapping[str, float]:
        """Solutions of full size with the expected eigenvalue, counted as the digital solve would be."""
        sheet, n = self.sheet, self.sheet.size
        seconds = self._settling(sheet.eigenvalue) + sheet.dac.time + sheet.adc.time
        operations = 2 * (n**3 // 3 + n * n)
        joules = n * (sheet.dac.energy + sheet.adc.energy + sheet.amplifiers.power * self._settling(sheet.eigenvalue))
        power = sheet.static_power + joules / seconds
        rate = operations / seconds
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}


def _converted(x: Array, bits: int) -> Array:
    """Rounded to so many bits, the largest magnitude being the largest code."""
    import numpy as np

    top = 2 ** (bits - 1) - 1 if bits > 1 else 1
    step = np.abs(x).max() / top
    return x if step == 0 else np.rint(x / step) * step


def _pairs(device: DeviceSheet) -> Scheme:
    """Entries as differences of two cells, one in each array."""
    return Scheme("differential", (device.levels - 1,))


def _matrix(op: Op) -> Tensor:
    matrix = op.inputs[0]
    assert matrix is not None
    return matrix
