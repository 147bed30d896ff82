"""Noise that lasts for a product: what each row adds to each line while the cells behind it stay as they were drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.kernels.compiled import compiled
from hetsim.analog.kernels.memory import every, load, origin, store
from hetsim.analog.kernels.noise import derived, pair
from hetsim.analog.kernels.strips import bits_of, from_bits, most, root, spread, spread_whole
from hetsim.analog.lines import LANES

_f32, _u32 = np.float32, np.uint32
_SIGN = _u32(0x80000000)


@compiled(nogil=True)
def draw_cells(lines: Any, blocks: Any, key: Any, vector: int, signals: Any) -> None:
    """Signals of the cells of ``lines`` as one product meets them: ``signals`` float32 [tiles down, blocks, rows, B].

    Each cell is off by its sigma times a standard normal and, up or down alike, by its telegraph amplitude, but shows
    no less than nothing. ``key`` uint64 and the index of the ``vector`` decide; only the ``blocks`` [n, 3] are drawn.
    """
    seed, none, signs = derived(key, vector), spread(_f32(0.0)), origin(lines.signs)
    for r in range(lines.cells.shape[0]):
        for n in range(blocks.shape[0]):
            block = blocks[n, 0]
            cells, sigma, telegraph = lines.cells[r, block], lines.sigma[r, block], lines.telegraph[r, block]
            (rows, behind, width), out = cells.shape, signals[r, block]
            for k in range(rows):
                own = derived(seed, (r * lines.cells.shape[1] + block) * rows + k)
                for line in range(0, width, LANES):
                    found = none
                    for c in range(behind):
                        at = (k * behind + c) * width + line
                        # a point's coordinate and the side of the other one are independent: a normal and a fair coin
                        square, x, y = pair(own, (c * width + line) // LANES)
                        side = bits_of(y) & spread_whole(_SIGN)
                        jump = from_bits(bits_of(load(telegraph, at)) ^ side)
                        cell = load(cells, at) + load(sigma, at) * root(square) * x + jump
                        found = found + every(signs + 4 * c) * most(cell, none)
                    store(found, out, k * width + line)
