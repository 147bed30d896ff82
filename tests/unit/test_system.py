"""Systems: routes take the fewest hops, then declaration order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetsim.hardware.abstract import AbstractProcessor, AbstractSheet
from hetsim.hardware.link import IdealLink, IdealSheet
from hetsim.placement import islands
from hetsim.system import System


def system(components: str, links: Mapping[str, str], host: str | None = None) -> System:
    """Components and the ends of links, each named by one letter."""
    sheet = AbstractSheet()
    ends = {name: IdealSheet.model_validate({"bandwidth": "1 B/s", "between": list(at)}) for name, at in links.items()}
    return System(
        {name: AbstractProcessor(name, sheet) for name in components},
        {name: IdealLink(name, at) for name, at in ends.items()},
        host,
    )


def way(found: System, source: str, target: str) -> list[tuple[str, str, str]] | None:
    route = found.route(source, target)
    return None if route is None else [(hop.link.name, hop.source, hop.target) for hop in route]


def test_from_a_component_to_itself_nothing_is_crossed() -> None:
    assert way(system("A", {}), "A", "A") == []


def test_without_a_link_there_is_no_way() -> None:
    found = system("ABC", {"l": "AB"})
    assert way(found, "A", "C") is None and way(found, "C", "B") is None


def test_a_bus_joins_all_that_are_on_it() -> None:
    found = system("ABC", {"bus": "ABC"})
    for a, b in itertools.permutations("ABC", 2):
        assert way(found, a, b) == [("bus", a, b)]


def test_a_component_on_two_links_bridges_them() -> None:
    found = system("ABC", {"l": "AB", "m": "BC"})
    assert way(found, "A", "C") == [("l", "A", "B"), ("m", "B", "C")]
    assert way(found, "C", "A") == [("m", "C", "B"), ("l", "B", "A")]


def test_fewest_hops_win_over_declaration_order() -> None:
    assert way(system("ABC", {"l": "AB", "m": "BC", "direct": "AC"}), "A", "C") == [("direct", "A", "C")]


def test_of_equally_short_ways_the_first_declared_is_taken() -> None:
    assert way(system("AB", {"x": "AB", "a": "AB"}), "A", "B") == [("x", "A", "B")]
    assert way(system("ABCD", {"1": "AC", "2": "CD", "3": "AB", "4": "BD"}), "A", "D") == [
        ("1", "A", "C"),
        ("2", "C", "D"),
    ]
    assert way(system("ABCD", {"3": "AB", "4": "BD", "1": "AC", "2": "CD"}), "A", "D") == [
        ("3", "A", "B"),
        ("4", "B", "D"),
    ]


def test_a_ring_is_crossed_the_short_way() -> None:
    ring = system("ABCDE", {f"{a}{b}": a + b for a, b in itertools.pairwise("ABCDEA")})
    assert way(ring, "A", "D") == [("EA", "A", "E"), ("DE", "E", "D")]


@given(st.lists(st.text("ABCDEF", min_size=2, max_size=3).filter(lambda t: len(set(t)) == len(t)), max_size=7))
def test_islands_are_the_components_that_routes_join(ends: list[str]) -> None:
    found = system("ABCDEF", {f"l{i}": at for i, at in enumerate(ends)})
    number = islands(found)
    for a, b in itertools.product("ABCDEF", repeat=2):
        assert (number[a] == number[b]) == (found.route(a, b) is not None)


@given(st.lists(st.text("ABCDEF", min_size=2, max_size=2).filter(lambda t: t[0] != t[1]), max_size=9))
def test_routes_are_connected_and_as_long_on_the_way_back(ends: list[str]) -> None:
    found = system("ABCDEF", {f"l{i}": at for i, at in enumerate(ends)})
    for a, b in itertools.permutations("ABCDEF", 2):
        there, back = found.route(a, b), found.route(b, a)
        assert (there is None) == (back is None)
        if there is None or back is None:
            continue
        assert len(there) == len(back)
        assert [a, *(hop.target for hop in there)] == [*(hop.source for hop in there), b]
        assert all({hop.source, hop.target} <= set(hop.link.sheet.between) for hop in there)


def test_the_host_is_kept() -> None:
    assert system("AB", {}, "B").host == "B" and system("A", {}).host is None
    with pytest.raises(KeyError):
        system("A", {}).route("Z", "A")
