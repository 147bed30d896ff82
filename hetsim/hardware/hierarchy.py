"""Hierarchy of a chip: parts add up to units, units to the units that hold them; and where units lie on a mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum, prod

from pydantic import Field

from hetsim.analog.device import Facts
from hetsim.units import Area, Bandwidth, Bytes, Energy, EnergyPerByte, Power, Ratio, Time

MM2 = 1e-6


class Part(Facts):
    """``count`` equal parts with the area, the power at full use and the leakage of each."""

    count: int = Field(default=1, ge=1)
    area: Area = Field(default=0.0, ge=0)
    power: Power = Field(default=0.0, ge=0)
    leakage: Power = Field(default=0.0, ge=0)


class Level(Facts):
    """A level of the hierarchy: each of its units ``holds`` so many of the level below (the first: crossbars), and
    ``parts`` of its own."""

    holds: int = Field(ge=1)
    parts: Mapping[str, Part] = {}


class Gating(Facts):
    """Power gating of the units of a ``level`` that have nothing to do.

    ``retained`` is the share of their leakage that stays. Waking one takes ``time``, all at once, and ``energy`` each.
    """

    level: str
    retained: Ratio = Field(default=0.0, ge=0, le=1)
    time: Time = Field(default=0.0, ge=0)
    energy: Energy = Field(default=0.0, ge=0)


class Mesh(Facts):
    """Network on the chip between units of a ``level``, in rows of ``columns``.

    A router passes a head on after ``router`` and sends ``bandwidth`` bytes a second on each link; ``energy`` is per
    byte and hop, router and wire together.
    """

    level: str
    columns: int = Field(ge=1)
    router: Time = Field(ge=0)
    bandwidth: Bandwidth = Field(gt=0)
    energy: EnergyPerByte = Field(ge=0)


class Buffer(Facts):
    """Memory for inputs in each unit of a ``level``: a layer has to find place there for the window of inputs that
    its kernel looks at."""

    level: str
    capacity: Bytes = Field(gt=0)


@dataclass(frozen=True, slots=True)
class Sum:
    """What a unit comes to with all that it holds: square metres, watts at full use, watts of leakage."""

    area: float
    power: float
    leakage: float


def rolled(levels: Mapping[str, Level]) -> dict[str, Sum]:
    """The sums of a unit of each level, innermost first."""
    below, found = Sum(0.0, 0.0, 0.0), dict[str, Sum]()
    for name, level in levels.items():
        below = found[name] = added(level.parts, level.holds, below)
    return found


def added(parts: Mapping[str, Part], holds: int, below: Sum) -> Sum:
    """Parts, and ``holds`` units that come to ``below`` each."""
    own = list(parts.values())
    return Sum(
        fsum([holds * below.area, *(p.count * p.area for p in own)]),
        fsum([holds * below.power, *(p.count * p.power for p in own)]),
        fsum([holds * below.leakage, *(p.count * p.leakage for p in own)]),
    )


def crossbars_in(levels: Mapping[str, Level], name: str) -> int:
    """Crossbars in a unit of a level."""
    names = list(levels)
    return prod(levels[n].holds for n in names[: names.index(name) + 1])


def figures(levels: Mapping[str, Level], parts: Mapping[str, Part], crossbars: int) -> Iterator[tuple[str, float]]:
    """Area and rated power of a unit of each level and of the whole chip, those that are known."""
    last = Sum(0.0, 0.0, 0.0)
    for name, last in rolled(levels).items():
        yield f"{name}_area_mm2", last.area / MM2
        yield f"{name}_power_W", last.power
    units = crossbars // crossbars_in(levels, list(levels)[-1]) if levels else 0
    whole = added(parts, units, last)
    yield "area_mm2", whole.area / MM2
    yield "rated_power_W", whole.power


def position(unit: int, columns: int) -> tuple[int, int]:
    """Column and row of a unit: rows are filled to and fro, so that neighbours in number are neighbours in place."""
    row, column = divmod(unit, columns)
    return (columns - 1 - column if row % 2 else column), row


def ways(start: tuple[int, int], end: tuple[int, int]) -> Iterator[str]:
    """The directed links of a mesh from one (column, row) to another, along the row first (XY routing), each as
    ``row,column>row,column``."""
    column, row = start
    while (column, row) != end:
        here = f"{row},{column}"
        if column != end[0]:
            column += 1 if end[0] > column else -1
        else:
            row += 1 if end[1] > row else -1
        yield f"{here}>{row},{column}"
