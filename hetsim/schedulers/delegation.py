"""Delegation: a policy that changes what is placed, or when, and leaves where to another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import field_validator

from hetsim.errors import did_you_mean
from hetsim.schedulers.objective import Goal
from hetsim.schedulers.scheduler import Decision, Job, Scheduler, SchedulerSheet, View, scheduler_kinds


class DelegationSheet(SchedulerSheet):
    """``policy`` is the kind of scheduler that places the ops; it has the same objective and pins."""

    policy: str = "heft"

    @field_validator("policy")
    @classmethod
    def _known(cls, policy: str) -> str:
        known = scheduler_kinds()
        if policy not in known:
            raise ValueError(f"no scheduler is of kind {policy!r}; {did_you_mean(policy, known)}")
        return policy


T = TypeVar("T", bound=DelegationSheet)


class Delegation(Scheduler[T]):
    """Hands every question on to the policy that it names."""

    sheet_type: ClassVar[type[SchedulerSheet]] = DelegationSheet

    def __init__(self, sheet: T, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self.policy = named(sheet.policy, sheet, seed)
        self.late = self.policy.late

    def rank(self, job: Job) -> tuple[int, int]:
        return self.policy.rank(job)

    def arrived(self, job: Job, view: View) -> Iterable[Decision]:
        return self.policy.arrived(job, view)

    def placeable(self, job: Job, op: int, view: View) -> Decision | None:
        return self.policy.placeable(job, op, view)

    def turn(self, view: View) -> Iterable[tuple[Job, Decision]]:
        return self.policy.turn(view)

    def report(self) -> Mapping[str, float]:
        return self.policy.report()

    def remarks(self) -> Sequence[str]:
        return self.policy.remarks()

    def alternatives(self) -> Sequence[Mapping[str, Any]]:
        return self.policy.alternatives()


def named(policy: str, sheet: SchedulerSheet, seed: int) -> Scheduler[Any]:
    """A scheduler of a kind with its default settings, and the objective and pins of another one's sheet."""
    kind = scheduler_kinds()[policy]
    block = {"kind": policy, "pin": sheet.pin}
    if "objective" in sheet.model_fields_set and not isinstance(sheet.objective, Goal):
        block["objective"] = sheet.objective
    scheduler: Scheduler[Any] = kind(kind.sheet_type.model_validate(block), seed)
    return scheduler
