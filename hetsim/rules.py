"""Rules that span a scenario: one small function each, which yields what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hetsim.errors import Problem, did_you_mean
from hetsim.placement import pinned, refusals, severed
from hetsim.system import System
from hetsim.workload import Graph, Workload

if TYPE_CHECKING:
    from hetsim.scenario import Scenario

_PARTS = "system.components"


def names_are_plain(scenario: Scenario) -> Iterator[Problem]:
    """Names of components and links are parts of paths and of resource names."""
    for place in ("components", "links"):
        for name in getattr(scenario.parts, place):
            if not name or set(name) & set(".:>* "):
                hint = "use letters, digits, - and _"
                yield Problem(f"{name!r} cannot be a name", hint, path=f"system.{place}.{name}")


def host_exists(scenario: Scenario) -> Iterator[Problem]:
    """The host is a component."""
    host, parts = scenario.parts.host, scenario.parts.components
    if host is not None and host not in parts:
        yield Problem(f"the host {host!r} is no component", did_you_mean(host, parts), path="system.host")


def links_join_components(scenario: Scenario) -> Iterator[Problem]:
    """Every end of a link is a component, and each stands on it once."""
    parts = scenario.parts.components
    for name, link in scenario.parts.links.items():
        before = set[str]()
        for i, end in enumerate(link.between):
            path = f"system.links.{name}.between.{i}"
            if end not in parts:
                what = f"link {name!r} joins {end!r}, which is no component"
                yield Problem(what, did_you_mean(end, parts), path=path)
            elif end in before:
                yield Problem(f"link {name!r} joins {end!r} twice", "name each component once", path=path)
            before.add(end)


def memories_exist(scenario: Scenario) -> Iterator[Problem]:
    """A memory that a datasheet names is a component."""
    parts = scenario.parts.components
    for name, sheet in parts.items():
        memory = getattr(sheet, "memory", None)
        if isinstance(memory, str) and memory not in parts:
            what = f"{name!r} has its memory in {memory!r}, which is no component"
            yield Problem(what, did_you_mean(memory, parts), path=f"{_PARTS}.{name}.memory")


def pins_name_components(scenario: Scenario) -> Iterator[Problem]:
    """An op can only be pinned to a component."""
    parts = scenario.parts.components
    for pattern, to in scenario.scheduler.pin.items():
        for name in (to,) if isinstance(to, str) else to:
            if name not in parts:
                what = f"{pattern!r} is pinned to {name!r}, which is no component"
                yield Problem(what, did_you_mean(name, parts), path=f"scheduler.pin.{pattern}")


def warmup_leaves_requests(scenario: Scenario) -> Iterator[Problem]:
    """Latency statistics need a request."""
    requests = scenario.traffic.requests
    if requests is not None and scenario.warmup >= requests:
        what = f"warmup leaves out {scenario.warmup} of {requests} requests"
        yield Problem(what, "at least one must remain", path="warmup")


FORM: Sequence[Callable[[Scenario], Iterator[Problem]]] = (
    names_are_plain, host_exists, links_join_components, memories_exist, pins_name_components,
    warmup_leaves_requests,
)  # fmt: skip


def iterations_are_expected(scenario: Scenario, workload: Workload) -> Iterator[Problem]:
    """A program that looks at numbers to know what to do next cannot run without them."""
    expected = getattr(workload.sheet, "expected_iterations", None)
    if scenario.numerics == "none" and workload.decides and expected is None:
        what = "this workload decides on its numbers, and numerics: none computes none"
        yield Problem(what, "give workload.expected_iterations, or use numerics: ideal", path="numerics")


def costs_name_components(scenario: Scenario, graphs: Sequence[Graph], system: System) -> Iterator[Problem]:
    """An abstract task has costs on components of the system."""
    parts = scenario.parts.components
    for graph in graphs:
        for op in graph.ops:
            for name in op.cost or ():
                if name not in parts:
                    what = f"task {op.name!r} has a cost on {name!r}, which is no component"
                    path = f"workload.tasks.{op.name}.cost.{name}"
                    yield Problem(what, did_you_mean(name, parts), path=path)


def pins_name_ops(scenario: Scenario, graphs: Sequence[Graph], system: System) -> Iterator[Problem]:
    """Every pin matches an op."""
    names = {op.name for graph in graphs for op in graph.ops}
    for pattern in scenario.scheduler.pin:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, names)
            yield Problem(f"the pin {pattern!r} matches no op", hint, path=f"scheduler.pin.{pattern}")


def ops_can_run(scenario: Scenario, graphs: Sequence[Graph], system: System) -> Iterator[Problem]:
    """Every op is supported by a component to which it may go."""
    pin = scenario.scheduler.pin
    for op in {op.name: op for graph in graphs for op in graph.ops}.values():
        why = refusals(op, system, pin)
        if all(why.values()):
            reasons = "\n".join(f"{name}: {reason}" for name, reason in why.items())
            path = "scheduler.pin" if pinned(pin, op.name) is not None else "workload"
            yield Problem(f"no component can run op {op.name!r} ({op.kind})", reasons, path=path)


def data_can_move(scenario: Scenario, graphs: Sequence[Graph], system: System) -> Iterator[Problem]:
    """Between any two components on which ops that share data may be placed there is a route."""
    pin, told = scenario.scheduler.pin, set[tuple[str, str]]()
    for graph in graphs:
        options: Mapping[str, tuple[str, ...]] = {
            op.name: tuple(n for n, why in refusals(op, system, pin).items() if not why) for op in graph.ops
        }
        for a, b, sender, reader in severed(graph, options, system):
            if (a, b) in told:
                continue
            told.add((a, b))
            what = f"{reader!r}, which may run on {b}, reads from {sender!r}, which may run on {a}"
            if not sender:
                what = f"{reader!r}, which may run on {b}, reads an input that starts at the host {a}"
            if not reader:
                what = f"{sender!r}, which may run on {a}, writes an output for the host {b}"
            hint = "add a link, or pin the ops to components that are joined (scheduler.pin)"
            yield Problem(f"{what}; no link leads from {a} to {b}", hint, path="system.links")


def host_is_there(scenario: Scenario, graphs: Sequence[Graph], system: System) -> Iterator[Problem]:
    """Inputs and outputs are at a host."""
    if system.host is None and any(graph.inputs or graph.outputs for graph in graphs):
        what = "the workload's inputs start at the host, and the system has no cpu to be it"
        yield Problem(what, "name a component with system.host", path="system")


GRAPHS: Sequence[Callable[[Scenario, Sequence[Graph], System], Iterator[Problem]]] = (
    costs_name_components, pins_name_ops, ops_can_run, host_is_there, data_can_move,
)  # fmt: skip
