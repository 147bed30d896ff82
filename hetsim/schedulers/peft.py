"""PEFT: predict earliest finish time, with an optimistic cost table [Arabnejad 2014]."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import TYPE_CHECKING, Any

from hetsim.schedulers.insertion import InsertionScheduler
from hetsim.schedulers.scheduler import Job, TimeSheet, View, register
from hetsim.schedulers.slots import Slots
from hetsim.workload import Graph

if TYPE_CHECKING:
    import numpy as np

    Table = np.ndarray[Any, np.dtype[np.float64]]


@register
class Peft(InsertionScheduler[TimeSheet]):
    """Ops by the mean of their optimistic costs, each inserted where its finish plus its optimistic cost is least."""

    kind, sheet_type = "peft", TimeSheet

    def __init__(self, sheet: TimeSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._tables: dict[Graph, list[list[float]]] = {}

    def priorities(self, job: Job, view: View) -> Sequence[float]:
        rows = self._tables[job.graph] = optimistic_costs(job, view)
        return [sum(row) / len(row) for row in rows]

    def choose(self, job: Job, op: int, slots: Slots, view: View) -> tuple[int, int]:
        ends = slots.ends()
        costs = list(map(add, ends, self._tables[job.graph][op]))
        k = costs.index(min(costs))
        return k, ends[k]


def optimistic_costs(job: Job, view: View) -> list[list[float]]:
    """What is left to do behind each op on each of its options, if nothing were ever busy [Arabnejad 2014, eq. 3].

    The longest, over the op's consumers, of the shortest, over their components, of the mean time to move the
    data there (none to the same component), the consumer's duration and its own optimistic cost.
    """
    import numpy as np

    size, number = len(job.graph.ops), {name: c for c, name in enumerate(view.components)}
    options = [[number[name] for name in view.options(job, i)] for i in range(size)]
    costs, behind = np.zeros((size, len(number))), np.full((size, len(number)), np.inf)
    for i in reversed(range(size)):
        row = costs[i]
        for j in job.graph.consumers[i]:
            there = behind[j]
            np.maximum(row, np.minimum(there, there.min() + view.mean_move(job, i, j)), out=row)
        behind[i, options[i]] = row[options[i]] + view.durations(job, i)
    return [row[columns].tolist() for row, columns in zip(costs, options, strict=True)]
