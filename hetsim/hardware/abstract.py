"""Abstract processors: they run a task in the time that the task itself says, for scheduling studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from hetsim.hardware.component import Component, Moment, Outcome, Plan, Residency, Sheet, Step, register

if TYPE_CHECKING:
    from hetsim.workload import Array, Op


class AbstractSheet(Sheet):
    """Datasheet of an abstract processor: tasks say what they cost on it."""

    kind: Literal["abstract"] = "abstract"


@register
class AbstractProcessor(Component[AbstractSheet]):
    """One task at a time, each for the seconds and joules that its ``cost`` gives for this component."""

    kind, sheet_type = "abstract", AbstractSheet

    def __init__(self, name: str, sheet: AbstractSheet) -> None:
        super().__init__(name, sheet)
        self._holds = (f"{name}.core",)

    def supports(self, op: Op) -> str:
        if op.cost is None:
            return f"runs abstract tasks, not {op.kind}"
        return "" if self.name in op.cost else "the task gives no cost for it"

    def plan(self, op: Op, residency: Residency) -> Plan:
        assert op.cost is not None, "only supported ops are planned"
        cost = op.cost[self.name]
        return Plan(
            holds=self._holds,
            output_bytes=tuple([t.nbytes for t in op.outputs]),
            steps=(Step("run", 1, cost.seconds, cost.joules, "compute"),),
            fill=cost.seconds,
        )

    def quote(self, op: Op, residency: Residency) -> tuple[tuple[str, ...], float]:
        assert op.cost is not None, "only supported ops are planned"
        return self._holds, op.cost[self.name].seconds

    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """A task moves bytes without meaning: its outputs are zeros that take no memory."""
        import numpy as np

        return Outcome(tuple(np.broadcast_to(np.uint8(0), t.shape) for t in op.outputs))
