"""Traffic: the kinds, their defaults, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hetsim.traffic import Batch, Closed, Poisson, Replay, Traffic

READ: TypeAdapter[Any] = TypeAdapter(Traffic)


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ({}, Batch()),
        ({"requests": 3, "queue": 2}, Batch(requests=3, queue=2)),
        ({"kind": "batch"}, Batch()),
        ({"kind": "closed"}, Closed(concurrency=1)),
        ({"kind": "closed", "concurrency": 4}, Closed(concurrency=4)),
        ({"kind": "poisson", "rate": "100 1/s"}, Poisson.model_construct(rate=100.0)),
        (
            {"kind": "trace", "times": ["0 s", "1 ms", "1 ms"]},
            Replay.model_construct(times=(0, 1e-3, 1e-3), requests=3),
        ),
        ({"kind": "trace", "times": ["0 s", "1 s"], "requests": 1}, Replay.model_construct(times=(0, 1), requests=1)),
    ],
)
def test_traffic_is_read_and_written(block: dict[str, Any], found: Any) -> None:
    traffic = READ.validate_python(block)
    assert type(traffic) is type(found) and dict(traffic) == dict(found)
    assert READ.validate_python(READ.dump_python(traffic, mode="json")) == traffic


@pytest.mark.parametrize(
    "block",
    [
        {"kind": "rush"}, {"requests": 0}, {"requests": 1.5}, {"queue": 0}, {"kind": "closed", "concurrency": 0},
        {"kind": "poisson"}, {"kind": "poisson", "rate": "0 Hz"}, {"kind": "poisson", "rate": "1 s"},
        {"kind": "trace"}, {"kind": "trace", "times": []}, {"kind": "trace", "times": ["1 s", "0 s"]},
        {"kind": "trace", "times": ["-1 s"]}, {"kind": "trace", "times": "1 s"}, {"rate": "1 Hz"}, [], "batch", None,
    ],
)  # fmt: skip
def test_traffic_that_makes_no_sense_is_refused(block: Any) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(block)
