"""CPUs and GPUs: a roofline over caches and memory, tiles, launch overhead, streams, and a clock that follows power.

One law, two kinds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from hetsim.hardware.caches import Served, served
from hetsim.hardware.clock import sustained
from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Room, Sheet, Sleep, Step, register
from hetsim.hardware.memory import Attached
from hetsim.hardware.precision import BITS, computed, is_double
from hetsim.hardware.processor_sheet import Precision, ProcessorSheet, RooflineSheet
from hetsim.hardware.roofline import Kernel
from hetsim.hardware.tiling import Share, Unit, tiled

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor

FLOATS = ("float32", "float16", "bfloat16")  # kept and computed in the part's format; other dtypes as they are
ELEMENT_WISE = frozenset((
    "Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Softplus",
    "Add", "Sub", "Mul", "Div", "Sum", "BatchNormalization",
))  # fmt: skip  # what a compiler can put behind the op that makes its first input
SCATTERED = frozenset(("Gather", "ScatterND"))


P = TypeVar("P", bound=ProcessorSheet)


class Processor(Component[P]):
    """Launch, then the longest of computing and of moving the bytes of each level [Williams 2009; Ilic 2014].

    Computing is a product on the matrix units, in tiles where the datasheet gives them, and then element-wise
    operations on the vector units, each at a peak times the sustained efficiency. Where ops may overlap
    (several streams, or a memory that others use), what a chip's units and its memory do for the op are demands
    on shared-rate ports, and the engine divides the rates; else the time is closed form and costs one event.
    """

    def __init__(self, name: str, sheet: P) -> None:
        super().__init__(name, sheet)
        self.memory = Attached(name, sheet.memory)

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Find the memory that the datasheet names."""
        self.memory.bind(others)

    @property
    def _team(self) -> int:
        """Units that work on one op."""
        return self.sheet.units

    @property
    def _overlaps(self) -> bool:
        return self.sheet.streams > 1 or self.memory.shared

    @property
    def _stream(self) -> str:
        return f"{self.name}.stream"

    @property
    def _compute_port(self) -> str:
        return f"{self.name}.compute"

    @property
    def _port_rate(self) -> float:
        """Operations of the format that the whole chip does a second, at the nominal clock."""
        return self._rate(self.sheet.format, matrix=True)

    @property
    def _highest(self) -> float:
        """The highest clock allowed, relative to the nominal one."""
        return 1.0 if self.sheet.clock is None else self.sheet.clock.highest

    def room(self) -> Room | None:
        return self.memory.room()

    def footprint(self, tensor: Tensor) -> int:
        return -(-tensor.size * BITS[self.sheet.format] // 8) if tensor.dtype in FLOATS else tensor.nbytes

    def capacities(self) -> Mapping[str, int]:
        return {self._stream: self.sheet.streams}

    def ports(self) -> Mapping[str, float]:
        if not self._overlaps:
            return {}
        ports = {self._compute_port: self._port_rate}
        return ports if self.memory.shared else ports | {self.memory.port: self.memory.sheet.rate}

    def static_power(self) -> float:
        return self.sheet.static_power + self.memory.standby

    def sleep(self) -> Sleep | None:
        state = self.sheet.sleep
        return None if state is None else Sleep(state.after, state.wake, self.sheet.static_power - state.power)

    def peaks(self) -> Mapping[str, float]:
        sheet = self.sheet
        rate = self._highest * sheet.matrix.get(sheet.format, sheet.vector[sheet.format])
        computing = sheet.efficiency * rate * sheet.energy[sheet.format] * self._energy_at(self._highest)
        power = self.static_power() + computing + self.memory.peak_power
        if sheet.power_limit is not None:
            power = max(min(power, sheet.power_limit), self.static_power())
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def supports(self, op: Op) -> str:
        if op.cost is not None:
            return f"runs tensor operations, not a {op.kind}"
        if is_double(op):
            return "" if "fp64" in self.sheet.vector else "does not compute float64"
        if op.exact and self.sheet.format != "fp32":
            return f"computes float32 in {self.sheet.format}, and the op must be exact"
        needed = sum(self.footprint(t) for t in (*op.moving, *op.constants, *op.outputs))
        if self.memory.bound and needed > self.memory.sheet.size:
            return f"takes {needed} B, more than the {self.memory.sheet.size:.0f} B of its memory"
        return ""

    # --- what an op takes ---

    def plan(self, op: Op, residency: Residency) -> Plan:
        sheet, fused = self.sheet, self.sheet.fusion and op.kind in ELEMENT_WISE
        bytes_from = self._served(op, fused)
        kernel = self._kernel(op, bytes_from)
        setup = 0.0 if fused else sheet.launch + self.memory.sheet.latency
        clock = self._sustained(kernel, setup)
        demands: tuple[tuple[str, float], ...] = ()
        fill = kernel.alone(clock)
        if self._overlaps:
            busy, own = kernel.busy(clock), kernel.own(clock)
            moved = bytes_from.memory * self.memory.sheet.rate / self._memory_rate(op)
            asked = (self._compute_port, busy * self._port_rate), (self.memory.port, moved)
            demands = tuple(demand for demand in asked if demand[1] > 0)
            fill = own if own > max(busy, kernel.memory) * (1 + 1e-9) else 0.0  # else the ports alone take as long
        return Plan(
            holds=(self._stream,),
            output_bytes=tuple(self.footprint(t) for t in op.outputs),
            steps=self._steps(op, setup, clock, bytes_from),
            setup=setup,
            fill=fill,
            demands=demands,
        )

    def _kernel(self, op: Op, bytes_from: Served) -> Kernel:
        """The op's times and energies at the nominal clock."""
        sheet, precision = self.sheet, self._precision(op)
        energy = sheet.energy[precision]
        cached = sum(size * c.energy for size, c in zip(bytes_from.caches, sheet.caches, strict=True))
        part, narrow = self._team / sheet.units, 0.0
        if sheet.unit_bandwidth is not None:
            narrow = bytes_from.memory / (sheet.unit_bandwidth * self._units(op))
        return Kernel(
            product=partial(self._product, op, precision),
            element_wise=op.element_ops / self._element_rate(op, precision) / part,
            part=part,
            caches=bytes_from.seconds(sheet.caches) / part,
            memory=bytes_from.memory / self._memory_rate(op),
            narrow=narrow,
            chip=op.operations * energy + cached,
            board=bytes_from.memory * self.memory.sheet.access,
        )

    def _product(self, op: Op, precision: Precision, clock: float) -> Share:
        """The matrix product of an op at a relative clock.

        A convolution with a single output channel a group (depthwise) has no use for matrix units. A product
        with one vector is bound by its bytes and not cut into tiles.
        """
        matrix, sheet, team = op.matrix, self.sheet, self._units(op)
        dense = matrix is None or matrix.columns > 1 or matrix.groups == 1
        rate = clock * self._rate(precision, matrix=dense)
        if sheet.tiling is None or matrix is None or not dense or matrix.vectors == 1:
            whole = 2 * op.macs / rate
            return Share(whole * sheet.units / team, whole)
        unit = Unit(rate / sheet.units, clock * self._cache_bandwidth / sheet.units, self.memory.sheet.latency)
        share = tiled(matrix, sheet.tiling, team, unit, BITS[precision] / 8)
        return Share(share.seconds, share.busy * team / sheet.units)

    def _sustained(self, kernel: Kernel, setup: float) -> float:
        """The relative clock at which the op's power keeps to the limit; only a lone stream idles in a launch."""
        limit, idle = self.sheet.power_limit, setup if self.sheet.streams == 1 else 0.0
        if limit is None:
            return self._highest

        def power(clock: float) -> float:
            joules = kernel.chip * self._energy_at(clock) + kernel.board
            return self.static_power() + joules / (idle + kernel.alone(clock))

        return sustained(power, limit, self._highest) if kernel.chip + kernel.board else self._highest

    def _steps(self, op: Op, setup: float, clock: float, bytes_from: Served) -> tuple[Step, ...]:
        precision, dense = self._precision(op), self._product(op, self._precision(op), clock).seconds
        scale = self._energy_at(clock)
        energy = self.sheet.energy[precision] * scale
        caches = [
            Step(f"move_l{i}", size, 1 / (clock * cache.bandwidth), cache.energy * scale, "buffer")
            for i, (size, cache) in enumerate(zip(bytes_from.caches, self.sheet.caches, strict=True), 1)
        ]
        steps = (
            Step("launch", 1 if setup else 0, setup, 0.0, "compute"),
            Step("multiply-accumulate", op.macs, dense / max(op.macs, 1), 2 * energy, "compute"),
            Step("element-wise", op.element_ops, 1 / clock / self._element_rate(op, precision), energy, "compute"),
            *caches,
            self.memory.step("move", bytes_from.memory),
        )
        return tuple(step for step in steps if step.count)

    def _served(self, op: Op, fused: bool) -> Served:
        """The bytes of an op by level. Of a table only the rows that are gathered are read."""
        read = op.moving if op.changed is None else op.moving[:2]
        moving = [self.footprint(t) for t in read]
        written = op.outputs if op.changed is None else (op.changed,)
        outputs = sum(self.footprint(t) for t in written)
        constants = sum(self.footprint(t) for t in op.constants)
        if op.kind == "Gather":
            constants = min(constants, outputs)
        if fused:  # its first input and its output are those of the op that it stands behind
            return served(self.sheet.caches, sum(moving[1:]), constants)
        return served(self.sheet.caches, sum(moving) + outputs, constants)

    # --- figures of the datasheet ---

    def _precision(self, op: Op) -> Precision:
        return "fp64" if is_double(op) else self.sheet.format

    def _units(self, op: Op) -> int:
        """Units that work on an op."""
        few = self.sheet.gemv_units
        if few is None or op.matrix is None or op.matrix.vectors > 1:
            return self._team
        return min(few, self._team)

    def _rate(self, precision: Precision, matrix: bool) -> float:
        """Sustained operations per second of the matrix or the vector units, at the nominal clock."""
        peak = self.sheet.vector[precision]
        return self.sheet.efficiency * (self.sheet.matrix.get(precision, peak) if matrix else peak)

    def _element_rate(self, op: Op, precision: Precision) -> float:
        return self.sheet.operators.get(op.kind) or self._rate(precision, matrix=False)

    def _memory_rate(self, op: Op) -> float:
        sheet = self.memory.sheet
        return sheet.scattered_rate if op.kind in SCATTERED else sheet.rate

    @property
    def _cache_bandwidth(self) -> float:
        """Bandwidth of the cache that all units share, the outermost."""
        return self.sheet.caches[-1].bandwidth if self.sheet.caches else math.inf

    def _energy_at(self, clock: float) -> float:
        return 1.0 if self.sheet.clock is None else self.sheet.clock.energy(clock)

    # --- numbers ---

    def state(self, key: int) -> dict[tuple[str, int], Array]:
        """Constants rounded to the part's format, kept for the run, by name and version."""
        return {}

    def plain(self, op: Op) -> bool:
        return self.sheet.format == "fp32" or is_double(op)

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """Inputs, constants and outputs are rounded to the format, sums are float32 (or float64, or exact)."""
        return Outcome(computed(op, inputs, self.sheet.format, state, moment.threads))


@register
class Roofline(Processor[RooflineSheet]):
    """An accelerator by its roofline alone: no array, dataflow or buffers of its own."""

    kind: ClassVar[str] = "roofline"
    sheet_type: ClassVar[type[Sheet]] = RooflineSheet
