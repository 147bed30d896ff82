"""What a run is measured by: the trace, energy by component and category, busy time."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from math import fsum
from typing import TYPE_CHECKING, Any

from hetsim.engine.job import Job, Shape
from hetsim.engine.lanes import Hop, Roads
from hetsim.engine.recipe import Recipe
from hetsim.hardware.component import Deployment, Outcome
from hetsim.result import Columns, GraphShape, Trace
from hetsim.system import System

if TYPE_CHECKING:
    import numpy as np

    Ints = np.ndarray[Any, np.dtype[np.int64]]

_SPAN, _HOP, _CALL = (struct.Struct(f"={n}qd").pack for n in (9, 10, 6))  # rows of spans, transfers, calls


class Meter:
    """Records spans and transfers as they happen, and adds energy up in an order that does not depend on them."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.trace = Trace(components=list(system.components), links=list(system.links))
        self.busy = [0] * len(system.components)  # ticks in which at least one op ran
        self.counts: dict[tuple[str, str], float] = {}
        self.deployed: list[Deployment] = []
        self.measured: dict[tuple[str, str], float] = {}  # measured minus expected
        self._tensors: dict[str, int] = {}
        self._spans, self._hops, self._calls = (
            bytearray(),
            bytearray(),
            bytearray(),
        )  # rows, dealt out at the end

    def graph(self, shape: Shape) -> None:
        """Note a graph before its first run."""
        graph = shape.graph
        edges = tuple((p, i) for i, producers in enumerate(graph.producers) for p in producers)
        self.trace.graphs.append(GraphShape(graph.name, tuple(op.name for op in graph.ops), edges))

    def transfer(self, job: Job, tensor: int | str, hop: Hop, asked: int, start: int, end: int) -> None:
        """A tensor crosses a link, or other bytes by their name."""
        hop.crossed += 1
        job.joules += hop.joules
        name = tensor if isinstance(tensor, str) else job.shape.tensors[tensor].name
        number = self._tensors.get(name)
        if number is None:
            number = self._tensors[name] = len(self._tensors)
            self.trace.tensors.append(name)
        self._hops += _HOP(
            job.run,
            job.request,
            number,
            hop.link,
            hop.source,
            hop.target,
            asked,
            start,
            end,
            hop.size,
            hop.joules,
        )

    def ended(self, job: Job, i: int, now: int) -> None:
        """An op ends: a row in the trace, and a run of its recipe."""
        recipe = job.recipes[i]
        recipe.runs += 1
        joules = recipe.joules
        if job.delta:
            joules += job.delta.pop(i, 0.0)
        job.joules += joules
        self._spans += _SPAN(
            job.run, job.request, job.call, job.shape.number, i, recipe.index, job.ready[i], job.starts[i], now, joules
        )

    def outcome(self, job: Job, i: int, outcome: Outcome) -> None:
        """What was measured while the op was computed, in place of what its plan expected."""
        recipe = job.recipes[i]
        change = 0.0
        for step in recipe.plan.steps:
            measured = outcome.steps.get(step.name)
            if measured is not None:
                place = (step.component or recipe.component, step.category)
                difference = measured.joules - step.count * step.joules
                self.measured[place] = self.measured.get(place, 0.0) + difference
                change += difference
        if change:
            job.delta[i] = change
        for name, value in outcome.counts.items():
            self.counts[recipe.component, name] = self.counts.get((recipe.component, name), 0.0) + value

    def call(self, job: Job, now: int) -> None:
        """A graph run is over."""
        self._calls += _CALL(job.run, job.request, job.call, job.shape.number, max(job.start, 0), now, job.joules)

    def close(
        self, recipes: Iterable[Recipe], roads: Roads, end: int, running: Iterable[tuple[int, int]],
        saved: Mapping[str, float],
    ) -> None:  # fmt: skip
        """Add everything up at the end of the run: runs x energy of every recipe and hop, static power x time.

        ``running`` are the component and start of ops that have not ended, ``saved`` the joules of static power that
        components did not draw asleep.
        """
        parts: dict[tuple[str, str], list[float]] = {}
        for recipe in recipes:
            for place, joules in recipe.energy.items():
                parts.setdefault(place, []).append(joules * recipe.runs)
        for place, joules in self.measured.items():
            parts.setdefault(place, []).append(joules)
        for hops in roads.passages.values():
            for hop in hops:
                parts.setdefault((self.trace.links[hop.link], "link"), []).append(hop.joules * hop.crossed)
        self.trace.end = end
        _deal(self._spans, self.trace.spans)
        _deal(self._hops, self.trace.transfers)
        _deal(self._calls, self.trace.calls)
        self._spans, self._hops, self._calls = bytearray(), bytearray(), bytearray()
        everything: list[Any] = [*self._system.components.values(), *self._system.links.values()]
        for part in everything:
            parts.setdefault((part.name, "static"), []).append(
                part.static_power() * self.trace.seconds - saved.get(part.name, 0.0)
            )
        self.trace.energy = {place: total for place, p in sorted(parts.items()) if (total := fsum(p))}
        self._add_busy(running)

    def _add_busy(self, running: Iterable[tuple[int, int]]) -> None:
        import numpy as np

        spans = self.trace.spans
        component, start, end = (spans.numpy(name) for name in ("component", "start", "end"))
        left = np.array([*running], dtype=np.int64).reshape(-1, 2)
        for c in range(len(self.busy)):
            mine, late = component == c, left[left[:, 0] == c, 1]
            begins = np.concatenate([start[mine], late])
            self.busy[c] = covered(begins, np.concatenate([end[mine], np.full_like(late, self.trace.end)]))

    def data_dependent(self, recipes: Iterable[Recipe]) -> Mapping[tuple[str, str], float]:
        """Joules of each part that depends on the data: what numbers replace by a measurement."""
        places = {
            (s.component or r.component, s.category)
            for r in recipes if r.runs for s in r.plan.steps if s.expected
        }  # fmt: skip
        return {place: self.trace.energy.get(place, 0.0) for place in sorted(places)}


def covered(starts: Ints, ends: Ints) -> int:
    """Length of the union of intervals, in the unit of its arguments (ticks)."""
    import numpy as np

    if not len(starts):
        return 0
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    gaps = np.maximum(starts[1:] - reach[:-1], 0).sum()
    return int(reach[-1] - starts[0] - gaps)


def _deal(rows: bytearray, columns: Columns) -> None:
    """Move packed rows of 8-byte integers and, last, joules into columns."""
    import numpy as np

    *names, last = columns.names
    table = np.frombuffer(rows, dtype=np.int64).reshape(-1, len(names) + 1)
    for k, name in enumerate(names):
        columns[name].frombytes(table[:, k].tobytes())
    columns[last].frombytes(table[:, -1].tobytes())
