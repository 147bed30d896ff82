"""Writing: what a pulse costs and does, and how cells are brought to their targets with pulses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from hetsim.analog.curve import Facts
from hetsim.units import Conductance, Energy, Ratio, Time, Voltage

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class Denoising(Facts):
    """Weak pulses after a write that still cells with telegraph noise: the share ``remaining`` of them stays noisy.

    Each of the ``pulses`` takes ``time`` and ``energy``; below the switching threshold, they do not wear the cell
    [Rao 2023].
    """

    remaining: Ratio = Field(ge=0, le=1)
    pulses: int = Field(ge=1)
    time: Time = Field(gt=0)
    energy: Energy = Field(ge=0)


class Write(Facts):
    """Write-verify: ``pulses`` of ``energy`` each that a cell takes on average, each followed by a verify read.

    Cells that are programmed by simulated pulses show how many they take; ``pulses`` is then what is expected before.
    ``denoising`` follows when a cell is done.
    """

    voltage: Voltage
    time: Time = Field(gt=0)
    energy: Energy = Field(ge=0)
    pulses: float = Field(ge=1)
    verify: Time = Field(ge=0)
    denoising: Denoising | None = None

    def rounds(self, cells: int) -> float:
        """Expected rounds until all of ``cells`` written side by side are accepted.

        Each pulse is accepted with the same probability 1/pulses, so a cell takes a geometric number of them;
        the expected largest of n is the sum over k of 1 - (1 - q**k)**n.
        """
        q, total, tail = 1 - 1 / self.pulses, 0.0, 1.0
        while cells and tail > 1e-12:
            total += 1 - (1 - tail) ** cells
            tail *= q
        return total

    @property
    def finish(self) -> tuple[float, float]:
        """Seconds and joules of what follows when a cell is done."""
        after = self.denoising
        return (0.0, 0.0) if after is None else (after.pulses * after.time, after.pulses * after.energy)


class Step(Facts):
    """What a pulse in one direction changes: ``step`` at the far end of the window, less as the cell nears its bound.

    With ``saturation`` 1 the change vanishes at the bound (soft bounds), with 0 it is the same everywhere.
    """

    step: Conductance = Field(gt=0)
    saturation: Ratio = Field(default=1.0, ge=0, le=1)


class Response(Facts):
    """Open-loop response to single pulses, by the soft-bounds law [Fusi 2007; Frascaroli 2018].

    With ``x`` the place of the cell in its window, 0 at g_min and 1 at g_max, a pulse ``up`` adds
    ``step (1 - saturation x)`` and a pulse ``down`` takes ``step (1 - saturation (1 - x))``. Each pulse varies by the
    normal share ``cycle``, each cell by a log-normal factor of median 1 whose logarithm has the deviation ``device``.
    Cells without ``down`` can only be reset, by one pulse. ``bounds`` are those of the cell where they lie outside the
    window that is used; x then counts between them.
    """

    up: Step
    down: Step | None = None
    cycle: Ratio = Field(default=0.0, ge=0)
    device: Ratio = Field(default=0.0, ge=0)
    bounds: tuple[Conductance, Conductance] | None = None

    def law(self, window: tuple[float, float]) -> tuple[float, ...]:
        """Bounds, step and saturation up and down, and the share by which each pulse varies; 0 down for cells that
        have no pulses down. ``window`` stands in for bounds that are not given."""
        down = (0.0, 0.0) if self.down is None else (self.down.step, self.down.saturation)
        return (*(self.bounds or window), self.up.step, self.up.saturation, *down, self.cycle)

    def after(self, g: Array, up: Array, factor: Array | float, normals: Array, window: tuple[float, float]) -> Array:
        """Siemens of cells ``g`` after one pulse each, ``up`` or down; ``factor`` is the cell's, ``normals`` the
        pulse's own. Arrays of one shape; the result stays within the bounds, by default those of ``window``."""
        import numpy as np

        low, high = self.bounds or window
        x = (g - g.dtype.type(low)) / g.dtype.type(high - low)
        rise = g.dtype.type(self.up.step) * (1 - g.dtype.type(self.up.saturation) * x)
        if self.down is None:
            fall = g.dtype.type(high - low)
        else:
            fall = g.dtype.type(self.down.step) * (1 - g.dtype.type(self.down.saturation) * (1 - x))
        change = np.where(up, rise, -fall) * factor * (1 + g.dtype.type(self.cycle) * normals)
        if self.down is None:
            change = np.where(up, change, g.dtype.type(low - high))
        moved: Array = np.clip(g + change, low, high).astype(g.dtype, copy=False)
        return moved


class WriteVerify(Facts):
    """Programming by simulated pulses: erased by a first one, a cell gets pulses towards its target until a verify
    read shows it within ``tolerance``, or until it has had ``max_pulses`` and counts as failed.

    The verify read has the cell's own read noise and ``bits`` over the window (default: those of the chip's own
    converter, or no limit when there is none).
    """

    response: Response
    tolerance: Conductance = Field(gt=0)
    max_pulses: int = Field(ge=2)
    bits: int | None = Field(default=None, ge=1, le=24)
