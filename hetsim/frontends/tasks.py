"""Abstract task graphs: tasks with given costs, and the bytes that they send each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hetsim.errors import InputError, Problem, did_you_mean
from hetsim.units import Bytes, Energy, Time
from hetsim.workload import Call, Cost, Graph, Op, Program, Tensor, Workload, WorkloadSheet, register


class Task(BaseModel):
    """One task: what it costs on each component that can run it, and the bytes it reads ``after`` others."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    cost: Mapping[str, Time] = Field(min_length=1)
    energy: Mapping[str, Energy] = {}
    after: Mapping[str, Bytes] = {}
    release: Time = 0.0


class TasksSheet(WorkloadSheet):
    """A task graph by name of task."""

    tasks: Mapping[str, Task] = Field(min_length=1)


@register
class Tasks(Workload):
    """Every request runs the graph once. Nothing starts or ends at a host, and no numbers are computed."""

    kind, sheet_type = "tasks", TasksSheet

    def __init__(self, sheet: TasksSheet, folder: Path | None = None) -> None:
        super().__init__(sheet, folder)
        wrong = [problem for name, task in sheet.tasks.items() for problem in _wrong(name, task, sheet.tasks)]
        if wrong:
            raise InputError(wrong)
        self._graph = _graph(sheet.tasks)

    def graphs(self) -> Sequence[Graph]:
        return (self._graph,)

    def program(self, request: int, numbers: bool) -> Program:
        yield Call(self._graph, {})
        return None


def _wrong(name: str, task: Task, tasks: Mapping[str, Task]) -> list[Problem]:
    """What of a task refers to nothing."""
    path = f"workload.tasks.{name}"
    found = [
        Problem(f"task {name!r} waits for {other!r}, which does not exist", did_you_mean(other, tasks),
                path=f"{path}.after.{other}")
        for other in task.after if other not in tasks
    ]  # fmt: skip
    found += [
        Problem(f"task {name!r} has an energy on {part!r} but no cost there", did_you_mean(part, task.cost),
                path=f"{path}.energy.{part}")
        for part in task.energy if part not in task.cost
    ]  # fmt: skip
    return found


def _graph(tasks: Mapping[str, Task]) -> Graph:
    """One op a task, one tensor an edge."""
    sent: dict[str, dict[str, Tensor]] = {name: {} for name in tasks}
    for name, task in tasks.items():
        for other, size in task.after.items():
            sent[other][name] = Tensor(f"{other}>{name}", (_whole(size, name, other),), "byte")
    ops = [
        Op(
            name,
            "Task",
            inputs=tuple(sent[other][name] for other in task.after),
            outputs=tuple(sent[name].values()),
            cost={part: Cost(seconds, task.energy.get(part, 0.0)) for part, seconds in task.cost.items()},
            release=task.release,
        )
        for name, task in tasks.items()
    ]
    return Graph("tasks", ops)


def _whole(size: float, name: str, other: str) -> int:
    if not size.is_integer():
        path = f"workload.tasks.{name}.after.{other}"
        raise InputError.of(f"{size!r} B is not a whole number of bytes", path=path)
    return int(size)
