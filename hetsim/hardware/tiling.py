"""Tile and wave quantisation: a matrix product is cut into tiles, and units work on one tile each at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from hetsim.units import Bytes

if TYPE_CHECKING:
    from hetsim.workload import Matrix


class TilingSheet(BaseModel):
    """The tiles in which the vendor's library cuts a product: ``tiles`` lists vectors x columns of a result.

    A tile's operands are fetched in steps of ``step`` bytes of each row and column; ``stages`` is how many steps
    are on their way at a time. Without a step, fetching is taken to be hidden behind arithmetic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tiles: tuple[tuple[int, int], ...] = Field(min_length=1)
    step: Bytes | None = Field(default=None, gt=0)
    stages: int = Field(default=1, gt=0)


@dataclass(frozen=True, slots=True)
class Unit:
    """What one core or streaming multiprocessor sustains: operations and bytes (from the cache that all share)
    a second, and the latency of the memory in seconds."""

    rate: float
    bandwidth: float
    latency: float


@dataclass(frozen=True, slots=True)
class Share:
    """How a product fills the chip: its duration when alone, and the part of the chip's time that it takes."""

    seconds: float
    busy: float


def tiled(matrix: Matrix, sheet: TilingSheet, units: int, unit: Unit, item: float) -> Share:
    """The best of the library's tiles for a product of elements of ``item`` bytes.

    Tiles are dealt out to the units in waves; in the last one, units may be idle. A tile is as small as the
    product where that is smaller. It takes the longest of its arithmetic, of fetching its operands, and of the
    latency of the steps in which they come: what is in flight is bounded by the stages (Little's law).
    """
    return min((_cut(matrix, tile, sheet, units, unit, item) for tile in sheet.tiles), key=lambda s: s.seconds)


def _cut(matrix: Matrix, tile: tuple[int, int], sheet: TilingSheet, units: int, unit: Unit, item: float) -> Share:
    tall, wide = min(tile[0], matrix.vectors), min(tile[1], matrix.columns)
    tiles = matrix.groups * -(-matrix.vectors // tall) * -(-matrix.columns // wide)
    working, waiting, filling = 2 * tall * wide * matrix.rows / unit.rate, 0.0, 0.0
    if sheet.step is not None:
        working = max(working, (tall + wide) * matrix.rows * item / unit.bandwidth)
        waiting = -(-matrix.rows * item // sheet.step) * unit.latency / sheet.stages
        filling = 2 * unit.latency
    one = filling + max(working, waiting)
    return Share(-(-tiles // units) * one, tiles * one / units)
