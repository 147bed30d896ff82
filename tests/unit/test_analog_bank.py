"""A bank of crossbars: room, wear, stuck cells, and the time of programming."""

from __future__ import annotations

import numpy as np
import pytest
from test_analog_sheets import WRITE, device, macro

from hetsim.analog.bank import Bank
from hetsim.analog.device import Write
from hetsim.analog.programming import Programming

ONE_PULSE = WRITE | {"pulses": 1}


def matrices(groups: int, rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(groups, rows, columns))


def test_the_oldest_makes_room_and_its_tiles_are_written_anew() -> None:
    bank = Bank(macro(device(write=ONE_PULSE)), Programming(), 3, 7)
    assert bank.store(("a", 0), matrices(1, 32, 8), 0.0).tiles == ((0,),)
    assert bank.store(("b", 0), matrices(1, 40, 8), 0.0).tiles == ((1, 2),)
    assert bank.worst() == 1
    assert bank.store(("c", 0), matrices(1, 32, 8), 0.0).tiles == ((0,),)
    assert list(bank.stored) == [("b", 0), ("c", 0)]
    assert bank.worst() == 2
    with pytest.raises(ValueError, match="4 crossbars are needed"):
        bank.store(("d", 0), matrices(4, 3, 3), 0.0)


def test_groups_take_tiles_of_their_own() -> None:
    bank = Bank(macro(), Programming(), 4, 7)
    stored = bank.store(("g", 0), matrices(3, 9, 4), 5.0, age=2.0)
    assert stored.tiles == ((0,), (1,), (2,))
    assert [bar.time for bar in stored.crossbars] == [3.0] * 3
    assert not np.array_equal(stored.crossbars[0].cells.deviation, stored.crossbars[1].cells.deviation)


def test_stuck_cells_belong_to_the_tile() -> None:
    bank = Bank(macro(device(stuck={"rate": 0.05})), Programming(), 1, 7)
    first = bank.store(("a", 0), matrices(1, 32, 8), 0.0).crossbars[0].cells.stuck
    second = bank.store(("b", 0), matrices(1, 20, 5), 0.0).crossbars[0].cells.stuck
    assert first is not None and second is not None
    np.testing.assert_array_equal(second, first[:, :20, :5])


def test_writing_again_draws_again() -> None:
    bank = Bank(macro(), Programming(), 1, 7)
    first = bank.store(("a", 0), matrices(1, 9, 8), 0.0).crossbars[0]
    bank.release(("a", 0))
    second = bank.store(("a", 0), matrices(1, 9, 8), 0.0).crossbars[0]
    assert not np.array_equal(first.cells.deviation, second.cells.deviation)
    other = Bank(macro(), Programming(), 1, 7).store(("a", 0), matrices(1, 9, 8), 0.0).crossbars[0]
    np.testing.assert_array_equal(first.cells.deviation, other.cells.deviation)


@pytest.mark.parametrize(("cells", "crossbars", "rounds"), [(None, 1, 60), (16, 1, 60), (4, 1, 240), (16, 2, 40)])
def test_time_of_single_pulses(cells: int | None, crossbars: int, rounds: int) -> None:
    """Three tiles of 20 rows of 16 cells, one pulse each: 60 rows one after the other."""
    programming, write = Programming(cells=cells, crossbars=crossbars), Write.model_validate(ONE_PULSE)
    assert programming.expected([(20, 16)] * 3, write) == pytest.approx(rounds * 100e-9)
    assert programming.taken(np.ones((3, 20, 16), np.uint32), write) == pytest.approx(rounds * 100e-9)


def test_expected_time_is_the_mean_of_what_is_taken() -> None:
    write = Write.model_validate(WRITE | {"pulses": 3})
    programming = Programming(cells=5)
    drawn = np.random.default_rng(3).geometric(1 / 3, (400, 8, 12)).astype(np.uint32)
    taken = [programming.taken(tile[None], write) for tile in drawn]
    assert programming.expected([(8, 12)], write) == pytest.approx(np.mean(taken), abs=4 * np.std(taken) / 20)
