"""GPUs: processors whose whole chip works on an op."""

from __future__ import annotations

from typing import ClassVar, Literal

from hetsim.hardware.component import Sheet, register
from hetsim.hardware.processor import Processor
from hetsim.hardware.processor_sheet import Precision, ProcessorSheet


class GpuSheet(ProcessorSheet):
    """Datasheet of a GPU: 16-bit floats on its tensor cores unless it says otherwise."""

    kind: Literal["gpu"] = "gpu"
    format: Precision = "fp16"


@register
class Gpu(Processor[GpuSheet]):
    """A GPU whose whole chip works on an op, or on as many as it has streams."""

    kind: ClassVar[str] = "gpu"
    sheet_type: ClassVar[type[Sheet]] = GpuSheet
