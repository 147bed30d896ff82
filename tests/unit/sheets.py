"""Small, round datasheets and built components, for tests."""

from __future__ import annotations

from typing import Any

from hetsim.hardware.cpu import Cpu, CpuSheet
from hetsim.hardware.gpu import Gpu, GpuSheet
from hetsim.hardware.memory import Memory, MemorySheet
from hetsim.hardware.systolic import Systolic, SystolicSheet

OWN_MEMORY = {"bandwidth": "100 GB/s", "efficiency": 0.5, "latency": "100 ns", "energy": "10 pJ/B"}


def cpu(**changes: Any) -> Cpu:
    """1 TFLOP/s sustained in fp32, a quarter in fp64, 50 GB/s."""
    sheet = {
        "vector": {"fp64": "0.5 TFLOP/s", "fp32": "2 TFLOP/s"}, "efficiency": 0.5, "launch": "1 us",
        "energy": {"fp64": "20 pJ/OP", "fp32": "5 pJ/OP"}, "static_power": "10 W", "memory": OWN_MEMORY,
    }  # fmt: skip
    return Cpu("cpu", CpuSheet.model_validate(sheet | changes))


def gpu(**changes: Any) -> Gpu:
    """50 TFLOP/s sustained in fp16 products, 5 in other fp16, 50 GB/s, two streams."""
    sheet = {
        "vector": {"fp16": "10 TFLOP/s", "fp32": "5 TFLOP/s"}, "matrix": {"fp16": "100 TFLOP/s"},
        "efficiency": 0.5, "launch": "3 us", "streams": 2, "static_power": "30 W", "memory": OWN_MEMORY,
        "energy": {"fp16": "1 pJ/OP", "fp32": "4 pJ/OP"},
    }  # fmt: skip
    return Gpu("gpu", GpuSheet.model_validate(sheet | changes))


def systolic(**changes: Any) -> Systolic:
    """8 x 4 at 1 GHz, 16 vectors of sums, weights at 50 MB/s."""
    sheet = {
        "rows": 8, "columns": 4, "frequency": "1 GHz", "accumulators": "256 B", "buffer": "64 KiB",
        "lanes": 4, "static_power": "1 W",
        "launch": "1 us", "energy": "0.5 pJ/OP", "vector_energy": "1 pJ/OP", "buffer_energy": "2 pJ/B",
        "memory": OWN_MEMORY | {"latency": "0 s"},
    }  # fmt: skip
    return Systolic("npu", SystolicSheet.model_validate(sheet | changes))


def dram(**changes: Any) -> Memory:
    """Two channels of 20 GB/s sustained."""
    sheet = {
        "channels": 2, "bandwidth": "25 GB/s", "efficiency": 0.8, "latency": "80 ns", "energy": "20 pJ/B",
        "static_power": "0.5 W", "capacity": "1 GiB",
    }  # fmt: skip
    return Memory("dram", MemorySheet.model_validate(sheet | changes))
