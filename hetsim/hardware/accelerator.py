"""What digital accelerators share: an on-chip buffer, a memory behind it, and a vector unit beside the array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from hetsim.hardware.arithmetic import BYTES, Format, computed, refusal
from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Room, Sheet, Step
from hetsim.hardware.memory import Attached, OwnOrNamed
from hetsim.units import Bytes, EnergyPerByte, EnergyPerOp, Frequency, Time

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor

VECTOR_KINDS = frozenset((
    "Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "Add", "Sub", "Mul", "Sum", "Max", "Min",
    "BatchNormalization", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool",
    "ReduceMean", "ReduceMax", "ReduceSum", "Concat", "Pad", "Transpose", "Slice", "Split",
))  # fmt: skip


class AcceleratorSheet(Sheet):
    """What the datasheets of arrays have in common.

    ``format`` is that of inputs, outputs and weights. ``buffer`` holds inputs and outputs; with ``spills`` an op
    that is too large for it reads and writes the ``memory``, else it is refused. Weights are in the memory.
    ``prefetch``: scratchpads are double-buffered, so that the operands of the next tile are fetched while one is
    computed. ``lanes`` is how many element-wise operations the vector unit does a cycle, ``launch`` the host's
    overhead for an op. ``energy`` is that of an operation (half a MAC) in the array, ``vector_energy`` of one in
    the vector unit, ``buffer_energy`` of a byte in or out of the buffer.
    """

    format: Format = "int8"
    frequency: Frequency = Field(gt=0)
    buffer: Bytes = Field(gt=0)
    spills: bool = False
    prefetch: bool = True
    lanes: int = Field(gt=0)
    launch: Time = Field(default=0.0, ge=0)
    memory: OwnOrNamed
    energy: EnergyPerOp = Field(ge=0)
    vector_energy: EnergyPerOp = Field(ge=0)
    buffer_energy: EnergyPerByte = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Work:
    """What an op asks of an array and of the memories around it.

    ``cycles`` of the array and the ``tiles`` that they are spent on, one after the other; bytes of ``weights`` and
    of inputs and outputs that are ``spilled`` through the memory; bytes ``buffered`` in or out of the buffer;
    ``steps`` of the array itself.
    """

    cycles: int = 0
    tiles: int = 1
    weights: float = 0.0
    spilled: float = 0.0
    buffered: float = 0.0
    steps: tuple[Step, ...] = ()


A = TypeVar("A", bound=AcceleratorSheet)


class Accelerator(Component[A]):
    """One op at a time on the array; element-wise and fused work is done by the vector unit behind it.

    The time of an op is the longer of the array's and of the vector unit's, and of the bytes of its memory. A
    subclass says what its array does for an op that it `maps`, in `work`.
    """

    def __init__(self, name: str, sheet: A) -> None:
        super().__init__(name, sheet)
        self.memory = Attached(name, sheet.memory)

    def maps(self, op: Op) -> str:
        """Why the array cannot run the op, empty when it can."""
        return f"has no unit for {op.kind}"

    def work(self, op: Op) -> Work:
        """What an op that is mapped takes."""
        raise NotImplementedError

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Find the memory that the datasheet names."""
        self.memory.bind(others)

    def room(self) -> Room | None:
        return self.memory.room()

    def footprint(self, tensor: Tensor) -> int:
        return tensor.size * BYTES[self.sheet.format]

    def static_power(self) -> float:
        return self.sheet.static_power + self.memory.standby

    def supports(self, op: Op) -> str:
        refused = refusal(op, self.sheet.format)
        if not refused and op.kind not in VECTOR_KINDS:
            refused = self.maps(op)
        needed = self.bytes(op)
        if not refused and needed > self.sheet.buffer and not self.sheet.spills:
            refused = f"inputs and outputs of {needed} B exceed its buffer of {self.sheet.buffer:.0f} B"
        return refused

    def bytes(self, op: Op) -> int:
        """Bytes of an op's inputs and outputs."""
        return sum(t.size for t in (*op.moving, *op.outputs)) * BYTES[self.sheet.format]

    def plan(self, op: Op, residency: Residency) -> Plan:
        sheet, item = self.sheet, BYTES[self.sheet.format]
        work = self.work(op) if op.kind not in VECTOR_KINDS else self._moved(op)
        fetched = work.weights + work.spilled
        elements = max(op.element_ops, op.outputs[0].size)
        vector = -(-elements // sheet.lanes) / sheet.frequency
        steps = (
            Step("launch", 1, sheet.launch, 0.0, "compute"),
            self.memory.step("load_weights", work.weights),
            self.memory.step("spill", work.spilled),
            *work.steps,
            Step("activate", op.element_ops, 1 / sheet.frequency / sheet.lanes, sheet.vector_energy, "compute"),
            Step("buffer", work.buffered, 0.0, sheet.buffer_energy, "buffer"),
        )
        return Plan(
            holds=(f"{self.name}.array",),
            output_bytes=tuple(t.size * item for t in op.outputs),
            steps=tuple(step for step in steps if step.count or step.expected),
            setup=sheet.launch + (self.memory.sheet.latency if fetched else 0.0),
            fill=max(self._staged(work, 0.0 if self.memory.shared else fetched), vector),
            demands=((self.memory.port, float(fetched)),) if self.memory.shared and fetched else (),
        )

    def _moved(self, op: Op) -> Work:
        """Element-wise work: everything goes through the buffer once."""
        size = self.bytes(op)
        return Work(buffered=size, spilled=size if size > self.sheet.buffer else 0)

    def _staged(self, work: Work, fetched: float) -> float:
        """Seconds for computing tiles whose operands are fetched one after the other, ``fetched`` bytes in all.

        With two buffers tile i + 1 is fetched while tile i is computed: the first fetch and the last computation
        have nothing beside them, between them each step is as long as the longer of both.
        """
        computing, fetching = work.cycles / self.sheet.frequency, fetched / self.memory.sheet.rate
        if not self.sheet.prefetch:
            return computing + fetching
        return max(computing, fetching) + min(computing, fetching) / work.tiles

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """All that goes in or out is in the part's format: see `arithmetic.computed`."""
        return Outcome(computed(op, inputs, self.sheet.format, moment.threads))
