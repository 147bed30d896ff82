"""Abstract processors: a task takes what it says."""

from __future__ import annotations

import numpy as np
import pytest
from operands import dense

from hetsim.hardware.abstract import AbstractProcessor, AbstractSheet
from hetsim.hardware.component import Moment
from hetsim.workload import Cost, Op, Tensor

P1 = AbstractProcessor("P1", AbstractSheet())
SENT = (Tensor("a>b", (10**12,), "byte"), Tensor("a>c", (3,), "byte"))


def task(**costs: Cost) -> Op:
    return Op("a", "Task", (), SENT, cost=costs)


def test_a_task_takes_its_cost() -> None:
    plan = P1.plan(task(P1=Cost(14.0, 3.0), P2=Cost(16.0)), P1.residency())
    assert (plan.holds, plan.setup, plan.fill, plan.chunks) == (("P1.core",), 0.0, 14.0, 1)
    assert [(s.count * s.joules, s.category) for s in plan.steps] == [(3.0, "compute")]
    assert plan.output_bytes == (10**12, 3)


def test_it_runs_only_tasks_that_name_it() -> None:
    assert P1.supports(task(P1=Cost(1.0))) == ""
    assert P1.supports(task(P2=Cost(1.0))) == "the task gives no cost for it"
    assert "runs abstract tasks, not Gemm" in P1.supports(dense()[0])


def test_its_outputs_have_a_size_but_take_no_memory() -> None:
    op = task(P1=Cost(1.0))
    outcome = P1.compute(op, (), None, Moment(0.0, 1), P1.plan(op, P1.residency()))
    assert [y.shape for y in outcome.outputs] == [(10**12,), (3,)]
    assert not outcome.outputs[1].any()
    with pytest.raises(ValueError, match="read-only"):
        outcome.outputs[1][0] = np.uint8(1)
