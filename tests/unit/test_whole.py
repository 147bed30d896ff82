"""The policy that keeps a graph on one component."""

from __future__ import annotations

from typing import Any

import hetsim


def run(requests: int, pin: dict[str, Any] | None = None, **tasks: Any) -> dict[str, Any]:
    scenario = {
        "system": {
            "components": {"fast": {"kind": "abstract"}, "slow": {"kind": "abstract"}},
            "links": {"net": {"kind": "ideal", "bandwidth": "1 B/s", "between": ["fast", "slow"]}},
        },
        "workload": {"tasks": tasks},
        "traffic": {"kind": "batch", "requests": requests},
        "scheduler": {"kind": "whole", "pin": pin or {}},
        "numerics": "none",
    }
    return hetsim.simulate(hetsim.load(scenario)).to_dict()


BOTH = {"cost": {"fast": "1 s", "slow": "3 s"}}
TASKS = {"a": BOTH, "b": {**BOTH, "after": {"a": "9 B"}}}


def test_a_lone_request_stays_where_it_is_done_first() -> None:
    result = run(1, **TASKS)
    assert result["assignments"] == {"a": ["fast"], "b": ["fast"]}
    assert result["makespan_s"] == 2
    assert result["links"]["net"]["bytes"] == 0


def test_requests_are_dealt_out_by_expected_end() -> None:
    """2 s or 6 s a request: of four, three go to the fast one and one to the slow one, and end together."""
    result = run(4, **TASKS)
    assert result["makespan_s"] == 6
    assert (result["components"]["fast"]["busy_s"], result["components"]["slow"]["busy_s"]) == (6, 6)
    assert result["links"]["net"]["bytes"] == 0


def test_without_one_component_for_all_ops_are_placed_one_by_one() -> None:
    only = {"a": {"cost": {"fast": "1 s"}}, "b": {"cost": {"slow": "3 s"}, "after": {"a": "2 B"}}}
    result = run(1, **only)
    assert result["assignments"] == {"a": ["fast"], "b": ["slow"]}
    assert result["makespan_s"] == 1 + 2 + 3
    assert run(1, {"b": "slow"}, **TASKS)["assignments"]["b"] == ["slow"]
