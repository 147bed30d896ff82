"""Updates in place on an in-memory computing chip: what pulses on the cells that hold a matrix take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hetsim.hardware.component import Measured, Moment, Step
from hetsim.hardware.imc_sheet import ImcSheet
from hetsim.hardware.imc_work import Work, bus_step
from hetsim.workload import Matrix

if TYPE_CHECKING:
    from hetsim.analog.bank import Bank, Name, Stored
    from hetsim.workload import Array, Op


def target(op: Op) -> Matrix:
    """The matrix that an op changes, as it is stored."""
    assert op.changed is not None, "only updates are asked"
    rows, columns = op.changed.shape
    return Matrix(rows, columns, 1, stored=op.changed)


def refusal(sheet: ImcSheet, work: Work) -> str:
    """Why a matrix cannot be updated in place as it is stored, or nothing."""
    from hetsim.analog.update import misfit

    if why := misfit(work.sheet.scheme.shape, sheet.device):
        return why
    if work.arrays > 1:
        return f"the matrix is stored on {work.arrays} arrays, which pulses cannot change alike: update a single one"
    if work.sheet.an_code is not None:
        return "pulses do not keep to the multiples of an AN code: update a matrix without one"
    if sheet.compensation is not None:
        return "drift compensation takes what changed in training for drift: leave it out"
    return ""


def slots(op: Op) -> tuple[int, int]:
    """Samples of an update, and the pulse times that its longest trains take: one polarity after the other."""
    samples = op.moving[0].shape[0]
    return samples, 2 * int(op.attributes["length"]) * samples


def expected(sheet: ImcSheet, work: Work, op: Op) -> tuple[float, float]:
    """Seconds and pulses of an update whose numbers are not known.

    Trains are taken to be half full: half of the slots have a pulse on a line, a quarter on both; row by row, cells get
    half of the longest train, and each row waits for its slowest cell, which gets all of it.
    """
    samples, times = slots(op)
    parallel, length = op.attributes["scheme"] == "parallel", int(op.attributes["length"])
    each = length / 4 if parallel else length / 2
    both = 1 if sheet.device.update is None or sheet.device.update.down is None else 2
    seconds = times * sheet.device.write.time * (1 if parallel else max(work.tiling.heights()))
    return seconds, samples * each * both * work.matrix.rows * work.matrix.columns


def steps(sheet: ImcSheet, op: Op, pulses: float) -> tuple[Step, ...]:
    """Instructions of an update: both sides come in over the bus, then the cells are pulsed."""
    write = sheet.device.write
    values = sum(t.size for t in op.moving[:2])
    return (
        bus_step(sheet, "load", values, sheet.input_bits / 8),
        Step("pulse", pulses, write.time, write.energy, "program", expected=True),
    )


def loading(sheet: ImcSheet, op: Op) -> float:
    """Seconds in which both sides of an update come in over the bus."""
    return sum(t.size for t in op.moving[:2]) * sheet.input_bits / 8 / sheet.bus.bandwidth


def update(
    op: Op, inputs: Sequence[Array | None], name: Name, bank: Bank, moment: Moment, time: float
) -> tuple[float, Measured]:
    """Pulse the cells of what is stored under a name, and return the seconds and what the pulses took.

    Raises ValueError for what cannot be updated, see `hetsim.analog.update.outer`.
    """
    from hetsim.analog.update import outer

    kept: Stored = bank.stored[name]
    (bar,) = kept.crossbars
    x, d = inputs[:2]
    assert x is not None and d is not None
    if kept.transposed:
        x, d = d, x
    get = op.attributes.__getitem__
    took = outer(
        bar, x, d, float(get("rate")), time, moment.key, scheme=get("scheme"), length=int(get("length"))
    )  # fmt: skip
    bank.updated(name, [took.pulses])
    return took.seconds, Measured(float(took.pulses.sum(dtype="float64")), took.joules)
