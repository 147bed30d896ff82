"""The contract between hardware and everybody else: what a component is asked, and what it answers.

Hardware is pure. It never touches the clock: it says what an op would take (`Plan`) and, when the engine
starts the op, what the numbers are (`Outcome`). State that changes in a run (conductances, wear) lives in an
object that the component makes for the run and that the engine hands back to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from hetsim.registry import Registry
from hetsim.units import Power

if TYPE_CHECKING:
    from hetsim.workload import Array, Op, Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction with its repeats: accounted, never queued for.

    ``seconds`` and ``joules`` are for one repeat. ``component`` names another part that pays for it (a shared
    DRAM), empty for the one that runs the op. ``expected`` marks energy that depends on the data: without
    numbers it is this expectation, with numbers `Outcome.steps` replaces it.
    """

    name: str
    count: float
    seconds: float
    joules: float
    category: str
    component: str = ""
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """A stored matrix on a component: which one, how many of the component's slots (tiles) it takes, and whether it
    is the tensor's transpose."""

    tensor: str
    version: int
    slots: int
    transposed: bool = False


@dataclass(frozen=True, slots=True)
class Residency:
    """What is stored on a component, oldest first, and how many slots are free. Immutable: it keys memoised plans."""

    placed: tuple[Placement, ...] = ()
    free: int = 0

    def holds(self, tensor: Tensor) -> bool:
        """Whether this very version of the tensor is stored."""
        return any(p.tensor == tensor.name and p.version == tensor.version for p in self.placed)

    def placing(self, new: Placement) -> tuple[Residency, tuple[str, ...]]:
        """The residency with another matrix, and the names of those that make room: other versions of it, then the
        oldest, as long as there are too few free slots."""

        def outdated(place: Placement) -> bool:
            return place.tensor == new.tensor and place.version != new.version

        placed, free, evicted = list(self.placed), self.free, list[str]()
        for old in sorted(self.placed, key=outdated, reverse=True):
            if free >= new.slots and not outdated(old):
                break
            placed.remove(old)
            free += old.slots
            evicted.append(old.tensor)
        return Residency((*placed, new), free - new.slots), tuple(evicted)


@dataclass(frozen=True, slots=True)
class Room:
    """A memory of ``size`` bytes in which a component's data lie, by its ``name``; what has no room goes to the
    component ``spill``, or without one is an error."""

    name: str
    size: float
    spill: str | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """A component that was idle for ``after`` seconds sleeps: it draws ``saved`` watts less than its static power, and
    takes ``wake`` seconds to begin an op."""

    after: float
    wake: float
    saved: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """What it took to store weights before t = 0, reported apart from the run."""

    seconds: float = 0.0
    joules: float = 0.0
    pulses: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What running an op on a component takes when nothing contends. Times in seconds, energies in joules.

    The op queues for all its ``holds`` (names of resources, the component's name first: ``imc.tiles:conv1``),
    spends ``setup`` (program, launch), then delivers ``chunks`` equal parts of its output, the first after
    ``fill``, then one every ``interval``. ``demands`` are amounts asked of shared-rate ports (``gpu.memory``,
    in bytes or operations), served side by side from the end of setup on; the op ends when the pipeline and
    every demand are done. ``streams`` says that its chunks may be passed on, and taken in, one by one.
    ``crossings`` are the lanes within the component that its chunks cross, which other ops may cross too, with the
    seconds that all of them take there; the first chunk's are part of ``fill``.
    ``output_bytes`` has an entry for each output, in this component's format. ``after`` is the residency that
    the op leaves behind when it stores something new; ``deployment`` what was stored for it before t = 0.
    """

    holds: tuple[str, ...]
    output_bytes: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    setup: float = 0.0
    fill: float = 0.0
    interval: float = 0.0
    chunks: int = 1
    demands: tuple[tuple[str, float], ...] = ()
    streams: bool = False
    after: Residency | None = None
    deployment: Deployment | None = None
    crossings: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.chunks < 1 or min(self.setup, self.fill, self.interval) < 0:
            raise ValueError("a plan has at least one chunk and no negative time")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a step really took, in all its repeats together: replaces the plan's expectation."""

    count: float
    joules: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The numbers of an op, and what was measured while computing them.

    ``steps`` replaces the plan's steps of the same name; ``setup`` the plan's setup time in seconds (write-verify
    took as many pulses as it took); ``deployment`` the plan's deployment. ``counts`` are added up over the run
    and reported as metrics (``adc_conversions``, ``adc_clipped`` …).
    """

    outputs: tuple[Array, ...]
    steps: Mapping[str, Measured] = field(default_factory=dict)
    setup: float | None = None
    deployment: Deployment | None = None
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """When, under what key and how an op is computed.

    ``time`` is in seconds of simulated time; ``ideal`` keeps quantisation and drops noise, error and drift;
    ``threads`` is how many onnxruntime may use.
    """

    time: float
    key: int
    ideal: bool = False
    threads: int = 1


class Sheet(BaseModel):
    """The datasheet that all components share. ``origin`` names the library file it came from and its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    kind: str
    title: str = ""
    references: tuple[str, ...] = ()
    origin: Mapping[str, str] | None = None
    static_power: Power = 0.0


S = TypeVar("S", bound=Sheet)


class Component(ABC, Generic[S]):
    """A part that runs ops or holds data: datasheet in, plans and numbers out.

    A subclass is one module in `hetsim.hardware`: it sets ``kind`` and ``sheet_type`` and is registered by
    `register`. All resource and port names it uses start with ``self.name + "."`` or with the name of another
    component that its datasheet names (a shared memory).
    """

    kind: ClassVar[str]
    sheet_type: ClassVar[type[Sheet]]

    def __init__(self, name: str, sheet: S) -> None:
        self.name, self.sheet = name, sheet

    @abstractmethod
    def supports(self, op: Op) -> str:
        """Empty when the component can run the op, else the reason why not, in a few words."""

    @abstractmethod
    def plan(self, op: Op, residency: Residency) -> Plan:
        """What the op takes, given what is stored. Pure; the same arguments give an equal plan."""

    def quote(self, op: Op, residency: Residency) -> tuple[tuple[str, ...], float] | None:
        """The sorted holds and the seconds that ``plan`` comes to when nothing contends, if that is known without it.

        For systems in which plans are few among many offers. None (default): ask for the plan.
        """
        return None

    @abstractmethod
    def compute(self, op: Op, inputs: Sequence[Array | None], state: Any, moment: Moment, plan: Plan) -> Outcome:
        """The op's numbers in this component's arithmetic. ``inputs`` follow ``op.inputs`` (constants filled in)."""

    def plain(self, op: Op) -> bool:
        """Whether ``compute`` gives just what `hetsim.numerics.run` gives, so that the engine may put it off."""
        return False

    def bind(self, others: Mapping[str, Component[Any]]) -> None:
        """Called once, when all components of the system are built: look up those that the datasheet names."""
        return None

    def capacities(self) -> Mapping[str, int]:
        """How many ops may hold each resource at once; a resource not listed has one place."""
        return {}

    def ports(self) -> Mapping[str, float]:
        """Shared-rate ports and their rates, in the unit of the demands per second."""
        return {}

    def room(self) -> Room | None:
        """The memory that holds what its ops read and write, if it has a bound."""
        return None

    def footprint(self, tensor: Tensor) -> int:
        """Bytes that a tensor takes there."""
        return tensor.nbytes

    def residency(self) -> Residency:
        """What is stored before anything was placed."""
        return Residency()

    def state(self, key: int) -> Any:
        """A fresh state for one run; ``key`` decides its device-to-device variation."""
        return None

    def static_power(self) -> float:
        """Power drawn whether it works or not, in watts."""
        return self.sheet.static_power

    def sleep(self) -> Sleep | None:
        """When it sleeps and how it wakes, if it does."""
        return None

    def peaks(self) -> Mapping[str, float]:
        """Datasheet peaks from a full array: ``peak_ops_per_s``, ``peak_ops_per_J``, ``peak_power_W`` where known."""
        return {}

    def report(self, state: Any, seconds: float) -> Mapping[str, float]:
        """Metrics of the component's state after a run of so many seconds: wear, lifetime. Empty by default."""
        return {}


_KINDS = Registry("component", ("hetsim.hardware",), "hetsim.components")
register = _KINDS.register


def kinds() -> Registry:
    """Every kind of component: the modules of this package, and entry points ``hetsim.components`` of others."""
    return _KINDS
