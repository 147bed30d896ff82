"""Write the tables of docs/files.md from the schemas of the files, so that they cannot fall behind the code.

    python tools/file_tables.py            # rewrite what stands between the markers
    python tools/file_tables.py --check    # change nothing; exit status 1 when something would change
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hetsim.analog.device import DeviceSheet
from hetsim.hardware.component import Sheet, kinds
from hetsim.hardware.link import link_kinds
from hetsim.kinds import workload_kinds
from hetsim.scenario import Scenario
from hetsim.schedulers.scheduler import scheduler_kinds
from hetsim.workload import WorkloadSheet

PAGE = Path(__file__).resolve().parents[1] / "docs" / "files.md"
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}

Schema = Mapping[str, Any]
SCENARIO = "scenario"


def groups() -> dict[str, dict[str, type[BaseModel]]]:
    """What each marker stands for: the models of the kinds of file whose tables follow it."""

    def sheets(registry: Mapping[str, Any]) -> dict[str, type[BaseModel]]:
        return {kind: entry.sheet_type for kind, entry in registry.items()}

    return {
        "devices": {"device": DeviceSheet},
        "components": sheets(kinds()),
        "links": sheets(link_kinds()),
        "workloads": sheets(workload_kinds()),
        "schedulers": sheets(scheduler_kinds()),
        "scenarios": {SCENARIO: Scenario},
    }


def rewritten(text: str) -> str:
    """The page with every table made anew."""
    found = groups()
    models = {kind: model for group in found.values() for kind, model in group.items()}
    schemas = {kind: model.model_json_schema(by_alias=True) for kind, model in models.items()}
    homes = {name: kind for kind in reversed(schemas) for name in schemas[kind].get("$defs", {})}
    homes |= {model.__name__: kind for kind, model in models.items()}

    def made(match: re.Match[str]) -> str:
        parts = [part for kind in found[match[2]] for part in tables(kind, models[kind], schemas[kind], homes)]
        return "\n".join([match[1], *parts, match[3]])

    return re.sub(r"(<!-- tables: (\w+) -->\n).*?(<!-- end -->)", made, text, flags=re.DOTALL)


def tables(kind: str, model: type[BaseModel], whole: Schema, homes: Mapping[str, str]) -> Iterator[str]:
    """The table of a kind of file, and of each block in it that is at home here: a block has one table."""
    if kind != SCENARIO:
        yield f"### `{kind}`\n"
    yield "\n\n".join(_prose(text) for text in _docstrings(model)) + "\n\n" + _table(whole, whole)
    for name, block in whole.get("$defs", {}).items():
        if homes[name] == kind and "properties" in block:
            inner = block["properties"].get("kind", {}).get("const")
            title = f"`kind: {inner}`" if inner else _called(name)
            yield f"**{title}**: {_prose(block.get('description', ''))}\n\n{_table(block, whole)}"


def _docstrings(model: type[BaseModel]) -> Iterator[str]:
    """What a model and those that it extends say of their keys."""
    for part in model.__mro__:
        ours = part.__module__.startswith("hetsim.") and part not in (Sheet, WorkloadSheet)
        if ours and part.__doc__ and inspect.get_annotations(part):
            yield part.__doc__


def _table(block: Schema, whole: Schema) -> str:
    rows = ["| key | value | default |", "|---|---|---|"]
    needed = block.get("required", ())
    for key, entry in block["properties"].items():
        told = key == "kind" and "enum" not in entry  # by the heading
        if key != "origin" and not told:  # the origin is written by hetsim itself
            default = "*required*" if key in needed else _default(entry)
            rows.append(f"| `{key}` | {_value(entry, whole)} | {default} |")
    return "\n".join(rows) + "\n"


def _prose(docstring: str) -> str:
    """A docstring as Markdown: single backquotes, one line a paragraph, powers as they are."""
    text = docstring.replace("``", "`").replace("\\ s", "s").replace("**", "\\*\\*")
    paragraphs = text.split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _called(name: str) -> str:
    """``ReadNoise`` as words: read noise."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Sheet")).lower()


def _default(entry: Schema) -> str:
    """The default as a person would write it in YAML; empty when there is none to write."""
    value = entry.get("default")
    if value in (None, "", [], {}):
        return ""
    if "examples" in entry:
        return f"`{value:g} {entry['examples'][0].partition(' ')[2]}`"
    if isinstance(value, Mapping):
        given = ", ".join(f"{k}: {v}" for k, v in value.items() if v is not None)
        return f"`{{{given}}}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _value(entry: Schema, whole: Schema) -> str:
    """What may stand there, in words."""
    options = [part for part in entry.get("anyOf", entry.get("oneOf", [entry])) if part.get("type") != "null"]
    options = [inner for part in options for inner in part.get("oneOf", [part])]
    return " or ".join(dict.fromkeys(_one(part, whole) for part in options))


def _one(entry: Schema, whole: Schema) -> str:
    if "$ref" in entry:
        name = entry["$ref"].rpartition("/")[2]
        entry = {"title": name, **whole["$defs"][name]}
    if "enum" in entry:
        return " · ".join(f"`{value}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{entry['const']}`"
    if "properties" in entry:
        return _nested(entry)
    if entry.get("type") == "array":
        return _sequence(entry, whole)
    if entry.get("type") == "object":
        inner = entry.get("additionalProperties")
        return f"name: {_value(inner, whole)}" if isinstance(inner, Mapping) else "mapping"
    return _scalar(entry)


def _sequence(entry: Schema, whole: Schema) -> str:
    if entry.get("items"):
        return f"list of {_value(entry['items'], whole)}"
    parts = [_value(part, whole) for part in entry.get("prefixItems", ())]
    return f"[{', '.join(parts)}]" if parts else "list"


def _nested(entry: Schema) -> str:
    """A block: the file that it uses, its kind, or what it is called."""
    if set(entry["properties"]) == {"use", "override"}:
        return "`{use: …, override: …}`"
    kind = entry["properties"].get("kind", {}).get("const")
    return f"`{{kind: {kind}, …}}`" if kind else f"{_called(entry['title'])} block"


def _scalar(entry: Schema) -> str:
    if "examples" in entry:
        return f"{entry.get('description', 'text')} such as `{entry['examples'][0]}`"
    if "description" in entry:
        return str(entry["description"])
    found = entry.get("type", "anything")
    return " or ".join(WORDS.get(kind, kind) for kind in ([found] if isinstance(found, str) else found))


def main() -> int:
    """Rewrite the page, or with ``--check`` return 1 when it is not what it should be."""
    old = PAGE.read_text(encoding="utf-8")
    new = rewritten(old)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf-8")
    elif new != old:
        print(f"docs/{PAGE.name} is out of date: run make tables", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
