"""Direct memory access: engines that copy, each one transfer at a time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hetsim.hardware.link import Link, LinkSheet, register
from hetsim.units import Bandwidth, EnergyPerByte, Time


class DmaSheet(LinkSheet):
    """Datasheet of ``engines`` equal copy engines, each of ``bandwidth``; a transfer keeps one for ``setup`` too."""

    kind: Literal["dma"] = "dma"
    engines: int = Field(default=1, ge=1)
    bandwidth: Bandwidth = Field(gt=0)
    setup: Time = Field(default=0.0, ge=0)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)


@register
class Dma(Link[DmaSheet]):
    """Transfers take the engine that is free first, in order of request."""

    kind, sheet_type = "dma", DmaSheet

    def places(self) -> int:
        return self.sheet.engines

    def latency(self, hops: int = 1) -> float:
        return self.sheet.latency

    def occupancy(self, size: int) -> float:
        return self.sheet.setup + size / self.sheet.bandwidth if size else 0.0

    def joules(self, size: int) -> float:
        return size * self.sheet.energy

    def peaks(self) -> dict[str, float]:
        return {"peak_bytes_per_s": self.sheet.engines * self.sheet.bandwidth}
