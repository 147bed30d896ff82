"""The contract of a scheduler: what it is asked, what it may know, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from hetsim.hardware.component import Plan
from hetsim.registry import Registry
from hetsim.workload import Graph


class SchedulerSheet(BaseModel):
    """Settings that all schedulers share.

    ``pin`` restricts ops (by name or shell pattern such as ``conv*``) to a component or to several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    kind: str
    objective: Literal["makespan", "energy", "energy_delay"] = "makespan"
    split: Literal["none"] = "none"
    pin: Mapping[str, str | tuple[str, ...]] = {}


class Job(Protocol):
    """A graph in the run: what of it is placed where, and when each op is expected to end."""

    @property
    def graph(self) -> Graph: ...
    @property
    def request(self) -> int: ...
    @property
    def placed(self) -> Sequence[str | None]:
        """Component of each op, None while it has none."""


class Offer(Protocol):
    """What an op would take on a component: its plan, in the engine's terms."""

    @property
    def plan(self) -> Plan: ...
    @property
    def component(self) -> str: ...
    @property
    def holds(self) -> tuple[str, ...]: ...
    @property
    def duration(self) -> int:
        """Ticks from start to end when nothing slows it down."""

    @property
    def joules(self) -> float:
        """Energy without static power, and without moving the inputs."""


class View(Protocol):
    """A read-only picture of the system, with every decision so far applied. Times are in ticks.

    Everything is an estimate for a system in which nothing more contends, from the very plans that the engine
    executes; what has already happened is exact.
    """

    @property
    def now(self) -> int: ...

    def options(self, job: Job, op: int) -> Sequence[str]:
        """Components that can run the op and to which it is not forbidden, in the order of the scenario."""

    def offer(self, job: Job, op: int, component: str) -> Offer:
        """What the op takes on the component, given all that has been placed."""

    def joules(self, job: Job, op: int, offer: Offer) -> float:
        """Energy of the op and of moving its inputs to the offer's component, without static power."""

    def arrival(self, job: Job, op: int, component: str) -> int:
        """When the op's inputs are at the component: its placed producers' expected ends plus transfers."""

    def edge(self, job: Job, producer: int, consumer: int, source: str, target: str) -> int:
        """Ticks for moving what ``consumer`` reads of ``producer``, from ``source`` to ``target``."""

    def free(self, hold: str) -> int:
        """When a place in a resource becomes free behind everything placed there so far."""

    def capacity(self, hold: str) -> int:
        """How many ops may hold the resource at once."""


class Decision(NamedTuple):
    """Op ``op`` of the job takes an offer, expected from ``start`` to ``end`` (ticks).

    With ``ordered``, the engine grants each of the op's resources in order of ``start`` among ordered ops, even
    if a later one is ready first; without it first come is first served.
    """

    op: int
    offer: Offer
    start: int
    end: int
    ordered: bool = False


T = TypeVar("T", bound=SchedulerSheet)


class Scheduler(ABC, Generic[T]):
    """A policy. A subclass is one module in `hetsim.schedulers`, registered by `register`.

    An instance belongs to one run and may keep state. Ties are broken by the scenario's order of components.
    """

    kind: ClassVar[str]
    sheet_type: ClassVar[type[SchedulerSheet]] = SchedulerSheet

    def __init__(self, sheet: T, seed: int = 0) -> None:
        self.sheet, self.seed = sheet, seed

    def arrived(self, job: Job, view: View) -> Iterable[Decision]:
        """Asked once when a graph arrives; may place any ops, all of them, or (default) none.

        Each decision is applied to the view as it is yielded.
        """
        return ()

    @abstractmethod
    def placeable(self, job: Job, op: int, view: View) -> Decision:
        """Asked for an op whose producers are all placed and which ``arrived`` left open."""


def estimate(job: Job, op: int, component: str, view: View) -> Decision:
    """The decision that appends the op behind all that is placed on the component."""
    offer = view.offer(job, op, component)
    start = view.arrival(job, op, component)
    for hold in offer.holds:
        start = max(start, view.free(hold))
    return Decision(op, offer, start, start + offer.duration)


def cheapest(candidates: Iterable[Decision], job: Job, view: View, objective: str) -> Decision:
    """The candidate that is best for the objective; the first of equals."""
    if objective == "makespan":
        return min(candidates, key=lambda d: d.end)
    if objective == "energy":
        return min(candidates, key=lambda d: (view.joules(job, d.op, d.offer), d.end))
    return min(candidates, key=lambda d: view.joules(job, d.op, d.offer) * (d.end - view.now))


_KINDS = Registry("scheduler", ("hetsim.schedulers",), "hetsim.schedulers")
register = _KINDS.register


def scheduler_kinds() -> Registry:
    """Every policy: the modules of this package, and entry points ``hetsim.schedulers`` of others."""
    return _KINDS
