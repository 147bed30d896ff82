"""Power states: static power of parts that sleep, and the time to wake them, against closed forms."""

from __future__ import annotations

from typing import Any

import pytest

import hetsim
from hetsim.engine.rests import Rest
from hetsim.errors import InputError
from hetsim.hardware.component import Sleep

STATIC, ASLEEP, AFTER, WAKE = 20.0, 4.0, 1e-3, 2e-4
SLEEP = {"power": f"{ASLEEP} W", "after": f"{AFTER} s", "wake": f"{WAKE} s"}


def run(times: list[float], streams: int = 1, **changes: Any) -> dict[str, Any]:
    """Requests of one op each at given times on a processor alone."""
    part = {
        "kind": "cpu", "vector": {"fp32": "1 TFLOP/s"}, "energy": {"fp32": "0 pJ/OP"}, "static_power": f"{STATIC} W",
        "memory": {"bandwidth": "10 GB/s"}, "streams": streams, "sleep": SLEEP, **changes,
    }  # fmt: skip
    return hetsim.simulate(hetsim.load({
        "system": {"host": "part", "components": {"part": part}},
        "workload": {"input": [125_000], "layers": [{"op": "Relu"}]}, "numerics": "none",
        "traffic": {"kind": "trace", "times": [f"{t} s" for t in times]},
    })).to_dict()  # fmt: skip


OP = 1e-4  # seconds: a million bytes at 10 GB/s


def test_an_op_that_finds_the_part_asleep_waits_until_it_is_awake() -> None:
    found = run([0.0, 5e-3])
    assert found["latency_s"]["max"] == pytest.approx(WAKE + OP)
    assert found["makespan_s"] == pytest.approx(5e-3 + WAKE + OP)
    slept = 5e-3 - OP - AFTER
    assert found["energy_J"]["static"] == pytest.approx(STATIC * found["makespan_s"] - (STATIC - ASLEEP) * slept)
    assert found["energy_J"]["total"] == pytest.approx(found["energy_J"]["static"])


def test_a_short_pause_is_no_sleep() -> None:
    found = run([0.0, OP + 0.9 * AFTER])
    assert found["latency_s"]["max"] == pytest.approx(OP)
    assert found["energy_J"]["static"] == pytest.approx(STATIC * found["makespan_s"])


def test_ops_that_come_while_it_wakes_wait_for_the_rest_of_it() -> None:
    found = run([5e-3, 5e-3 + WAKE / 4], streams=2, units=2)
    both_after = 5e-3 + WAKE + 2 * OP  # from then on they share the memory
    assert found["makespan_s"] == pytest.approx(both_after)


def test_what_is_saved_to_the_end_of_the_run() -> None:
    rest = Rest(Sleep(1e-3, 0.0, 3.0))
    rest.begin(0)
    rest.end(10**9)
    assert rest.joules(10**9) == rest.joules(2 * 10**9) == 0
    assert rest.joules(10**10) == pytest.approx(3.0 * 8e-3)


def test_sleep_that_costs_more_than_being_awake_is_refused() -> None:
    with pytest.raises(InputError, match="asleep it draws more than its static_power"):
        run([0.0], sleep={"power": "21 W"})
