"""Memories: a port that bytes go through at a rate, and what a byte costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from hetsim.errors import InputError
from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Room, Sheet, Step, register
from hetsim.units import Bandwidth, Bytes, EnergyPerByte, Ratio, Time

if TYPE_CHECKING:
    from hetsim.workload import Array, Op


class Restore(BaseModel):
    """Writing back what a destructive read has erased, as in 1T1C ferroelectric memory: ``energy`` per byte and
    ``cycles`` on top of each cycle that reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    energy: EnergyPerByte = Field(ge=0)
    cycles: float = Field(default=1.0, ge=0)


class MemorySheet(Sheet):
    """Datasheet of a memory of equal, interleaved ``channels``.

    ``bandwidth``, ``capacity`` and ``static_power`` (standby, refresh included) are those of one channel.
    ``refresh`` is the share of time in which it refreshes itself (tRFC / tREFI). ``efficiency`` is the share of
    the rest that streaming sustains (row misses, turn-around), ``scattered`` the share that accesses at random
    do, by default as much. ``latency`` is that of one idle access; what it is under load is no input, since the
    engine has accesses wait for each other. When the ``capacity`` is used up, that is an error, or what was not used
    for longest goes to the component ``spill``, as ``when_full`` says. With ``restore`` every access is taken for a
    read that erases.
    """

    kind: Literal["memory"] = "memory"
    channels: int = Field(default=1, gt=0)
    bandwidth: Bandwidth = Field(gt=0)
    refresh: Ratio = Field(default=0.0, ge=0, lt=1)
    efficiency: Ratio = Field(default=1.0, gt=0, le=1)
    scattered: Ratio | None = Field(default=None, gt=0, le=1)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)
    restore: Restore | None = None
    capacity: Bytes | None = Field(default=None, gt=0)
    when_full: Literal["error", "spill"] = "error"
    spill: str | None = None

    @model_validator(mode="after")
    def _spills_somewhere(self) -> Self:
        if (self.when_full == "spill") != (self.spill is not None):
            raise ValueError("when_full: spill and spill, the component that takes the bytes, belong together")
        if self.spill is not None and self.capacity is None:
            raise ValueError("a memory that spills needs a capacity")
        return self

    @property
    def rate(self) -> float:
        """Bytes per second that streaming sustains over all channels."""
        cycles = 1.0 if self.restore is None else 1.0 + self.restore.cycles
        return self.channels * self.bandwidth * (1 - self.refresh) * self.efficiency / cycles

    @property
    def access(self) -> float:
        """Joules per byte, restoring included."""
        return self.energy + (0.0 if self.restore is None else self.restore.energy)

    @property
    def scattered_rate(self) -> float:
        """Bytes per second that accesses at random sustain over all channels."""
        return self.rate if self.scattered is None else self.rate * self.scattered / self.efficiency

    @property
    def size(self) -> float:
        """Bytes that all channels hold, infinite where the datasheet does not say."""
        return math.inf if self.capacity is None else self.channels * self.capacity

    @property
    def standby(self) -> float:
        """Static power of all channels in watts."""
        return self.channels * self.static_power


OwnOrNamed = Annotated[
    Annotated[MemorySheet, Tag("own")] | Annotated[str, Tag("named")],
    Discriminator(lambda value: "named" if isinstance(value, str) else "own"),
]  # a datasheet's memory: built in, or the name of a memory component of the system


def port(name: str) -> str:
    """Name of the port of the memory component ``name``, on which demands are in bytes."""
    return f"{name}.port"


class Attached:
    """The memory that a component works on: its own, or a component that it may share with others.

    ``owner`` is the component's name, ``payer`` the component that pays for a byte (empty for the owner
    itself).
    """

    def __init__(self, owner: str, memory: MemorySheet | str) -> None:
        self.owner = owner
        self.payer = memory if isinstance(memory, str) else ""
        self._sheet = None if isinstance(memory, str) else memory

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Find the component that is named; InputError when it is missing or no memory."""
        if not self.payer:
            return
        sheet = others[self.payer].sheet if self.payer in others else None
        if not isinstance(sheet, MemorySheet):
            raise InputError.of(
                f"{self.owner} names memory {self.payer!r}, which is not a memory of the system",
                "add a component of kind memory, or give it a memory of its own",
                path=f"system.components.{self.owner}.memory",
            )
        self._sheet = sheet

    @property
    def bound(self) -> bool:
        """Whether its datasheet is known: a named one is only when the system is built."""
        return self._sheet is not None

    @property
    def shared(self) -> bool:
        """Whether others may ask for bytes of it at the same time."""
        return bool(self.payer)

    @property
    def port(self) -> str:
        """Name of the port on which its bytes are asked for."""
        return port(self.payer) if self.payer else f"{self.owner}.memory"

    @property
    def sheet(self) -> MemorySheet:
        """Its datasheet; a named one has to be bound first."""
        if self._sheet is None:
            raise RuntimeError(f"{self.owner} is not bound to its memory {self.payer!r}")
        return self._sheet

    def room(self) -> Room | None:
        """What its bound comes to; None where the datasheet gives none."""
        if self.sheet.capacity is None:
            return None
        return Room(self.payer or self.owner, self.sheet.size, self.sheet.spill)

    @property
    def standby(self) -> float:
        """Static power that the owner pays, in watts."""
        return 0.0 if self.payer else self.sheet.standby

    @property
    def peak_power(self) -> float:
        """Power at full bandwidth beyond standby that the owner pays, in watts."""
        return 0.0 if self.payer else self.sheet.channels * self.sheet.bandwidth * self.sheet.access

    def step(self, name: str, size: float) -> Step:
        """Moving so many bytes."""
        return Step(name, size, 1 / self.sheet.rate, self.sheet.access, "memory", self.payer)


@register
class Memory(Component[MemorySheet]):
    """A memory that others use: its port is shared by all ops that ask bytes of it. It runs nothing."""

    kind, sheet_type = "memory", MemorySheet

    def ports(self) -> Mapping[str, float]:
        return {port(self.name): self.sheet.rate}

    def static_power(self) -> float:
        return self.sheet.standby

    def peaks(self) -> Mapping[str, float]:
        peak = self.sheet.channels * self.sheet.bandwidth
        return {
            "peak_bytes_per_s": peak,
            "peak_power_W": self.sheet.standby + peak * self.sheet.access,
        }

    def supports(self, op: Op) -> str:
        return "a memory runs no ops"

    def plan(self, op: Op, residency: Residency) -> Plan:
        raise NotImplementedError(self.supports(op))

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        raise NotImplementedError(self.supports(op))
