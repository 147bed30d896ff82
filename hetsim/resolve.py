"""From a name, a path or data to the resolved tree of a scenario: each ``use`` and ``--set`` applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hetsim import document
from hetsim.catalog import filled, locate, shelf, stripped
from hetsim.document import Node, Source
from hetsim.errors import InputError, Problem

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
    """The tree with the arrival times of a trace file in place of the file's name."""
    traffic = tree.child("traffic")
    named = traffic.child("file") if traffic is not None else None
    if traffic is None or named is None or not isinstance(traffic.value, dict):
        return tree
    place = (named.source.file, named.line, "traffic.file")
    path = (named.source.folder or Path()) / str(named.value)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        wrong.append(Problem(f"the trace {named.value!r} cannot be read: {reason}", "", *place))
        return tree
    source = Source(document.shown(path), path.parent)
    times = [Node(line.strip(), source, i) for i, line in enumerate(lines, 1) if line.strip()]
    rest = {key: child for key, child in traffic.value.items() if key != "file"}
    return tree.put(("traffic",), replace(traffic, value={**rest, "times": replace(named, value=times)}))


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
