"""Pool scheduling: of all ops that may come next, on all components, the pair that suits a rule is placed."""

from __future__ import annotations

from abc import abstractmethod
from bisect import insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetsim.schedulers.scheduler import FOREVER, Decision, Job, Scheduler, TimeSheet, View

if TYPE_CHECKING:
    import numpy as np

    Table = np.ndarray[Any, np.dtype[np.int64]]


class Pool:
    """The ops whose producers are placed, and what appending each of them anywhere would come to.

    ``ops`` are in the graph's order. Tables have a row for each op of the graph and a column for each component, in
    ticks; a start is forever where the op cannot run.
    """

    def __init__(self, job: Job, view: View) -> None:
        import numpy as np

        self.job, self.view, self.ops = job, view, list[int]()
        self._missing = [len(producers) for producers in job.graph.producers]
        self._columns = {name: c for c, name in enumerate(view.components)}
        self._starts = np.full((len(self._missing), len(self._columns)), FOREVER, dtype=np.int64)
        self._durations, self._arrivals = np.zeros_like(self._starts), self._starts.copy()
        self._users: dict[str, set[int]] = {}  # resource -> columns whose ops queue for it
        for op, count in enumerate(self._missing):
            if not count:
                self._enter(op)

    @property
    def starts(self) -> Table:
        """When each op of the pool would start on each component."""
        return self._starts[self.ops]

    @property
    def durations(self) -> Table:
        """How long it would take; zero where it cannot run."""
        return self._durations[self.ops]

    @property
    def ends(self) -> Table:
        """When it would end."""
        return self.starts + self.durations

    def decision(self, row: int, column: int) -> Decision:
        """The op of a row of the pool, appended to the component of a column."""
        op = self.ops[row]
        start, duration = int(self._starts[op, column]), int(self._durations[op, column])
        offer = self.view.offer(self.job, op, self.view.components[column])
        return Decision(op, offer, start, start + duration, start < FOREVER)

    def placed(self, decision: Decision) -> None:
        """The op has a place: its consumers may enter, and the others find its resources taken."""
        self.ops.remove(decision.op)
        stale = {self._columns[decision.offer.component]}.union(*(self._users[h] for h in decision.offer.holds))
        for op in self.ops:
            options = self.view.options(self.job, op)
            for column in stale:
                name = self.view.components[column]
                if name in options:
                    self._ask(op, options.index(name), column)
        for consumer in self.job.graph.consumers[decision.op]:
            self._missing[consumer] -= 1
            if not self._missing[consumer]:
                self._enter(consumer)

    def _enter(self, op: int) -> None:
        insort(self.ops, op)
        arrivals = self.view.arrivals(self.job, op)
        for k, name in enumerate(self.view.options(self.job, op)):
            column = self._columns[name]
            self._arrivals[op, column] = min(arrivals[k], FOREVER)
            self._ask(op, k, column)

    def _ask(self, op: int, k: int, column: int) -> None:
        """Work out what the op would come to on its k-th option."""
        start = int(self._arrivals[op, column])
        for hold in self.view.holds(self.job, op)[k]:
            start = max(start, self.view.free(hold))
            self._users.setdefault(hold, set()).add(column)
        self._starts[op, column] = start
        self._durations[op, column] = self.view.durations(self.job, op)[k]


class PoolScheduler(Scheduler[TimeSheet]):
    """Places the whole graph when it arrives, appending ops one by one. A subclass says which comes next.

    The order of starts on each resource is kept by the engine. Equals are told apart by the graph's order of ops,
    then by the scenario's order of components.
    """

    sheet_type = TimeSheet

    @abstractmethod
    def pick(self, pool: Pool) -> tuple[int, int]:
        """The row (of ``pool.ops``) and the column of what is placed next."""

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        pool = Pool(job, view)
        while pool.ops:
            decision = pool.decision(*self.pick(pool))
            yield decision
            pool.placed(decision)

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        raise AssertionError("every op is placed when its graph arrives")
