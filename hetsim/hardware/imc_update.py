"""Updates in place: training pulses the cells of a stored matrix, which are neither read nor verified for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hetsim.hardware.component import Measured, Residency, Step
from hetsim.hardware.imc_sheet import ImcSheet, Updating
from hetsim.hardware.imc_work import Work, bus_step
from hetsim.workload import Matrix

if TYPE_CHECKING:
    from hetsim.analog.bank import Bank
    from hetsim.workload import Array, Op, Tensor

KIND = "OuterUpdate"


def updated(op: Op) -> tuple[Tensor, Matrix]:
    """The stored matrix that an op updates, and what it looks like: a vector for each outer product."""
    stored, rows = op.inputs[0], op.inputs[1]
    assert stored is not None and rows is not None
    k, n = stored.shape
    return stored, Matrix(k, n, rows.shape[0], 1, stored)


def refusal(sheet: ImcSheet, op: Op, todo: Work) -> str:
    """Why a chip cannot update the cells of a matrix that it would store so, or nothing."""
    from hetsim.analog.update import misfit

    stored, _ = updated(op)
    if sheet.update is None:
        return "has no drivers for updates in place: its datasheet has no update"
    if not stored.constant:
        return "updates stored matrices, and the matrix moves"
    if not sheet.bidirectional:
        return "needs a bidirectional array: a copy for the other direction would fall behind an update in place"
    if todo.arrays > 1:
        return "updates in place are known for matrices that are stored once"
    return misfit(todo.sheet.scheme.shape, todo.sheet.device)


def steps(todo: Work) -> tuple[Step, ...]:
    """Instructions of an update. Without numbers, each cell is taken to get a pulse for each outer product, and half
    of the slots of a line's train to have one."""
    sheet, tiling, samples = todo.sheet, todo.tiling, todo.matrix.vectors
    assert sheet.update is not None
    lines = tiling.rows * tiling.across + tiling.columns * tiling.down
    write = sheet.device.write
    return (
        bus_step(sheet, "load", samples * (todo.matrix.rows + todo.matrix.columns), sheet.input_bits / 8),
        Step("drive", samples * lines * sheet.update.length, 0.0, sheet.dac.energy, "dac"),
        Step("update", samples * tiling.rows * tiling.columns, write.time, write.energy, "program", expected=True),
    )


def seconds(todo: Work) -> float:
    """Expected seconds: all slots of both polarities, or a pulse of each polarity in every row of the tallest tile."""
    sheet = todo.sheet
    assert sheet.update is not None
    slots = sheet.update.length if sheet.update.scheme == "parallel" else max(todo.tiling.heights())
    return 2.0 * slots * todo.matrix.vectors * sheet.device.write.time


def pulse(
    op: Op, inputs: Sequence[Array | None], bank: Bank, updating: Updating, time: float, key: int
) -> tuple[float, Measured]:
    """Update what the bank holds, which becomes the matrix' next version; the seconds and the pulses that it took.

    Raises ValueError for numbers that are not finite.
    """
    from hetsim.analog.update import outer

    stored, _ = updated(op)
    name = (stored.name, stored.version)
    kept, (_, x, d) = bank.stored[name], inputs
    assert x is not None and d is not None
    sides = (d, x) if kept.transposed else (x, d)
    bar = kept.layers[0].crossbars[0]
    did = outer(bar, *sides, op.attributes["rate"], time, key, scheme=updating.scheme, length=updating.length)
    bank.updated(name, [did.pulses])
    bank.stored[name[0], name[1] + 1] = bank.stored.pop(name)
    return did.seconds, Measured(float(did.pulses.sum(dtype="uint64")), did.joules)


def renewed(residency: Residency, stored: Tensor) -> Residency:
    """The residency with the next version of a matrix in the place of this one."""
    return replace(
        residency,
        placed=tuple(
            replace(p, version=p.version + 1) if (p.tensor, p.version) == (stored.name, stored.version) else p
            for p in residency.placed
        ),
    )
