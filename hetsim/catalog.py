"""The catalog: a name or a path becomes raw data, every ``use`` filled in and every figure's source kept.

Names such as ``gpus/nvidia_v100_sxm2`` are looked for beside the file that uses them, beside the scenario,
and in the library that ships with hetsim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import is_
from pathlib import Path

from hetsim.document import Key, Node, Scalar, Source, dotted, read
from hetsim.errors import InputError, Problem, closest, did_you_mean
from hetsim.rows import is_csv, rows
from hetsim.units import is_quantity

SHELVES = ("components", "workloads", "scenarios")
EVIDENCE = ("primary", "transcribed", "recalled", "derived", "assumption")

_DATUM = {"value", "source", "evidence", "note", "confidence", "from"}
_WORDS = {"kind", "title", "references", "description", "source", "origin", "use"}


def shelf(name: str) -> Path:
    """The folder that holds components, workloads or scenarios: in the package or in the checkout."""
    here = Path(__file__).resolve().parent
    return here / name if (here / name).is_dir() else here.parent / name


def names(kind: str) -> list[str]:
    """The names that the library holds of a kind: a shelf (``components``) or a folder on one (``gpus``)."""
    if kind in SHELVES:
        return _listed(kind)
    folders = {f.name: place for place in SHELVES for f in sorted(shelf(place).glob("*")) if f.is_dir()}
    if kind not in folders:
        raise InputError.of(f"the library holds no {kind!r}", did_you_mean(kind, [*SHELVES, *folders]))
    return [name for name in _listed(folders[kind]) if name.startswith(f"{kind}/")]


def _listed(place: str) -> list[str]:
    root = shelf(place)
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def locate(name: str, shelves: Sequence[str] = SHELVES, beside: Sequence[Path] = ()) -> Path:
    """Return the file that a name or path stands for; InputError with a suggestion when there is none."""
    for folder in (*beside, *(shelf(place) for place in shelves)):
        for file in (folder / name, folder / f"{name}.yaml"):
            if file.is_file():
                return file
    known = [found for place in shelves for found in _listed(place)]
    tails = {found.rpartition("/")[2]: found for found in known}
    tail = closest(name.rpartition("/")[2], tails)
    near = tails[tail] if tail else closest(name, known)
    hint = f"did you mean {near!r}?" if near else did_you_mean(name, known)
    raise InputError.of(f"{name!r} is no file and no name in the library", hint)


def stripped(node: Node) -> Node:
    """The tree with each datum ``{value: …, source: …}`` replaced by its value, which keeps the facts."""
    known: dict[int, Node] = {}  # a node may stand in a tree several times

    def bare(node: Node) -> Node:
        if not isinstance(node.value, dict | list):
            return node
        if id(node) not in known:
            known[id(node)] = _stripped(node, bare)
        return known[id(node)]

    return bare(node)


def _stripped(node: Node, bare: Callable[[Node], Node]) -> Node:
    """One mapping or list with its children made ``bare``."""
    if isinstance(node.value, list):
        return _with(node, [bare(child) for child in node.value])
    assert isinstance(node.value, dict)
    children = {key: bare(child) for key, child in node.value.items()}
    if "value" in children and children.keys() <= _DATUM:
        facts = {key: str(child.plain()) for key, child in children.items() if key != "value"}
        return replace(children["value"], line=node.line, facts=facts)
    return _with(node, children)


def _with(node: Node, children: dict[str, Node] | list[Node]) -> Node:
    """The node with other children; the node itself where they are the same, since most of a tree stays."""
    old, new = _values(node.value), _values(children)
    return node if len(old) == len(new) and all(map(is_, old, new)) else replace(node, value=children)


def _values(children: Scalar | tuple[str, ...] | dict[str, Node] | list[Node]) -> list[Node]:
    if isinstance(children, dict):
        return list(children.values())
    return children if isinstance(children, list) else []


def unsourced(node: Node) -> Iterator[Problem]:
    """What a datasheet (stripped, not yet filled) lacks: every figure needs a source and its evidence."""
    for path, leaf in _figures(node, (), None):
        facts = leaf.facts or {}
        at = (leaf.source.file, leaf.line, dotted(path))
        if not facts.get("source"):
            hint = "write {value: …, source: …, evidence: " + " | ".join(EVIDENCE) + "}"
            yield Problem(f"{leaf.plain()!r} has no source", hint, *at)
        elif facts.get("evidence") not in EVIDENCE:
            found = facts.get("evidence")
            what = f"evidence {found!r} is not known" if found else f"{leaf.plain()!r} has no evidence"
            yield Problem(what, "known: " + ", ".join(EVIDENCE), *at)


def _figures(
    node: Node, path: tuple[Key, ...], facts: Mapping[str, str] | None
) -> Iterator[tuple[tuple[Key, ...], Node]]:
    """Every number of a tree, with the facts of the datum that it belongs to."""
    facts = node.facts or facts
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            if key not in _WORDS:
                yield from _figures(child, (*path, key), facts)
    elif isinstance(node.value, list):
        for i, child in enumerate(node.value):
            yield from _figures(child, (*path, i), facts)
    elif _is_figure(node.value):
        yield path, replace(node, facts=facts)


def _is_figure(value: object) -> bool:
    if isinstance(value, str):
        return is_quantity(value) or is_csv(value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def filled(node: Node, beside: Sequence[Path] = (), wrong: list[Problem] | None = None) -> Node:
    """The tree with every ``use`` replaced by its datasheet, ``override`` and sibling keys laid over it, and every
    ``table`` that names a CSV file by its rows.

    Each such block gets an ``origin`` with the datasheet's name and SHA-256. Raises InputError for all names
    that are not known, and for a ``use`` that leads back to itself; with ``wrong`` they are added to that instead.
    """
    filler = _Filler(tuple(beside))
    tree = filler.fill(node, (), ())
    if wrong is not None:
        wrong += filler.problems
    elif filler.problems:
        raise InputError(filler.problems)
    return tree


class _Filler:
    """Fills in the ``use`` of a tree and collects what is wrong with them."""

    def __init__(self, beside: tuple[Path, ...]) -> None:
        self.beside, self.problems = beside, list[Problem]()
        self._sheets: dict[Path, Node] = {}
        self._files: dict[tuple[str, Source], tuple[Path, Path]] = {}
        self._filled: dict[int, tuple[Node, Node]] = {}  # kept with what it was made of, whose id is the key

    def fill(self, node: Node, path: tuple[Key, ...], chain: tuple[Path, ...]) -> Node:
        """``chain`` holds the files whose ``use`` led here. A node that stands in the tree several times is filled
        once."""
        if isinstance(node.value, list):
            return _with(node, [self.fill(child, (*path, i), chain) for i, child in enumerate(node.value)])
        if not isinstance(node.value, dict):
            return node
        if id(node) not in self._filled:
            self._filled[id(node)] = node, self._mapping(node, path, chain)
        return self._filled[id(node)][1]

    def _mapping(self, node: Node, path: tuple[Key, ...], chain: tuple[Path, ...]) -> Node:
        assert isinstance(node.value, dict)
        own = {key: self.fill(child, (*path, key), chain) for key, child in node.value.items() if key != "use"}
        if "table" in own and is_csv(own["table"].value):
            own["table"] = self.table(own["table"], (*path, "table"))
        used = node.value.get("use")
        if used is None:
            return _with(node, own)
        over = own.pop("override", Node({}, node.source, node.line))
        try:
            base = self.sheet(used, chain)
        except InputError as error:
            self.problems += error.at(used.source.file, used.line, dotted((*path, "use"))).problems
            return replace(node, value=own)
        if not isinstance(over.value, dict):
            place = (over.source.file, over.line, dotted((*path, "override")))
            self.problems.append(Problem("override must be a mapping", "", *place))
        return replace(base.merge(over).merge(replace(node, value=own)), source=node.source, line=node.line)

    def table(self, named: Node, path: tuple[Key, ...]) -> Node:
        """The rows of the CSV file that a ``table`` names, in place of its name."""
        name = str(named.value)
        folders = (*((named.source.folder,) if named.source.folder else ()), *self.beside)
        found = next((folder / name for folder in folders if (folder / name).is_file()), Path(name))
        try:
            return rows(found, named)
        except InputError as error:
            self.problems += error.at(named.source.file, named.line, dotted(path)).problems
            return named

    def sheet(self, used: Node, chain: tuple[Path, ...]) -> Node:
        """The filled datasheet that a ``use`` names."""
        if not isinstance(used.value, str):
            raise InputError.of(f"use must name a file, found {used.plain()!r}", "such as gpus/t4")
        if (used.value, used.source) not in self._files:
            near = (used.source.folder,) if used.source.folder else ()
            file = locate(used.value, SHELVES[:2], [*near, *self.beside])
            self._files[used.value, used.source] = file, file.resolve()
        file, key = self._files[used.value, used.source]
        if key in chain:
            loop = " -> ".join(path.stem for path in (*chain[chain.index(key) :], key))
            raise InputError.of(f"use leads back to itself: {loop}")
        if key not in self._sheets:
            node, raw = read(file)
            if not isinstance(node.value, dict):
                raise InputError([Problem("a datasheet must be a mapping", "", node.source.file, node.line)])
            sheet = self.fill(stripped(node), (), (*chain, key))
            name = used.value.removesuffix(".yaml")
            self._sheets[key] = sheet.put(("origin",), _origin(name, raw, used.source, used.line))
        return self._sheets[key]


def _origin(name: str, raw: bytes, source: Source, line: int | None) -> Node:
    facts = {"name": name, "sha256": hashlib.sha256(raw).hexdigest()}
    words: dict[str, Node] = {key: Node(text, source, line) for key, text in facts.items()}
    return Node(words, source, line)
