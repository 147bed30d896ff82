"""Stored answers of the shipped scenarios. Run `python -m tests.golden.store` to store them anew.

A stored answer may change when a law, a datasheet, a default or a workload changes on purpose; the change that
does it says so in the changelog. It may not change by refactoring, by a faster kernel, or by more threads.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import hetsim

FOLDER = Path(__file__).parent
SHELF = FOLDER.parents[1] / "scenarios"
SCENARIOS = [
    path.relative_to(SHELF).with_suffix("").as_posix()
    for path in sorted([*SHELF.glob("*.yaml"), *SHELF.glob("algorithms/*.yaml")])
]


@cache
def answer(name: str) -> dict[str, Any]:
    """The figures of a scenario that are worth guarding; of a study, those of every point."""
    scenario = hetsim.load(name)
    if scenario.sweep:
        return {json.dumps(point): figures(hetsim.simulate(at).to_dict()) for point, at in scenario.points()}
    return figures(hetsim.simulate(scenario).to_dict())


def figures(document: dict[str, Any]) -> dict[str, Any]:
    keys = ("makespan_s", "requests", "throughput_per_s", "energy_J", "deployment", "metrics", "assignments", "tenants")
    return {key: document[key] for key in keys if key in document}


if __name__ == "__main__":
    wanted = sys.argv[1:] or SCENARIOS
    for name in wanted:
        (FOLDER / f"{name}.json").write_text(json.dumps(answer(name), indent=1) + "\n")
        print(f"stored {name}")
