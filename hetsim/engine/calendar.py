"""Calendars: when a lane that streams share carries whose bytes, gaps between bookings included."""

from __future__ import annotations

from bisect import bisect_right


class Calendar:
    """Bookings of a lane, in ticks: who booked first goes first, who comes later takes the gaps that are left.

    A stream books one mark's bytes after the other; it is a fluid, which gaps may divide. The lane never carries two
    at once, and never rests while somebody has bytes for it.
    """

    __slots__ = ("_begins", "_ends")

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def book(self, now: int, begin: int, need: int) -> int:
        """Book ``need`` ticks of free time from ``begin`` on, not before ``now``; returns when they are over."""
        if need <= 0:
            return begin
        begins, ends = self._begins, self._ends
        if ends and ends[-1] <= begin:  # the lane rests
            if ends[-1] == begin:
                ends[-1] += need
            else:
                begins.append(begin)
                ends.append(begin + need)
            self._forget(now)
            return begin + need
        first = bisect_right(ends, begin)  # the first booking that ends later
        k, at, left = first, begin, need
        while k < len(begins):
            gap = begins[k] - at
            if gap >= left:
                break
            left -= max(gap, 0)
            at = max(at, ends[k])
            k += 1
        end = at + left
        # all from the first gap to the last is taken now
        start = min(begin, begins[first]) if k > first else begin
        if k < len(begins) and begins[k] == end:
            self._replace(first, k + 1, start, ends[k])
        else:
            self._replace(first, k, start, end)
        return end

    def _replace(self, first: int, last: int, begin: int, end: int) -> None:
        self._begins[first:last], self._ends[first:last] = [begin], [end]

    def _forget(self, now: int) -> None:
        """Drop what is over."""
        over = bisect_right(self._ends, now)
        if over > 64:
            del self._begins[:over], self._ends[:over]
