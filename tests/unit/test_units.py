"""Quantities: text to SI floats and back, and what is refused with which words."""

from __future__ import annotations

import math
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hetsim import units
from hetsim.units import Unit, is_quantity, quantity, si, ticks

TYPES = [name for name, kind in vars(units).items() if getattr(kind, "__metadata__", None) and name != "Amount"]


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("50 ns", "s", 50e-9),
        ("50ns", "s", 50e-9),
        ("1e-9 s", "s", 1e-9),
        ("1.5e3 us", "s", 1.5e-3),
        (".5 s", "s", 0.5),
        ("+2 s", "s", 2.0),
        ("1_000 s", "s", 1000.0),
        ("2 min", "s", 120.0),
        ("1 h", "s", 3600.0),
        ("30 d", "s", 30 * 86400.0),
        ("1 y", "s", 365.25 * 86400),
        ("312 TFLOP/s", "OP/s", 312e12),
        ("1 TMAC/s", "OP/s", 2e12),
        ("1 MAC/s", "OP/s", 2.0),
        ("3 op/s", "OP/s", 3.0),
        ("2.55 pJ", "J", 2.55e-12),
        ("1 eV", "J", 1.602176634e-19),
        ("1 pJ/MAC", "J/OP", 0.5e-12),
        ("1 pJ/bit", "J/B", 8e-12),
        ("1 pJ/B", "J/B", 1e-12),
        ("900 GB/s", "B/s", 900e9),
        ("8 Gbit/s", "B/s", 1e9),
        ("1 GiB/s", "B/s", 2.0**30),
        ("64 KiB", "B", 65536.0),
        ("12 bit", "B", 1.5),
        ("5 mm2", "m2", 5e-6),
        ("5 um²", "m2", 5e-12),
        ("20 µS", "S", 20e-6),
        ("1 kΩ", "ohm", 1e3),
        ("1 Mohm", "ohm", 1e6),
        ("2 fF", "F", 2e-15),
        ("300 K", "K", 300.0),
        ("25 degC", "K", 298.15),
        ("25 °C", "K", 298.15),
        ("100 1/s", "1/s", 100.0),
        ("1 GHz", "1/s", 1e9),
        ("40 %", "", 0.4),
        ("0.25", "", 0.25),
        (0.25, "", 0.25),
        (1, "", 1.0),
        ("130 nm", "m", 130e-9),
    ],
)
def test_text_becomes_si(text: str, unit: str, value: float) -> None:
    assert quantity(text, unit) == value


def test_case_tells_prefixes_and_units_apart() -> None:
    assert quantity("1 mS", "S") == 1e-3 and quantity("1 ms", "s") == 1e-3
    assert quantity("1 MW", "W") == 1e9 * quantity("1 mW", "W")


@pytest.mark.parametrize(
    ("found", "unit", "words"),
    [
        ("50 nJ", "s", "'50 nJ' is an energy; a time such as '50 ns' is expected"),
        ("50 ns", "J", "'50 ns' is a time; an energy such as '2.5 pJ' is expected"),
        ("1 J/s", "s", "'1 J/s' is a quantity in J/s; a time such as '50 ns' is expected"),
        (14, "s", "14 has no unit; a time such as '50 ns' is expected"),
        ("14", "s", "'14' has no unit; a time such as '50 ns' is expected"),
        (math.nan, "s", "nan is not a finite number; a time such as '50 ns' is expected"),
        ("nan s", "s", "'nan s' is not a finite number; a time such as '50 ns' is expected"),
        ("-inf", "s", "'-inf' is not a finite number; a time such as '50 ns' is expected"),
        (math.inf, "B/s", "inf is not a finite number; a bandwidth such as '900 GB/s' is expected"),
        ("1e999 s", "s", "'1e999 s' is not a finite number"),
        ("-14 s", "s", "'-14 s' is negative; a time cannot be"),
        (-0.5, "", "-0.5 is negative; a ratio cannot be"),
        ("-1 degC", "B/s", "'-1 degC' is a quantity in degC; a bandwidth such as '900 GB/s' is expected"),
        ("fast", "s", "'fast' is not a number with a unit; a time such as '50 ns' is expected"),
        ("", "s", "'' is not a number with a unit; a time such as '50 ns' is expected"),
        (True, "s", "True is not a quantity; a time such as '50 ns' is expected"),
        (None, "", "None is not a quantity; a ratio such as 0.5 or 50 % is expected"),
        ([1], "s", "[1] is not a quantity; a time such as '50 ns' is expected"),
        ("1 GB/sec", "B/s", "'1 GB/sec': unit 'GB/sec' is not known; a bandwidth such as '900 GB/s'"
         " is expected (did you mean 'GB/s'?)"),
        ("1 TFLOPS", "OP/s", "'1 TFLOPS': unit 'TFLOPS' is not known; a rate of operations such as"
         " '312 TFLOP/s' is expected (did you mean 'TFLOP/s'?)"),
        ("1 quux", "s", "'1 quux': unit 'quux' is not known; a time such as '50 ns' is expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(found: object, unit: str, words: str) -> None:
    with pytest.raises(ValueError) as error:
        quantity(found, unit)
    assert str(error.value) == words


@pytest.mark.parametrize("text", ["5 s s", "5 s/", "/s", "0x10 s", "1 kmin", "1 ky", "1 KB", "1 dS", "5 ms2"])
def test_what_only_looks_like_a_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        quantity(text, "s")


@given(st.text(max_size=20), st.sampled_from(sorted(units._NAMES)))
def test_any_text_is_a_finite_number_or_refused(text: str, unit: str) -> None:
    try:
        value = quantity(text, unit, signed=True)
    except ValueError:
        return
    assert math.isfinite(value)


def test_every_type_names_a_known_dimension() -> None:
    assert {"Time", "Energy", "Power", "Bandwidth", "Rate", "Ratio", "Temperature"} <= set(TYPES)
    for name in TYPES:
        (mark,) = getattr(units, name).__metadata__
        assert mark.symbol in units._NAMES


@pytest.mark.parametrize("name", TYPES)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_survives_being_written_and_read(name: str, value: float) -> None:
    kind = getattr(units, name)
    (mark,) = kind.__metadata__
    adapter: TypeAdapter[float] = TypeAdapter(kind)
    value = value if mark.signed else abs(value)
    written = adapter.dump_python(value, mode="json")
    assert isinstance(written, str) or not mark.symbol
    assert adapter.validate_python(written).hex() == (value + 0.0).hex()


def test_written_values_are_short() -> None:
    assert Unit("s").write(5e-8) == "5e-08 s"
    assert Unit("B/s").write(9e11) == "900000000000 B/s"
    assert Unit("").write(0.5) == 0.5


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    bandwidth: units.Bandwidth = Field(gt=0)
    latency: units.Time = Field(default=0.0, ge=0)
    peak: Annotated[units.Rate, Field(gt=0)] | None = None
    share: units.Ratio = Field(default=1.0, gt=0, le=1)
    reset: units.Voltage = 0.0


def test_fields_read_text_and_hold_floats() -> None:
    part = Part.model_validate({"bandwidth": "8 Gbit/s", "peak": "1 GOP/s", "share": "50 %", "reset": "-1.8 V"})
    assert part == Part.model_construct(bandwidth=1e9, latency=0.0, peak=1e9, share=0.5, reset=-1.8)
    assert part.model_dump()["bandwidth"] == 1e9
    assert Part.model_validate(part.model_dump(mode="json")) == part


@pytest.mark.parametrize(
    "wrong",
    [
        {"bandwidth": "0 B/s"},
        {"peak": "0 OP/s"},
        {"share": "150 %"},
        {"share": 0},
        {"latency": "-1 s"},
        {"latency": 3},
    ],
)
def test_constraints_of_fields_hold(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as error:
        Part.model_validate({"bandwidth": "1 B/s"} | wrong)
    assert [e["loc"][0] for e in error.value.errors()] == list(wrong)


def test_schema_tells_an_editor_what_to_write() -> None:
    schema = Part.model_json_schema()["properties"]
    assert schema["bandwidth"]["type"] == "string" and schema["bandwidth"]["examples"] == ["900 GB/s"]
    assert schema["share"]["type"] == ["number", "string"]


@pytest.mark.parametrize(
    ("found", "value"), [("2 mJ", 2e-3), (0.96, 0.96), (-1, -1.0), ("50 %", 0.5), ("80 s", 80.0), ("3", 3.0)]
)
def test_si_takes_any_dimension(found: object, value: float) -> None:
    assert si(found) == value


@pytest.mark.parametrize("found", ["2 mJoule", "x", None, math.nan, "1 J/K"])
def test_si_refuses_what_is_no_quantity(found: object) -> None:
    with pytest.raises(ValueError):
        si(found)


@pytest.mark.parametrize("text", ["3", "50 ns", "1e-3 V", "64 KiB", "15 %"])
def test_quantities_are_told_from_words(text: str) -> None:
    assert is_quantity(text)


@pytest.mark.parametrize("text", ["int8", "fp32", "2017 Nature", "rram", "", "5 layers", "8 x 8"])
def test_words_are_told_from_quantities(text: str) -> None:
    assert not is_quantity(text)


def test_ticks_are_the_nearest_picoseconds() -> None:
    assert ticks(50e-9) == 50_000 and ticks(0.0) == 0 and ticks(1.4e-12) == 1 and ticks(1.6e-12) == 2
    assert isinstance(ticks(1.0), int) and ticks(1.0) * units.TICK == 1.0
