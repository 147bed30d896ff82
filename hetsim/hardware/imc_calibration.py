"""Calibration: global drift compensation of an in-memory computing chip, at a scheduled interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hetsim.keys import key as derive

if TYPE_CHECKING:
    from hetsim.analog.bank import Stored
    from hetsim.analog.crossbar import Crossbar
    from hetsim.hardware.imc_sheet import ImcSheet


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a calibration took: seconds, joules, conversions, and how often it was done."""

    seconds: float = 0.0
    joules: float = 0.0
    conversions: int = 0
    count: int = 0


def calibrate(sheet: ImcSheet, kept: Stored, time: float) -> Calibrated:
    """Bring matrices up to date that are read at ``time``: once, when an interval has passed since the last time.

    All crossbars work at once. The first reading, right after writing, and what was due before t = 0 belong to the
    deployment, and are not charged to the run.
    """
    from hetsim.analog.compensation import totals

    facts, state = sheet.compensation, kept.calibration
    if facts is None:
        return Calibrated()
    written = kept.crossbars[0].time
    if not state.young:
        young = written + sheet.device.reference_age
        state.young = tuple(totals(bar, _batch(sheet, bar), young, _key(bar, 0)) for bar in kept.crossbars)
        state.last = int(max(-written, 0.0) // facts.interval)
        if state.last:
            _again(sheet, kept, written + state.last * facts.interval)
    due = int((time - written) // facts.interval)
    if due <= state.last:
        return Calibrated()
    state.last = due
    return _again(sheet, kept, time)


def _again(sheet: ImcSheet, kept: Stored, time: float) -> Calibrated:
    """Read the batch through every crossbar, and set its correction."""
    from hetsim.analog.compensation import compensate

    assert sheet.compensation is not None
    state, vectors = kept.calibration, sheet.compensation.vectors
    took = [
        compensate(bar, _batch(sheet, bar), young, time, _key(bar, state.last))
        for bar, young in zip(kept.crossbars, state.young, strict=True)
    ]
    conversions = sum(t.conversions for t in took)
    pulses = sum(p.pulses for p in sheet.passes(signed=False)) * sheet.scheme.footprint.height
    driven = vectors * pulses * sum(bar.tiling.rows * bar.tiling.across for bar in kept.crossbars)
    joules = sum(t.joules for t in took) + conversions * sheet.adc.energy + driven * sheet.dac.energy
    return Calibrated(max(t.seconds for t in took), joules, conversions, 1)


def _batch(sheet: ImcSheet, bar: Crossbar) -> Any:
    """The stored calibration batch of a matrix: uniform unsigned numbers."""
    from hetsim.analog.conductance import generator

    assert sheet.compensation is not None
    return generator(bar.tiles[0], "calibration batch").random((sheet.compensation.vectors, bar.tiling.rows))


def _key(bar: Crossbar, number: int) -> int:
    return derive(bar.tiles[0], "calibration", number)
