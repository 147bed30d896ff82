"""Memories: rates of channels, the port, and how a component finds the one it names."""

from __future__ import annotations

import pytest
from operands import dense
from pydantic import ValidationError
from sheets import cpu, dram

from hetsim.errors import InputError
from hetsim.hardware.memory import MemorySheet


def test_channels_multiply_rate_standby_and_peaks() -> None:
    memory = dram()
    assert memory.ports() == {"dram.port": 2 * 25e9 * 0.8}
    assert memory.static_power() == 1.0
    assert memory.peaks() == {"peak_bytes_per_s": 50e9, "peak_power_W": 1.0 + 50e9 * 20e-12}


def test_refresh_takes_its_share_of_the_time() -> None:
    sheet = dram(refresh=0.05, scattered=0.2).sheet
    assert sheet.rate == pytest.approx(2 * 25e9 * 0.95 * 0.8)
    assert sheet.scattered_rate == pytest.approx(2 * 25e9 * 0.95 * 0.2)
    assert dram().sheet.scattered_rate == dram().sheet.rate


def test_channels_hold_their_capacities_together() -> None:
    assert dram().sheet.size == 2 * 2**30
    assert dram(capacity=None).sheet.size == float("inf")


def test_a_memory_runs_nothing() -> None:
    op, _ = dense()
    memory = dram()
    assert memory.supports(op)
    with pytest.raises(NotImplementedError):
        memory.plan(op, memory.residency())


def test_a_named_memory_is_found_and_pays() -> None:
    op, _ = dense()
    part, memory = cpu(memory="dram"), dram()
    part.bind({"cpu": part, "dram": memory})
    plan = part.plan(op, part.residency())
    move = next(step for step in plan.steps if step.name == "move")
    assert (move.component, move.category, move.joules) == ("dram", "memory", 20e-12)
    assert dict(plan.demands)["dram.port"] == move.count
    assert plan.setup == pytest.approx(1e-6 + 80e-9)
    assert set(part.ports()) == {"cpu.compute"}
    assert part.static_power() == 10.0  # the memory's standby is the memory's


@pytest.mark.parametrize("others", [{}, {"dram": cpu()}], ids=["missing", "not a memory"])
def test_a_name_that_is_no_memory_is_refused(others: dict) -> None:
    with pytest.raises(InputError, match="cpu names memory 'dram', which is not a memory"):
        cpu(memory="dram").bind(others)


def test_planning_before_the_system_is_built_is_a_fault() -> None:
    op, _ = dense()
    part = cpu(memory="dram")
    with pytest.raises(RuntimeError, match="not bound"):
        part.plan(op, part.residency())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bandwidth": "0 B/s"}, "greater than 0"), ({"bandwidth": "5 W"}, "power"),
        ({"efficiency": 1.5}, "less than"),
        ({"channels": 0}, "greater than 0"), ({"refresh": 1}, "less than 1"), ({"scattered": 0}, "greater than 0"),
        ({"latency": "-1 ns"}, "negative"), ({"speed": 1}, "Extra"),
    ],
)  # fmt: skip
def test_wrong_figures_are_refused(change: dict, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        MemorySheet.model_validate({"bandwidth": "1 GB/s"} | change)


def test_a_sheet_written_back_reads_the_same() -> None:
    sheet = dram().sheet
    assert MemorySheet.model_validate_json(sheet.model_dump_json()) == sheet


def test_a_destructive_read_costs_a_cycle_and_a_write() -> None:
    restoring = dram(restore={"energy": "30 pJ/B", "cycles": 1})
    assert restoring.sheet.rate == dram().sheet.rate / 2
    assert restoring.sheet.access == pytest.approx(dram().sheet.access + 30e-12)
    assert restoring.peaks()["peak_power_W"] == pytest.approx(1.0 + 50e9 * 50e-12)
