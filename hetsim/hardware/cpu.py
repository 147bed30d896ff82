"""CPUs: processors whose cores work in teams."""

from __future__ import annotations

from typing import ClassVar, Literal

from hetsim.hardware.component import Sheet, register
from hetsim.hardware.processor import Processor
from hetsim.hardware.processor_sheet import ProcessorSheet


class CpuSheet(ProcessorSheet):
    """Datasheet of a CPU."""

    kind: Literal["cpu"] = "cpu"


@register
class Cpu(Processor[CpuSheet]):
    """A CPU whose cores are dealt out to its streams: each op has a team of them."""

    kind: ClassVar[str] = "cpu"
    sheet_type: ClassVar[type[Sheet]] = CpuSheet

    @property
    def _team(self) -> int:
        return max(self.sheet.units // self.sheet.streams, 1)
