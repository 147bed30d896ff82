"""From a name, a path or data to the resolved tree of a scenario: each ``use`` and ``--set`` applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hetsim import document
from hetsim.arrivals import arrivals
from hetsim.catalog import filled, locate, shelf, stripped
from hetsim.document import Node, Source
from hetsim.errors import InputError, Problem, gathering

RESULT = "hetsim.result/"


def opened(source: str | Path | Mapping[str, Any], wrong: list[Problem]) -> tuple[Node, str]:
    """Return a scenario's resolved tree and its name; what cannot be filled in of it is added to ``wrong``.

    ``source`` is a name of the library, a path to YAML or to a ``result.json``, or the data themselves.
    """
    if isinstance(source, Mapping):
        tree, name = document.of(source, Source("scenario", Path())), "scenario"
    else:
        path = locate(str(source), ("scenarios",), (Path(),))
        tree, name = document.read(path)[0], _name(path)
    if not isinstance(tree.value, dict):
        what = "a scenario is a mapping with keys such as system and workload"
        raise InputError([Problem(f"{what}; a {_noun(tree)} was found", "", tree.source.file, tree.line)])
    tree, name = _of_result(tree, name)
    folder = tree.source.folder or Path()
    return filled(stripped(tree), (folder,), wrong), name


def _name(path: Path) -> str:
    """The name in the library, else that of the file."""
    library = shelf("scenarios")
    inside = path.resolve().is_relative_to(library)
    return path.resolve().relative_to(library).with_suffix("").as_posix() if inside else path.stem


def _noun(tree: Node) -> str:
    return "list" if isinstance(tree.value, list) else "single value"


def _of_result(tree: Node, name: str) -> tuple[Node, str]:
    """The scenario inside a result; anything else as it is."""
    schema, resolved = tree.child("schema"), tree.child("resolved")
    if schema is None or not str(schema.value).startswith(RESULT):
        return tree, name
    if resolved is None or not isinstance(resolved.value, dict):
        what = "the result holds no resolved scenario"
        raise InputError([Problem(what, "", tree.source.file, None, "resolved")])
    called = tree.child("scenario")
    return resolved, str(called.value) if called is not None else name


def with_times(tree: Node, wrong: list[Problem]) -> Node:
    """The tree with the arrival times of trace files in place of the files' names; what cannot be read is added to
    ``wrong``.

    Of several workloads each has its own rows of a file; those without traffic share the scenario's.
    """
    shared, several = tree.child("traffic"), tree.child("workloads")
    tenants = several.value if several is not None and isinstance(several.value, dict) else {}
    for name, tenant in tenants.items():
        own = tenant.child("traffic") or shared
        if own is not None and _names_file(own) and isinstance(tenant.value, dict):
            with gathering(wrong):
                tree = tree.put(("workloads", name, "traffic"), _timed(own, f"workloads.{name}.traffic", name))
    if shared is not None and _names_file(shared):
        with gathering(wrong):
            tree = tree.without("traffic") if tenants else tree.put(("traffic",), _timed(shared, "traffic", ""))
    return tree


def _names_file(traffic: Node) -> bool:
    kind = traffic.child("kind")
    return kind is not None and kind.value == "trace" and traffic.child("file") is not None


def _timed(traffic: Node, path: str, tenant: str) -> Node:
    """Traffic with times in place of the file."""
    named, unit = traffic.child("file"), traffic.child("unit")
    assert named is not None and isinstance(traffic.value, dict)
    if not isinstance(named.value, str):
        what = f"{named.plain()!r} is not right here; the name of a CSV file is expected"
        raise InputError([Problem(what, "", named.source.file, named.line, f"{path}.file")])
    try:
        file = (named.source.folder or Path()) / named.value
        times = arrivals(file, named, tenant, str(unit.value) if unit is not None else "")
    except InputError as error:
        raise InputError(replace(problem, path=f"{path}.file") for problem in error.problems) from None
    rest = {key: child for key, child in traffic.value.items() if key not in ("file", "unit")}
    return replace(traffic, value={**rest, "times": replace(named, value=times)})


def edited(tree: Node, sets: Iterable[str], wrong: list[Problem]) -> Node:
    """The tree with each ``PATH=VALUE`` applied; a value is YAML and may ``use`` a datasheet.

    Those that cannot be applied are added to ``wrong``.
    """
    folder = tree.source.folder or Path()
    for item in sets:
        path, equals, text = item.partition("=")
        keys = path.strip().split(".")
        source = Source(f"--set {item}", folder)
        if not equals or not all(keys):
            hint = "such as scheduler.kind=greedy"
            wrong.append(Problem("PATH=VALUE is expected", hint, source.file))
            continue
        if not text.strip():
            hint = "null stands for nothing, '' for an empty text"
            wrong.append(Problem("a value is expected behind the =", hint, source.file, None, path))
            continue
        try:
            value = document.of(document.parse(text, source).plain(), source)
            tree = tree.put(keys, filled(stripped(value), (folder,)))
        except InputError as error:
            wrong += error.at(source.file, None, path).problems
    return tree


def files_of(block: Node) -> tuple[Path, Mapping[str, str]]:
    """Where the files lie that a block names.

    Returns the folder of the library file that is the block's origin, else of the file that it stands in; and
    by key the texts that name a file elsewhere, beside the file that says so, with its path (a slice may
    follow the name).
    """
    origin = block.child("origin")
    called = origin.child("name") if origin is not None else None
    library: list[Path] = []
    if called is not None:
        with suppress(InputError):  # the library may have changed since; the block itself is complete
            library = [locate(str(called.value), ("components", "workloads")).parent]
    home = library[0] if library else block.source.folder or Path()
    found = {}
    children = block.value if isinstance(block.value, dict) else {}
    for key, child in children.items():
        if not isinstance(child.value, str):
            continue
        name, bracket, rest = child.value.partition("[")
        near = [child.source.folder] if child.source.folder else []
        holder = next((folder for folder in near + library if name and (folder / name).is_file()), home)
        if holder != home:
            found[key] = f"{holder / name}{bracket}{rest}"
    return home, found
