"""Calendars of shared lanes against a table with a cell for each tick."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hetsim.engine.calendar import Calendar

bookings = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=25)


@given(bookings)
def test_each_booking_takes_the_first_free_ticks(asked: list[tuple[int, int]]) -> None:
    lane, taken = Calendar(), set[int]()
    for begin, need in asked:
        at, left = begin, need
        while left:
            if at not in taken:
                taken.add(at)
                left -= 1
            at += 1
        assert lane.book(0, begin, need) == at


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20)), min_size=100, max_size=200))
def test_what_is_over_is_forgotten_without_a_difference(asked: list[tuple[int, int]]) -> None:
    lane, keeping, now = Calendar(), Calendar(), 0
    for wait, need in asked:
        now += wait * 5
        assert lane.book(now, now, need) == keeping.book(0, now, need)
    assert len(lane._ends) <= len(keeping._ends)


def test_a_gap_may_divide_a_stream() -> None:
    lane = Calendar()
    assert lane.book(0, 10, 10) == 20
    assert lane.book(0, 30, 10) == 40
    assert lane.book(0, 0, 25) == 45  # 10 before, 10 between, 5 behind
    assert lane.book(0, 0, 1) == 46
