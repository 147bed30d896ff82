"""CPUs and GPUs: the roofline of a part, launch overhead, and concurrent streams. One law, two kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Sheet, Step, register
from hetsim.hardware.memory import Attached, OwnOrNamed
from hetsim.units import EnergyPerOp, Rate, Ratio, Time

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor

Precision = Literal["fp64", "fp32", "fp16", "bf16"]
FORMAT_BYTES: Mapping[str, int] = {"fp64": 8, "fp32": 4, "fp16": 2, "bf16": 2}
FLOATS = (
    "float32",
    "float16",
    "bfloat16",
)  # stored and computed in the part's format; other dtypes as they are

PeakRate = Annotated[Rate, Field(gt=0)]


class ProcessorSheet(Sheet):
    """Datasheet of a CPU or GPU.

    ``vector`` and ``matrix`` are peak rates by precision: of the vector units, and of units for matrix
    products (tensor cores) where the part has them. ``efficiency`` is the share of a peak that tuned kernels
    sustain. ``launch`` is the overhead of one op, ``streams`` how many ops may run at once. ``memory`` is
    built in, or the name of a memory component that may be shared with others. ``energy`` is that of an
    operation (half a MAC) by precision, all of the chip's dynamic energy but its memory's.
    """

    format: Precision = "fp32"
    vector: Mapping[Precision, PeakRate]
    matrix: Mapping[Precision, PeakRate] = {}
    efficiency: Ratio = Field(default=1.0, gt=0, le=1)
    launch: Time = Field(default=0.0, ge=0)
    streams: int = Field(default=1, gt=0)
    memory: OwnOrNamed
    energy: Mapping[Precision, EnergyPerOp]

    @model_validator(mode="after")
    def _has_its_format(self) -> ProcessorSheet:
        """Every precision that ops may be computed in has a rate and an energy."""
        if self.format not in self.vector:
            raise ValueError(f"format is {self.format}, but vector gives no peak rate for it")
        unpriced = [p for p in {**self.vector, **self.matrix} if p not in self.energy]
        if unpriced:
            raise ValueError(f"energy gives nothing for {', '.join(unpriced)}")
        return self


P = TypeVar("P", bound=ProcessorSheet)


class Processor(Component[P]):
    """The roofline: launch, then the longer of computing and moving bytes [Williams 2009].

    Compute time is 2 x MACs at the matrix rate plus element-wise operations at the vector rate, each a peak
    times the sustained efficiency; bytes are inputs, outputs and constants in the part's format at the
    memory's rate. Where ops may overlap (several streams, or a memory that others use) both are demands on
    shared-rate ports, and the engine divides the rates; else the time is closed form and costs one event.
    """

    def __init__(self, name: str, sheet: P) -> None:
        super().__init__(name, sheet)
        self.memory = Attached(name, sheet.memory)

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Find the memory that the datasheet names."""
        self.memory.bind(others)

    @property
    def _overlaps(self) -> bool:
        return self.sheet.streams > 1 or self.memory.shared

    @property
    def _stream(self) -> str:
        return f"{self.name}.stream"

    @property
    def _compute_port(self) -> str:
        return f"{self.name}.compute"

    def capacities(self) -> Mapping[str, int]:
        return {self._stream: self.sheet.streams}

    def ports(self) -> Mapping[str, float]:
        if not self._overlaps:
            return {}
        ports = {self._compute_port: self._rate(self.sheet.format, matrix=True)}
        return ports if self.memory.shared else ports | {self.memory.port: self.memory.sheet.rate}

    def static_power(self) -> float:
        return self.sheet.static_power + self.memory.standby

    def peaks(self) -> Mapping[str, float]:
        sheet = self.sheet
        rate = sheet.matrix.get(sheet.format, sheet.vector[sheet.format])
        computing = sheet.efficiency * rate * sheet.energy[sheet.format]  # sustained, which the power limits
        power = self.static_power() + computing + self.memory.peak_power
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def supports(self, op: Op) -> str:
        if op.cost is not None:
            return f"runs tensor operations, not a {op.kind}"
        if _is_double(op):
            return "" if "fp64" in self.sheet.vector else "does not compute float64"
        if op.exact and self.sheet.format != "fp32":
            return f"computes float32 in {self.sheet.format}, and the op must be exact"
        return ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        sheet, memory = self.sheet, self.memory.sheet
        precision: Precision = "fp64" if _is_double(op) else sheet.format
        slow, fast = self._rate(precision, matrix=False), self._rate(precision, matrix=True)
        computing = 2 * op.macs / fast + op.element_ops / slow
        outputs = tuple(self._bytes(t) for t in op.outputs)
        size = sum(self._bytes(t) for t in (*op.moving, *op.constants)) + sum(outputs)
        demands: tuple[tuple[str, float], ...] = ()
        if self._overlaps:
            at_peak = computing * self.ports()[self._compute_port]  # operations of the format, in equal time
            demands = ((self._compute_port, at_peak), (self.memory.port, float(size)))
        energy = sheet.energy[precision]
        steps = (
            Step("launch", 1, sheet.launch + memory.latency, 0.0, "compute"),
            Step("multiply-accumulate", op.macs, 2 / fast, 2 * energy, "compute"),
            Step("element-wise", op.element_ops, 1 / slow, energy, "compute"),
            self.memory.step("move", size),
        )
        return Plan(
            holds=(self._stream,),
            output_bytes=outputs,
            steps=tuple(step for step in steps if step.count),
            setup=sheet.launch + memory.latency,
            fill=0.0 if demands else max(computing, size / memory.rate),
            demands=tuple(demand for demand in demands if demand[1] > 0),
        )

    def state(self, key: int) -> dict[tuple[str, int], Array]:
        """Constants rounded to the part's format, kept for the run, by name and version."""
        return {}

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """Inputs, constants and outputs are rounded to the format, sums are float32 (or float64)."""
        from hetsim.formats import rounded
        from hetsim.numerics import run

        if _is_double(op) or self.sheet.format == "fp32":
            return Outcome(run(op, inputs, moment.threads))
        values: list[Array | None] = []
        for tensor, value in zip(op.inputs, inputs, strict=True):
            if tensor is None or value is None or not tensor.constant:
                values.append(None if value is None else rounded(value, self.sheet.format))
                continue
            at = (tensor.name, tensor.version)
            if at not in state:
                state[at] = rounded(value, self.sheet.format)
            values.append(state[at])
        return Outcome(tuple(rounded(y, self.sheet.format) for y in run(op, values, moment.threads)))

    def _rate(self, precision: Precision, matrix: bool) -> float:
        """Sustained operations per second of the matrix or the vector units."""
        peak = self.sheet.vector[precision]
        return self.sheet.efficiency * (self.sheet.matrix.get(precision, peak) if matrix else peak)

    def _bytes(self, tensor: Tensor) -> int:
        return tensor.size * FORMAT_BYTES[self.sheet.format] if tensor.dtype in FLOATS else tensor.nbytes


def _is_double(op: Op) -> bool:
    return any(t.dtype == "float64" for t in (*op.outputs, *op.moving, *op.constants))


class CpuSheet(ProcessorSheet):
    """Datasheet of a CPU."""

    kind: Literal["cpu"] = "cpu"


class GpuSheet(ProcessorSheet):
    """Datasheet of a GPU: 16-bit floats on its tensor cores unless it says otherwise."""

    kind: Literal["gpu"] = "gpu"
    format: Precision = "fp16"


@register
class Cpu(Processor[CpuSheet]):
    """A CPU whose cores work on one op together."""

    kind: ClassVar[str] = "cpu"
    sheet_type: ClassVar[type[Sheet]] = CpuSheet


@register
class Gpu(Processor[GpuSheet]):
    """A GPU whose whole chip works on an op, or on as many as it has streams."""

    kind: ClassVar[str] = "gpu"
    sheet_type: ClassVar[type[Sheet]] = GpuSheet
