"""Vector units: element-wise work and reductions beside a memory, such as near-memory accumulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from hetsim.hardware.accelerator import VECTOR_KINDS
from hetsim.hardware.arithmetic import BYTES, Format, computed, refusal
from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Room, Sheet, Step, register
from hetsim.hardware.memory import Attached, OwnOrNamed
from hetsim.units import EnergyPerOp, Frequency, Time

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor


class VectorSheet(Sheet):
    """Datasheet of a unit of ``lanes`` that each do an element-wise operation a cycle.

    ``memory`` is what it works on: for a unit near a memory, the bandwidth inside. ``kinds`` are the operators it
    knows, ``launch`` the overhead of an op, ``energy`` that of an operation.
    """

    kind: Literal["vector"] = "vector"
    format: Format = "fp16"
    lanes: int = Field(gt=0)
    frequency: Frequency = Field(gt=0)
    kinds: tuple[str, ...] = tuple(sorted(VECTOR_KINDS))
    launch: Time = Field(default=0.0, ge=0)
    memory: OwnOrNamed
    energy: EnergyPerOp = Field(ge=0)


@register
class VectorUnit(Component[VectorSheet]):
    """Takes the longer of computing and of moving its bytes: a roofline with a low roof close to the data."""

    kind: ClassVar[str] = "vector"
    sheet_type: ClassVar[type[Sheet]] = VectorSheet

    def __init__(self, name: str, sheet: VectorSheet) -> None:
        super().__init__(name, sheet)
        self.memory = Attached(name, sheet.memory)

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Find the memory that the datasheet names."""
        self.memory.bind(others)

    def room(self) -> Room | None:
        return self.memory.room()

    def footprint(self, tensor: Tensor) -> int:
        return tensor.size * BYTES[self.sheet.format]

    def static_power(self) -> float:
        return self.sheet.static_power + self.memory.standby

    def peaks(self) -> Mapping[str, float]:
        rate = self.sheet.lanes * self.sheet.frequency
        power = self.static_power() + rate * self.sheet.energy + self.memory.peak_power
        return {"peak_ops_per_s": rate, "peak_ops_per_J": rate / power, "peak_power_W": power}

    def supports(self, op: Op) -> str:
        return refusal(op, self.sheet.format) or ("" if op.kind in self.sheet.kinds else f"has no unit for {op.kind}")

    def plan(self, op: Op, residency: Residency) -> Plan:
        sheet, item, memory = self.sheet, BYTES[self.sheet.format], self.memory.sheet
        outputs = tuple(t.size * item for t in op.outputs)
        size = sum(t.size * item for t in (*op.moving, *op.constants)) + sum(outputs)
        computing = -(-op.element_ops // sheet.lanes) / sheet.frequency
        shared = self.memory.shared
        steps = (
            Step("launch", 1, sheet.launch + memory.latency, 0.0, "compute"),
            Step("element-wise", op.element_ops, 1 / sheet.lanes / sheet.frequency, sheet.energy, "compute"),
            self.memory.step("move", size),
        )
        return Plan(
            holds=(f"{self.name}.lanes",),
            output_bytes=outputs,
            steps=tuple(step for step in steps if step.count),
            setup=sheet.launch + memory.latency,
            fill=computing if shared else max(computing, size / memory.rate),
            demands=((self.memory.port, float(size)),) if shared else (),
        )

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        return Outcome(computed(op, inputs, self.sheet.format, moment.threads))
