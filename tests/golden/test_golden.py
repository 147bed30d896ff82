"""Every shipped scenario against its stored answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.golden.store import FOLDER, SCENARIOS, answer

TIGHT, LOOSE = 1e-9, 0.02  # times and planned energies; what is computed in floating point on another machine
ROUGH = 0.5  # what an iteration leaves of an error, and what clips on the way: rounding decides, machine by machine
COMPUTED = ("metrics", "data_dependent", "array", "program", "deployment", "total", "by_component")


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, tree


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_answer_is_the_stored_one(name: str) -> None:
    stored = dict(leaves(json.loads((FOLDER / f"{name}.json").read_text())))
    found = dict(leaves(json.loads(json.dumps(answer(name)))))
    assert found.keys() == stored.keys()
    for path, value in stored.items():
        if isinstance(value, float):
            within = LOOSE if any(word in path for word in COMPUTED) else TIGHT
            if path.endswith(("residual", "relative_error", "clipped")):
                within = ROUGH
            assert found[path] == pytest.approx(value, rel=within, abs=1e-15), path
        else:
            assert found[path] == value, path
