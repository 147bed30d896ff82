"""Faces: the cells of a crossbar at one age and from one side, as the compiled read wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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
    sheet: MacroSheet,
    array: Array,
    sensed: Sensed,
    scale: Doubles,
    correction: Doubles,
    weight: float,
    top: int,
    ideal: bool,
) -> Face:
    """Lines with full ``scale`` and ``correction`` [tiles down, tiles across] for inputs of at most ``top`` a pass;
    ``weight``: what a code unit stands for; ``ideal``: cells are as they were meant to be."""
    cells = array.actual if array.loads is None else array.loads
    if array.mismatch is not None:  # the power goes by the square of the voltage
        cells = cells * np.repeat(array.mismatch.drive**2, array.tiling.widths(), axis=2).astype(np.float32)
    layout = Layout(array.tiling, sheet.scheme.shares)
    lines = _lines(sheet, layout, array, sensed, scale, correction, top, ideal)
    bent = None if ideal or not sheet.bent else sheet.device.iv
    return Face(Readers(sheet, layout, lines, weight, bent), cells.sum(axis=(0, 2), dtype=np.float64))


def _lines(
    sheet: MacroSheet,
    layout: Layout,
    array: Array,
    sensed: Sensed,
    scale: Doubles,
    correction: Doubles,
    top: int,
    ideal: bool,
) -> Lines:
    tiles = np.arange(array.tiling.columns) // array.tiling.width
    highest = sheet.adc.codes(sheet.signed_codes)[1]
    lsb = np.broadcast_to((line_scale(sheet, scale) / highest)[:, :, tiles], sensed.gain.shape)
    gain, offset, bow = sensed.gain * correction[:, None, tiles], None, None
    if array.mismatch is not None:
        lsb, gain = lsb / (1 + array.mismatch.gain), gain * (1 + array.mismatch.gain)  # a code counts as it should
        codes = highest * array.mismatch.offset
        if sensed.lift is not None:
            codes = codes + sensed.lift * top / lsb
        offset, bow = codes.astype(np.float32), (highest * array.mismatch.bow).astype(np.float32)
    # sums of pulses that are converted one by one fit 16 bits: exact targets in steps are whole numbers
    serial = sheet.dac.encoding == "pulses" and sheet.dac.bits == 1 and sheet.signed_inputs == "two_phase"
    level = (1 << min(sheet.dac.bits, sheet.input_bits)) - 1 if sheet.dac.encoding == "amplitude" else 0
    steps = ideal and sheet.sensing == "current" and sheet.signed_codes and not sheet.device.conductances
    frozen = sensed.frozen
    plain = frozen is None and array.mismatch is None and sheet.device.iv is None and sensed.bows is None
    return layout.lines(
        sensed.signals,
        lsb,
        gain,
        variances=sensed.variances,
        power=sensed.power,
        offset=offset,
        bow=bow,
        cells=None if frozen is None else frozen.cells,
        sigma=None if frozen is None else frozen.sigma,
        telegraph=None if frozen is None else frozen.telegraph,
        signs=(1.0,) if frozen is None else frozen.signs.tolist(),
        bows=sensed.bows,
        whole=steps and (serial or level > 0),
        fixed=serial or (level > 0 and plain),
        level=level,
    )
