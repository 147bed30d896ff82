"""Faults: cells that cannot be written, from the start or once they are worn out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hetsim.analog.curve import Facts
from hetsim.units import Ratio

Place = Literal["off", "on", "anywhere"]


class StuckCell(Facts):
    """A cell that is known to be stuck: its tile, row and column, counted from 0, and where it is stuck."""

    tile: int = Field(ge=0)
    row: int = Field(ge=0)
    column: int = Field(ge=0)
    at: Literal["off", "on", "open"]


class Stuck(Facts):
    """Cells that cannot be written: their share, and where they are stuck (``anywhere``: uniform in the window).

    ``dead_rows`` and ``dead_columns`` are the shares of word and bit lines that are open: their cells carry nothing.
    ``table`` adds cells that are known: rows of tile, row, column and ``at`` (off, on, open), or a CSV file of them.
    """

    rate: Ratio = Field(default=0.0, ge=0, le=1)
    at: Place = "anywhere"
    dead_rows: Ratio = Field(default=0.0, ge=0, le=1)
    dead_columns: Ratio = Field(default=0.0, ge=0, le=1)
    table: tuple[StuckCell, ...] = ()


class Failure(Facts):
    """How many write pulses cells live: a ``weibull`` distribution around the endurance as its scale, or a
    ``lognormal`` one around it as its median.

    ``shape`` is the Weibull exponent, or the standard deviation of the logarithm. A worn-out cell is stuck ``at`` an
    end, or anywhere in the window.
    """

    law: Literal["weibull", "lognormal"]
    shape: float = Field(gt=0)
    at: Place = "on"
