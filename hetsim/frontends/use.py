"""An operator's use as shape rules see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shaped:
    """Shape and dtype of a tensor."""

    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True)
class Use:
    """An operator's use: its attributes, inputs (None where left out), and number of outputs.

    ``numbers(i)`` are the integers in the constant input ``i``, None when it is left out.
    """

    attributes: Mapping[str, Any]
    inputs: Sequence[Shaped | None]
    outputs: int
    numbers: Callable[[int], Sequence[int] | None]

    def shape(self, position: int = 0) -> Shape:
        """Shape of an input that has to be there."""
        if position >= len(self.inputs) or self.inputs[position] is None:
            raise ValueError(f"input {position} is missing")
        found = self.inputs[position]
        assert found is not None
        return found.shape

    def needed(self, position: int) -> Sequence[int]:
        """The numbers of a constant input that has to be there."""
        found = self.numbers(position)
        if found is None:
            raise ValueError(f"input {position} is missing")
        return found


Rule = Callable[[Use], Sequence[Shape]]


class UnruledError(ValueError):
    """A form of an operator that its rule leaves to others."""


def broadcast(*shapes: Shape) -> Shape:
    """The shape to which all shapes stretch; ValueError when they do not."""
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True)
    result = []
    for sizes in columns:
        stretched = {size for size in sizes if size != 1} or {1}
        if len(stretched) > 1:
            raise ValueError("they do not stretch to one shape")
        result.append(stretched.pop())
    return tuple(result)
