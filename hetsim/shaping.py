"""Shaping: a graph as it is run, with ops split and stored matrices replicated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from math import inf
from typing import TypeVar

from hetsim.errors import InputError
from hetsim.hardware.component import Plan
from hetsim.placement import Pin, pinned
from hetsim.schedulers.scheduler import SchedulerSheet
from hetsim.schedulers.splitting import Split, parted, ways
from hetsim.system import System
from hetsim.workload import Graph, Op

T = TypeVar("T")

TEAM = 4  # components at most over which ``auto`` splits an op


class Shaping:
    """Shapes graphs as a scheduler's ``split`` and ``replicate`` say; each graph once.

    ``pin`` is where ops of shaped graphs may go: what the scenario says, and the component of each part.
    """

    def __init__(self, sheet: SchedulerSheet, system: System) -> None:
        self._split, self._replicate, self._system = sheet.split, sheet.replicate, system
        self.pin: dict[str, str | tuple[str, ...]] = dict(sheet.pin)
        self._given: Pin = sheet.pin
        self._graphs: dict[Graph, Graph] = {}
        self._rates = {port: rate for part in system.components.values() for port, rate in part.ports().items()}
        self._copies: dict[tuple[str, int], tuple[str, int]] = {}  # stored tensor -> its chip, how often it is there

    def graph(self, graph: Graph) -> Graph:
        """The graph as it is run; itself where nothing changes. InputError for a split that cannot be."""
        found = self._graphs.get(graph)
        if found is None:
            ops = [part for op in graph.ops for part in self._parts(op)]
            ops = self._replicated(ops)
            same = len(ops) == len(graph.ops) and all(a is b for a, b in zip(ops, graph.ops, strict=True))
            found = graph if same else Graph(graph.name, ops, graph.inputs, graph.outputs)
            self._graphs[graph] = self._graphs[found] = found
        return found

    # --- splitting ---

    def _parts(self, op: Op) -> Sequence[Op]:
        split = self._split_of(op)
        if split is None:
            return (op,)
        parts, around = parted(op, split)
        for k, part in enumerate(parts):
            where = split.over[k] if split.over else pinned(self._given, op.name)
            if where is not None:
                self.pin[part.name] = where
        everywhere = tuple(self._system.components)
        self.pin.update({other.name: everywhere for other in around})
        return [*around, *parts]

    def _split_of(self, op: Op) -> Split | None:
        if isinstance(self._split, str):
            return self._best_split(op) if self._split == "auto" else None
        return _named(self._split, op.name)

    def _best_split(self, op: Op) -> Split | None:
        """The split that ends soonest by the plans, None where the op alone does.

        The input is taken to be where the op alone is fastest, and the output to be wanted there.
        """
        able = ways(op)
        alone = sorted((self._seconds(op, name), name) for name in self._options(op)) if able else []
        if len(alone) < 2:
            return None
        best, found = alone[0][0], None
        for size in range(2, min(TEAM, len(alone)) + 1):
            team = alone[:size]
            for by in able:
                split = Split(by=by, over=tuple(n for _, n in team), shares=tuple(1 / max(s, 1e-12) for s, _ in team))
                try:
                    spent = self._together(op, split, alone[0][1])
                except InputError:  # a share of less than one row, say
                    continue
                if spent < best:
                    best, found = spent, split
        return found

    def _together(self, op: Op, split: Split, home: str) -> float:
        """Seconds that a split takes, with what leads up to it and what joins it."""
        parts, around = parted(op, split)
        spent = sum(min(self._seconds(other, name) for name in self._options(other, {})) for other in around)
        ends = []
        for part, name in zip(parts, split.over, strict=True):
            x = part.moving[0].nbytes
            moved = self._moved(x, home, name) + self._moved(part.outputs[0].nbytes, name, home)
            ends.append(moved + self._seconds(part, name))
        return spent + max(ends)

    def _moved(self, size: int, source: str, target: str) -> float:
        route = self._system.route(source, target)
        return inf if route is None else sum(hop.link.latency() + hop.link.occupancy(size) for hop in route)

    # --- replicating ---

    def _replicated(self, ops: list[Op]) -> list[Op]:
        if self._replicate == "none":
            return ops
        if self._replicate == "auto":
            self._balance(ops)
        return [self._repeated(op) for op in ops]

    def _repeated(self, op: Op) -> Op:
        matrix = op.matrix
        if matrix is None or matrix.stored is None:
            return op
        if isinstance(self._replicate, str):
            copies = self._copies.get((matrix.stored.name, matrix.stored.version), ("", 1))[1]
        else:
            copies = _named(self._replicate, op.name) or 1
        return op if copies == 1 else replace(op, matrix=replace(matrix, copies=copies))

    def _balance(self, ops: Sequence[Op]) -> None:
        """Deal the matrices out to the chips that store some, in order, and give what is left to the slowest op."""
        chips = {n: c.residency().free for n, c in self._system.components.items() if c.residency().free}
        dealt: dict[str, list[Op]] = {name: [] for name in chips}
        for op in ops:
            stored = op.matrix.stored if op.matrix is not None else None
            if stored is None or (stored.name, stored.version) in self._copies:
                continue
            options = self._options(op)
            chip = next((n for n in options if n in chips and _slots(self._plan(op, n)) <= chips[n]), None)
            if chip is not None:
                chips[chip] -= _slots(self._plan(op, chip))
                dealt[chip].append(op)
                self._copies[stored.name, stored.version] = chip, 1
                self.pin[op.name] = tuple(n for n in options if n == chip or n not in chips)
        for chip, mine in dealt.items():
            for op in self._slowest(mine, chip, chips[chip]):
                assert op.matrix is not None and op.matrix.stored is not None
                stored = op.matrix.stored
                self._copies[stored.name, stored.version] = chip, op.matrix.copies

    def _slowest(self, ops: Sequence[Op], chip: str, free: int) -> Iterator[Op]:
        """The ops with as many copies as balance them: another one for the slowest while there is room."""
        found = {op.name: (op, self._plan(op, chip)) for op in ops}
        spent = {op.name: self._length(plan) for op, plan in found.values()}
        while found:
            name = max(spent, key=spent.__getitem__)
            op, plan = found[name]
            assert op.matrix is not None
            more = replace(op, matrix=replace(op.matrix, copies=op.matrix.copies + 1))
            larger = self._plan(more, chip)
            needed = _slots(larger) - _slots(plan)
            if needed > free or self._length(larger) >= spent[name]:
                break
            free -= needed
            found[name], spent[name] = (more, larger), self._length(larger)
        yield from (op for op, _ in found.values())

    # --- what plans say ---

    def _options(self, op: Op, pin: Pin | None = None) -> list[str]:
        allowed = pinned(self._given if pin is None else pin, op.name)
        parts = self._system.components.items()
        return [n for n, part in parts if (allowed is None or n in allowed) and not part.supports(op)]

    def _plan(self, op: Op, name: str) -> Plan:
        part = self._system.components[name]
        return part.plan(op, part.residency())

    def _seconds(self, op: Op, name: str) -> float:
        """Seconds that the op takes alone on an otherwise idle component."""
        return self._length(self._plan(op, name))

    def _length(self, plan: Plan) -> float:
        served = max((amount / self._rates[port] for port, amount in plan.demands), default=0.0)
        return plan.setup + max(plan.fill + plan.interval * (plan.chunks - 1), served)


def _slots(plan: Plan) -> int:
    """How many slots the matrix takes that an op on an empty component leaves there."""
    return plan.after.placed[-1].slots if plan.after is not None else 0


def _named(settings: Mapping[str, T], op: str) -> T | None:
    """The setting of an op: by its very name, else by the first pattern that matches."""
    return settings.get(op) or next((value for name, value in settings.items() if fnmatchcase(op, name)), None)
