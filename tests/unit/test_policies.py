"""Policies for streams of requests, policies that try things out, and policies that fail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

import hetsim
from hetsim.engine.run import Run
from hetsim.engine.trials import prepared
from hetsim.errors import InputError, RunError
from hetsim.schedulers.objective import Goal
from hetsim.schedulers.scheduler import Decision, Scheduler, SchedulerSheet, estimate
from hetsim.schedulers.search import SearchSheet
from tests.taskgraphs import Tasks, layered, scenario, weighted


def asked(kind: str, tasks: Tasks, parts: int = 2, traffic: Any = None, **settings: Any) -> hetsim.Result:
    raw = {**scenario(tasks, parts, kind, **settings), "traffic": traffic or {}}
    return hetsim.simulate(hetsim.load(raw))


ONE = {"only": {"cost": {"P1": "10 us"}, "after": {}}}


def served(result: hetsim.Result) -> list[int]:
    """The requests in the order in which they were served."""
    spans = result.trace.spans
    return [request for _, request in sorted(zip(spans["start"], spans["request"], strict=True))]


# --- deadlines and priorities ---


def test_the_request_that_is_due_first_is_served_first() -> None:
    traffic = {"requests": 4, "deadline": ["90 us", "50 us", "30 us", "20 us"]}
    first = asked("greedy", ONE, traffic=traffic)
    assert served(first) == [0, 1, 2, 3]
    assert first.document["metrics"] == {"deadline_misses": 1, "deadline_miss_rate": 0.25}
    urgent = asked("edf", ONE, traffic=traffic)
    assert served(urgent) == [0, 3, 2, 1]  # the first had begun when the others came
    assert urgent.document["metrics"]["deadline_misses"] == 0


def test_the_request_of_the_highest_priority_is_served_first() -> None:
    traffic = {"requests": 6, "priority": [0, 2, 1]}
    assert served(asked("greedy", ONE, traffic=traffic)) == [0, 1, 2, 3, 4, 5]
    assert served(asked("priority", ONE, traffic=traffic)) == [0, 1, 4, 2, 5, 3]


def test_deadlines_and_priorities_break_each_others_ties() -> None:
    traffic = {"requests": 4, "priority": [0, 0, 1, 1], "deadline": ["1 ms", "2 ms", "4 ms", "3 ms"]}
    assert served(asked("priority", ONE, traffic=traffic)) == [0, 3, 2, 1]
    assert served(asked("edf", ONE, traffic=traffic | {"deadline": "1 ms"})) == [0, 2, 3, 1]


def test_requests_that_are_dropped_or_left_open_miss_their_deadline() -> None:
    dropped = asked("edf", ONE, traffic={"requests": 5, "queue": 2, "deadline": "1 s"}).document
    assert dropped["dropped"] == 3 and dropped["metrics"]["deadline_misses"] == 3
    raw = {**scenario(ONE, 2, "edf"), "traffic": {"requests": 5, "deadline": "1 s"}, "max_time": "25 us"}
    assert hetsim.simulate(hetsim.load(raw)).document["metrics"]["deadline_misses"] == 3


def test_edf_is_optimal_on_one_processor() -> None:
    """Requests that are all there, each with a deadline: if any order keeps all of them, EDF does [Liu 1973]."""
    tasks = {"only": {"cost": {"P1": "10 us"}, "after": {}}}
    for order in itertools.permutations(range(1, 5)):
        deadlines = ["10 us", *(f"{10 + 10 * turn} us" for turn in order)]
        document = asked("edf", tasks, traffic={"requests": 5, "deadline": deadlines}).document
        assert document["metrics"]["deadline_misses"] == 0


# --- work stealing ---


def test_who_has_nothing_to_do_steals() -> None:
    """Everything becomes ready where its producer ran; without theft one processor would run it all."""
    tasks: Tasks = {"first": {"cost": {"P1": "1 us", "P2": "9 us"}, "after": {}}}
    tasks |= {f"t{k}": {"cost": {"P1": "10 us", "P2": "10 us"}, "after": {"first": "0 B"}} for k in range(6)}
    document = asked("work_stealing", tasks, 2).document
    assert document["makespan_s"] == pytest.approx(31e-6)
    assert [document["components"][p]["ops"] for p in ("P1", "P2")] == [0, 0]  # tasks have no arithmetic
    assert [len([a for a in document["assignments"].values() if a == [p]]) for p in ("P1", "P2")] == [4, 3]


def test_nobody_steals_what_the_victim_does_sooner() -> None:
    tasks: Tasks = {f"t{k}": {"cost": {"P1": "1 us", "P2": "100 us"}, "after": {}} for k in range(5)}
    assert set(map(tuple, asked("work_stealing", tasks, 2).document["assignments"].values())) == {("P1",)}


def test_a_stream_is_stolen_from_as_well() -> None:
    tasks = weighted(layered(12, seed=5), 3, ccr=0.1, seed=5)
    traffic = {"kind": "poisson", "rate": "4 kHz", "requests": 30}
    stolen = asked("work_stealing", tasks, 3, traffic=traffic).document
    dealt = asked("round_robin", tasks, 3, traffic=traffic).document
    assert stolen["requests"] == 30 and stolen["latency_s"]["mean"] < dealt["latency_s"]["mean"]


# --- batching ---

NETWORK = {
    "system": {
        "components": {"cpu": {"use": "cpus/xeon_platinum_8180"}, "gpu": {"use": "gpus/nvidia_v100_sxm2"}},
        "links": {"pcie": {"use": "links/pcie3_x16", "between": ["cpu", "gpu"]}},
    },
    "workload": {"use": "cnn/yao_2020_mnist", "batch": 2, "data": "mnist/test[:61]"},
    "numerics": "ideal",
}


def test_requests_that_are_served_as_one_get_the_same_answers() -> None:
    """Batches of 2 samples, the last of 1, four at a time: all but the last four times in one graph of 8."""
    traffic = {"kind": "closed", "concurrency": 8}
    alone = hetsim.simulate(hetsim.load(NETWORK | {"traffic": traffic, "scheduler": {"pin": {"*": "gpu"}}}))
    settings = {"kind": "batching", "size": 4, "wait": "20 us", "pin": {"*": "gpu"}}
    joined = hetsim.simulate(hetsim.load(NETWORK | {"traffic": traffic, "scheduler": settings}))
    assert joined.document["metrics"]["accuracy"] == alone.document["metrics"]["accuracy"]
    assert joined.document["requests"] == alone.document["requests"] == 31
    assert len(joined.trace.calls) == 8 and len(alone.trace.calls) == 31
    assert joined.document["makespan_s"] < 0.6 * alone.document["makespan_s"]


def test_a_batch_waits_no_longer_than_it_may() -> None:
    times = ["0 s", "10 us", "300 us"]
    settings = {"kind": "batching", "size": 8, "wait": "100 us", "pin": {"*": "gpu"}}
    raw = NETWORK | {"traffic": {"kind": "trace", "times": times}, "scheduler": settings, "numerics": "none"}
    trace = hetsim.simulate(hetsim.load(raw)).trace
    begun = sorted(zip(trace.requests["request"], trace.requests["start"], strict=True))
    assert [start >= 100_000_000 for _, start in begun] == [True] * 3
    assert begun[0][1] == begun[1][1] < 150_000_000  # both together, and 100 us after the first came
    assert 400_000_000 <= begun[2][1] < 450_000_000


def test_a_full_batch_does_not_wait() -> None:
    settings = {"kind": "batching", "size": 2, "wait": "1 s"}
    raw = NETWORK | {"traffic": {"requests": 4}, "scheduler": settings, "numerics": "none"}
    assert hetsim.simulate(hetsim.load(raw)).document["makespan_s"] < 1e-3


def test_what_cannot_be_joined_is_served_one_by_one() -> None:
    document = asked("batching", ONE, traffic={"requests": 3}, size=3, wait="1 s").document
    assert document["makespan_s"] == pytest.approx(30e-6)


# --- trying things out ---


def test_search_finds_what_heft_does_not() -> None:
    found = hetsim.simulate(hetsim.load("heft_textbook", ["scheduler={kind: search, trials: 400}", "expect=[]"]))
    metrics = found.document["metrics"]
    assert metrics["scheduler.start_makespan"] == 80
    assert 73 <= metrics["scheduler.found_makespan"] < 80
    assert metrics["scheduler.found_makespan"] == found.document["makespan_s"]  # what was tried is what happens
    again = hetsim.simulate(hetsim.load("heft_textbook", ["scheduler={kind: search, trials: 400}", "expect=[]"]))
    assert again.trace.spans["start"] == found.trace.spans["start"]


@pytest.mark.parametrize("seed", range(4))
def test_search_is_never_worse_than_its_start(seed: int) -> None:
    tasks = weighted(layered(15, seed), 3, ccr=1.0, seed=seed)
    heft = asked("heft", tasks, 3).document["makespan_s"]
    assert asked("search", tasks, 3, trials=40).document["makespan_s"] <= heft


def test_search_looks_for_what_it_is_told_to() -> None:
    tasks: Tasks = {"a": {"cost": {"P1": "1 us", "P2": "8 us"}, "after": {}, "energy": {"P1": "9 J", "P2": "1 J"}}}
    assert asked("search", tasks, 2, trials=20).document["assignments"]["a"] == ["P1"]
    assert asked("search", tasks, 2, trials=20, objective="energy").document["assignments"]["a"] == ["P2"]
    bounded = {"minimise": "energy", "subject_to": {"latency": "<= 5 us"}}
    assert asked("search", tasks, 2, trials=20, objective=bounded).document["assignments"]["a"] == ["P1"]
    mixed = {"energy": 1.0, "makespan": 3.0}
    assert asked("search", tasks, 2, trials=20, objective=mixed).document["assignments"]["a"] == ["P1"]


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ({"minimise": "accuracy"}, "accuracy is to be maximised"),
        ({"maximise": "energy"}, "energy is to be minimised"),
        ({"minimise": "enrgy"}, "did you mean 'energy'"), ({}, "minimise and maximise"),
        ({"minimise": "energy", "subject_to": {"accuracy": "0.97"}}, "no bound of accuracy"),
        ({"minimise": "energy", "subject_to": {"latency": "<= 2 J"}}, "is an energy"),
    ],
)  # fmt: skip
def test_goals_that_make_no_sense_are_refused(goal: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Goal.model_validate(goal)


def test_a_goal_weighs_figures_against_the_start() -> None:
    goal = SearchSheet.model_validate({"kind": "search", "objective": {"energy": 1, "throughput": 2}}).objective
    start = {"energy": 4.0, "throughput": 10.0}
    assert goal.score(start, start) == (0, 3)
    assert goal.score({"energy": 2.0, "throughput": 20.0}, start) == (0, 1.5)
    bounded = Goal.model_validate({"minimise": "energy", "subject_to": {"accuracy": ">= 0.8", "latency": "<= 2 ms"}})
    assert bounded.score({"energy": 1.0, "accuracy": 0.8, "latency": 2e-3}, {"energy": 2.0}) == (0, 0.5)
    missed, _ = bounded.score({"energy": 1.0, "accuracy": 0.6, "latency": 3e-3}, {"energy": 2.0})
    assert missed == pytest.approx(0.25 + 0.5)


# --- by hand ---

CHAIN: Tasks = {
    "a": {"cost": {"P1": "1 us", "P2": "1 us"}, "after": {}},
    "b": {"cost": {"P1": "5 us", "P2": "1 us"}, "after": {}},
    "c": {"cost": {"P1": "1 us"}, "after": {"a": "0 B"}},
}


def test_a_schedule_by_hand_is_kept_to_the_letter() -> None:
    found = asked("manual", CHAIN, 2, schedule={"P1": ["b", "a", "c"], "P2": []})
    assert found.document["assignments"] == {"a": ["P1"], "b": ["P1"], "c": ["P1"]}
    assert found.document["makespan_s"] == pytest.approx(7e-6)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"P1": ["a", "c"]}, "no op 'b'"), ({"P1": ["a", "b"], "P2": ["c"]}, "'c' may not run on 'P2'"),
        ({"P1": ["a", "b", "c", "a"]}, "more than once"), ({"P1": ["c", "a", "b"]}, "the schedule is a circle"),
    ],
)  # fmt: skip
def test_a_schedule_by_hand_that_cannot_be_is_refused(schedule: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        asked("manual", CHAIN, 2, schedule=schedule)


# --- policies that fail ---


class Broken(Scheduler[SchedulerSheet]):
    """Answers what ``answer`` makes of the question."""

    kind = "broken"

    def __init__(self, answer: Any, late: bool = False) -> None:
        super().__init__(SchedulerSheet(kind="broken"))
        self.answer, self.late = answer, late

    def placeable(self, job: Any, op: int, view: Any) -> Any:
        return self.answer(job, op, view)


class Forgetful(Broken):
    """Yields the same op twice."""

    def arrived(self, job: Any, view: Any) -> Iterator[Decision]:
        yield estimate(job, 0, "P1", view)
        yield estimate(job, 0, "P1", view)


def ran(policy: Scheduler[Any]) -> None:
    run = Run(hetsim.load(scenario(CHAIN, 2, "heft")))
    run.dispatcher._scheduler = policy
    run.go()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda job, op, view: None, "answered None where a Decision is expected"),
        (lambda job, op, view: ("a", "P1"), "answered .* where a Decision"),
        (lambda job, op, view: estimate(job, op, "P3", view), "failed: KeyError: 'P3'"),
        (lambda job, op, view: 1 / 0, "failed: ZeroDivisionError"),
        (lambda job, op, view: estimate(job, op, "P1", view)._replace(offer="P1"), "'a' with 'P1', which is no offer"),
        (lambda job, op, view: estimate(job, op, "P1", view)._replace(end=float("nan")), "'a' from 0 to nan"),
        (lambda job, op, view: estimate(job, op, "P1", view)._replace(op="a"), "op number a"),
        (lambda job, op, view: estimate(job, 2, "P1", view), "'c' before the ops that it reads from"),
    ],
)
def test_nonsense_is_told_by_the_name_of_the_policy(answer: Any, words: str) -> None:
    with pytest.raises(RunError, match=f"scheduler 'broken' .*{words}"):
        ran(Broken(answer))


def test_an_op_that_is_placed_twice_is_told() -> None:
    with pytest.raises(RunError, match=r"scheduler 'broken' placed op number 0 .* not waiting"):
        ran(Forgetful(None))


def test_a_late_policy_that_never_places_an_op_is_told() -> None:
    with pytest.raises(RunError, match=r"stalls.*\n.*a was given no place by scheduler 'broken'"):
        ran(Broken(lambda job, op, view: None, late=True))


def test_an_op_that_nobody_supports_is_told_with_every_reason() -> None:
    raw = NETWORK | {"system": {"components": {"npu": {"use": "accelerators/tpu_v1"}}, "host": "npu"}}
    raw |= {"workload": {"use": "transformers/encoder_base"}, "numerics": "none"}
    with pytest.raises(InputError) as told:
        hetsim.simulate(hetsim.load(raw))
    problem = next(p for p in told.value.problems if "softmax1" in p.message)
    assert problem.message == "no component can run op 'softmax1' (Softmax)"
    assert problem.hint.startswith("npu: ")


def test_weights_that_fit_nowhere_are_told_with_their_size() -> None:
    parts = {"cpu": {"use": "cpus/cortex_a72_x4"}, "imc": {"use": "imc/rram_yao_nature_2020"}}
    links = {"bus": {"use": "links/axi4_128b", "between": ["cpu", "imc"]}}
    raw = {
        "system": {"components": parts, "links": links}, "numerics": "none",
        "workload": {"use": "cnn/resnet50_v1_5"}, "scheduler": {"pin": {"conv1": "imc"}},
    }  # fmt: skip
    with pytest.raises(InputError) as told:
        hetsim.simulate(hetsim.load(raw))
    (problem,) = told.value.problems
    assert problem.message == "no component can run op 'conv1' (Conv)"
    assert "imc: the matrix takes 16 crossbars, the chip has 8" in problem.hint


def test_a_run_that_was_prepared_answers_for_the_question_that_was_asked() -> None:
    question = hetsim.load(scenario(CHAIN, 2, "search", trials=5))
    run = prepared(question)
    assert run.question is question
