"""Mesh networks: routers in rows and columns, each joined to its neighbours by a link in each direction."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hetsim.hardware.hierarchy import ways
from hetsim.hardware.link import Link, LinkSheet, register
from hetsim.units import Bandwidth, EnergyPerByte, Time


class MeshSheet(LinkSheet):
    """Datasheet of a mesh. The components of ``between`` sit at its routers, row by row, ``columns`` in each.

    A router passes the head of a message on after ``router``; each directed link sends ``bandwidth`` bytes a second;
    ``energy`` is per byte and hop, router and wire together.
    """

    kind: Literal["mesh"] = "mesh"
    columns: int = Field(ge=1)
    router: Time = Field(ge=0)
    bandwidth: Bandwidth = Field(gt=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _one_at_a_router(self) -> Self:
        if len(set(self.between)) < len(self.between):
            raise ValueError("a component sits at one router: between names one twice")
        return self


@register
class Mesh(Link[MeshSheet]):
    """XY routing, along the row first; cut-through, so that a message takes hops x router + bytes / bandwidth.

    Every directed link is a lane of its own. A router holds as much as waits in it; a component takes in from all
    sides at once. [Dally 2004, on routing and flow control]
    """

    kind, sheet_type = "mesh", MeshSheet

    def __init__(self, name: str, sheet: MeshSheet) -> None:
        super().__init__(name, sheet)
        self._places = {end: divmod(i, sheet.columns) for i, end in enumerate(sheet.between)}

    def hops(self, source: str, target: str) -> int:
        (row, column), (last, end) = self._places[source], self._places[target]
        return abs(row - last) + abs(column - end)

    def lanes(self, source: str, target: str) -> tuple[str, ...]:
        (row, column), (last, end) = self._places[source], self._places[target]
        return tuple([f"{self.name}:{way}" for way in ways((column, row), (end, last))])

    def latency(self, hops: int = 1) -> float:
        return hops * self.sheet.router

    def occupancy(self, size: int) -> float:
        return size / self.sheet.bandwidth

    def joules(self, size: int) -> float:
        return size * self.sheet.energy
