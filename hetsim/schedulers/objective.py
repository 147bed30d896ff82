"""Objectives of policies that ask the simulator: what a whole run is to be best at, and what it has to keep to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hetsim.errors import did_you_mean
from hetsim.units import quantity


class Figure(NamedTuple):
    """A figure of a run: its SI unit, and whether more of it is better."""

    unit: str
    more: bool = False


FIGURES: Mapping[str, Figure] = {
    "makespan": Figure("s"), "latency": Figure("s"), "p50": Figure("s"), "p95": Figure("s"), "p99": Figure("s"),
    "throughput": Figure("1/s", more=True), "energy": Figure("J"), "dynamic_energy": Figure("J"),
    "energy_delay": Figure("J s"),
    "accuracy": Figure("", more=True), "lifetime": Figure("s", more=True), "deadline_misses": Figure(""),
}  # fmt: skip

_BOUND = re.compile(r"\s*(<=|>=)\s*(.+?)\s*")

Figures = Mapping[str, float]


class Bound(NamedTuple):
    """A figure may be no more (``most``) or no less than a limit, in SI units."""

    limit: float
    most: bool

    def missed(self, value: float) -> float:
        """By what share of the limit a value misses it; zero or less where it does not."""
        short = value - self.limit if self.most else self.limit - value
        return short / abs(self.limit) if self.limit else short


class Goal(BaseModel):
    """What is to be least (or most) in a whole run, and bounds on other figures.

    ``minimise`` or ``maximise`` names a figure (``makespan``, mean ``latency``, ``p50``, ``p95``, ``p99``,
    ``throughput``, ``energy``, ``dynamic_energy``, which is without static power, ``energy_delay``, ``accuracy``,
    ``lifetime``, ``deadline_misses``), or several with weights: each is then taken relative to the schedule that the
    search starts from. ``subject_to`` gives figures with ``<=`` or ``>=`` and a limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    minimise: str | Mapping[str, Annotated[float, Field(gt=0)]] | None = None
    maximise: str | None = None
    subject_to: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if (self.minimise is None) == (self.maximise is None):
            raise ValueError("give one of minimise and maximise")
        for name in (*self.weights, *self.subject_to):
            if name not in FIGURES:
                raise ValueError(f"{name!r} is no figure of a run; {did_you_mean(name, FIGURES)}")
        for name in self.weights if self.maximise is not None or isinstance(self.minimise, str) else ():
            if FIGURES[name].more != (self.maximise is not None):
                raise ValueError(f"{name} is to be {'maximised' if FIGURES[name].more else 'minimised'}")
        assert self.bounds is not None
        return self

    @property
    def weights(self) -> Mapping[str, float]:
        """Figure -> its weight."""
        named = self.minimise if self.minimise is not None else self.maximise
        return {named: 1.0} if isinstance(named, str) else named or {}

    @property
    def bounds(self) -> Mapping[str, Bound]:
        """Figure -> its bound."""
        return {name: _bound(name, text) for name, text in self.subject_to.items()}

    @property
    def figures(self) -> tuple[str, ...]:
        """Every figure that it speaks of."""
        return (*self.weights, *self.subject_to)

    def score(self, figures: Figures, start: Figures) -> tuple[float, float]:
        """How far a run is beyond the bounds, and what it comes to relative to ``start``; the lower the better."""
        missed = sum(max(0.0, bound.missed(figures[name])) for name, bound in self.bounds.items())
        total = 0.0
        for name, weight in self.weights.items():
            value, first = figures[name], start[name]
            if FIGURES[name].more:
                value, first = 1 / value if value else float("inf"), 1 / first if first else float("inf")
            total += weight * (value / first if first and first != float("inf") else value)
        return missed, total


def _bound(name: str, text: str) -> Bound:
    match, unit = _BOUND.fullmatch(text), FIGURES[name].unit
    if match is None:
        raise ValueError(f"{text!r} is no bound of {name}; write it as '<= 2 ms' or '>= 0.97'")
    if unit == "J s":
        raise ValueError(f"{name} cannot be bounded; bound energy and latency")
    number = float(match[2]) if not unit and _plain(match[2]) else quantity(match[2], unit)
    return Bound(number, match[1] == "<=")


def _plain(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _written(data: Any) -> Any:
    """A name stands for itself at its best, a mapping of figures for a mix of them."""
    if isinstance(data, str):
        return {"maximise" if data in FIGURES and FIGURES[data].more else "minimise": data}
    if isinstance(data, Mapping) and not {"minimise", "maximise", "subject_to"} & set(data):
        return {"minimise": data}
    return data


AnyGoal = Annotated[Goal, BeforeValidator(_written)]
