"""The contract of a scheduler: what it is asked, what it may know, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from operator import add
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, Tag

from hetsim.hardware.component import Plan
from hetsim.registry import Registry
from hetsim.schedulers.splitting import Splits, word_or_mapping
from hetsim.schedulers.spread import Spread
from hetsim.workload import Graph

if TYPE_CHECKING:
    from hetsim.schedulers.trials import Trials

FOREVER = 1 << 62  # ticks: when what never happens is expected

Aim = Literal["makespan", "energy", "energy_delay", "lifetime"]
Mix = Annotated[Mapping[Aim, Annotated[float, Field(gt=0)]], Field(min_length=1)]
Objective = Annotated[Annotated[Aim, Tag("word")] | Annotated[Mix, Tag("mapping")], Discriminator(word_or_mapping)]
Copies = Annotated[
    Annotated[Literal["none", "auto"], Tag("word")]
    | Annotated[Mapping[str, Annotated[StrictInt, Field(ge=1)]], Tag("mapping")],
    Discriminator(word_or_mapping),
]


class SchedulerSheet(BaseModel):
    """Settings that all schedulers share.

    ``objective`` is what each op's place is chosen by: its end, its energy, their product, the write pulses that it
    costs memory cells (``lifetime``), or a mix of them with weights, each relative to the op's best option.
    ``pin`` restricts ops (by name or shell pattern such as ``conv*``) to a component or to several. ``split`` makes
    several ops of one, by name or pattern; ``auto`` where the plans say that it pays. ``replicate`` stores matrices
    several times where they are stored at all, so that as many vectors go through at once; ``auto`` as often as there
    is room for, the slowest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    kind: str
    objective: Objective = "makespan"
    split: Splits = "none"
    replicate: Copies = "none"
    pin: Mapping[str, str | tuple[str, ...]] = {}


class TimeSheet(SchedulerSheet):
    """Settings of a policy that knows of time only."""

    objective: Literal["makespan"] = "makespan"


class Job(Protocol):
    """A graph in the run: what of it is placed where, and when each op is expected to end."""

    @property
    def graph(self) -> Graph: ...
    @property
    def request(self) -> int: ...
    @property
    def placed(self) -> Sequence[str | None]:
        """Component of each op, None while it has none."""

    @property
    def arrival(self) -> int:
        """When the graph arrived, in ticks."""

    @property
    def deadline(self) -> int:
        """The tick by which its request is due, `FOREVER` without a deadline."""

    @property
    def priority(self) -> int:
        """The priority of its request: the higher, the more urgent."""


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

    @property
    def components(self) -> Sequence[str]:
        """All components, in the order of the scenario."""

    def options(self, job: Job, op: int) -> Sequence[str]:
        """Components that can run the op and to which it is not forbidden, in the order of the scenario."""

    def durations(self, job: Job, op: int) -> Sequence[int]:
        """Ticks that the op takes on each of its options, given all that has been placed."""

    def shortest(self, job: Job, op: int) -> Sequence[int]:
        """The numbers of the op's options in order of durations, equals in the order of the scenario."""

    def holds(self, job: Job, op: int) -> Sequence[tuple[str, ...]]:
        """The resources that the op queues for on each of its options."""

    def arrivals(self, job: Job, op: int) -> Spread:
        """When the op's inputs are at each of its options: its placed producers' expected ends plus transfers."""

    def starts(self, job: Job, op: int, arrivals: Spread | None = None) -> list[int]:
        """When the op would start on each of its options, behind all that has been placed there.

        ``arrivals`` are those of the op, if they are known already.
        """

    def energies(self, job: Job, op: int) -> Sequence[float]:
        """Joules of the op on each of its options and of moving its inputs there, without static power."""

    def moves(self, job: Job, producer: int, consumer: int, source: str) -> Spread:
        """Ticks for moving what ``consumer`` reads of ``producer`` from ``source`` to each option of ``consumer``."""

    def mean_move(self, job: Job, producer: int, consumer: int) -> float:
        """Mean ticks for moving it between two different components that may run the two ops."""

    def offer(self, job: Job, op: int, component: str) -> Offer:
        """What the op takes on one component, given all that has been placed."""

    def arrival(self, job: Job, op: int, component: str) -> int:
        """When the op's inputs are at one component."""

    def joules(self, job: Job, op: int, offer: Offer) -> float:
        """Energy of the op and of moving its inputs to the offer's component, without static power."""

    def free(self, hold: str) -> int:
        """When a place in a resource becomes free behind everything placed there so far."""

    def capacity(self, hold: str) -> int:
        """How many ops may hold the resource at once."""

    def idle(self, holds: Sequence[str]) -> bool:
        """Whether each resource has a place for which no op has been placed. For policies that are ``late``."""


class Decision(NamedTuple):
    """Op ``op`` of the job takes an offer, expected from ``start`` to ``end`` (ticks).

    With ``ordered``, the engine grants each of the op's resources in order of ``start`` among ordered ops, even
    if a later one is ready first; without it those of the most urgent job first, and of equals as they come.
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
    A policy that is ``late`` is asked for an op only when the ops that it reads from have ended; it may keep ops back
    and place them in a later `turn`. One that ``prepares`` may try things out before the run.
    """

    kind: ClassVar[str]
    late: bool = False
    prepares: ClassVar[bool] = False
    sheet_type: ClassVar[type[SchedulerSheet]] = SchedulerSheet

    def __init__(self, sheet: T, seed: int = 0) -> None:
        self.sheet, self.seed = sheet, seed

    def prepare(self, trials: Trials) -> Mapping[str, Any] | None:
        """Asked before the run, of a policy that ``prepares``. May answer with settings by their path in the scenario
        (``system.components.imc.adc.bits``) that the run is to have."""
        return None

    def rank(self, job: Job) -> tuple[int, int]:
        """How urgent a graph is that has arrived: of ops that wait in no fixed order the lowest rank goes first."""
        return 0, 0

    def gather(self) -> tuple[int, float]:
        """Up to how many requests' graphs are to be run as one, and for how many seconds the first waits for others."""
        return 1, 0.0

    def arrived(self, job: Job, view: View) -> Iterable[Decision]:
        """Asked once when a graph arrives; may place any ops, all of them, or (default) none.

        Each decision is applied to the view as it is yielded.
        """
        return ()

    @abstractmethod
    def placeable(self, job: Job, op: int, view: View) -> Decision | None:
        """Asked for an op whose producers are all placed and which ``arrived`` left open.

        None keeps the op back; only a policy that is ``late`` may do so.
        """

    def turn(self, view: View) -> Iterable[tuple[Job, Decision]]:
        """Asked, of a policy that is ``late``, after a graph has arrived and after an op has ended.

        Each decision is applied to the view as it is yielded.
        """
        return ()

    def report(self) -> Mapping[str, float]:
        """Metrics of the schedule that the policy knows of: a lower bound, whether it is proved. None by default."""
        return {}

    def remarks(self) -> Sequence[str]:
        """What a person should be told of the schedule. Nothing by default."""
        return ()

    def alternatives(self) -> Sequence[Mapping[str, Any]]:
        """What was weighed against each other before the run, in plain data. Nothing by default."""
        return ()


def estimate(job: Job, op: int, component: str, view: View) -> Decision:
    """The decision that appends the op behind all that is placed on the component."""
    offer = view.offer(job, op, component)
    start = view.arrival(job, op, component)
    for hold in offer.holds:
        start = max(start, view.free(hold))
    return Decision(op, offer, start, start + offer.duration)


def appended(job: Job, op: int, view: View, objective: str | Mapping[Aim, float] = "makespan") -> Decision:
    """The best of the decisions that append the op to one of its options."""
    options = view.options(job, op)
    if len(options) == 1:
        return estimate(job, op, options[0], view)
    starts = view.starts(job, op)
    ends = list(map(add, starts, view.durations(job, op)))
    k = cheapest(job, op, ends, view, objective)
    return Decision(op, view.offer(job, op, options[k]), starts[k], ends[k])


def cheapest(
    job: Job, op: int, ends: Sequence[int], view: View, objective: str | Mapping[Aim, float] = "makespan"
) -> int:
    """Which of the op's options is best for the objective, if it would end at ``ends``, an entry for each.

    Equals are told apart by their end, then by the order of the scenario. Static power is not counted as energy.
    """
    if objective == "makespan" or len(ends) == 1:
        return ends.index(min(ends))
    weights = {objective: 1.0} if isinstance(objective, str) else objective
    columns = [
        [weight * value for value in _relative(_values(aim, job, op, ends, view))] for aim, weight in weights.items()
    ]
    marks = [(inf if end >= FOREVER else sum(column), end) for end, *column in zip(ends, *columns, strict=True)]
    return marks.index(min(marks))


def _values(aim: str, job: Job, op: int, ends: Sequence[int], view: View) -> Sequence[float]:
    """What an objective minimises, for each option of the op."""
    if aim == "makespan":
        return [float(end - view.now) for end in ends]
    if aim == "lifetime":
        plans = [view.offer(job, op, name).plan for name in view.options(job, op)]
        return [sum(step.count for step in plan.steps if step.category == "program") for plan in plans]
    joules = view.energies(job, op)
    return joules if aim == "energy" else [j * (end - view.now) for j, end in zip(joules, ends, strict=True)]


def _relative(values: Sequence[float]) -> Sequence[float]:
    """Values over the least of them; where that is nothing, over the greatest."""
    unit = min(values) or max(values)
    return [value / unit for value in values] if unit else values


_KINDS = Registry("scheduler", ("hetsim.schedulers",), "hetsim.schedulers")
register = _KINDS.register


def scheduler_kinds() -> Registry:
    """Every policy: the modules of this package, and entry points ``hetsim.schedulers`` of others."""
    return _KINDS
