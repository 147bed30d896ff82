"""Rules that span a scenario: one small function each, which yields what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hetsim.errors import Problem, did_you_mean
from hetsim.placement import Pin, pinned, refusals, severed
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
    """A memory that a datasheet names is a component, and so is what a memory spills to."""
    parts = scenario.parts.components
    for name, sheet in parts.items():
        memory = getattr(sheet, "memory", None)
        spill = getattr(sheet, "spill", None) or getattr(memory, "spill", None)
        if isinstance(spill, str) and spill not in parts:
            path = f"{_PARTS}.{name}.spill" if hasattr(sheet, "spill") else f"{_PARTS}.{name}.memory.spill"
            yield Problem(f"{name!r} spills to {spill!r}, which is no component", did_you_mean(spill, parts), path=path)
        if isinstance(memory, str) and memory not in parts:
            what = f"{name!r} has its memory in {memory!r}, which is no component"
            yield Problem(what, did_you_mean(memory, parts), path=f"{_PARTS}.{name}.memory")


def pins_name_components(scenario: Scenario) -> Iterator[Problem]:
    """An op can only be pinned to a component, and split over components."""
    parts = scenario.parts.components
    splits = scenario.scheduler.split
    for pattern, split in () if isinstance(splits, str) else splits.items():
        for name in split.over:
            if name not in parts:
                what = f"{pattern!r} is split over {name!r}, which is no component"
                yield Problem(what, did_you_mean(name, parts), path=f"scheduler.split.{pattern}.over")
    for pattern, to in scenario.scheduler.pin.items():
        for name in (to,) if isinstance(to, str) else to:
            if name not in parts:
                what = f"{pattern!r} is pinned to {name!r}, which is no component"
                yield Problem(what, did_you_mean(name, parts), path=f"scheduler.pin.{pattern}")


def tenants_have_names(scenario: Scenario) -> Iterator[Problem]:
    """A tenant's name stands before those of its ops and metrics, where components' names stand too."""
    for name in scenario.workloads:
        path = f"workloads.{name}"
        if not name or set(name) & set("./:>*?[] "):
            yield Problem(f"{name!r} cannot be a name", "use letters, digits, - and _", path=path)
        elif name in (*scenario.parts.components, "scheduler"):
            yield Problem(f"{name!r} is a name of the system too", "give the workload another name", path=path)


def one_traffic(scenario: Scenario) -> Iterator[Problem]:
    """The traffic of the only workload is the scenario's."""
    if scenario.workload is not None and scenario.workload.traffic is not None:
        what = "traffic within a workload is for several workloads"
        yield Problem(what, "write it beside workload, not within", path="workload.traffic")


def warmup_leaves_requests(scenario: Scenario) -> Iterator[Problem]:
    """Latency statistics need a request."""
    for tenant in scenario.workloads or ("",):
        requests = scenario.traffic_of(tenant).requests
        if requests is not None and scenario.warmup >= requests:
            what = f"warmup leaves out {scenario.warmup} of {requests} requests" + (f" of {tenant}" if tenant else "")
            yield Problem(what, "at least one must remain", path="warmup")


FORM: Sequence[Callable[[Scenario], Iterator[Problem]]] = (
    names_are_plain, host_exists, links_join_components, memories_exist, pins_name_components,
    tenants_have_names, one_traffic, warmup_leaves_requests,
)  # fmt: skip


def iterations_are_expected(scenario: Scenario, workload: Workload) -> Iterator[Problem]:
    """A program that looks at numbers to know what to do next cannot run without them."""
    for tenant, part in workload.tenants.items():
        expected = getattr(part.sheet, "expected_iterations", None)
        if scenario.numerics == "none" and part.decides and expected is None:
            what = f"{tenant or 'this workload'} decides on its numbers, and numerics: none computes none"
            hint = f"give {scenario.path_of(tenant)}.expected_iterations, or use numerics: ideal"
            yield Problem(what, hint, path="numerics")


def owner(scenario: Scenario, op: str) -> tuple[str, str]:
    """The tenant to which an op belongs, none of one workload alone, and the op's name within it."""
    tenant, slash, name = op.partition("/")
    return (tenant, name) if slash and tenant in scenario.workloads else ("", op)


def costs_name_components(
    scenario: Scenario, graphs: Sequence[Graph], system: System, pin: Pin
) -> Iterator[Problem]:
    """An abstract task has costs on components of the system."""
    parts = scenario.parts.components
    for graph in graphs:
        for op in graph.ops:
            for name in op.cost or ():
                if name not in parts:
                    what = f"task {op.name!r} has a cost on {name!r}, which is no component"
                    tenant, task = owner(scenario, op.name)
                    path = f"{scenario.path_of(tenant)}.tasks.{task}.cost.{name}"
                    yield Problem(what, did_you_mean(name, parts), path=path)


def names_match_ops(scenario: Scenario, graphs: Sequence[Graph]) -> Iterator[Problem]:
    """Every pattern of the scheduler matches an op."""
    names, sheet = {op.name for graph in graphs for op in graph.ops}, scenario.scheduler
    for key, settings in (("pin", sheet.pin), ("split", sheet.split), ("replicate", sheet.replicate)):
        for pattern in () if isinstance(settings, str) else settings:
            if not any(fnmatchcase(name, pattern) for name in names):
                hint = did_you_mean(pattern, names)
                yield Problem(f"the {key} {pattern!r} matches no op", hint, path=f"scheduler.{key}.{pattern}")


def layers_name_ops(scenario: Scenario, graphs: Sequence[Graph], system: System, pin: Pin) -> Iterator[Problem]:
    """Every layer of which a datasheet says how it is stored is an op or its stored tensor."""
    ops = [op for graph in graphs for op in graph.ops]
    names = {op.name for op in ops} | {t.name for op in ops for t in op.constants}
    for name, sheet in scenario.parts.components.items():
        for pattern in getattr(sheet, "layers", ()):
            if not any(fnmatchcase(known, pattern) for known in names):
                what = f"{pattern!r} is stored in a way of its own on {name!r}, but matches no op and no stored tensor"
                yield Problem(what, did_you_mean(pattern, names), path=f"{_PARTS}.{name}.layers.{pattern}")


def ops_can_run(scenario: Scenario, graphs: Sequence[Graph], system: System, pin: Pin) -> Iterator[Problem]:
    """Every op is supported by a component to which it may go."""
    for op in {op.name: op for graph in graphs for op in graph.ops}.values():
        why = refusals(op, system, pin)
        if all(why.values()):
            reasons = "\n".join(f"{name}: {reason}" for name, reason in why.items())
            own = scenario.path_of(owner(scenario, op.name)[0])
            path = "scheduler.pin" if pinned(scenario.scheduler.pin, op.name) is not None else own
            yield Problem(f"no component can run op {op.name!r} ({op.kind})", reasons, path=path)


def data_can_move(scenario: Scenario, graphs: Sequence[Graph], system: System, pin: Pin) -> Iterator[Problem]:
    """Between any two components on which ops that share data may be placed there is a route."""
    told = set[tuple[str, str]]()
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


def host_is_there(scenario: Scenario, graphs: Sequence[Graph], system: System, pin: Pin) -> Iterator[Problem]:
    """Inputs and outputs are at a host."""
    if system.host is None and any(graph.inputs or graph.outputs for graph in graphs):
        what = "the workload's inputs start at the host, and the system has no cpu to be it"
        yield Problem(what, "name a component with system.host", path="system")


GRAPHS: Sequence[Callable[[Scenario, Sequence[Graph], System, Pin], Iterator[Problem]]] = (
    costs_name_components, layers_name_ops, ops_can_run, host_is_there, data_can_move,
)  # fmt: skip
