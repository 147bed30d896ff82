"""Faces: the cells of a crossbar at one age and from one side, as the compiled read wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.lines import Layout, Lines
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.mismatch import Mismatch
from hetsim.analog.readout import Readers
from hetsim.analog.sensing import Array, Doubles, Sensed, line_scale


@dataclass(frozen=True, slots=True)
class Face:
    """What a read needs of the cells at one age: ``rows`` [K] siemens on each driven line."""

    readers: Readers
    rows: Doubles


def grouped(sheet: MacroSheet, tiling: Tiling, transposed: bool) -> int:
    """Groups of lines, driven one after the other, in which a tile is read."""
    height = tiling.width if transposed else tiling.height
    return -(-height // sheet.reading(tiling, transposed).height)


def spread_out(mismatch: Mismatch | None, groups: int, down: int) -> Mismatch | None:
    """The converters of each tile for each of its groups of rows."""
    if mismatch is None:
        return None
    offset, gain, bow = (
        np.repeat(figure, groups, axis=0)[:down] for figure in (mismatch.offset, mismatch.gain, mismatch.bow)
    )
    return replace(mismatch, offset=offset, gain=gain, bow=bow)


def face(
    sheet: MacroSheet, array: Array, sensed: Sensed, scale: Doubles, correction: Doubles, weight: float, top: int
) -> Face:
    """Lines with full ``scale`` and ``correction`` [tiles down, tiles across] for inputs of at most ``top`` a pass;
    ``weight``: what a code unit stands for."""
    cells = array.actual if array.loads is None else array.loads
    if array.mismatch is not None:  # the power goes by the square of the voltage
        cells = cells * np.repeat(array.mismatch.drive**2, array.tiling.widths(), axis=2).astype(np.float32)
    layout = Layout(array.tiling, sheet.scheme.shares)
    readers = Readers(sheet, layout, _lines(sheet, layout, array, sensed, scale, correction, top), weight)
    return Face(readers, cells.sum(axis=(0, 2), dtype=np.float64))


def _lines(
    sheet: MacroSheet, layout: Layout, array: Array, sensed: Sensed, scale: Doubles, correction: Doubles, top: int
) -> Lines:
    down, tiling = array.tiling.down, array.tiling
    tiles = np.arange(tiling.columns) // tiling.width
    highest = sheet.adc.codes(sheet.signed_codes)[1]
    lsb = (line_scale(sheet, scale) / highest)[:, :, tiles]
    gain = lsb * sensed.gain * correction[:, None, tiles]
    noiseless = np.zeros((down, layout.count, 0, 16, layout.width), np.float32)
    ideal: NDArray[np.float32] = np.zeros((down, layout.count, 0), np.float32)
    inverse, offset, bow = np.broadcast_to(1 / lsb, sensed.gain.shape), ideal, ideal
    if array.mismatch is not None:
        inverse = inverse * (1 + array.mismatch.gain)
        codes = highest * array.mismatch.offset
        if sensed.lift is not None:
            codes = codes + sensed.lift * top * inverse
        offset, bow = (layout.columns(v.astype(np.float32)) for v in (codes, highest * array.mismatch.bow))
    return Lines(
        layout.tables(sensed.signals),
        noiseless if sensed.variances is None else layout.tables(sensed.variances),
        layout.columns(inverse.astype(np.float32)),
        layout.columns(gain),
        np.zeros((down, layout.count, 0)) if sensed.power is None else layout.columns(sensed.power),
        layout.shares,
        offset,
        bow,
    )
