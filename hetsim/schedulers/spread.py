"""Spreads: a number for each option of an op, most of which are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import overload


class Spread(Sequence[int]):
    """The number ``usual`` for each of ``size`` options, but for those in ``others``, by their turn.

    Most components are reached from most others in the same time, so that what depends on the way alone need not be
    worked out, or looked at, for each of them.
    """

    __slots__ = ("others", "size", "usual")

    def __init__(self, usual: int, others: Mapping[int, int], size: int) -> None:
        self.usual, self.others, self.size = usual, others, size

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, k: int) -> int: ...
    @overload
    def __getitem__(self, k: slice) -> list[int]: ...
    def __getitem__(self, k: int | slice) -> int | list[int]:
        return self.listed()[k]

    def __iter__(self) -> Iterator[int]:
        return iter(self.listed())

    def at(self, k: int) -> int:
        """The number of the option ``k``, counted from 0, without writing all of them out."""
        return self.others.get(k, self.usual)

    def listed(self) -> list[int]:
        """All numbers, in the order of the options."""
        found = [self.usual] * self.size
        for k, number in self.others.items():
            found[k] = number
        return found

    def capped(self, most: int) -> Spread:
        """These numbers, or ``most`` where they are greater."""
        return Spread(min(self.usual, most), {k: min(number, most) for k, number in self.others.items()}, self.size)

    def raised(self, other: Spread, by: int) -> Spread:
        """The greater of each of these numbers and the other's, to which ``by`` is added."""
        apart = self.others.keys() | other.others.keys()
        others = {k: max(self.at(k), other.at(k) + by) for k in apart}
        return Spread(max(self.usual, other.usual + by), others, self.size)
