"""How errors are told to a person."""

from __future__ import annotations

import pickle

import pytest

from hetsim.errors import HetsimError, InputError, Problem, RunError, closest, did_you_mean, tell


def test_a_problem_is_told_with_its_place() -> None:
    error = InputError([Problem("'14 J' is an energy", "write a time", "a.yaml", 10, "workload.tasks.n1")])
    assert tell(error) == "a.yaml:10  workload.tasks.n1\n    '14 J' is an energy\n    write a time"


def test_all_problems_are_told() -> None:
    error = InputError([Problem("first", file="a.yaml"), Problem("second", file="b.yaml", line=2)])
    assert tell(error) == "a.yaml\n    first\nb.yaml:2\n    second"


def test_a_problem_without_a_place_is_told_plainly() -> None:
    assert tell(InputError.of("no such thing", "try another\nor none")) == "no such thing\ntry another\nor none"


def test_other_errors_are_told_by_their_message() -> None:
    assert tell(RunError("the run stalls")) == "the run stalls"
    assert tell(KeyError()) == "KeyError"


def test_exit_codes() -> None:
    assert (HetsimError.exit_code, RunError.exit_code, InputError.exit_code) == (1, 1, 2)
    assert issubclass(InputError, HetsimError) and issubclass(RunError, HetsimError)


def test_a_place_is_filled_in_once() -> None:
    error = InputError([Problem("a"), Problem("b", file="inner.yaml", line=3)]).at("outer.yaml", 7, "workload")
    assert error.problems == (
        Problem("a", "", "outer.yaml", 7, "workload"),
        Problem("b", file="inner.yaml", line=3),
    )


def test_a_path_that_is_known_is_kept() -> None:
    assert InputError.of("a", path="x.y").at("f.yaml", 1, "x").problems[0].path == "x.y"


def test_errors_travel_between_processes() -> None:
    error = InputError([Problem("a", "b", "c", 1, "d")])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems
    assert str(error) == "a"


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("hefty", "heft"),
        ("Greedy", "greedy"),
        ("GREEDY", "greedy"),
        ("roundrobin", "round_robin"),
        ("xyz", None),
    ],
)
def test_the_closest_word_is_found(word: str, near: str | None) -> None:
    assert closest(word, ["greedy", "heft", "round_robin"]) == near


def test_suggestion_or_what_is_known() -> None:
    assert did_you_mean("hefty", ["greedy", "heft"]) == "did you mean 'heft'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"n{i:02}" for i in range(20)]).endswith("n11, …")
    assert did_you_mean("zzz", []) == ""
