"""Caches and scratchpads: from which level an op's bytes come, and what a byte from there costs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from hetsim.units import Bandwidth, Bytes, EnergyPerByte, Time


class CacheSheet(BaseModel):
    """One level of cache or scratchpad, all of the chip's together.

    ``bandwidth`` is what it sustains at the nominal clock; ``energy`` that of a byte that comes from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    capacity: Bytes = Field(gt=0)
    bandwidth: Bandwidth = Field(gt=0)
    latency: Time = Field(default=0.0, ge=0)
    energy: EnergyPerByte = Field(default=0.0, ge=0)


@dataclass(frozen=True, slots=True)
class Served:
    """Where an op's bytes come from and go to: bytes of each cache level, innermost first, and of the memory."""

    caches: tuple[float, ...]
    memory: float

    def seconds(self, sheets: Sequence[CacheSheet]) -> float:
        """Time of the slowest cache at the nominal clock: what lies further out passes through it as well."""
        passing = list(itertools.accumulate((self.memory, *reversed(self.caches))))[1:]
        return max((size / s.bandwidth for size, s in zip(reversed(passing), sheets, strict=True)), default=0.0)


def served(sheets: Sequence[CacheSheet], moving: float, constants: float) -> Served:
    """Which level serves ``moving`` bytes (inputs and outputs) and ``constants`` (weights) of an op.

    What moves was made, or will be read, by a neighbouring op: it is in the innermost level that holds all
    that the op touches. Constants are read once in a pass over the whole network, whose other constants
    have pushed them out since: they come from the memory.
    """
    found = next((i for i, sheet in enumerate(sheets) if moving + constants <= sheet.capacity), len(sheets))
    caches = tuple(moving if i == found else 0.0 for i in range(len(sheets)))
    return Served(caches, constants + (moving if found == len(sheets) else 0.0))
