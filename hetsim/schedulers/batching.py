"""Batching: requests wait for each other for a while, to be served as one."""

from __future__ import annotations

from pydantic import Field, StrictInt

from hetsim.schedulers.delegation import Delegation, DelegationSheet
from hetsim.schedulers.scheduler import register
from hetsim.units import Time


class BatchingSheet(DelegationSheet):
    """Up to ``size`` requests are served as one; the first waits no longer than ``wait`` for the others."""

    size: StrictInt = Field(default=8, ge=1)
    wait: Time = Field(default=1e-3, ge=0)


@register
class Batching(Delegation[BatchingSheet]):
    """One graph with a larger batch in place of several: launches and weights are paid for once.

    Requests of a workload whose graphs cannot be joined are served one by one.
    """

    kind, sheet_type = "batching", BatchingSheet

    def gather(self) -> tuple[int, float]:
        return self.sheet.size, self.sheet.wait
