"""Published figures: every row of `hetsim validate` is within its tolerance, or is known to miss and says why."""

from __future__ import annotations

import pytest

from hetsim.validate import expecting, failures, validate


@pytest.mark.parametrize("name", expecting())
def test_predictions_are_within_tolerance(name: str) -> None:
    rows = validate([name])
    assert rows
    assert not failures(rows), [row for row in rows if failures([row])]
