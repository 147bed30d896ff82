"""Mismatch: the errors that converters and drivers of a tile have from their making, drawn from the tile's key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.conductance import generator
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Errors of the converters behind each line [tiles down, L, columns], as shares of full scale: ``offset``,
    ``gain`` and ``bow``; and of the drivers of each weight's cells, ``drive``, ``lift`` and ``bend`` [P, rows, tiles
    across]: what they give for one volt, and for none, and what they are off by in the middle of their range."""

    offset: Doubles
    gain: Doubles
    bow: Doubles
    drive: Doubles
    lift: Doubles
    bend: Doubles


def mismatch(sheet: MacroSheet, tiling: Tiling, keys: Sequence[int], transposed: bool = False) -> Mismatch | None:
    """The errors of the tiles with these ``keys``; transposed, those of the periphery at the other sides.

    Cells of a row have one driver, ``adc.columns`` neighbouring lines one converter. None for ideal ones.
    """
    if sheet.adc.exact and sheet.dac.exact:
        return None
    tiles = np.arange(tiling.tiles).reshape(tiling.down, tiling.across)
    keys = [keys[t] for t in (tiles.T if transposed else tiles).ravel().tolist()]
    side = "transposed " if transposed else ""
    scheme, step = sheet.scheme, tiling.footprint
    driven, sensed = (1, 0) if transposed else (0, 1)  # axes of the footprint
    size = (step.height, step.width)
    places = scheme.line_rows if transposed else scheme.line_columns
    rows, columns = (tiling.columns, tiling.rows) if transposed else (tiling.rows, tiling.columns)
    tall, wide = (tiling.width, tiling.height) if transposed else (tiling.height, tiling.width)
    down, across = tiles.T.shape if transposed else tiles.shape
    drawn = {
        use: _drawn(keys, f"{side}{use}", wide * size[sensed]).reshape(down, across, -1)
        for use in ("adc offset", "adc gain", "adc bow")
    }
    at, tile = np.arange(columns) % wide, np.arange(columns) // wide
    converter = (np.array(places)[:, None] + at * size[sensed]) // sheet.adc.columns
    offset, gain, bow = (
        share * drawn[use][:, tile, converter]
        for use, share in (("adc offset", sheet.adc.offset), ("adc gain", sheet.adc.gain), ("adc bow", sheet.adc.inl))
    )
    row, block = np.arange(rows) % tall, np.arange(rows) // tall
    driver = np.array([place[driven] for place in step.places])[:, None] + row * size[driven]
    drive, lift, bend = (
        share * _drawn(keys, f"{side}{use}", tall * size[driven]).reshape(down, across, -1)[block, :, driver]
        for use, share in (("dac gain", sheet.dac.gain), ("dac offset", sheet.dac.offset), ("dac bow", sheet.dac.inl))
    )
    return Mismatch(offset, gain, bow, 1 + drive, lift, bend)


def _drawn(keys: Sequence[int], use: str, count: int) -> Doubles:
    """Standard normals [tiles, count], those of each tile from its key."""
    return np.stack([generator(key, use).standard_normal(count) for key in keys])
