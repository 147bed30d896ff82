"""A scenario: a whole question, read from a file, checked, and made into what the engine runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from hetsim import rules
from hetsim.counted import expanded, folded
from hetsim.diagnosis import problems
from hetsim.document import Node, Source, of, shared
from hetsim.errors import InputError, Problem, gathering
from hetsim.hardware.component import kinds
from hetsim.hardware.link import link_kinds
from hetsim.kinds import (
    ComponentBlock,
    LinkBlock,
    MaybeWorkload,
    SchedulerBlock,
    WorkloadBlock,
    workload_kind,
)
from hetsim.mix import Mix
from hetsim.placement import pinned
from hetsim.resolve import edited, files_of, opened, with_times
from hetsim.salvage import judged, salvaged
from hetsim.schedulers.scheduler import Scheduler, scheduler_kinds
from hetsim.shaping import Shaping
from hetsim.system import System
from hetsim.traffic import Batch, Traffic
from hetsim.units import Amount, Ratio, Time
from hetsim.workload import Graph, Workload, WorkloadSheet, workload_kinds

_NAMING = ("system.links", "scheduler.pin", "scheduler.split")  # what names parts, which a wrong count leaves unknown
_TRIES = 4  # to read what is left of a scenario in which something is wrong

__all__ = ["Expectation", "Parts", "Scenario", "Traffic", "load"]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Parts(_Form):
    """The system of a scenario. ``host`` is where inputs start and programs run: by default the first CPU."""

    host: str | None = None
    components: Mapping[str, ComponentBlock] = Field(min_length=1)
    links: Mapping[str, LinkBlock] = {}

    @model_validator(mode="before")
    @classmethod
    def _first_cpu_is_host(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("host") is not None:
            return data
        parts = data.get("components")
        blocks = parts.items() if isinstance(parts, Mapping) else ()
        cpus = [name for name, block in blocks if isinstance(block, Mapping) and block.get("kind") == "cpu"]
        return {**data, "host": cpus[0] if cpus else None}


class Expectation(_Form):
    """A published or demanded answer: ``value`` within a relative tolerance, or bounds, of a result's metric.

    ``known_miss`` says why a prediction that misses is kept.
    """

    metric: str = Field(min_length=1)
    value: Amount | None = None
    within: Ratio | None = None
    min: Amount | None = None
    max: Amount | None = None
    source: str = ""
    known_miss: str = ""

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if self.value is None and self.min is None and self.max is None:
            raise ValueError("nothing is expected: give min, max, or value and within")
        if (self.value is None) != (self.within is None):
            raise ValueError("value and within belong together, such as value: 2 mJ, within: 10 %")
        return self


class Scenario(_Form):
    """The whole question. `load` makes one from a file; the fields are those of the file.

    ``workload`` is what runs; or ``workloads`` are several, by name, that share the system, each with ``traffic`` of
    its own: one without has that of the scenario.
    ``repeat`` asks the same of several chips (seeds); ``marks`` is how many times a streaming op announces
    progress, 0 for never: then every op waits for the whole of its inputs; ``warmup`` requests are left out of
    latency statistics; ``threads`` are onnxruntime's.
    """

    description: str = ""
    seed: StrictInt = Field(default=0, ge=0)
    repeat: StrictInt = Field(default=1, ge=1)
    parts: Parts = Field(alias="system")
    workloads: Mapping[str, WorkloadBlock] = {}
    workload: MaybeWorkload = Field(default=None, validate_default=True)
    traffic: Traffic = Batch()
    scheduler: SchedulerBlock = Field(default_factory=dict, validate_default=True)
    numerics: Literal["analog", "ideal", "none"] = "analog"
    sweep: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    expect: tuple[Expectation, ...] = ()
    marks: StrictInt = Field(default=4, ge=0)
    warmup: StrictInt = Field(default=0, ge=0)
    max_time: Time | None = Field(default=None, gt=0)
    max_events: Annotated[StrictInt, Field(ge=1)] | None = None
    threads: StrictInt = Field(default=1, ge=1)

    @field_validator("workload")
    @classmethod
    def _something_runs(cls, block: WorkloadSheet | None, info: ValidationInfo) -> WorkloadSheet | None:
        if block is not None and info.data.get("workloads"):
            raise ValueError("workload is one and workloads are several; give one of the two")
        if block is None and info.data.get("workloads") == {}:
            raise PydanticKnownError("missing")
        return block

    _tree: Node = PrivateAttr(default_factory=lambda: Node({}, Source("scenario", Path())))
    _whole: Node = PrivateAttr(default_factory=lambda: Node({}, Source("scenario", Path())))  # every part on its own
    _name: str = PrivateAttr(default="scenario")

    # --- what the engine runs ---

    @property
    def name(self) -> str:
        """The scenario's name in the library, or that of its file."""
        return self._name

    def system(self) -> System:
        """The components and links, built from their datasheets."""
        part_kinds, link_types = kinds(), link_kinds()
        components, links = {}, {}
        for name, sheet in self.parts.components.items():
            with self._placing(f"system.components.{name}"):
                components[name] = part_kinds[sheet.kind](name, sheet)
        for name, link in self.parts.links.items():
            with self._placing(f"system.links.{name}"):
                links[name] = link_types[link.kind](name, link)
        return System(components, links, self.parts.host)

    def build_workload(self) -> Workload:
        """The workload, or several as one `Mix`."""
        if self.workload is not None:
            return self._built(self.workload, "workload")
        return Mix({name: self._built(sheet, self.path_of(name)) for name, sheet in self.workloads.items()})

    def _built(self, sheet: WorkloadSheet, path: str) -> Workload:
        """A block's workload; files that the block names are found beside the file that names them."""
        known = workload_kinds()
        folder, found = files_of(self._tree.place(path.split(".")))
        kind = workload_kind(sheet.model_dump(), known)[1]
        with self._placing(path):
            workload: Workload = known[kind](sheet.model_copy(update=found), folder)
            return workload

    def path_of(self, tenant: str) -> str:
        """Where a tenant's workload stands in the file; the only workload has no name."""
        return f"workloads.{tenant}" if tenant else "workload"

    def traffic_of(self, tenant: str) -> Traffic:
        """When a tenant's requests arrive."""
        return (self.workloads[tenant].traffic if tenant else None) or self.traffic

    def shortened(self, requests: int, workload: Workload) -> Self:
        """The same question with at most so many requests, of every tenant."""

        def short(tenant: str) -> Traffic:
            traffic = self.traffic_of(tenant)
            most = traffic.requests or workload.tenants[tenant].requests
            return traffic.model_copy(update={"requests": min(requests, most)})

        if self.workload is not None:
            return self.model_copy(update={"traffic": short("")})
        sheets = {name: s.model_copy(update={"traffic": short(name)}) for name, s in self.workloads.items()}
        return self.model_copy(update={"workloads": sheets})

    def build_scheduler(self) -> Scheduler[Any]:
        """A fresh scheduler for one run."""
        with self._placing("scheduler"):
            scheduler: Scheduler[Any] = scheduler_kinds()[self.scheduler.kind](self.scheduler, self.seed)
            return scheduler

    def allowed(self, op: str) -> tuple[str, ...] | None:
        """The components to which an op is pinned, None when it may go anywhere."""
        return pinned(self.scheduler.pin, op)

    def shaping(self, system: System) -> Shaping:
        """What splits ops and replicates matrices before graphs are run."""
        return Shaping(self.scheduler, system)

    def with_seed(self, seed: int) -> Self:
        """The same question with another seed."""
        other = self.model_copy(update={"seed": seed})
        seeded = of(seed, self._tree.source)
        other._tree, other._whole = self._tree.put(("seed",), seeded), self._whole.put(("seed",), seeded)
        return other

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same question with other values, by their path in the resolved scenario."""
        tree = self._tree
        for path, value in changes.items():
            tree = tree.put(path.split("."), of(value, tree.source))
        return type(self)._of(tree, self._name)

    # --- what a person asks of it ---

    def resolved(self) -> dict[str, Any]:
        """Plain JSON data, every default and datasheet filled in: `load` makes the same scenario of it."""
        return folded(self.model_dump(mode="json", by_alias=True, context={}), self._tree)

    def points(self) -> list[tuple[dict[str, Any], Self]]:
        """Every point of the sweep: what is set, and the scenario without axes; the last axis is fastest."""
        base = self._tree.without("sweep")
        axes = [(path, self._tree.place(("sweep", path)).value) for path in self.sweep]
        columns = [[(path, node) for node in nodes] for path, nodes in axes if isinstance(nodes, list)]
        found, wrong = [], list[Problem]()
        for point in itertools.product(*columns):
            try:
                tree = base
                for path, node in point:
                    tree = tree.put(path.split("."), node)
                found.append(({path: node.plain() for path, node in point}, type(self)._of(tree, self._name)))
            except InputError as error:
                wrong += [self._placed(problem, "sweep") for problem in error.problems]
        if wrong:
            raise InputError(dict.fromkeys(wrong))
        return found

    def check(self, workload: Workload | None = None) -> Workload:
        """Raise InputError for all that can be known to be wrong before the run: this needs the graphs.

        Returns the workload that it has built for that, unless one that was built before is given.
        """
        found: list[Problem] = []
        system, graphs, known = None, list[Graph](), False
        with gathering(found):
            system = self.system()
        with gathering(found):
            workload = workload or self.build_workload()
            found += rules.iterations_are_expected(self, workload)
            for tenant, part in workload.tenants.items():
                with self._placing(self.path_of(tenant)):
                    graphs += part.graphs()
            found += rules.names_match_ops(self, graphs)
            known = True
        if system is not None and known:
            with gathering(found):
                shaping = self.shaping(system)
                with self._placing("scheduler"):
                    shaped = [shaping.graph(graph) for graph in graphs]
                for rule in rules.GRAPHS:
                    found += rule(self, shaped, system, shaping.pin)
        self._refuse(found)
        assert workload is not None, "else that is refused"
        return workload

    # --- where things stand in the file ---

    @classmethod
    def _of(cls, tree: Node, name: str, unread: Sequence[Problem] = ()) -> Self:
        """The scenario that a resolved tree describes; ``unread`` is what could not be filled in of it."""
        wrong = [*unread]
        whole = tree = with_times(tree, wrong)
        unsure: tuple[str, ...] = _NAMING
        with gathering(wrong):
            whole, unsure = expanded(tree), ()
        blank = [*wrong]
        scenario, found = cls._read(salvaged(whole, wrong) if wrong else whole)
        wrong += judged([p for p in found if not p.path.startswith(unsure)], blank)
        if scenario is not None:
            scenario._tree, scenario._whole, scenario._name = tree, whole, name
            broken = [problem for rule in rules.FORM for problem in rule(scenario)]
            placed = [scenario._placed(problem, "") for problem in broken]
            wrong += judged([p for p in placed if not p.path.startswith(unsure)], blank)
        if wrong or scenario is None:
            raise InputError(sorted(_told_once(wrong), key=lambda problem: (problem.file, problem.line or 0)))
        return scenario

    @classmethod
    def _read(cls, tree: Node) -> tuple[Self | None, list[Problem]]:
        """The scenario without what is wrong in the tree, if that leaves one, and what is wrong."""
        found: list[Problem] = []
        for _ in range(_TRIES):
            try:
                return cls.model_validate(shared(tree), context={}), found
            except ValidationError as error:
                told = problems(error, tree, cls)
                found = found or told  # what is wrong after that comes of what has been left out
                tree = salvaged(tree, told)
        return None, found

    def _refuse(self, found: Iterable[Problem]) -> None:
        placed = [self._placed(problem, "") for problem in found]
        if placed:
            raise InputError(placed)

    def _placed(self, problem: Problem, path: str) -> Problem:
        path = problem.path or path
        node = self._whole.place(path.split("."))
        return problem.at(node.source.file, node.line, path)

    @contextmanager
    def _placing(self, path: str) -> Iterator[None]:
        """Give an InputError that is raised within the file and line of a path."""
        try:
            yield
        except InputError as error:
            raise InputError(self._placed(problem, path) for problem in error.problems) from None


def _told_once(wrong: Iterable[Problem]) -> Iterable[Problem]:
    """What is wrong in a trace is so for every tenant that takes its times from there."""
    return {(p.file, p.line, p.message, p.path.endswith("traffic.file") or p.path): p for p in wrong}.values()


def load(source: str | Path | Mapping[str, Any], sets: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Return the scenario of a name in the library, of a path (YAML or ``result.json``), or of plain data.

    ``sets`` are ``PATH=VALUE`` changes of the resolved scenario, ``seed`` replaces its seed. Raises
    InputError with everything that is wrong.
    """
    wrong: list[Problem] = []
    tree, name = opened(source, wrong)
    tree = edited(tree, sets, wrong)
    if seed is not None:
        tree = tree.put(("seed",), of(seed, Source("--seed")))
    return Scenario._of(tree, name, wrong)
