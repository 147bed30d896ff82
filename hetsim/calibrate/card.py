"""A datasheet that a calibration writes: figures with where they come from, as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hetsim import files
from hetsim.catalog import stripped
from hetsim.document import Source, parse
from hetsim.errors import InputError
from hetsim.figures import engineering

HERE = "measured here"


@dataclass(frozen=True, slots=True)
class Datum:
    """A figure with its source, as datasheets have them."""

    value: Any
    source: str
    evidence: str = "primary"
    note: str = ""

    def text(self) -> str:
        """One line of YAML, in flow style."""
        value = self.value if isinstance(self.value, str) else json.dumps(self.value)
        note = f", note: {json.dumps(self.note, ensure_ascii=False)}" if self.note else ""
        source = json.dumps(self.source, ensure_ascii=False)
        return f"{{value: {value}, source: {source}, evidence: {self.evidence}{note}}}"


def measured(value: float, unit: str, what: str, note: str = "") -> Datum:
    """A quantity that was measured, to four digits."""
    return Datum(engineering(value, unit, 4), f"{HERE}: {what}", note=note)


def assumed(value: Any, why: str, note: str = "") -> Datum:
    """A figure that cannot be measured here."""
    return Datum(value, why, "assumption", note)


@dataclass(frozen=True)
class Card:
    """A datasheet. ``tables`` holds further documents by the end of their file names (measured times)."""

    sheet: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def text(self) -> str:
        """The datasheet as YAML."""
        return _yaml(self.sheet)

    def plain(self, table: str = "") -> dict[str, Any]:
        """The datasheet, or one of the tables, as its model reads it: values alone."""
        text = _yaml(self.tables[table]) if table else self.text()
        tree: dict[str, Any] = stripped(parse(text, Source("datasheet"))).plain()
        return tree

    def write(self, path: str | Path) -> list[Path]:
        """Write the datasheet, and its tables beside it; return the paths of what was written."""
        path = free(path)
        documents = {path: self.sheet}
        documents |= {path.with_name(f"{path.stem}_{end}{path.suffix}"): table for end, table in self.tables.items()}
        for target, document in documents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            text = _yaml(document)
            files.replace(target, lambda temporary, text=text: _write(temporary, text))  # type: ignore[misc]
        return list(documents)


def free(path: str | Path) -> Path:
    """The path, if a datasheet may be written there; InputError for a folder or a file that no calibration wrote."""
    path = Path(path)
    if path.is_dir():
        raise InputError.of(f"{path} is a folder", "name the datasheet's file, such as my_cpu.yaml")
    if path.exists() and HERE not in path.read_text(encoding="utf-8", errors="replace"):
        raise InputError.of(f"{path} was not written by a calibration", "give the datasheet another name")
    return path


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _yaml(document: Mapping[str, Any]) -> str:
    return "\n".join(_lines(document, "")) + "\n"


def _lines(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Lines of a mapping: figures on one line each, mappings and lists of mappings below their key."""
    for key, value in tree.items():
        if isinstance(value, Datum):
            yield f"{indent}{key}: {value.text()}"
        elif isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{indent}{key}:"
            for item in value:
                first, *rest = _lines(item, "")
                yield f"{indent}  - {first}"
                yield from (f"{indent}    {line}" for line in rest)
        else:
            yield f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}"
