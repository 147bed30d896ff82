"""Work stealing: every component has a queue of its own, and who has nothing to do takes from others [Blumofe 1999]."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from hetsim.schedulers.scheduler import Decision, Job, Scheduler, TimeSheet, View, estimate, register
from hetsim.workload import Op

REACH = 8  # ops at the back of a queue that a thief looks at


class Task(NamedTuple):
    """An op that is queued, with the ticks that it takes where it is queued."""

    number: int
    job: Job
    op: int
    ticks: int


@register
class WorkStealing(Scheduler[TimeSheet]):
    """An op whose inputs are there queues where the last of them was made, a first op where the least is queued.

    A component with nothing to do starts the oldest op of its own queue. One that finds none steals from the back of
    the longest queue, unless the op would end later there than the victim needs for all that it has queued:
    components are not equally fast.
    """

    kind, sheet_type, late = "work_stealing", TimeSheet, True

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._queues: dict[str, dict[tuple[str, ...], deque[Task]]] = {}  # component -> resources -> ops
        self._load: dict[str, int] = {}  # ticks queued
        self._queued: dict[str, int] = {}  # ops queued
        self._waiting = 0  # of all queues together
        self._ways: dict[str, set[tuple[str, ...]]] = {}  # component -> resources that queued ops would take there
        self._noted: dict[Op, Sequence[tuple[str, ...]]] = {}
        self._number = 0

    def placeable(self, job: Job, op: int, view: View) -> None:
        if not self._queues:
            self._queues = {name: {} for name in view.components}
            self._ways = {name: set() for name in view.components}
            self._load, self._queued = dict.fromkeys(view.components, 0), dict.fromkeys(view.components, 0)
        options, durations = view.options(job, op), view.durations(job, op)
        near = next((at for p in reversed(job.graph.producers[op]) if (at := job.placed[p]) in options), None)
        if near is None:
            loads = [self._load[name] + ticks for name, ticks in zip(options, durations, strict=True)]
            k = loads.index(min(loads))
        else:
            k = options.index(near)
        self._note(job, op, view)
        self._number += 1
        self._waiting += 1
        queue = self._queues[options[k]].setdefault(view.holds(job, op)[k], deque())
        queue.append(Task(self._number, job, op, durations[k]))
        self._load[options[k]] += durations[k]
        self._queued[options[k]] += 1

    def turn(self, view: View) -> Iterator[tuple[Job, Decision]]:
        for name, task in self._takes(view):
            decision = estimate(task.job, task.op, name, view)
            yield task.job, decision
            if decision.offer.plan.after is not None:  # what is stored has changed, and so may every way
                for each in [task for queues in self._queues.values() for queue in queues.values() for task in queue]:
                    self._note(each.job, each.op, view)

    def _takes(self, view: View) -> Iterator[tuple[str, Task]]:
        """Components with the ops that they start, of their own and then of others."""
        for name in [name for name, count in self._queued.items() if count]:
            while any(map(view.idle, self._queues[name])) and (task := self._own(name, view)) is not None:
                yield name, task
        for name, ways in self._ways.items():
            if not self._waiting:
                return
            while any(map(view.idle, ways)) and (task := self._stolen(name, view)) is not None:
                yield name, task

    def _note(self, job: Job, op: int, view: View) -> None:
        """Remember what the op would take on each of its options."""
        holds = view.holds(job, op)
        if self._noted.get(job.graph.ops[op]) is not holds:
            self._noted[job.graph.ops[op]] = holds
            for name, names in zip(view.options(job, op), holds, strict=True):
                self._ways[name].add(names)

    def _own(self, name: str, view: View) -> Task | None:
        """The oldest op of its own that can start."""
        able = [queue for holds, queue in self._queues[name].items() if queue and view.idle(holds)]
        if not able:
            return None
        task = min(able, key=lambda queue: queue[0].number).popleft()
        self._taken(name, task)
        return task

    def _stolen(self, name: str, view: View) -> Task | None:
        """The youngest op of the longest queue that is worth stealing."""
        victims = [other for other, count in self._queued.items() if count and other != name]
        for victim in sorted(victims, key=lambda other: -self._load[other]):
            for queue in self._queues[victim].values():
                for task in islice(reversed(queue), REACH):
                    if self._pays(task, name, victim, view):
                        queue.remove(task)
                        self._taken(victim, task)
                        return task
        return None

    def _taken(self, queue: str, task: Task) -> None:
        self._load[queue] -= task.ticks
        self._queued[queue] -= 1
        self._waiting -= 1

    def _pays(self, task: Task, thief: str, victim: str, view: View) -> bool:
        """Whether the thief can start the op now, and would end it before the victim has done all that it has."""
        options = view.options(task.job, task.op)
        if thief not in options:
            return False
        k, left = options.index(thief), self._load[victim]
        if view.durations(task.job, task.op)[k] > left or not view.idle(view.holds(task.job, task.op)[k]):
            return False
        return estimate(task.job, task.op, thief, view).end - view.now <= left
