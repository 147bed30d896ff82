"""In-memory computing chips with a hierarchy: crossbars in cores, cores in tiles, tiles on a mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hetsim.analog.device import Facts
from hetsim.hardware import hierarchy, imc_update
from hetsim.hardware.component import Plan, Residency, Step, register
from hetsim.hardware.hierarchy import Buffer, Gating, Level, Mesh, Part
from hetsim.hardware.imc import Imc
from hetsim.hardware.imc_sheet import OUTPUT_BYTES, ImcSheet
from hetsim.hardware.imc_work import Work
from hetsim.units import Energy

if TYPE_CHECKING:
    from hetsim.workload import Matrix, Op, Tensor


class Dissipation(Facts):
    """Energy of a full crossbar in one word-line ``pulse`` or one ``integration``, as a paper states it.

    It stands in for the expectation from voltage and conductances; a run with numbers measures those.
    """

    energy: Energy = Field(ge=0)
    per: Literal["pulse", "integration"] = "integration"


class ImcChipSheet(ImcSheet):
    """Datasheet of a chip whose crossbars are grouped in ``levels``, innermost first, with ``parts`` of its own.

    Area, rated power and leakage are the sums of the parts. ``bus`` is that of each unit on the ``mesh`` (a tile), or
    of the chip where there is none. ``replicate``: a layer with more vectors than this is stored so many times
    that none takes more of them, as far as that fits on half of the chip.
    """

    kind: Literal["imc_chip"] = "imc_chip"  # type: ignore[assignment]  # another kind of chip
    levels: Mapping[str, Level] = {}
    parts: Mapping[str, Part] = {}
    gating: Gating | None = None
    mesh: Mesh | None = None
    buffer: Buffer | None = None
    replicate: int | None = Field(default=None, ge=1)
    array: Dissipation | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        for part in (self.gating, self.mesh, self.buffer):
            if part is not None and part.level not in self.levels:
                known = ", ".join(self.levels) or "none"
                raise ValueError(f"level {part.level!r} is not among the levels of the chip: {known}")
        size = hierarchy.crossbars_in(self.levels, list(self.levels)[-1]) if self.levels else 1
        if self.crossbars % size:
            raise ValueError(f"{self.crossbars} crossbars are no whole number of units of {size} crossbars")
        return self


@dataclass(frozen=True)
class ChipWork(Work):
    """Everything of `Work`; besides, a layer takes whole units where those are gated, and its data use the bus of
    each unit on the mesh."""

    sheet: ImcChipSheet

    @property
    def slots(self) -> int:
        slots, gating = super().slots, self.sheet.gating
        unit = hierarchy.crossbars_in(self.sheet.levels, gating.level) if gating else 1
        return -(-slots // unit) * unit

    def carried(self) -> tuple[float, float]:
        """Seconds on a unit's own bus for what it holds of the matrix: every unit has one, where there is a mesh."""
        sheet, mesh, tiling, groups = self.sheet, self.sheet.mesh, self.tiling, self.matrix.groups
        if mesh is None:
            return super().carried()
        size, rate = hierarchy.crossbars_in(sheet.levels, mesh.level), sheet.bus.bandwidth
        # the bus of each replica's own unit serves its share of the vectors
        blocks = min(groups * sheet.replicas, max(1, size // (tiling.tiles * sheet.arrays))) / sheet.replicas
        taken, made = (tiling.across, tiling.height), (tiling.down, tiling.width)
        if self.turned:
            taken, made = (tiling.down, tiling.width), (tiling.across, tiling.height)
        inputs = min(self.matrix.rows, -(-size // taken[0]) * taken[1])
        outputs = min(self.matrix.columns, size * made[1])
        return blocks * inputs * sheet.input_bits / 8 / rate, blocks * outputs * OUTPUT_BYTES[sheet.output] / rate

    def reading(self, products: int) -> tuple[Step, ...]:
        """The steps of reading, with the array's energy as the datasheet states it."""
        steps, sheet = super().reading(products), self.sheet
        if sheet.array is None:
            return steps
        passes = sheet.passes(self.signed)
        cells = sheet.rows * sheet.columns
        expected = cells * (sheet.device.g_min + sheet.device.g_max) / 4 * sheet.pulse_energy  # half of the bits set
        share = sheet.array.energy / expected
        if sheet.array.per == "pulse":
            share *= sum(p.pulses for p in passes) / sum(p.integrations for p in passes)
        return tuple(replace(s, joules=s.joules * share) if s.name == "integrate" else s for s in steps)


@register
class ImcChip(Imc):
    """Everything of `Imc` and `ChipWork`; besides, the data of a layer cross the mesh.

    Units are taken in order of placement, each layer beside the one placed before it, from which its inputs are
    taken to come.
    """

    kind: ClassVar[str] = "imc_chip"
    sheet_type: ClassVar[type[ImcChipSheet]] = ImcChipSheet
    work_type: ClassVar[type[Work]] = ChipWork
    sheet: ImcChipSheet

    def work(self, op: Op, matrix: Matrix, stored: Tensor) -> Work:
        """As stored, in as many replicas as the sheet's `replicate` asks for, beyond those of the layer itself."""
        todo = super().work(op, matrix, stored)
        if self.sheet.replicate is None:
            return todo
        single = todo.slots // todo.sheet.replicas
        copies = min(ceil(matrix.vectors / self.sheet.replicate), self.sheet.crossbars // 2 // single)
        return replace(todo, sheet=todo.sheet.replicated(copies))

    def supports(self, op: Op) -> str:
        refused = super().supports(op)
        buffer = self.sheet.buffer
        if refused or buffer is None or op.changed is not None or op.matrix is None or op.matrix.stored is None:
            return refused
        todo = self.work(op, op.matrix, op.matrix.stored)
        units = -(-todo.slots // hierarchy.crossbars_in(self.sheet.levels, buffer.level))
        needed = window(op) * self.sheet.input_bits / 8 * todo.sheet.replicas
        if needed > units * buffer.capacity:
            return f"needs {needed / 1024:.4g} KiB for inputs, its {units} x {buffer.level} have less"
        return ""

    def plan(self, op: Op, residency: Residency) -> Plan:
        plan = super().plan(op, residency)
        if op.changed is not None:
            return self._woken(plan, self.work(op, imc_update.target(op), op.changed).slots)
        if op.matrix is None or op.matrix.stored is None:
            return plan
        todo = self.work(op, op.matrix, op.matrix.stored)
        after = residency if plan.after is None else plan.after
        return self._woken(self._routed(op, op.matrix, plan, after), todo.slots)

    def static_power(self) -> float:
        """Beyond the sheet's own, the leakage of all parts; gated units count as asleep, being awake is a step."""
        sheet, levels = self.sheet, self.sheet.levels
        if not levels:
            return sheet.static_power + hierarchy.added(sheet.parts, 0, hierarchy.Sum(0.0, 0.0, 0.0)).leakage
        sums = hierarchy.rolled(levels)
        size = hierarchy.crossbars_in(levels, list(levels)[-1])
        total = hierarchy.added(sheet.parts, sheet.crossbars // size, sums[list(levels)[-1]]).leakage
        return sheet.static_power + total - self._units() * self._saved()

    def peaks(self) -> Mapping[str, float]:
        peaks = dict(super().peaks())
        peaks |= hierarchy.figures(self.sheet.levels, self.sheet.parts, self.sheet.crossbars)
        return {name: value for name, value in peaks.items() if value > 0}

    def _units(self) -> int:
        """Units that are gated."""
        gating = self.sheet.gating
        return 0 if gating is None else self.sheet.crossbars // hierarchy.crossbars_in(self.sheet.levels, gating.level)

    def _saved(self) -> float:
        """Watts that a sleeping unit does not draw."""
        gating = self.sheet.gating
        if gating is None:
            return 0.0
        return hierarchy.rolled(self.sheet.levels)[gating.level].leakage * (1 - gating.retained)

    def _routed(self, op: Op, matrix: Matrix, plan: Plan, after: Residency) -> Plan:
        """The plan with what crosses the mesh: inputs to all units of the layer, partial sums between them."""
        mesh, sheet = self.sheet.mesh, self.sheet
        if mesh is None:
            return plan
        size, tiling = hierarchy.crossbars_in(sheet.levels, mesh.level), sheet.tiling(matrix.rows, matrix.columns)
        begin, source, slots = _place(after, matrix.stored)
        first, units = begin // size, -(-slots // size)
        taken = sum(t.size for t in op.moving) * sheet.input_bits / 8
        each = min(units, -(-tiling.down * tiling.across // size))  # units of a copy
        partial = matrix.vectors * matrix.columns * OUTPUT_BYTES[sheet.output]
        loads = dict.fromkeys(self._ways(source // size, first), taken)  # bytes on each directed link
        distance = len(loads)
        for k in range(1, units):
            for way in self._ways(first + k - 1, first + k):
                loads[way] = loads.get(way, 0.0) + taken + (partial * each / units if k % each else 0.0)
        if not loads:
            return plan
        crossed = taken * (distance + units - 1) + partial * (each - 1)
        spent = max(loads.values()) / plan.chunks / mesh.bandwidth
        step = Step("route", crossed, 1 / mesh.bandwidth, mesh.energy, "link")
        return replace(
            plan,
            steps=(*plan.steps, step),
            fill=plan.fill + (distance + units - 1) * mesh.router + spent,
            interval=max(plan.interval, spent),
            crossings=tuple((f"{self.name}.mesh:{way}", load / mesh.bandwidth) for way, load in loads.items()),
        )

    def _ways(self, one: int, other: int) -> list[str]:
        """The directed links from one unit of the mesh to another."""
        assert self.sheet.mesh is not None
        columns = self.sheet.mesh.columns
        return list(hierarchy.ways(hierarchy.position(one, columns), hierarchy.position(other, columns)))

    def _woken(self, plan: Plan, slots: int) -> Plan:
        """The plan with its units awake from its first vector to its last."""
        gating = self.sheet.gating
        if gating is None:
            return plan
        units = slots // hierarchy.crossbars_in(self.sheet.levels, gating.level)
        fill = plan.fill + gating.time
        seconds = plan.setup + fill + plan.interval * (plan.chunks - 1)
        wake = Step("wake", units, 0.0, gating.energy, "digital")
        awake = Step("stay awake", units * seconds, 0.0, self._saved(), "digital")
        return replace(plan, steps=(*plan.steps, wake, awake), fill=fill)


def window(op: Op) -> int:
    """Values of its input that an op's kernel has to see to make an output: lines of an image, or one vector."""
    matrix, kernel = op.matrix, op.attributes.get("kernel_shape")
    assert matrix is not None, "only ops with a stored matrix are asked"
    image = op.moving[0].shape if op.moving else ()
    if op.kind != "Conv" or len(image) != 4:
        return matrix.groups * matrix.rows
    stored = op.constants[0].shape
    height, width = kernel or stored[2:]
    return int(((height - 1) * image[3] + width) * image[1])


def _place(after: Residency, stored: Tensor | None) -> tuple[int, int, int]:
    """Crossbars before a stored matrix, before the middle of the one placed before it, and those of its own."""
    begin = source = 0
    for placed in after.placed:
        if stored is not None and placed.tensor == stored.name:
            return begin, source, placed.slots
        source, begin = begin + placed.slots // 2, begin + placed.slots
    raise ValueError("the matrix is not stored")
