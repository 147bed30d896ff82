"""HEFT: heterogeneous earliest finish time, the yardstick of static list scheduling [Topcuoglu 2002]."""

from __future__ import annotations

from collections.abc import Sequence

from hetsim.schedulers.insertion import InsertionScheduler
from hetsim.schedulers.ranking import upward
from hetsim.schedulers.scheduler import Job, SchedulerSheet, View, register


@register
class Heft(InsertionScheduler[SchedulerSheet]):
    """Ops in order of upward rank, each inserted where it finishes first on the component that finishes it first."""

    kind = "heft"

    def priorities(self, job: Job, view: View) -> Sequence[float]:
        return upward(job, view)
