"""What Linux tells of this machine's processor: its name, cores, caches, and the energy it has drawn."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
ENERGY = Path("/sys/class/powercap")
_SCALE = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Level:
    """A level of cache as one core sees it, and how many cores share it."""

    number: int
    capacity: int
    sharers: int


def name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caches(folder: Path = CACHES) -> list[Level]:
    """The levels that hold data, innermost first; none where the system does not tell."""
    found = []
    for index in sorted(folder.glob("index*")):
        kind, level, size, sharers = (
            _line(index / key) for key in ("type", "level", "size", "shared_cpu_list")
        )  # fmt: skip
        if kind != "Instruction" and size[:-1].isdigit() and size[-1] in _SCALE:
            found.append(Level(int(level), int(size[:-1]) * _SCALE[size[-1]], _count(sharers)))
    return sorted(found, key=lambda level: level.number)


def joules(folder: Path = ENERGY) -> float | None:
    """Energy of all processor packages since some moment, None where it cannot be read [RAPL]."""
    try:
        counters = [int(_line(zone / "energy_uj")) for zone in sorted(folder.glob("intel-rapl:?"))]
    except ValueError:
        return None
    return sum(counters) * 1e-6 if counters else None


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _count(ranges: str) -> int:
    """How many processors a list such as ``0-3,8`` names."""
    ends = [part.partition("-") for part in ranges.split(",") if part]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ends) or 1
