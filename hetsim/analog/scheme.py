"""Schemes: how the integer code of a weight becomes digits on cells, and where those cells stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Literal

Encoding = Literal["differential", "two_sided", "offset"]


@dataclass(frozen=True, slots=True)
class Footprint:
    """The ``height`` x ``width`` cells of a crossbar that one weight takes: cell p stands at ``places[p]``, (row,
    column) from its corner."""

    height: int
    width: int
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Scheme:
    """Codes as digits: slice s holds a digit from 0 to ``tops[s]``, its lowest bits first.

    ``encoding``: ``differential`` puts a digit on the cell of its sign and leaves the other one empty, ``two_sided``
    moves both cells of the pair half a digit away from their middle, ``offset`` stores code + `zero` on one cell.
    Each digit is held by ``copies`` cells, whose currents add up on one line, or which are converted each when they
    are ``apart``. The two cells of a pair are ``subtracted`` before conversion or converted each; they stand
    ``on_rows`` or on columns next to each other. Cells come in the order (slice, copy, polarity), and so do lines.
    """

    encoding: Encoding
    tops: tuple[int, ...]
    copies: int = 1
    apart: bool = False
    subtracted: bool = True
    on_rows: bool = False

    @property
    def polarities(self) -> int:
        """Cells of different sign for each digit."""
        return 1 if self.encoding == "offset" else 2

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, copies and polarities."""
        return len(self.tops), self.copies, self.polarities

    @property
    def cells(self) -> int:
        """Cells of a weight."""
        return prod(self.shape)

    @cached_property
    def worths(self) -> tuple[int, ...]:
        """What one unit of each slice's digit counts in the code."""
        return tuple(prod(top + 1 for top in self.tops[:s]) for s in range(len(self.tops)))

    @property
    def levels(self) -> int:
        """Codes run from -(levels - 1) to levels - 1."""
        whole = prod(top + 1 for top in self.tops)
        return (whole - 1) // 2 + 1 if self.encoding == "offset" else whole

    @property
    def zero(self) -> int:
        """What is stored for the code 0."""
        return self.levels - 1 if self.encoding == "offset" else 0

    @property
    def zero_digits(self) -> tuple[int, ...]:
        """Digits of `zero`."""
        return tuple(self.zero // worth % (top + 1) for worth, top in zip(self.worths, self.tops, strict=True))

    @property
    def line_shape(self) -> tuple[int, int, int]:
        """Slices, copies and polarities that have lines of their own."""
        slices, copies, polarities = self.shape
        return slices, copies if self.apart else 1, 1 if self.subtracted else polarities

    @property
    def lines(self) -> int:
        """Signals for each output of a tile, each converted."""
        return prod(self.line_shape)

    @property
    def slice_of_line(self) -> tuple[int, ...]:
        """The slice of which each line shows the digits."""
        return tuple(s for s, _, _ in self._lines())

    @property
    def shares(self) -> tuple[float, ...]:
        """What the signal of each line, in steps of its digits, counts in the output."""
        return tuple((1.0, -1.0)[q] * self.worths[s] / self.copies for s, _, q in self._lines())

    @cached_property
    def footprint(self) -> Footprint:
        """Polarities stand side by side, then copies that are converted each, then slices; copies whose currents add
        up stand below each other, on rows with the same input."""
        slices, copies, polarities = self.shape
        below, beside = (1, copies) if self.apart else (copies, 1)
        tall, wide = (polarities, 1) if self.on_rows else (1, polarities)
        places = []
        for s, c, q in product(range(slices), range(copies), range(polarities)):
            row, column = (0, s * copies + c) if self.apart else (c, s)
            places.append((row * tall + q * (tall > 1), column * wide + q * (wide > 1)))
        return Footprint(below * tall, slices * beside * wide, tuple(places))

    @property
    def line_columns(self) -> tuple[int, ...]:
        """Column, from a weight's first, at which each line is converted."""
        return self._line_places(1)

    @property
    def line_rows(self) -> tuple[int, ...]:
        """Row, from a weight's first, at which each line is converted in a transposed read."""
        return self._line_places(0)

    def _lines(self) -> tuple[tuple[int, int, int], ...]:
        slices, copies, polarities = self.line_shape
        return tuple(product(range(slices), range(copies), range(polarities)))

    def _line_places(self, axis: int) -> tuple[int, ...]:
        _, copies, polarities = self.shape
        first = [(s * copies + c) * polarities + q for s, c, q in self._lines()]
        return tuple(self.footprint.places[p][axis] for p in first)
