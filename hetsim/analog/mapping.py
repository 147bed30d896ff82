"""Mapping: a matrix of numbers as integer weights, differential pairs of cells, and tiles of crossbars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Tiling:
    """A matrix of ``rows`` x ``columns`` weights over tiles that hold ``height`` x ``width`` weights each.

    Tiles are filled from the first row and column on; tile ``(r, c)`` has number ``r * across + c``.
    """

    rows: int
    columns: int
    height: int
    width: int

    @property
    def down(self) -> int:
        """Tiles along the rows, whose partial sums are added up."""
        return -(-self.rows // self.height)

    @property
    def across(self) -> int:
        """Tiles along the columns."""
        return -(-self.columns // self.width)

    @property
    def tiles(self) -> int:
        """Crossbars that the matrix takes."""
        return self.down * self.across

    @property
    def tallest(self) -> int:
        """Weights in a column of the fullest tile."""
        return min(self.rows, self.height)

    @property
    def widest(self) -> int:
        """Weights in a row of the fullest tile."""
        return min(self.columns, self.width)

    def heights(self) -> tuple[int, ...]:
        """Rows of weights in each tile down."""
        return tuple(min(self.height, self.rows - r * self.height) for r in range(self.down))

    def widths(self) -> tuple[int, ...]:
        """Columns of weights in each tile across."""
        return tuple(min(self.width, self.columns - c * self.width) for c in range(self.across))

    def place(self, cells: Array, pair: str) -> Array:
        """Cells [2, rows, columns] at their places: [tiles, rows, columns of a crossbar in use], zeros elsewhere.

        ``pair`` says where the two cells of a weight stand side by side: on ``columns`` or on ``rows``.
        """
        import numpy as np

        tall, wide = self.tallest, self.widest
        full = np.zeros((2, self.down * tall, self.across * wide), cells.dtype)
        for r in range(self.down):
            block = cells[:, r * self.height : (r + 1) * self.height]
            for c in range(self.across):
                part = block[:, :, c * self.width : (c + 1) * self.width]
                full[:, r * tall : r * tall + part.shape[1], c * wide : c * wide + part.shape[2]] = part
        split = full.reshape(2, self.down, tall, self.across, wide)
        order = (1, 3, 2, 4, 0) if pair == "columns" else (1, 3, 2, 0, 4)
        shape = (tall, 2 * wide) if pair == "columns" else (2 * tall, wide)
        return split.transpose(order).reshape(self.tiles, *shape)

    def gather(self, placed: Array, pair: str) -> Array:
        """The inverse of `place`: cells [2, rows, columns] from [tiles, rows, columns of a crossbar]."""
        import numpy as np

        tall, wide = self.tallest, self.widest
        if pair == "columns":
            used = placed[:, :tall, : 2 * wide].reshape(self.down, self.across, tall, wide, 2)
            split = used.transpose(4, 0, 2, 1, 3)
        else:
            used = placed[:, : 2 * tall, :wide].reshape(self.down, self.across, tall, 2, wide)
            split = used.transpose(3, 0, 2, 1, 4)
        cells = np.empty((2, self.rows, self.columns), placed.dtype)
        for r in range(self.down):
            for c in range(self.across):
                block = cells[:, r * self.height : (r + 1) * self.height, c * self.width : (c + 1) * self.width]
                block[:] = split[:, r, : block.shape[1], c, : block.shape[2]]
        return cells


def weights_to_codes(weights: Array, levels: int) -> tuple[Array, float]:
    """Signed integer codes of a matrix, from -(levels - 1) to levels - 1, and the weight of one code.

    One scale for the whole matrix: its largest magnitude becomes the highest code. Numbers too small for a scale
    that is a normal float count as zeros.
    """
    import numpy as np

    scale = float(np.max(np.abs(weights), initial=0.0)) / (levels - 1)
    scale = scale if scale >= np.finfo(np.float64).tiny else 1.0
    return np.rint(weights / scale).astype(np.int16), scale


def codes_to_pairs(codes: Array, g_min: float, step: float) -> Array:
    """Target conductances [2, rows, columns] of codes: the positive cell holds max(code, 0) steps, the negative
    one max(-code, 0), both above ``g_min``."""
    import numpy as np

    levels = np.stack([np.maximum(codes, 0), np.maximum(-codes, 0)])
    return (g_min + step * levels).astype(np.float32)
