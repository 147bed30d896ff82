"""Links: what data crosses between components. Pure laws; the engine keeps the calendars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from hetsim.hardware.component import Sheet
from hetsim.registry import Registry
from hetsim.units import Bandwidth, Bytes, EnergyPerByte, Frequency, Time


class LinkSheet(Sheet):
    """What every link has in common: the components it joins."""

    between: tuple[str, ...] = Field(min_length=2)


L = TypeVar("L", bound=LinkSheet)


class Link(ABC, Generic[L]):
    """A link between two or more components.

    A transfer takes ``latency`` plus its ``occupancy`` of a lane; transfers on one lane are served in the order
    in which they were asked for. Latency is not occupancy: the next transfer may begin while the last byte of
    the one before is still on its way.
    """

    kind: ClassVar[str]
    sheet_type: ClassVar[type[LinkSheet]]

    def __init__(self, name: str, sheet: L) -> None:
        self.name, self.sheet = name, sheet

    def lane(self, source: str, target: str) -> str | None:
        """The lane that a transfer uses; None when transfers never wait for each other."""
        return self.name

    @abstractmethod
    def latency(self) -> float:
        """Seconds from the first byte sent to the first byte received."""

    @abstractmethod
    def occupancy(self, size: int) -> float:
        """Seconds for which ``size`` bytes keep a lane."""

    def joules(self, size: int) -> float:
        """Energy of moving ``size`` bytes."""
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

    def latency(self) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        return size / self.sheet.bandwidth


class BusSheet(LinkSheet):
    """Datasheet of a parallel bus: one word a clock cycle, one transfer at a time."""

    kind: Literal["bus"] = "bus"
    width: Bytes = Field(gt=0)
    frequency: Frequency = Field(gt=0)
    efficiency: float = Field(default=1.0, gt=0, le=1)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)


@register
class Bus(Link[BusSheet]):
    """A bus shared by all on it: whole words, arbitrated first come first served.

    ``efficiency`` is the share of cycles that carry payload (addresses, handshakes).
    """

    kind, sheet_type = "bus", BusSheet

    def latency(self) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        words = -(-size // int(self.sheet.width))
        return words / (self.sheet.frequency * self.sheet.efficiency)

    def joules(self, size: int) -> float:
        return size * self.sheet.energy

    def peaks(self) -> Mapping[str, float]:
        return {"peak_bytes_per_s": self.sheet.width * self.sheet.frequency * self.sheet.efficiency}


class SerialSheet(LinkSheet):
    """Datasheet of a point-to-point serial link with a lane in each direction."""

    kind: Literal["serial"] = "serial"
    between: tuple[str, ...] = Field(min_length=2, max_length=2)
    bandwidth: Bandwidth = Field(gt=0)
    efficiency: float = Field(default=1.0, gt=0, le=1)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)


@register
class SerialLink(Link[SerialSheet]):
    """PCIe, NVLink: full duplex; ``efficiency`` is the payload's share of the raw rate (headers, flow control)."""

    kind, sheet_type = "serial", SerialSheet

    def lane(self, source: str, target: str) -> str | None:
        return f"{self.name}:{source}>{target}"

    def latency(self) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        return size / (self.sheet.bandwidth * self.sheet.efficiency)

    def joules(self, size: int) -> float:
        return size * self.sheet.energy
