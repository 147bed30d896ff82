"""Rows: a CSV file as a list of mappings, each number with the unit of its column and the line it stands in."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from hetsim.document import MAX_BYTES, Node, Source, shown
from hetsim.errors import InputError, Problem

_TITLE = re.compile(r"\s*(?P<name>[\w-]+)\s*(?:[(\[](?P<unit>[^)\]]*)[)\]])?\s*")


def is_csv(value: object) -> bool:
    """Whether a value names a CSV file."""
    return isinstance(value, str) and value.strip().lower().endswith(".csv")


def rows(path: Path, named: Node) -> Node:
    """The rows of a CSV file as a list of mappings from column to text; empty lines and lines with ``#`` do not count.

    The first row names the columns, each with its unit if it has one: ``g (uS), sigma (uS)``. ``named`` is the value
    that named the file. InputError says what is wrong, and in which line.
    """
    source = Source(shown(path), path.parent)
    lines = _lines(path, named)
    if len(lines) < 2:
        hint = "the first row names the columns, such as g (uS), sigma (uS)"
        raise InputError([Problem("the table has no rows", hint, source.file, lines[0][0] if lines else None)])
    (number, head), *body = lines
    columns = [column(title, source, number) for title in head]
    problems, found = [], []
    for line, cells in body:
        if len(cells) != len(columns):
            message = f"the row has {len(cells)} columns, the header {len(columns)}"
            problems.append(Problem(message, "", source.file, line))
        values: dict[str, Node] = {
            name: Node(_value(cell.strip(), unit), source, line)
            for (name, unit), cell in zip(columns, cells, strict=False)
        }
        found.append(Node(values, source, line))
    if problems:
        raise InputError(problems)
    return Node(list(found), named.source, named.line, named.facts)


def _lines(path: Path, named: Node) -> list[tuple[int, list[str]]]:
    """The lines that count, split at commas or semicolons, with their numbers."""
    place = (named.source.file, named.line)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = "it is looked for beside the file that names it"
        raise InputError([Problem(f"there is no file {named.value!r}", hint, *place)]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError([Problem(f"the table {named.value!r} cannot be read: {reason}", "", *place)]) from None
    if len(text) > MAX_BYTES:
        raise InputError([Problem(f"the table {named.value!r} is larger than {MAX_BYTES // 1_000_000} MB", "", *place)])
    counted = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"]
    mark = ";" if counted and ";" in counted[0][1] else ","
    return [(i, next(csv.reader(io.StringIO(line), delimiter=mark))) for i, line in counted]


def column(title: str, source: Source, line: int) -> tuple[str, str]:
    """Name, in small letters, and unit of a column."""
    match = _TITLE.fullmatch(title)
    if match is None:
        hint = "write the name and, in brackets, the unit: g (uS)"
        raise InputError([Problem(f"{title.strip()!r} names no column", hint, source.file, line)])
    return match["name"].lower(), (match["unit"] or "").strip()


def _value(cell: str, unit: str) -> str | int | float:
    """A cell of a column with a unit as a quantity, else as a number where it is one."""
    if unit:
        return f"{cell} {unit}"
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
