"""Crossbars behind their wires: what reads see of the cells of a tiled matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.sensing import Array
from hetsim.analog.wires.transfer import effective


def wired(sheet: MacroSheet, tiling: Tiling, array: Array, transposed: bool) -> Array:
    """An array [P, K, N], as stored, as its converters see it through the wires of each crossbar.

    Conductances become those by which outputs follow inputs, exactly. Noise and power hold to first order, with half
    of the drivers on, or none where voltages of either sign meet on a line; noise that lasts for a product is seen as
    its cell is. Power is that without wires when voltages are sensed.
    """
    assert sheet.wires is not None
    wires = sheet.wires.transposed() if transposed else sheet.wires
    both = sheet.signed_inputs == "bipolar" or sheet.pair == ("columns" if transposed else "rows")
    cells = tiling.place(array.actual).astype(np.float64)
    noise = None if array.variances is None else tiling.place(array.variances)
    seen, spread, loads = (np.zeros_like(cells) for _ in range(3))
    sensing: Literal["current", "voltage"] = "current" if sheet.sensing == "current" else "voltage"
    for t, tile in enumerate(cells):
        for group in _groups(tiling, array, transposed, tile.shape):
            alone = np.zeros_like(tile)  # lines out of the group are cut off
            alone[group] = tile[group]
            variances = None if noise is None else noise[t] * (alone > 0)
            found = effective(alone, wires, variances, 0.0 if both else 0.5, sensing, (sheet.rows, sheet.columns))
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
        variances=None if noise is None else gathered[1],
        loads=gathered[2],
        sigma=None if array.sigma is None else array.sigma * share,
        telegraph=None if array.telegraph is None else array.telegraph * share,
    )


def _groups(tiling: Tiling, array: Array, transposed: bool, shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cells of a crossbar that are read at once."""
    every, step = slice(None), tiling.footprint
    size, length = (step.width, shape[1]) if transposed else (step.height, shape[0])
    size *= array.tiling.height
    lines = [slice(first, first + size) for first in range(0, length, size)]
    return [(every, line) if transposed else (line, every) for line in lines]
