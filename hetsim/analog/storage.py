"""Storage: with what precision and redundancy a layer's weights are stored, as a datasheet."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hetsim.analog.device import Facts
from hetsim.analog.scheme import Encoding, Scheme

MOST_BITS = 16  # of a weight, its sign included


class Storage(Facts):
    """How weights are stored; each layer may have its own.

    ``weight_bits`` of a weight, its sign included (default: as many as fit), are spread over ``slices`` of so many
    bits each, the lowest first (default: one cell with all of the device's levels). ``copies`` cells hold the same
    digit: ``average: line`` adds up their currents on one line, ``digital`` converts each and takes the mean.
    ``arrays``: the second of several arrays stores what the first, as read back, lacks, at a scale of its own, and so
    on; their outputs are added up [Song 2024]. ``replicas`` of the matrix take turns with the vectors. ``an_code``:
    weights are stored times this odd number A, so that a sum that is no multiple of A shows an error, and the likeliest
    one is taken off [Feinberg 2018]. ``headroom``: how many times the largest weight the cells' range holds, for
    weights that grow where they are stored.
    """

    weight_bits: int | None = Field(default=None, ge=2, le=MOST_BITS)
    slices: tuple[int, ...] | None = Field(default=None, min_length=1)
    copies: int = Field(default=1, ge=1)
    average: Literal["line", "digital"] = "line"
    arrays: int = Field(default=1, ge=1)
    replicas: int = Field(default=1, ge=1)
    an_code: int | None = Field(default=None, ge=3)
    headroom: float = Field(default=1.0, ge=1)

    def tops(self, levels: int, encoding: Encoding) -> tuple[int, ...]:
        """Largest digit of each slice on a device of so many ``levels``; ValueError for a plan that cannot hold the
        weights, or needs more levels than there are."""
        signed = encoding != "offset"  # the sign is which cell of a pair holds the digits
        if self.slices is None:
            top = levels - 1 if self.weight_bits is None else 2 ** (self.weight_bits - signed) - 1
            if top > levels - 1:
                raise ValueError(
                    f"weights of {self.weight_bits} bits take {top + 1} levels, the device has {levels}: "
                    "spread them over slices"
                )
            return (top,)
        for width in self.slices:
            if width < 1:
                raise ValueError(f"a slice of {width} bits holds nothing: each takes at least 1 bit")
            if 2**width > levels:
                raise ValueError(f"a slice of {width} bits takes {2**width} levels, the device has {levels}")
        held = sum(self.slices) + signed
        if held > MOST_BITS:
            raise ValueError(f"slices {list(self.slices)} hold {held} bits, at most {MOST_BITS} are supported")
        if self.weight_bits is not None and held < self.weight_bits:
            raise ValueError(f"slices {list(self.slices)} hold {held} bits, the weights have {self.weight_bits}")
        return tuple(2**width - 1 for width in self.slices)

    def code_levels(self, scheme: Scheme) -> int:
        """Weights become codes from -(levels - 1) to levels - 1, times ``an_code``; ValueError when they have none."""
        multiple = self.an_code or 1
        top = (scheme.levels - 1) // multiple
        wanted = top if self.weight_bits is None else 2 ** (self.weight_bits - 1) - 1
        if top < max(wanted, 1):
            raise ValueError(
                f"codes times {multiple} up to {max(wanted, 1) * multiple} do not fit into the "
                f"{scheme.levels - 1} that the slices hold"
            )
        return wanted + 1
