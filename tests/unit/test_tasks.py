"""Abstract task graphs: from the text of a file to ops, edges and costs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hetsim.errors import InputError
from hetsim.frontends.tasks import Tasks, TasksSheet
from hetsim.workload import Call, Cost


def built(**tasks: Any) -> Tasks:
    return Tasks(TasksSheet.model_validate({"tasks": tasks}))


def test_tasks_become_ops_and_what_they_send_becomes_tensors() -> None:
    workload = built(
        b={"cost": {"P2": "3 s"}, "after": {"a": "18 B", "c": "1 KiB"}, "release": "10 s"},
        a={"cost": {"P1": "14 s", "P2": "16 s"}, "energy": {"P1": "3 J"}},
        c={"cost": {"P1": "1 s"}, "after": {"a": "0 B"}},
    )
    (graph,) = workload.graphs()
    assert [op.name for op in graph.ops] == ["a", "c", "b"]
    a, c, b = graph.ops
    assert a.kind == "Task" and a.cost == {"P1": Cost(14.0, 3.0), "P2": Cost(16.0, 0.0)}
    assert (a.release, b.release) == (0.0, 10.0)
    assert [(t.name, t.nbytes, t.dtype) for t in a.outputs] == [("a>b", 18, "byte"), ("a>c", 0, "byte")]
    assert [t.name for t in b.moving] == ["a>b", "c>b"] and b.inputs[1] is c.outputs[0]
    assert graph.producers == ((), (0,), (0, 1)) and not graph.inputs and not graph.outputs
    assert (workload.requests, workload.decides) == (1, False)


def test_every_request_runs_the_same_graph() -> None:
    workload = built(a={"cost": {"P1": "1 s"}})
    for request in range(2):
        program = workload.program(request, numbers=True)
        call = next(program)
        assert isinstance(call, Call) and call.graph is workload.graphs()[0] and call.feeds == {}
        with pytest.raises(StopIteration) as end:
            program.send({})
        assert end.value.value is None
    assert workload.score([None, None]) == {}


def test_everything_that_refers_to_nothing_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        built(
            task1={"cost": {"P1": "1 s"}, "after": {"task9": "1 B"}},
            other={"cost": {"P1": "1 s"}, "energy": {"P2": "1 J"}},
        )
    assert [(p.path, p.message, p.hint) for p in error.value.problems] == [
        ("workload.tasks.task1.after.task9", "task 'task1' waits for 'task9', which does not exist",
         "did you mean 'task1'?"),
        ("workload.tasks.other.energy.P2", "task 'other' has an energy on 'P2' but no cost there", "known: P1"),
    ]  # fmt: skip


@pytest.mark.parametrize("chain", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_cycles_are_refused(chain: list[str]) -> None:
    cost = {"P1": "1 s"}
    tasks = {n: {"cost": cost, "after": {chain[i - 1]: "1 B"}} for i, n in enumerate(chain)}
    with pytest.raises(InputError, match="the workload has a cycle"):
        built(**tasks)


def test_half_a_byte_cannot_be_sent() -> None:
    with pytest.raises(InputError) as error:
        built(a={"cost": {"P": "1 s"}}, b={"cost": {"P": "1 s"}, "after": {"a": "4 bit"}})
    assert error.value.problems[0].path == "workload.tasks.b.after.a"


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"cost": {}},
        {"cost": {"P1": 1}},
        {"cost": {"P1": "-1 s"}},
        {"cost": {"P1": "1 J"}},
        {"cost": {"P1": "1 s"}, "energy": {"P1": "-1 J"}},
        {"cost": {"P1": "1 s"}, "after": {"a": "-1 B"}},
        {"cost": {"P1": "1 s"}, "release": "-1 s"},
        {"cost": {"P1": "1 s"}, "colour": "red"},
    ],
)
def test_a_task_that_makes_no_sense_is_refused(task: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        built(a=task)


def test_there_is_at_least_one_task() -> None:
    with pytest.raises(ValidationError):
        built()
