"""Pool scheduling: of all ops that may come next, on all components, the pair that suits a rule is placed."""

from __future__ import annotations

import heapq
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hetsim.schedulers.scheduler import FOREVER, Decision, Job, Scheduler, TimeSheet, View
from hetsim.schedulers.spread import Spread
from hetsim.workload import Op

Holds = Sequence[tuple[str, ...]]
Users = dict[Op, tuple[Holds, Mapping[str, Sequence[int]]]]


class Bid(NamedTuple):
    """What a rule makes of an op: the lowest ``mark`` is placed first, on its option number ``option``.

    ``depends`` are the options on which that depends: as long as none of them starts later, the bid stays.
    """

    mark: Any
    option: int
    depends: tuple[int, ...]


class Row:
    """What appending an op to each of its options would come to, in ticks."""

    __slots__ = ("arrivals", "bid", "durations", "ends", "holds", "op", "seen", "starts", "users")

    def __init__(self, op: int, arrivals: Spread) -> None:
        self.op, self.arrivals = op, arrivals
        self.bid: Bid
        self.holds: Holds
        self.durations: Sequence[int]
        self.starts: list[int]
        self.ends: list[int]
        self.users: Mapping[str, Sequence[int]]
        self.seen = 0


class PoolScheduler(Scheduler[TimeSheet]):
    """Places the whole graph when it arrives, appending ops one by one. A subclass says which comes next.

    The order of starts on each resource is kept by the engine. Equals are told apart by the graph's order of ops,
    then by the scenario's order of components.
    """

    sheet_type = TimeSheet

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._users: Users = {}

    @abstractmethod
    def judge(self, row: Row) -> Bid:
        """What the rule makes of an op whose producers are placed."""

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        pool = Pool(self, job, view, self._users)
        while (decision := pool.next()) is not None:
            yield decision
            pool.placed(decision)

    def placeable(self, job: Job, op: int, view: View) -> Decision:
        raise AssertionError("every op is placed when its graph arrives")


class Pool:
    """The ops whose producers are placed, with their bids.

    Appending an op makes others start later, never sooner, so that a bid holds until one of the options that it
    depends on is taken by another op: only then it is worked out again.
    """

    def __init__(self, rule: PoolScheduler, job: Job, view: View, users: Users) -> None:
        self._rule, self._job, self._view, self._users = rule, job, view, users
        self._missing = [len(producers) for producers in job.graph.producers]
        self._rows: dict[int, Row] = {}
        self._heap: list[tuple[Any, int, Bid]] = []
        self._taken: list[str] = []  # resources in the order in which they were taken
        self._waiting: dict[str, set[int]] = {}  # resource -> ops whose bid depends on it
        for op, count in enumerate(self._missing):
            if not count:
                self._enter(op)

    def next(self) -> Decision | None:
        """The op of the best bid, appended; None when there are no more."""
        while self._heap:
            _, op, bid = heapq.heappop(self._heap)
            row = self._rows.get(op)
            if row is not None and row.bid is bid:
                k = bid.option
                component = self._view.options(self._job, op)[k]
                start, end = row.starts[k], row.ends[k]
                return Decision(op, self._view.offer(self._job, op, component), start, end, start < FOREVER)
        return None

    def placed(self, decision: Decision) -> None:
        """The op has a place: its consumers may enter, and the others find its resources taken."""
        del self._rows[decision.op]
        if decision.offer.plan.after is not None:  # what is stored has changed, and so may every duration
            for row in self._rows.values():
                self._work_out(row)
        else:
            for hold in decision.offer.holds:
                self._taken.append(hold)
                for op in self._waiting.pop(hold, ()):
                    if op in self._rows:
                        self._refresh(self._rows[op])
        for consumer in self._job.graph.consumers[decision.op]:
            self._missing[consumer] -= 1
            if not self._missing[consumer]:
                self._enter(consumer)

    def _enter(self, op: int) -> None:
        self._rows[op] = Row(op, self._view.arrivals(self._job, op).capped(FOREVER))
        self._work_out(self._rows[op])

    def _work_out(self, row: Row) -> None:
        """Everything about an op, from what is stored and taken now."""
        job, view, op = self._job, self._view, row.op
        row.durations, row.holds = view.durations(job, op), view.holds(job, op)
        row.starts = view.starts(job, op, row.arrivals)
        row.ends = [start + duration for start, duration in zip(row.starts, row.durations, strict=True)]
        known = self._users.get(job.graph.ops[op])
        if known is None or known[0] is not row.holds:
            known = self._users[job.graph.ops[op]] = row.holds, _users(row.holds)
        row.users, row.seen = known[1], len(self._taken)
        self._bid(row)

    def _refresh(self, row: Row) -> None:
        """Take in what was taken since the op was looked at last."""
        for hold in self._taken[row.seen :]:
            for k in row.users.get(hold, ()):
                start = row.starts[k] = max(row.arrivals.at(k), *[self._view.free(name) for name in row.holds[k]])
                row.ends[k] = start + row.durations[k]
        row.seen = len(self._taken)
        self._bid(row)

    def _bid(self, row: Row) -> None:
        bid = row.bid = self._rule.judge(row)
        heapq.heappush(self._heap, (bid.mark, row.op, bid))
        for k in bid.depends:
            for hold in row.holds[k]:
                self._waiting.setdefault(hold, set()).add(row.op)


def _users(holds: Holds) -> Mapping[str, Sequence[int]]:
    """Resource -> the options that queue for it."""
    found: dict[str, list[int]] = {}
    for k, names in enumerate(holds):
        for name in names:
            found.setdefault(name, []).append(k)
    return found
