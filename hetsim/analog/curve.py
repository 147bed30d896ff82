"""Curves: figures of a datasheet that depend on conductance."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.units import Conductance

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class Facts(BaseModel):
    """Part of a datasheet: figures in SI units, read from text with units."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Formula(Facts):
    """``clip(sum_k polynomial[k] x**k + log ln x + a x**b + c (1 - exp(-x/d)), low, high)``, with ``power = (a, b)``
    and ``saturating = (c, d)``."""

    polynomial: tuple[float, ...] = ()
    log: float = 0.0
    power: tuple[float, float] | None = None
    saturating: tuple[float, float] | None = None
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is above high")
        if self.saturating is not None and self.saturating[1] <= 0:
            raise ValueError("a saturating term needs a positive scale: saturating is [height, scale]")
        return self

    @property
    def constant(self) -> bool:
        """Whether it is the same for every conductance."""
        return len(self.polynomial) == 1 and not (self.log or self.power or self.saturating)

    @property
    def given(self) -> bool:
        """Whether there is any term."""
        return bool(self.polynomial) or self.log != 0 or self.power is not None or self.saturating is not None

    def value(self, x: Array) -> Array:
        """The formula at each x; same shape and dtype."""
        import numpy as np

        y: Array = np.zeros_like(x)
        for c in reversed(self.polynomial):
            y = y * x + x.dtype.type(c)
        positive = np.maximum(x, np.finfo(x.dtype).tiny)
        if self.log:
            y += x.dtype.type(self.log) * np.log(positive)
        if self.power is not None:
            y += x.dtype.type(self.power[0]) * positive ** x.dtype.type(self.power[1])
        if self.saturating is not None:
            y -= x.dtype.type(self.saturating[0]) * np.expm1(-x / x.dtype.type(self.saturating[1]))
        if self.low is not None or self.high is not None:
            y = np.clip(y, self.low, self.high)
        return y

    def scalar(self, x: float) -> float:
        """The formula at one positive x, without NumPy, which loading a datasheet leaves alone."""
        y = sum(c * x**k for k, c in enumerate(self.polynomial))
        y += self.log * math.log(x) if self.log else 0.0
        y += self.power[0] * x ** self.power[1] if self.power is not None else 0.0
        y -= self.saturating[0] * math.expm1(-x / self.saturating[1]) if self.saturating is not None else 0.0
        return min(max(y, -math.inf if self.low is None else self.low), math.inf if self.high is None else self.high)


class Piece(Formula):
    """The formula that holds where x is less than ``below``."""

    below: float


class Curve(Formula):
    """A figure that depends on conductance, in units of its ``x = G / reference``.

    Either one formula, with others in its place below some x (``pieces``, in order of rising ``below``), or a line
    through ``points`` (x, value), constant beyond its ends. A constant needs no reference.
    """

    reference: Conductance | None = Field(default=None, gt=0)
    pieces: tuple[Piece, ...] = ()
    points: tuple[tuple[float, float], ...] = ()

    @model_validator(mode="after")
    def _one_law(self) -> Self:
        if self.given + bool(self.points) + self.measured != 1:
            raise ValueError("give either polynomial, log, power and saturating terms or points")
        if not self.measured and self.reference is None and (not self.constant or self.pieces):
            raise ValueError("a figure that depends on conductance needs its reference conductance")
        if any(b <= a for a, b in pairwise(x for x, _ in self.points)):
            raise ValueError("points must be in order of rising conductance")
        if any(b <= a for a, b in pairwise(piece.below for piece in self.pieces)):
            raise ValueError("pieces must be in order of rising conductance")
        if self.pieces and not self.given:
            raise ValueError("pieces need a formula that holds above the last of them")
        return self

    @property
    def measured(self) -> bool:
        """Whether the curve is a table in siemens."""
        return False

    def at(self, conductance: Array) -> Array:
        """The figure for each conductance in siemens; same shape and dtype."""
        import numpy as np

        x = conductance / conductance.dtype.type(self.reference or 1.0)
        if self.points:
            places, values = zip(*self.points, strict=True)
            line: Array = np.interp(x, places, values).astype(x.dtype)
            return line
        y = self.value(x)
        for piece in reversed(self.pieces):
            y = np.where(x < x.dtype.type(piece.below), piece.value(x), y)
        return y

    def lowest(self, start: float, stop: float) -> float:
        """About the smallest value between two conductances in siemens: that at 65 of them, and at all points."""
        if self.points:
            return min(value for _, value in self.points)
        unit, values = self.reference or 1.0, []
        for i in range(65):
            x = max(start + (stop - start) * i / 64, math.ldexp(stop, -64)) / unit
            law: Formula = next((piece for piece in self.pieces if x < piece.below), self)
            values.append(law.scalar(x))
        return min(values)


class Shift(Curve):
    """An amount of conductance of either sign: the curve's value times ``unit``."""

    unit: Conductance = Field(gt=0)

    def at(self, conductance: Array) -> Array:
        """The shift in siemens."""
        shift: Array = super().at(conductance) * conductance.dtype.type(self.unit)
        return shift


class Row(Facts):
    """A row of a measured table: standard deviation ``sigma`` at conductance ``g``."""

    g: Conductance = Field(ge=0)
    sigma: Conductance = Field(ge=0)


class Spread(Curve):
    """A standard deviation of conductance: the curve's value times ``unit``, or a measured ``table``.

    The table may be the name of a CSV file with columns ``g`` and ``sigma``, each with its unit in the header, such as
    ``g (uS), sigma (uS)``. Between its rows the spread is linear in conductance, beyond them constant.
    """

    unit: Conductance | None = Field(default=None, gt=0)
    table: tuple[Row, ...] = ()

    @model_validator(mode="after")
    def _in_siemens(self) -> Self:
        if self.measured == (self.unit is not None):
            raise ValueError("give either a curve and its unit, or a table with units of its own")
        if any(b.g <= a.g for a, b in pairwise(self.table)):
            raise ValueError("the rows of a table must be in order of rising conductance")
        if (self.constant and not self.pieces and self.polynomial[0] < 0) or any(y < 0 for _, y in self.points):
            raise ValueError("a standard deviation is not negative")
        return self

    @property
    def measured(self) -> bool:
        """Whether the spread is a table in siemens."""
        return bool(self.table)

    def at(self, conductance: Array) -> Array:
        """Sigma in siemens, never negative."""
        import numpy as np

        if self.table:
            places, values = zip(*((row.g, row.sigma) for row in self.table), strict=True)
            line: Array = np.interp(conductance, places, values).astype(conductance.dtype)
            return line
        sigma: Array = np.maximum(super().at(conductance), 0) * conductance.dtype.type(self.unit or 1.0)
        return sigma
