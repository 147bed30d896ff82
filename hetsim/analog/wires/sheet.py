"""The wires of a crossbar as a datasheet: what lies between a driver, a cell and a sense amplifier."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from hetsim.analog.device import Facts
from hetsim.units import Resistance

Sides = Literal["one_sided", "two_sided"]
Place = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Wires(Facts):
    """Resistances of a crossbar's wires, of what drives and senses them, and of the transistors in series with cells.

    ``word_line`` and ``bit_line`` are for one cell pitch. ``source`` leads from a driver to a word line's first cell,
    ``sense`` from a bit line's last cell to the sense amplifier, each with all that lies between: nothing is added to
    them. Word lines are driven before the first column (``two_sided``: and behind the last), bit lines sensed behind
    the last row (``two_sided``: and before the first).

    Segments of a line count from 0, which is what lies before its first cell. ``open_word_lines`` and
    ``open_bit_lines`` are pairs (line, segment) that do not conduct; (4, 0) cuts word line 4 off its driver.
    """

    word_line: Resistance = 0.0
    bit_line: Resistance = 0.0
    source: Resistance = 0.0
    sense: Resistance = 0.0
    access: Resistance = 0.0
    drive: Sides = "one_sided"
    sensing: Sides = "one_sided"
    open_word_lines: tuple[Place, ...] = ()
    open_bit_lines: tuple[Place, ...] = ()

    def misfit(self, rows: int, columns: int) -> str:
        """Which open segment a crossbar of so many rows and columns does not have, or nothing."""
        kinds = (("word", self.open_word_lines, rows, columns), ("bit", self.open_bit_lines, columns, rows))
        for kind, places, lines, cells in kinds:
            for line, segment in places:
                if line >= lines or segment > cells:
                    return (
                        f"there is no segment {segment} of {kind} line {line} that could be open: "
                        f"{lines} {kind} lines have segments 0 to {cells} each"
                    )
        return ""

    def transposed(self) -> Self:
        """The wires when bit lines are driven and word lines sensed, each at the ends that they have.

        A crossbar reads the same in both directions: the transfer with these wires, transposed, is that of such a read.
        """
        return self.model_copy(update={"source": self.sense, "sense": self.source})
