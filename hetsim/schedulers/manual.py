"""Manual: a schedule written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import model_validator

from hetsim.errors import InputError, did_you_mean
from hetsim.schedulers.fixed import appended_in_order
from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, appended, register
from hetsim.schedulers.trials import Places
from hetsim.workload import Graph


class ManualSheet(TimeSheet):
    """``schedule`` lists for each component the ops that it runs, in order. Without one, ops go in the graph's order
    where they end first, as a schedule to begin with."""

    schedule: Mapping[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _once(self) -> Self:
        named = [op for ops in self.schedule.values() for op in ops]
        if twice := sorted({op for op in named if named.count(op) > 1}):
            raise ValueError(f"{', '.join(map(repr, twice))} stands in the schedule more than once")
        return self


@register
class Manual(Scheduler[ManualSheet]):
    """Every component runs the ops of its list in that order; the engine keeps to it."""

    kind, sheet_type = "manual", ManualSheet

    def __init__(self, sheet: ManualSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._places: dict[Graph, Places] = {}

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        if not self.sheet.schedule:
            return
        if job.graph not in self._places:
            self._places[job.graph] = Places(self._components(job, view), self._order(job.graph))
        yield from appended_in_order(job, self._places[job.graph], view)

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        return appended(job, op, view)._replace(ordered=True)

    def _components(self, job: Job, view: View) -> list[str]:
        """Where the schedule has each op."""
        where = {op: name for name, ops in self.sheet.schedule.items() for op in ops}
        found = []
        for i, op in enumerate(job.graph.ops):
            if op.name not in where:
                raise _wrong(f"the schedule has no op {op.name!r}", did_you_mean(op.name, where))
            if where[op.name] not in view.options(job, i):
                raise _wrong(f"{op.name!r} may not run on {where[op.name]!r}", f"on {', '.join(view.options(job, i))}")
            found.append(where[op.name])
        return found

    def _order(self, graph: Graph) -> list[int]:
        """One order of all ops in which those of each component come as listed, and each after its producers."""
        queues = [[graph.index[op] for op in ops if op in graph.index] for ops in self.sheet.schedule.values()]
        order: list[int] = []
        while any(queues):
            able = [q for q in queues if q and set(graph.producers[q[0]]) <= set(order)]
            if not able:
                first = " and ".join(repr(graph.ops[q[0]].name) for q in queues if q)
                raise _wrong(f"the schedule is a circle: {first} wait for ops behind them", "change the order")
            order += [queue.pop(0) for queue in able]
        return order


def _wrong(what: str, hint: str) -> InputError:
    return InputError.of(what, hint, path="scheduler.schedule")
