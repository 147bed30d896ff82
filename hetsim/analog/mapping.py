"""Mapping: a matrix of numbers as integer weights, digits on cells, and tiles of crossbars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hetsim.analog.scheme import Footprint, Scheme

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

ONE = Footprint(1, 1, ((0, 0),))
_ROWS = 256  # that are worked on together


@dataclass(frozen=True, slots=True)
class Tiling:
    """A matrix of ``rows`` x ``columns`` weights over tiles that hold ``height`` x ``width`` weights each.

    Tiles are filled from the first row and column on; tile ``(r, c)`` has number ``r * across + c``. A weight takes
    the cells of its ``footprint``. The first ``units`` columns of each tile, which ``columns`` counts, hold no
    weights of the matrix but what is subtracted from the others.
    """

    rows: int
    columns: int
    height: int
    width: int
    footprint: Footprint = ONE
    units: int = 0

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

    def shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of cells in use of each tile."""
        step = self.footprint
        return [(step.height * h, step.width * w) for h in self.heights() for w in self.widths()]

    def spread(self, matrix: Array) -> Array:
        """A matrix with columns of zeros where its tiles' unit columns stand."""
        import numpy as np

        if not self.units:
            return matrix
        whole = np.zeros((len(matrix), self.columns), matrix.dtype)
        whole[:, self.outputs()] = matrix
        return whole

    def outputs(self) -> Array:
        """Columns that hold weights."""
        import numpy as np

        every = np.arange(self.columns)
        return np.asarray(every[every % self.width >= self.units])

    def place(self, cells: Array) -> Array:
        """Cells [P, rows, columns] at their places: [tiles, rows, columns of a crossbar in use], zeros elsewhere."""
        import numpy as np

        tall, wide = (max(sizes) for sizes in zip(*self.shapes(), strict=True))
        placed = np.zeros((self.tiles, tall, wide), cells.dtype)
        for tile, found in enumerate(self.each(cells)):
            placed[tile, : found.shape[0], : found.shape[1]] = found
        return placed

    def each(self, cells: Array) -> Iterator[Array]:
        """Cells [P, rows, columns] at their places, tile by tile: [rows, columns in use]."""
        import numpy as np

        step = self.footprint
        for shape, block in zip(self.shapes(), self._blocks(cells), strict=True):
            placed = np.zeros(shape, cells.dtype)
            for part, (i, j) in zip(block, step.places, strict=True):
                placed[i :: step.height, j :: step.width] = part
            yield placed

    def gather(self, placed: Array) -> Array:
        """The inverse of `place`: cells [P, rows, columns] from [tiles, rows, columns of a crossbar]."""
        import numpy as np

        step = self.footprint
        cells = np.empty((len(step.places), self.rows, self.columns), placed.dtype)
        for tile, block in enumerate(self._blocks(cells)):
            for part, (i, j) in zip(block, step.places, strict=True):
                part[:] = placed[tile, i :: step.height, j :: step.width][: part.shape[0], : part.shape[1]]
        return cells

    def _blocks(self, cells: Array) -> list[Array]:
        """The cells of each tile, as views."""
        rows = [slice(r * self.height, (r + 1) * self.height) for r in range(self.down)]
        columns = [slice(c * self.width, (c + 1) * self.width) for c in range(self.across)]
        return [cells[:, row, column] for row in rows for column in columns]


def strips(rows: int) -> list[slice]:
    """Parts of a matrix that take little memory."""
    return [slice(top, top + _ROWS) for top in range(0, rows, _ROWS)]


def as_matrix(weights: Any) -> Array:
    """Weights as floats of 32 bits, where they are that, or of 64."""
    import numpy as np

    given = np.asarray(weights)
    return given if given.dtype == np.float32 else given.astype(np.float64, copy=False)


def weights_to_codes(
    weights: Array, levels: int, multiple: int = 1, headroom: float = 1.0
) -> tuple[Array, float]:
    """Signed integer codes of a matrix, from -(levels - 1) to levels - 1, and the weight of one code.

    One scale for the whole matrix: ``headroom`` times its largest magnitude becomes the highest code. Numbers too small
    for a scale that is a normal float count as zeros. Codes are times ``multiple``, and each worth so much less.
    Raises ValueError for codes of more than 16 bits.
    """
    import numpy as np

    if (most := (levels - 1) * multiple) > np.iinfo(np.int16).max:
        raise ValueError(f"codes up to {most} do not fit into 16 bits: store at most 15 bits and a sign")
    largest = max((float(np.abs(weights[rows]).max(initial=0.0)) for rows in strips(len(weights))), default=0.0)
    scale = headroom * largest / (levels - 1)
    scale = scale if scale >= np.finfo(np.float64).tiny else 1.0
    codes = np.empty(weights.shape, np.int16)
    for rows in strips(len(weights)):
        codes[rows] = np.rint(weights[rows].astype(np.float64) / scale)
    return (codes, scale) if multiple == 1 else (codes * np.int16(multiple), scale / multiple)


def codes_to_levels(codes: Array, scheme: Scheme) -> Array:
    """Level of each cell, uint16 [P, rows, columns]: 0 is the lowest conductance, the slice's top the highest."""
    import numpy as np

    slices, copies, polarities = scheme.shape
    levels = np.empty((slices, copies, polarities, *codes.shape), np.uint16)
    for rows in strips(len(codes)):
        held = codes[rows].astype(np.int32) + scheme.zero
        for s, (worth, top) in enumerate(zip(scheme.worths, scheme.tops, strict=True)):
            signed = np.abs(held) // worth % (top + 1) * np.sign(held)
            for q in range(polarities):
                own = signed * (1, -1)[q]
                levels[s, :, q, rows] = (top + own) // 2 if scheme.encoding == "two_sided" else np.maximum(own, 0)
    return levels.reshape(scheme.cells, *codes.shape)


def levels_to_conductances(levels: Array, scheme: Scheme, g_min: float, g_max: float) -> Array:
    """Target conductances of cells, float32 [P, rows, columns]: each slice uses the whole window."""
    import numpy as np

    each = scheme.cells // len(scheme.tops)
    target = np.empty(levels.shape, np.float32)
    for s, top in enumerate(scheme.tops):
        own = slice(s * each, (s + 1) * each)
        steps = g_min + (g_max - g_min) / top * np.arange(top + 1)
        np.take(steps.astype(np.float32), levels[own], out=target[own])
    return target
