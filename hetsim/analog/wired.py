"""Crossbars behind their wires: what reads see of the cells of a tiled matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.sensing import Array, Doubles
from hetsim.analog.wires.circuit import Sensing
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import Effective, effective


def wired(sheet: MacroSheet, tiling: Tiling, array: Array, transposed: bool) -> Array:
    """An array [P, K, N], as stored, as its converters see it through the wires of each crossbar.

    Conductances become those by which outputs follow inputs, exactly. Noise and power hold to first order, with half
    of the drivers on, or none where voltages of either sign meet on a line; noise that lasts for a product is seen as
    its cell is. Power is that without wires when voltages are sensed.
    """
    assert sheet.wires is not None
    opposed = sheet.pair == ("columns" if transposed else "rows") and sheet.subtraction == "analog"
    both = sheet.signed_inputs == "bipolar" or opposed
    sensing: Sensing = "current" if sheet.sensing == "current" else "voltage"
    cells = tiling.place(array.actual).astype(np.float64)
    noise = np.zeros_like(cells) if array.variances is None else tiling.place(array.variances)
    seen, spread, loads = (np.zeros_like(cells) for _ in range(3))
    for t, tile in enumerate(cells):
        for group in _groups(tiling, array, transposed, tile.shape):
            alone = np.zeros_like(tile)  # lines out of the group are cut off
            alone[group] = tile[group]
            variances = noise[t] * (alone > 0)
            way = _across if transposed else _along
            found = way(alone, sheet.wires, variances, 0.0 if both else 0.5, sensing, (sheet.rows, sheet.columns))
            seen[t][group], spread[t][group] = found.signals[group], found.variances[group]
            loads[t][group] = found.loads[group]
    if sheet.sensing == "voltage":
        # ratios, as the conductances of ideal lines that settle alike; their noise is seen through the same divisor
        siemens = cells.sum(axis=1, keepdims=True)
        seen, spread, loads = seen * siemens, spread * siemens**2, cells
    gathered = [tiling.gather(figure.astype(np.float32)) for figure in (seen, spread, loads)]
    share = np.asarray(gathered[0] / np.where(array.actual > 0, array.actual, np.float32(1)), np.float32)
    return replace(
        array,
        actual=gathered[0],
        variances=None if array.variances is None else gathered[1],
        loads=gathered[2],
        sigma=None if array.sigma is None else array.sigma * share,
        telegraph=None if array.telegraph is None else array.telegraph * share,
    )


def _along(
    cells: Doubles, wires: Wires, variances: Doubles, activity: float, sensing: Sensing, size: tuple[int, int]
) -> Effective:
    return effective(cells, wires, variances, activity, sensing, size)


def _across(
    cells: Doubles, wires: Wires, variances: Doubles, activity: float, sensing: Sensing, size: tuple[int, int]
) -> Effective:
    """Bit lines driven at the ends where they are otherwise sensed, and word lines sensed where they are driven."""
    rows, columns = cells.shape
    whole = [np.pad(part, ((0, size[0] - rows), (0, size[1] - columns))) for part in (cells, variances)]
    turned = wires.model_copy(
        update={
            "word_line": wires.bit_line,
            "bit_line": wires.word_line,
            "drive": wires.sensing,
            "sensing": wires.drive,
            "open_word_lines": tuple((size[1] - 1 - line, size[0] - at) for line, at in wires.open_bit_lines),
            "open_bit_lines": tuple((size[0] - 1 - line, size[1] - at) for line, at in wires.open_word_lines),
        }
    )
    # a circuit is driven before its first column and sensed behind its last row
    found = effective(whole[0].T[::-1, ::-1], turned, whole[1].T[::-1, ::-1], activity, sensing)
    figures = (found.signals, found.variances, found.loads)
    return Effective(*(figure[::-1, ::-1].T[:rows, :columns] for figure in figures))


def _groups(tiling: Tiling, array: Array, transposed: bool, shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cells of a crossbar that are read at once."""
    every, step = slice(None), tiling.footprint
    size, length = (step.width, shape[1]) if transposed else (step.height, shape[0])
    size *= array.tiling.height
    lines = [slice(first, first + size) for first in range(0, length, size)]
    return [(every, line) if transposed else (line, every) for line in lines]
