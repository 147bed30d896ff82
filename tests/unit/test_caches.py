"""Caches: which level serves an op, and what passes through the others."""

from __future__ import annotations

import pytest

from hetsim.hardware.caches import CacheSheet, Served, served

L1 = CacheSheet.model_validate({"capacity": "1 kB", "bandwidth": "100 GB/s"})
L2 = CacheSheet.model_validate({"capacity": "10 kB", "bandwidth": "40 GB/s"})


@pytest.mark.parametrize(
    ("moving", "constants", "expected"),
    [
        (1000, 0, Served((1000, 0), 0)), (1001, 0, Served((0, 1001), 0)), (10_001, 0, Served((0, 0), 10_001)),
        (900, 200, Served((0, 900), 200)), (9000, 2000, Served((0, 0), 11_000)),
    ],
)  # fmt: skip
def test_what_moves_is_in_the_innermost_level_that_holds_the_op(moving: int, constants: int, expected: Served) -> None:
    assert served((L1, L2), moving, constants) == expected


def test_without_caches_all_comes_from_the_memory() -> None:
    assert served((), 5, 7) == Served((), 12)
    assert served((), 5, 7).seconds(()) == 0


def test_bytes_from_further_out_pass_through_each_level() -> None:
    one = Served((400, 0), 0)
    assert one.seconds((L1, L2)) == pytest.approx(400 / 100e9)
    assert Served((0, 400), 0).seconds((L1, L2)) == pytest.approx(400 / 40e9)  # the slower of both
    assert Served((0, 0), 4000).seconds((L1, L2)) == pytest.approx(4000 / 40e9)
    assert Served((3000, 0), 400).seconds((L1, L2)) == pytest.approx(3400 / 100e9)
