"""The compiled loops of a crossbar read; the only package here that imports Numba, and is itself imported late.

Sums are float32, or whole numbers where signals are. Every number depends on its vector, tile, pass and column
alone, so that results are the same for any number of threads and any split of a batch.
"""

from __future__ import annotations

from hetsim.analog.kernels.applied import count
from hetsim.analog.kernels.codes import quantise
from hetsim.analog.kernels.compiled import threads
from hetsim.analog.kernels.lasting import draw_cells
from hetsim.analog.kernels.levels import read_levels
from hetsim.analog.kernels.patterns import read_patterns
from hetsim.analog.kernels.pulses import read_pulses
from hetsim.analog.kernels.registers import PANEL, SLOTS, WIDE
from hetsim.analog.kernels.windows import images_of, magnitudes, quantise_windows

__all__ = [
    "PANEL", "SLOTS", "WIDE",
    "count", "draw_cells", "images_of", "magnitudes", "quantise", "quantise_windows", "read_levels", "read_patterns",
    "read_pulses", "threads",
]  # fmt: skip
