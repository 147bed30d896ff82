"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from hetsim.figures import engineering, plain


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.98, 4, "0.98"), (12.0, 4, "12"), (12345.6, 3, "12,300"), (1403.5, 3, "1,400"), (2.13e-6, 3, "2.13e-06")],
)
def test_a_number_without_a_unit_is_read_at_a_glance(value: float, digits: int, text: str) -> None:
    assert plain(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"), [(999.96e-6, "1.00 ms"), (0.0, "0 s"), (None, "–"), (3.21, "3.21 s"), (float("inf"), "inf")]
)
def test_a_quantity_has_three_digits_and_a_prefix(value: float | None, text: str) -> None:
    assert engineering(value, "s") == text
