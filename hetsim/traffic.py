"""Traffic: when requests arrive, and how many."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sized
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    field_validator,
    model_validator,
)

from hetsim.units import Frequency, Time

Limit = Annotated[Time, Field(gt=0)]


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


class _Requests(BaseModel):
    """What all traffic has in common.

    ``requests`` is how many there are (default: as many as the data need); ``queue`` bounds how many may be
    waiting or served at once: an arrival beyond it is dropped, and counted. ``deadline`` is how long after its arrival
    a request is due (misses are counted), ``priority`` how urgent it is (the higher, the more); of a list the entries
    take turns, request by request. What they do is up to the scheduler.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    requests: Annotated[StrictInt, Field(ge=1)] | None = None
    queue: Annotated[StrictInt, Field(ge=1)] | None = None
    deadline: Annotated[
        Annotated[Limit, Tag("one")] | Annotated[tuple[Limit, ...], Field(min_length=1), Tag("several")],
        Discriminator(_one_or_several),
    ] | None = None
    priority: Annotated[
        Annotated[StrictInt, Tag("one")] | Annotated[tuple[StrictInt, ...], Field(min_length=1), Tag("several")],
        Discriminator(_one_or_several),
    ] = 0

    def due(self, request: int) -> float | None:
        """Seconds after its arrival at which a request is due, None without a deadline."""
        return self.deadline[request % len(self.deadline)] if isinstance(self.deadline, tuple) else self.deadline

    def urgency(self, request: int) -> int:
        """The priority of a request."""
        return self.priority[request % len(self.priority)] if isinstance(self.priority, tuple) else self.priority


class Batch(_Requests):
    """All requests are there at t = 0."""

    kind: Literal["batch"] = "batch"


class Closed(_Requests):
    """``concurrency`` requests at a time: a new one arrives when one completes."""

    kind: Literal["closed"] = "closed"
    concurrency: StrictInt = Field(default=1, ge=1)


class Poisson(_Requests):
    """Independent arrivals at a mean ``rate``."""

    kind: Literal["poisson"] = "poisson"
    rate: Frequency = Field(gt=0)


class Replay(_Requests):
    """Arrivals at given ``times``; in a scenario, ``file`` names a CSV file with one time a line instead.

    The file's first row may name columns: ``time (ms)``, ``count``, ``tenant``. ``unit`` is that of times without one.
    """

    kind: Literal["trace"] = "trace"
    times: tuple[Time, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _as_many_as_times(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("requests") is None and isinstance(data.get("times"), Sized):
            return {**data, "requests": len(data["times"]) or None}
        return data

    @field_validator("times")
    @classmethod
    def _in_order(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        for i, (before, after) in enumerate(itertools.pairwise(times), 1):
            if after < before:
                raise ValueError(f"arrival {i} ({after!r} s) is before the one that precedes it ({before!r} s)")
        return times


def _batch_by_default(data: Any) -> Any:
    return {"kind": "batch", **data} if isinstance(data, Mapping) else data


Traffic = Annotated[Batch | Closed | Poisson | Replay, Field(discriminator="kind"), BeforeValidator(_batch_by_default)]
