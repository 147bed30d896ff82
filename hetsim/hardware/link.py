"""Links: what data crosses between components. Pure laws; the engine keeps the calendars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from hetsim.hardware.component import Sheet
from hetsim.registry import Registry
from hetsim.units import Bandwidth, Bytes, EnergyPerByte, Frequency, Time


class LinkSheet(Sheet):
    """What every link has in common: the components it joins, and the bytes that it passes on together where a
    route goes on over another link."""

    between: tuple[str, ...] = Field(min_length=2)
    packet: Bytes = Field(default=256.0, gt=0)


L = TypeVar("L", bound=LinkSheet)


@dataclass(frozen=True, slots=True)
class Arbitration:
    """How a lane is shared by those that want it at the same time.

    ``policy``: ``fifo``, ``round_robin`` among senders burst by burst, or ``priority`` of the senders in ``order``,
    highest first. ``burst`` in bytes; ``turnaround`` in seconds is lost whenever another sender drives the lane.
    """

    policy: str
    burst: float
    turnaround: float
    order: tuple[str, ...]


class Link(ABC, Generic[L]):
    """A link between two or more components.

    A transfer takes ``latency`` plus its ``occupancy`` of a lane; transfers on one lane are served in the order
    in which they were asked for. Latency is not occupancy: the next transfer may begin while the last byte of
    the one before is still on its way. A network is one link with many lanes, which a transfer crosses one after
    another without being stored in between (cut-through): `hops` of them, ``latency(1)`` for each.
    """

    kind: ClassVar[str]
    sheet_type: ClassVar[type[LinkSheet]]

    def __init__(self, name: str, sheet: L) -> None:
        self.name, self.sheet = name, sheet

    def lane(self, source: str, target: str) -> str | None:
        """The lane that a transfer uses; None when transfers never wait for each other."""
        return self.name

    def lanes(self, source: str, target: str) -> tuple[str, ...]:
        """The lanes that a transfer crosses, in order: by default `lane` alone."""
        name = self.lane(source, target)
        return () if name is None else (name,)

    def hops(self, source: str, target: str) -> int:
        """How many lanes that are."""
        return 1

    def places(self) -> int:
        """How many transfers a lane carries at once."""
        return 1

    def arbitration(self) -> Arbitration | None:
        """How lanes are shared where that is not in order of request."""
        return None

    @abstractmethod
    def latency(self, hops: int = 1) -> float:
        """Seconds from the first byte sent to the first byte received, over so many lanes."""

    @abstractmethod
    def occupancy(self, size: int) -> float:
        """Seconds for which ``size`` bytes keep a lane."""

    def joules(self, size: int) -> float:
        """Energy of moving ``size`` bytes over one lane."""
        return 0.0

    def static_power(self) -> float:
        """Power drawn whether data move or not, in watts."""
        return self.sheet.static_power

    def peaks(self) -> Mapping[str, float]:
        """Datasheet peaks."""
        return {"peak_bytes_per_s": 1 / self.occupancy(1)} if self.occupancy(1) > 0 else {}


_KINDS = Registry("link", ("hetsim.hardware",), "hetsim.components")
register = _KINDS.register


def link_kinds() -> Registry:
    """Every kind of link: the modules of this package, and entry points ``hetsim.components`` of others."""
    return _KINDS


class IdealSheet(LinkSheet):
    """Datasheet of a link without contention."""

    kind: Literal["ideal"] = "ideal"
    bandwidth: Bandwidth = Field(gt=0)
    latency: Time = Field(default=0.0, ge=0)


@register
class IdealLink(Link[IdealSheet]):
    """Every transfer gets the whole bandwidth: the textbook's communication model."""

    kind, sheet_type = "ideal", IdealSheet

    def lane(self, source: str, target: str) -> str | None:
        return None

    def latency(self, hops: int = 1) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        return size / self.sheet.bandwidth


class BusSheet(LinkSheet):
    """Datasheet of a parallel bus: one word a clock cycle, one transfer at a time.

    ``arbitration``: transfers in order of request (``fifo``); ``round_robin``, a ``burst`` of each sender in turn; or
    by ``priority``, the highest sender of ``order`` first, at the end of the burst that is under way (senders that
    are not named come last). ``turnaround`` is lost whenever another sender drives the bus.
    """

    kind: Literal["bus"] = "bus"
    arbitration: Literal["fifo", "round_robin", "priority"] = "fifo"
    burst: Bytes = Field(default=256.0, gt=0)
    turnaround: Time = Field(default=0.0, ge=0)
    order: tuple[str, ...] = ()
    width: Bytes = Field(gt=0)
    frequency: Frequency = Field(gt=0)
    efficiency: float = Field(default=1.0, gt=0, le=1)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _order_is_of_senders(self) -> Self:
        strangers = [name for name in self.order if name not in self.between]
        if strangers:
            raise ValueError(f"order names {strangers[0]!r}, which is not on the bus: {', '.join(self.between)}")
        if (self.arbitration == "priority") != bool(self.order):
            raise ValueError("arbitration priority and the order of senders belong together")
        return self


@register
class Bus(Link[BusSheet]):
    """A bus shared by all on it: whole words, one transfer or burst at a time.

    ``efficiency`` is the share of cycles that carry payload (addresses, handshakes).
    """

    kind, sheet_type = "bus", BusSheet

    def arbitration(self) -> Arbitration | None:
        sheet = self.sheet
        if sheet.arbitration == "fifo" and not sheet.turnaround:
            return None
        return Arbitration(sheet.arbitration, sheet.burst, sheet.turnaround, sheet.order)

    def latency(self, hops: int = 1) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        words = -(-size // int(self.sheet.width))
        return words / (self.sheet.frequency * self.sheet.efficiency)

    def joules(self, size: int) -> float:
        return size * self.sheet.energy

    def peaks(self) -> Mapping[str, float]:
        return {"peak_bytes_per_s": self.sheet.width * self.sheet.frequency * self.sheet.efficiency}


class SerialSheet(LinkSheet):
    """Datasheet of a point-to-point serial link with a lane in each direction.

    Every ``packet`` has a ``header`` besides (framing, sequence number, address, checksum).
    """

    kind: Literal["serial"] = "serial"
    between: tuple[str, ...] = Field(min_length=2, max_length=2)
    bandwidth: Bandwidth = Field(gt=0)
    header: Bytes = Field(default=0.0, ge=0)
    efficiency: float = Field(default=1.0, gt=0, le=1)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)


@register
class SerialLink(Link[SerialSheet]):
    """PCIe, NVLink: full duplex; ``efficiency`` is the share of the raw rate that flow control and copying leave."""

    kind, sheet_type = "serial", SerialSheet

    def lane(self, source: str, target: str) -> str | None:
        return f"{self.name}:{source}>{target}"

    def latency(self, hops: int = 1) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        sheet = self.sheet
        return (size + ceil(size / sheet.packet) * sheet.header) / (sheet.bandwidth * sheet.efficiency)

    def joules(self, size: int) -> float:
        return size * self.sheet.energy

    def peaks(self) -> Mapping[str, float]:
        sheet = self.sheet
        payload = sheet.packet / (sheet.packet + sheet.header)
        return {"peak_bytes_per_s": sheet.bandwidth * sheet.efficiency * payload}
