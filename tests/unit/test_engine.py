"""The engine's own rules: order, releases, residency, limits, and what it says when something is wrong."""

from __future__ import annotations

from typing import Any

import pytest

import hetsim
from hetsim.engine.holds import Hold
from hetsim.engine.run import Run
from hetsim.errors import InputError, RunError
from hetsim.schedulers.scheduler import Decision, Scheduler, SchedulerSheet, estimate
from hetsim.units import ticks


def tasks(scheduler: str = "heft", **more: Any) -> dict[str, Any]:
    return {
        "system": {
            "components": {"A": {"kind": "abstract"}, "B": {"kind": "abstract"}},
            "links": {"net": {"kind": "ideal", "bandwidth": "1 B/s", "between": ["A", "B"]}},
        },
        "workload": {"tasks": {"a": {"cost": {"A": "3 s"}}, "b": {"cost": {"B": "2 s"}, "after": {"a": "4 B"}}}},
        "scheduler": {"kind": scheduler},
        "numerics": "none",
        **more,
    }


def spans(result: hetsim.Result) -> dict[str, tuple[float, float]]:
    s, names = result.trace.spans, result.trace.graphs[0].ops
    return {names[o]: (start * 1e-12, end * 1e-12) for o, start, end in zip(s["op"], s["start"], s["end"], strict=True)}


def test_data_are_pushed_when_they_are_made() -> None:
    assert spans(hetsim.simulate(hetsim.load(tasks()))) == {"a": (0, 3), "b": (7, 9)}


def test_a_task_waits_for_its_release() -> None:
    raw = tasks()
    raw["workload"]["tasks"]["b"]["release"] = "10 s"
    assert spans(hetsim.simulate(hetsim.load(raw)))["b"] == (10, 12)


def test_a_transfer_to_a_place_is_made_once() -> None:
    raw = tasks()
    raw["workload"]["tasks"] = {
        "a": {"cost": {"A": "1 s"}},
        "b": {"cost": {"B": "1 s"}, "after": {"a": "5 B"}},
        "c": {"cost": {"B": "1 s"}, "after": {"a": "5 B"}},
    }
    result = hetsim.simulate(hetsim.load(raw))
    assert result.document["links"]["net"]["bytes"] == 10  # two edges of an abstract graph are two tensors


def test_max_time_ends_a_run_and_says_what_was_left() -> None:
    result = hetsim.simulate(hetsim.load(tasks(max_time="5 s", traffic={"kind": "batch", "requests": 3})))
    assert result.document["makespan_s"] == 5
    assert result.document["requests"] == 0
    assert any("3 requests were not done" in note for note in result.document["notes"])


def test_max_events_is_an_error() -> None:
    with pytest.raises(RunError, match="max_events = 3"):
        hetsim.simulate(hetsim.load(tasks(max_events=3, traffic={"kind": "batch", "requests": 3})))


def test_a_bounded_queue_drops_and_counts() -> None:
    traffic = {"kind": "trace", "times": ["0 s", "1 s", "2 s", "30 s"], "queue": 2}
    result = hetsim.simulate(hetsim.load(tasks(traffic=traffic)))
    assert (result.document["requests"], result.document["dropped"]) == (3, 1)


def test_warmup_is_left_out_of_latency() -> None:
    every = hetsim.simulate(hetsim.load(tasks(traffic={"kind": "batch", "requests": 2})))
    later = hetsim.simulate(hetsim.load(tasks(traffic={"kind": "batch", "requests": 2}, warmup=1)))
    assert (
        every.document["latency_s"]["mean"] < later.document["latency_s"]["mean"] == every.document["latency_s"]["max"]
    )


class Policy(Scheduler[SchedulerSheet]):
    """A policy under test, put in by hand: answers what ``answer`` makes of the honest decision."""

    kind = "strange"

    def __init__(self, answer: Any) -> None:
        super().__init__(SchedulerSheet(kind="strange"))
        self.answer = answer

    def placeable(self, job: Any, op: int, view: Any) -> Decision:
        return self.answer(job, op, view)


def forced(answer: Any) -> Run:
    raw = tasks()
    raw["system"]["components"]["C"] = {"kind": "abstract"}
    raw["system"]["links"]["net"]["between"] = ["A", "B", "C"]
    raw["workload"]["tasks"]["b"]["cost"]["C"] = "1 s"
    raw["scheduler"]["pin"] = {"b": "B"}
    run = Run(hetsim.load(raw))
    run.dispatcher._scheduler = Policy(answer)
    return run


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda job, op, view: estimate(job, op, "B", view)._replace(offer=view.offer(job, 0, "A")),
            "'b' with an offer that was made for another op",
        ),
        (lambda job, op, view: estimate(job, op, "C", view), "'b' on 'C', which may not run it"),
        (lambda job, op, view: estimate(job, 0, "A", view)._replace(op=7), "op number 7"),
        (lambda job, op, view: estimate(job, 0, "A", view), "op number 0"),
    ],
)
def test_a_policy_that_answers_nonsense_is_named(answer: Any, words: str) -> None:
    with pytest.raises(RunError, match=f"scheduler 'strange' placed.*{words}"):
        forced(lambda job, op, view: answer(job, op, view) if op else estimate(job, 0, "A", view)).go()


def test_a_run_that_stalls_says_who_waits_for_what() -> None:
    """A policy orders two ops of one component against their dependence."""

    def answer(job: Any, op: int, view: Any) -> Decision:
        return estimate(job, op, "A", view)._replace(start=-op if op else -9, ordered=True)

    raw = tasks()
    raw["workload"]["tasks"] = {
        "x": {"cost": {"A": "1 s"}},
        "a": {"cost": {"A": "1 s"}, "after": {"x": "1 B"}},
        "b": {"cost": {"A": "1 s"}, "after": {"a": "1 B"}},
    }
    run = Run(hetsim.load(raw))
    run.dispatcher._scheduler = Policy(answer)
    with pytest.raises(RunError, match=r"stalls.*\n.*a queues for A\.core.*\n.*b waits for a"):
        run.go()


@pytest.mark.parametrize(
    ("cost", "size", "what"),
    [("1e9 s", "1 B", r"1e\+09 s there runs 'a' on 'A'"), ("1 s", "1e9 B", "1 s there move the inputs of 'b'")],
)
def test_a_run_longer_than_can_be_recorded_is_refused(cost: str, size: str, what: str) -> None:
    raw = tasks()
    raw["workload"]["tasks"] = {
        "a": {"cost": {"A": cost, "B": cost}},
        "b": {"cost": {"A": "1 s", "B": "1 s"}, "after": {"a": size}},
    }
    raw["scheduler"]["pin"] = {"a": "A", "b": "B"}
    with pytest.raises(RunError, match=rf"2\^63 ps \(106 days\).*; at {what}: make"):
        hetsim.simulate(hetsim.load(raw))


def test_ordered_ops_keep_their_turn() -> None:
    class Job:
        def __init__(self, run: int) -> None:
            self.run, self.ordered = run, [True]

    hold, first, second = Hold("core", 1), Job(1), Job(2)
    hold.expect(5, first, 0)  # type: ignore[arg-type]
    hold.expect(9, second, 0)  # type: ignore[arg-type]
    assert not hold.claim(second, 0)  # type: ignore[arg-type]
    assert hold.next() is None
    assert hold.claim(first, 0)  # type: ignore[arg-type]
    hold.users -= 1
    claim = hold.next()
    assert claim is not None and claim[0].run == 2


def test_repeat_asks_several_chips() -> None:
    with pytest.raises(InputError, match="repeat"):
        hetsim.simulate(hetsim.load(tasks(repeat=3)))


def test_ticks_are_rounded_once() -> None:
    assert ticks(3 * 0.1e-9) == 300
    assert sum(ticks(1e-9 / 3) for _ in range(3)) == 999 and ticks(1e-9) == 1000


def test_arrivals_count_as_events_so_that_a_crowd_can_be_stopped() -> None:
    crowd = {"kind": "batch", "requests": 10**12}
    parts = {"components": {"P": {"kind": "abstract"}}}
    work = {"tasks": {"n": {"cost": {"P": "1 s"}}}}
    with pytest.raises(RunError, match="more than max_events = 1000 events"):
        hetsim.simulate(hetsim.load({"system": parts, "workload": work, "traffic": crowd, "max_events": 1000}))
