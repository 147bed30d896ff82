"""The library: what it holds, whether files are fit to be in it, and the schema of each kind of file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hetsim import catalog, document
from hetsim.diagnosis import problems
from hetsim.document import Node
from hetsim.errors import InputError, Problem, did_you_mean, gathering
from hetsim.figures import engineering
from hetsim.hardware.component import kinds
from hetsim.hardware.link import link_kinds
from hetsim.kinds import workload_kind
from hetsim.resolve import RESULT, files_of
from hetsim.scenario import Scenario, load
from hetsim.schedulers.scheduler import scheduler_kinds
from hetsim.workload import workload_kinds

Rows = list[tuple[str, ...]]

_UNITS = {"ops_per_s": "OP/s", "ops_per_J": "OP/J", "bytes_per_s": "B/s", "power_W": "W", "area_mm2": "mm2"}


def files(name: str) -> list[Path]:
    """The file of a name or path, or every YAML file in a folder; InputError when there is none."""
    path = Path(name)
    if not path.is_dir():
        return [catalog.locate(name, beside=(Path(),))]
    found = sorted(path.rglob("*.yaml"))
    if not found:
        raise InputError.of(f"the folder {name!r} holds no .yaml files")
    return found


def check(path: Path) -> str:
    """Say what a file is (``scenario``, ``gpu datasheet`` …); InputError with all that is wrong with it."""
    node, _ = document.read(path)
    if not isinstance(node.value, dict):
        raise InputError([Problem("a scenario, datasheet or workload is a mapping", file=node.source.file)])
    if "system" in node.value or _is_result(node):
        return _check_scenario(path)
    if "kind" in node.value:
        return _check_datasheet(path, node)
    return _check_workload(path, node)


def _is_result(node: Node) -> bool:
    schema = node.child("schema")
    return schema is not None and str(schema.value).startswith(RESULT)


def _check_scenario(path: Path) -> str:
    scenario = load(path)
    wrong: list[Problem] = []
    with gathering(wrong):
        scenario.check()
    with gathering(wrong):
        points = scenario.points() if scenario.sweep else []
    if wrong:
        raise InputError(dict.fromkeys(wrong))
    return f"scenario, {len(points)} points" if points else "scenario"


def _check_datasheet(path: Path, node: Node) -> str:
    raw = catalog.stripped(node)
    found = list(catalog.unsourced(raw)) if "components" in path.resolve().parts else []
    kind = str(raw.value["kind"].plain()) if isinstance(raw.value, dict) else ""
    sheets = datasheets()
    if kind not in sheets:
        place = raw.place(("kind",))
        found.append(Problem(f"there is no kind {kind!r}", did_you_mean(kind, sheets), path="kind", line=place.line))
    else:
        tree = catalog.filled(raw, (path.parent,))
        if kind in link_kinds():
            tree = tree.put(("between",), document.of(["a", "b"], tree.source))
        found += _validated(tree, sheets[kind])[1]
    if found:
        raise InputError(problem.at(node.source.file) for problem in found)
    return f"{kind} datasheet"


def _check_workload(path: Path, node: Node) -> str:
    tree = catalog.filled(catalog.stripped(node), (path.parent,))
    known = workload_kinds()
    block = tree.plain()
    kind = workload_kind(block, known)[1] if isinstance(block, dict) else ""
    if kind not in known:
        what = "neither a scenario (system), a datasheet (kind) nor a workload"
        hint = f"a workload has one of the keys {', '.join([*known, 'algorithm'])}"
        raise InputError([Problem(f"{path.name} is {what}", hint, node.source.file, node.line)])
    sheet, found = _validated(tree, known[kind].sheet_type)
    if found:
        raise InputError(found)
    folder, elsewhere = files_of(tree)
    try:
        known[kind](sheet.model_copy(update=elsewhere), folder).graphs()  # type: ignore[union-attr]
    except InputError as error:
        raise error.at(node.source.file) from None
    return f"{kind} workload"


def _validated(tree: Node, model: type[BaseModel]) -> tuple[BaseModel | None, list[Problem]]:
    try:
        return model.model_validate(tree.plain()), []
    except ValidationError as error:
        return None, problems(error, tree, model)


def datasheets() -> dict[str, type[BaseModel]]:
    """Every kind of datasheet with its model."""
    from hetsim.analog.device import DeviceSheet

    parts: dict[str, Any] = {**kinds(), **link_kinds()}
    return {kind: part.sheet_type for kind, part in parts.items()} | {"device": DeviceSheet}


def schema(kind: str | None = None) -> dict[str, Any]:
    """JSON Schema of scenarios, or of the datasheets of a kind, a scheduler's settings or a workload."""
    others: dict[str, Any] = {**scheduler_kinds(), **workload_kinds()}
    models = datasheets() | {name: other.sheet_type for name, other in others.items()}
    if kind is not None and kind not in models:
        raise InputError.of(f"there is no kind {kind!r}", did_you_mean(kind, models))
    model = Scenario if kind is None else models[kind]
    made = model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def listing(kind: str) -> tuple[tuple[str, ...], Rows]:
    """Titles and rows of what there is of a kind: ``schedulers``, ``data``, a shelf or a folder on one."""
    if kind == "schedulers":
        return ("scheduler", "<what it does"), [(n, _first(s.__doc__)) for n, s in scheduler_kinds().items()]
    if kind == "data":
        return ("data set", "samples"), list(_data())
    titles = ("name", "<title") if kind in ("workloads", "scenarios") else ("name", "<title", "<key figures")
    return titles, [_entry(name) for name in catalog.names(kind)]


def _data() -> Iterator[tuple[str, str]]:
    from hetsim import data

    for name in data.NAMES:
        yield name, f"{data.size(name):,}"


def _entry(name: str) -> tuple[str, ...]:
    """Name, title and, for a datasheet, key figures."""
    path = catalog.locate(name)
    tree = catalog.stripped(document.read(path)[0])
    block = tree.plain()
    title = block.get("title") or _first(block.get("description"))
    if "kind" not in block:
        return name, title
    return name, title, "  ".join(_key_figures(name, catalog.filled(tree, (path.parent,)).plain()))


def _key_figures(name: str, block: Mapping[str, Any]) -> Iterator[str]:
    parts: dict[str, Any] = {**kinds(), **link_kinds()}
    ends = {"between": ("a", "b")} if block["kind"] in link_kinds() else {}
    sheet = datasheets()[block["kind"]].model_validate({**block, **ends})
    if block["kind"] == "device":
        low, high = engineering(getattr(sheet, "g_min"), "S"), engineering(getattr(sheet, "g_max"), "S")  # noqa: B009
        yield f"{low} to {high}, {getattr(sheet, 'levels')} levels"  # noqa: B009
        return
    for peak, value in parts[block["kind"]](name, sheet).peaks().items():
        unit = next((unit for end, unit in _UNITS.items() if peak.endswith(end)), "")
        yield f"{value:.3g} mm2" if unit == "mm2" else engineering(value, unit)


def _first(text: str | None) -> str:
    """The first line of a text."""
    return (text or "").strip().partition("\n")[0]
