"""Links: how long bytes keep a lane, and what they cost."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hetsim.hardware.link import (
    Bus,
    BusSheet,
    IdealLink,
    IdealSheet,
    Link,
    LinkSheet,
    SerialLink,
    SerialSheet,
    link_kinds,
)

ENDS = ("a", "b")
IDEAL = IdealLink("net", IdealSheet.model_validate({"bandwidth": "1 kB/s", "latency": "2 s", "between": ENDS}))
BUS = Bus("bus", BusSheet.model_validate({
    "width": "16 B", "frequency": "500 MHz", "efficiency": 0.8, "latency": "60 ns", "energy": "6 pJ/B",
    "between": ("a", "b", "c"), "static_power": "1 mW",
}))  # fmt: skip
PCIE = SerialLink("pcie", SerialSheet.model_validate({
    "bandwidth": "16 GB/s", "efficiency": 0.75, "latency": "400 ns", "energy": "50 pJ/B", "between": ENDS,
}))  # fmt: skip


@pytest.mark.parametrize(
    ("link", "size", "seconds", "joules"),
    [
        (IDEAL, 18, 18e-3, 0.0), (IDEAL, 0, 0.0, 0.0),
        (BUS, 1, 1 / 400e6, 6e-12), (BUS, 16, 1 / 400e6, 96e-12), (BUS, 17, 2 / 400e6, 102e-12),
        (BUS, 0, 0.0, 0.0),
        (PCIE, 12_000, 1e-6, 6e-7), (PCIE, 0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_occupancy_and_energy(link: Link, size: int, seconds: float, joules: float) -> None:
    assert link.occupancy(size) == pytest.approx(seconds)
    assert link.joules(size) == pytest.approx(joules)


def test_a_bus_is_one_lane_a_serial_link_two_an_ideal_one_none() -> None:
    assert BUS.lane("a", "b") == BUS.lane("c", "a") == "bus"
    assert PCIE.lane("a", "b") != PCIE.lane("b", "a")
    assert IDEAL.lane("a", "b") is None


def test_latency_static_power_and_peaks() -> None:
    assert [link.latency() for link in (IDEAL, BUS, PCIE)] == [2.0, 60e-9, 400e-9]
    assert [link.static_power() for link in (IDEAL, BUS)] == [0.0, 1e-3]
    assert BUS.peaks()["peak_bytes_per_s"] == pytest.approx(6.4e9)
    assert PCIE.peaks()["peak_bytes_per_s"] == pytest.approx(12e9)
    assert IDEAL.peaks()["peak_bytes_per_s"] == pytest.approx(1e3)


@pytest.mark.parametrize(
    ("sheet", "change", "word"),
    [
        (IdealSheet, {"between": ("a",)}, "at least 2"),
        (IdealSheet, {"bandwidth": "0 B/s"}, "greater than 0"),
        (IdealSheet, {"bandwidth": "-1 B/s"}, "negative"),
        (SerialSheet, {"between": ("a", "b", "c")}, "at most 2"),
        (SerialSheet, {"latency": "50 nJ"}, "an energy; a time"),
        (BusSheet, {"efficiency": 0.0, "width": "1 B", "frequency": "1 Hz"}, "greater than 0"),
    ],
)
def test_links_that_make_no_sense_are_refused(sheet: type[LinkSheet], change: dict, word: str) -> None:
    base = {"between": ENDS} if sheet is BusSheet else {"between": ENDS, "bandwidth": "1 B/s"}
    with pytest.raises(ValidationError, match=word):
        sheet.model_validate(base | change)


def test_every_kind_is_registered_under_its_name() -> None:
    assert {"ideal", "bus", "serial"} <= link_kinds().keys()
    assert all(link.kind == name for name, link in link_kinds().items())
