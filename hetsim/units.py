"""Quantities: ``"312 TFLOP/s"`` becomes a float in SI units once, at the boundary.

The number and its prefix are read as one decimal literal, so ``"50 ns"`` is the float nearest to 50e-9.
A unit is looked up whole before a prefix is split off: ``300 K`` is a temperature and ``1 min`` a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from hetsim.errors import closest

TICK = 1e-12

_SMALL = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3}
_LARGE = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_ALL = _SMALL | _LARGE

# symbol -> (base symbol, decimal exponent, factor, prefixes); the base symbols make up a dimension's name
_UNITS: Mapping[str, tuple[str, int, float, Mapping[str, int]]] = {
    "1": ("1", 0, 1.0, {}),
    "s": ("s", 0, 1.0, _SMALL), "min": ("s", 0, 60.0, {}), "h": ("s", 0, 3600.0, {}),
    "d": ("s", 0, 86400.0, {}), "y": ("s", 0, 31557600.0, {}),
    "J": ("J", 0, 1.0, _ALL), "eV": ("J", 0, 1.602176634e-19, _ALL), "W": ("W", 0, 1.0, _ALL),
    "V": ("V", 0, 1.0, _ALL), "A": ("A", 0, 1.0, _ALL), "S": ("S", 0, 1.0, _ALL), "F": ("F", 0, 1.0, _ALL),
    "ohm": ("ohm", 0, 1.0, _ALL), "K": ("K", 0, 1.0, {"m": -3}), "degC": ("degC", 0, 1.0, {}),
    "m": ("m", 0, 1.0, _SMALL), "m2": ("m2", 0, 1.0, {"n": -18, "u": -12, "m": -6}),
    "Hz": ("1/s", 0, 1.0, _LARGE),
    "B": ("B", 0, 1.0, _LARGE), "bit": ("B", 0, 0.125, _LARGE),
    "OP": ("OP", 0, 1.0, _LARGE), "op": ("OP", 0, 1.0, _LARGE), "FLOP": ("OP", 0, 1.0, _LARGE),
    "MAC": ("OP", 0, 2.0, _LARGE),
    "%": ("", -2, 1.0, {}),
}  # fmt: skip

_NAMES: Mapping[str, tuple[str, str]] = {
    "s": ("a time", "50 ns"), "J": ("an energy", "2.5 pJ"), "W": ("a power", "300 W"),
    "V": ("a voltage", "0.2 V"), "A": ("a current", "4 uA"), "S": ("a conductance", "20 uS"),
    "ohm": ("a resistance", "1 kohm"), "F": ("a capacitance", "2 fF"), "K": ("a temperature", "300 K"),
    "m": ("a length", "130 nm"), "m2": ("an area", "25 mm2"), "1/s": ("a frequency", "1 GHz"),
    "B": ("an amount of data", "64 KiB"), "B/s": ("a bandwidth", "900 GB/s"),
    "OP": ("a number of operations", "2 GOP"), "OP/s": ("a rate of operations", "312 TFLOP/s"),
    "J/B": ("an energy per byte", "4 pJ/bit"), "J/OP": ("an energy per operation", "0.5 pJ/OP"),
    "": ("a ratio", "0.5 or 50 %"),
}  # fmt: skip

_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+))(?:[eE]([+-]?\d+))?")
_WORDS = re.compile(r"[+-]?\.?(?:nan|inf(?:inity)?)\b", re.IGNORECASE)
_SPELLINGS = str.maketrans(
    {"\u00b5": "u", "\u03bc": "u", "\u2126": "ohm", "\u03a9": "ohm", "\u00b0": "deg", "\u00b2": "2"}
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What a unit stands for: its dimension, and the decimal exponent and factor that lead to SI."""

    dimension: str
    exponent: int
    factor: float


def _symbol(text: str) -> _Scale | None:
    if text in _UNITS:
        base, exponent, factor, _ = _UNITS[text]
        return _Scale(base, exponent, factor)
    head, rest = text[:1], text[1:]
    if rest in _UNITS and head in _UNITS[rest][3]:
        base, exponent, factor, prefixes = _UNITS[rest]
        return _Scale(base, exponent + prefixes[head], factor)
    head, rest = text[:2], text[2:]
    if rest in ("B", "bit") and head in _BINARY:
        base, exponent, factor, _ = _UNITS[rest]
        return _Scale(base, exponent, factor * _BINARY[head])
    return None


@lru_cache(maxsize=512)
def _unit(text: str) -> _Scale | None:
    """Return what a unit such as ``GB/s`` stands for, None for one that is not known."""
    parts = [_symbol(part.strip()) for part in text.split("/")]
    if not text or any(part is None for part in parts):
        return None
    top, *below = [part for part in parts if part is not None]
    exponent, factor, dimension = top.exponent, top.factor, top.dimension
    for part in below:
        exponent, factor, dimension = (
            exponent - part.exponent, factor / part.factor, f"{dimension}/{part.dimension}",
        )  # fmt: skip
    return _Scale(dimension, exponent, factor)


def _dimension(unit: str) -> str | None:
    scale = _unit(unit)
    return scale.dimension if scale else None


def _split(text: str) -> tuple[str, int, str] | None:
    """Return mantissa, exponent and unit of a quantity's text, None when it does not start with a number."""
    text = text.strip().translate(_SPELLINGS)
    match = _NUMBER.match(text)
    if match is None:
        return None
    return match[1].replace("_", ""), int(match[2] or 0), text[match.end() :].strip()


def is_quantity(text: str) -> bool:
    """Whether the text is a number, with or without a known unit."""
    parts = _split(text)
    return parts is not None and (parts[2] == "" or _unit(parts[2]) is not None)


def quantity(text: Any, unit: str, signed: bool = False) -> float:
    """Return the float in SI units that a text such as ``"50 ns"`` stands for.

    ``unit`` names the expected dimension by its SI unit (``s``, ``B/s``, ``J/OP``; empty for a ratio).
    Raises ValueError, saying what was found and what was expected.
    """
    name, example = _NAMES[unit]
    expected = f"{name} such as '{example}' is expected" if unit else f"{name} such as {example} is expected"
    if unit == "" and isinstance(text, int | float) and not isinstance(text, bool):
        return _checked(float(text), repr(text), name, signed)
    if isinstance(text, int | float) and not isinstance(text, bool):
        if not math.isfinite(text):
            raise ValueError(f"{text!r} is not a finite number; {expected}")
        raise ValueError(f"{text!r} has no unit; {expected}")
    if not isinstance(text, str):
        raise ValueError(f"{_shown(text)} is not a quantity; {expected}")
    parts = _split(text)
    if parts is None:
        what = "is not a finite number" if _WORDS.match(text.strip()) else "is not a number with a unit"
        raise ValueError(f"{text!r} {what}; {expected}")
    value = _converted(text, parts, unit, expected)
    return _checked(value, repr(text), name, signed)


def si(text: Any) -> float:
    """Return a number as it is, and a quantity of any dimension (``"2 mJ"``) in SI units."""
    parts = _split(text) if isinstance(text, str) else None
    scale = _unit(parts[2]) if parts and parts[2] else None
    if parts and parts[2] and (scale is None or scale.dimension not in _NAMES):
        near = closest(parts[2], _spelled())
        guess = f" (did you mean {near!r}?)" if near else ""
        raise ValueError(f"{text!r}: unit {parts[2]!r} is not known{guess}")
    return quantity(text, scale.dimension if scale else "", signed=True)


def _converted(text: str, parts: tuple[str, int, str], unit: str, expected: str) -> float:
    mantissa, exponent, found = parts
    if not found:
        if unit:
            raise ValueError(f"{text!r} has no unit; {expected}")
        return float(f"{mantissa}e{exponent}")
    scale = _unit(found)
    if scale is None:
        near = closest(found, (u for u in _spelled() if _dimension(u) == unit))
        guess = f" (did you mean {near!r}?)" if near else ""
        raise ValueError(f"{text!r}: unit {found!r} is not known; {expected}{guess}")
    value = float(f"{mantissa}e{exponent + scale.exponent}") * scale.factor
    if scale.dimension == "degC" and unit == "K":
        return value + 273.15
    if scale.dimension != unit:
        what = _NAMES.get(scale.dimension, (f"a quantity in {scale.dimension}", ""))[0]
        raise ValueError(f"{text!r} is {what}; {expected}")
    return value


def _checked(value: float, shown: str, name: str, signed: bool) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{shown} is not a finite number")
    if value < 0 and not signed:
        raise ValueError(f"{shown} is negative; {name} cannot be")
    return value + 0.0


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@lru_cache(maxsize=1)
def _spelled() -> tuple[str, ...]:
    """Every spelling of a unit, for suggestions."""
    plain = [p + symbol for symbol, (*_, prefixes) in _UNITS.items() for p in ("", *prefixes)]
    rates = [p + s + "/s" for s in ("B", "bit", "OP", "FLOP", "MAC") for p in ("", *_LARGE)]
    return (*plain, *(p + "B" for p in _BINARY), *rates)


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks a pydantic field as a quantity in the SI unit ``symbol``; ``signed`` allows values below zero.

    A field is read from text and, in JSON mode, written back as text that reads as the identical float.
    """

    symbol: str
    signed: bool = False

    def read(self, value: Any) -> float:
        """Text to SI float."""
        return quantity(value, self.symbol, self.signed)

    def write(self, value: float) -> str | float:
        """SI float to text; a ratio stays a number."""
        if not self.symbol:
            return value
        number = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        return f"{number} {self.symbol}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            self.read,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(self.write, when_used="json"),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        name, example = _NAMES[self.symbol]
        if not self.symbol:
            return {"type": ["number", "string"], "description": f"{name} such as {example}"}
        return {"type": "string", "description": name, "examples": [example]}


Time = Annotated[float, Unit("s")]
Energy = Annotated[float, Unit("J")]
Power = Annotated[float, Unit("W")]
Voltage = Annotated[float, Unit("V", signed=True)]
Current = Annotated[float, Unit("A", signed=True)]
Conductance = Annotated[float, Unit("S")]
Resistance = Annotated[float, Unit("ohm")]
Capacitance = Annotated[float, Unit("F")]
Length = Annotated[float, Unit("m")]
Area = Annotated[float, Unit("m2")]
Frequency = Annotated[float, Unit("1/s")]
Bandwidth = Annotated[float, Unit("B/s")]
Bytes = Annotated[float, Unit("B")]
Rate = Annotated[float, Unit("OP/s")]
EnergyPerByte = Annotated[float, Unit("J/B")]
EnergyPerOp = Annotated[float, Unit("J/OP")]
Temperature = Annotated[float, Unit("K")]
Ratio = Annotated[float, Unit("")]
Amount = Annotated[float, BeforeValidator(si, json_schema_input_type=float | str)]


def ticks(seconds: float) -> int:
    """Seconds as the engine's integer picoseconds, to the nearest."""
    return round(seconds * 1e12)
