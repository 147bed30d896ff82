"""Kinds: a block of a scenario file is read by the sheet of the kind that it names.

A new kind of component, link, scheduler or workload registers itself; nothing here has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializationInfo,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from hetsim.errors import did_you_mean
from hetsim.hardware.component import Sheet, kinds
from hetsim.hardware.link import LinkSheet, link_kinds
from hetsim.registry import Registry
from hetsim.schedulers.scheduler import SchedulerSheet, scheduler_kinds
from hetsim.workload import WorkloadSheet, workload_kinds

Block = Mapping[str, Any]


def named_kind(block: Block, known: Registry) -> tuple[str, str]:
    """The key that says what a block is, and its kind."""
    return "kind", str(block.get("kind", ""))


def workload_kind(block: Block, known: Registry) -> tuple[str, str]:
    """The kind of a workload: the value of ``algorithm``, else the kind whose name is a key of the block."""
    if "algorithm" in block:
        return "algorithm", str(block["algorithm"])
    given = [key for key, value in block.items() if value is not None]
    kind = next(filter(known.near, given), "") or next((k for k in known if k in given), "")
    return kind, kind


@dataclass(frozen=True, slots=True)
class Registered:
    """Marks a pydantic field that is read by the sheet of its registered kind.

    ``noun`` names such a block to a person, ``table`` lists the kinds, ``find`` tells a block's kind;
    ``default`` is the kind of a block that does not say; an ``optional`` block may be missing.
    """

    noun: str
    table: Callable[[], Registry]
    find: Callable[[Block, Registry], tuple[str, str]] = named_kind
    default: str = ""
    optional: bool = False

    def sheet_type(self, block: Any) -> type[BaseModel] | None:
        """The sheet that reads the block, None when its kind is not known."""
        known = self.table()
        kind = (self.find(block, known)[1] or self.default) if isinstance(block, Mapping) else ""
        sheet: type[BaseModel] | None = known[kind].sheet_type if kind in known else None
        return sheet

    def once(self, block: Any, info: ValidationInfo) -> BaseModel | None:
        """`read`, but a block that stands in the data several times is read once: the context, if there is one,
        keeps what was read by the block's identity."""
        if not isinstance(info.context, dict) or not isinstance(block, Mapping):
            return self.read(block)
        place = (self.noun, id(block))
        if place not in info.context:
            info.context[place] = self.read(block)
        sheet: BaseModel | None = info.context[place]
        return sheet

    def read(self, block: Any) -> BaseModel | None:
        """A block of plain data to its validated sheet."""
        if isinstance(block, BaseModel) or (block is None and self.optional):
            return block
        if not isinstance(block, Mapping):
            raise ValueError(f"{block!r} is not a mapping; a {self.noun} is written as {{key: value, …}}")
        sheet = self.sheet_type(block)
        if sheet is None:
            raise self._unknown(block)
        if self.default and "kind" not in block:
            block = {"kind": self.default, **block}
        return sheet.model_validate(block)

    def dump(self, sheet: BaseModel | None, info: SerializationInfo) -> dict[str, Any] | None:
        """The sheet as data; one that is dumped several times is one object where there is a context."""
        if sheet is None:
            return None
        if not isinstance(info.context, dict):
            return sheet.model_dump(mode=info.mode)
        if id(sheet) not in info.context:
            info.context[id(sheet)] = sheet.model_dump(mode=info.mode)
        data: dict[str, Any] = info.context[id(sheet)]
        return data

    def _unknown(self, block: Block) -> ValidationError:
        known = self.table()
        key, kind = self.find(block, known)
        if kind:
            what, hint = f"no {self.noun} is of kind {kind!r}", did_you_mean(kind, known)
        else:
            what, hint = f"it does not say what {self.noun} it is", did_you_mean("", known)
        place = (key,) if key in block else ()
        error = PydanticCustomError("kind", "{what}", {"what": what, "hint": hint})
        return ValidationError.from_exception_data(self.noun, [InitErrorDetails(type=error, loc=place, input=block)])

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self.once, serialization=core_schema.plain_serializer_function_ser_schema(self.dump, info_arg=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        used = {
            "type": "object",
            "required": ["use"],
            "properties": {"use": {"type": "string"}, "override": {"type": "object"}},
        }
        sheets = [kind.sheet_type for kind in self.table().values()]
        return {"anyOf": [used, *(handler(sheet.__pydantic_core_schema__) for sheet in sheets)]}


ComponentBlock = Annotated[Sheet, Registered("component", kinds)]
LinkBlock = Annotated[LinkSheet, Registered("link", link_kinds)]
SchedulerBlock = Annotated[SchedulerSheet, Registered("scheduler", scheduler_kinds, default="heft")]
WorkloadBlock = Annotated[WorkloadSheet, Registered("workload", workload_kinds, workload_kind)]
MaybeWorkload = Annotated[WorkloadSheet | None, Registered("workload", workload_kinds, workload_kind, optional=True)]
