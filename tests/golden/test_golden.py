"""Every shipped scenario against its stored answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.golden.store import FOLDER, SCENARIOS, answer

TIGHT, LOOSE = 1e-9, 0.02  # times and planned energies; what is computed in floating point on another machine
# a rounding of another processor's leads an iteration another way: what it leaves and clips keeps its size only
ROUGH = {"residual": 1.0, "relative_error": 1.0, "adc_clipped": 0.25}
COMPUTED = ("metrics", "data_dependent", "array", "program", "deployment", "total", "by_component")


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, tree


def tolerance(path: str) -> float:
    """The relative deviation that a figure may have."""
    usual = LOOSE if any(word in path for word in COMPUTED) else TIGHT
    return next((rough for word, rough in ROUGH.items() if path.endswith(word)), usual)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_answer_is_the_stored_one(name: str) -> None:
    if "vowels" in name and find_spec("aeon") is None:
        pytest.skip("aeon is not installed")
    stored = dict(leaves(json.loads((FOLDER / f"{name}.json").read_text())))
    found = dict(leaves(json.loads(json.dumps(answer(name)))))
    assert found.keys() == stored.keys()
    for path, value in stored.items():
        if isinstance(value, float):
            assert found[path] == pytest.approx(value, rel=tolerance(path), abs=1e-15), path
        else:
            assert found[path] == value, path
