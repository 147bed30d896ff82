"""Arbiters against a burst-by-burst walk through the same requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetsim.engine.arbiter import arbiter
from hetsim.engine.clock import Clock
from hetsim.hardware.link import Arbitration

NAMES = ("a", "b", "c")
TICK = 1e-12


@dataclass
class Message:
    """A message of the walk: who asks, when, ticks in all, bursts."""

    sender: int
    asked: int
    occupancy: int
    bursts: int
    begun: int = -1
    ended: int = -1


def served(policy: str, turnaround: int, order: tuple[str, ...], messages: list[Message]) -> list[tuple[int, int]]:
    """Begin and end of each message by the arbiter."""
    clock = Clock()
    shared = arbiter(Arbitration(policy, 1.0, turnaround * TICK, order), clock, {n: i for i, n in enumerate(NAMES)})
    found: dict[int, tuple[int, int]] = {}

    def done(number: Any, begun: int) -> None:
        found[number] = begun, clock.now

    def asked(number: int) -> None:
        m = messages[number]
        shared.ask(m.sender, m.occupancy, m.bursts, done, number)

    for i, m in enumerate(messages):
        clock.alarm(m.asked, asked, i)
    clock.run()
    return [found[i] for i in range(len(messages))]


def walked(policy: str, turnaround: int, order: tuple[str, ...], messages: list[Message]) -> list[tuple[int, int]]:
    """The same, burst after burst. Who asks as a burst ends takes part in the choice of the next, but with
    round robin comes after those that wait already."""
    now, driver = 0, -1
    left = {i: m.bursts if policy != "fifo" else 1 for i, m in enumerate(messages)}
    waiting: list[int] = []  # in order of their turns
    coming = sorted(range(len(messages)), key=lambda i: (messages[i].asked, i))
    rank = {NAMES.index(name): r for r, name in enumerate(order)}
    while waiting or coming:
        if not waiting:
            now = max(now, messages[coming[0]].asked)
        while coming and messages[coming[0]].asked <= now:
            waiting.append(coming.pop(0))
        if policy == "priority":
            waiting.sort(key=lambda i: (rank.get(messages[i].sender, len(rank)), messages[i].asked, i))
        number = waiting[0]
        m = messages[number]
        if driver not in (-1, m.sender):
            now += turnaround
        if m.begun < 0:
            m.begun = now
        count = m.bursts if policy != "fifo" else 1
        burst, rest = divmod(m.occupancy, count)
        left[number] -= 1
        now += burst + (0 if left[number] else rest)
        driver = m.sender
        late = [i for i in coming if messages[i].asked < now]
        waiting += late
        coming = [i for i in coming if i not in late]
        if left[number]:
            if policy == "round_robin":
                waiting.append(waiting.pop(0))
        else:
            m.ended = now
            waiting.pop(0)
    return [(m.begun, m.ended) for m in messages]


@given(
    st.sampled_from(["fifo", "round_robin", "priority"]),
    st.sampled_from([0, 3]),
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 40), st.integers(1, 12), st.integers(0, 9)),
        min_size=3,
        max_size=3,
    ),
)
def test_it_serves_as_a_walk_burst_by_burst(policy: str, turnaround: int, rows: list[tuple[int, ...]]) -> None:
    """Three senders with a message each."""
    messages = [
        Message(i, asked, burst * bursts + min(rest, bursts - 1), bursts)
        for i, (asked, burst, bursts, rest) in enumerate(rows)
    ]
    order = ("c", "a") if policy == "priority" else ()
    assert served(policy, turnaround, order, messages) == walked(policy, turnaround, order, messages)


def test_round_robin_shares_burst_by_burst() -> None:
    """1000 bursts against 10: the short one waits for as many of the long one's as it has itself."""
    messages = [Message(0, 0, 10_000, 1000), Message(1, 5, 100, 10)]
    assert served("round_robin", 0, (), messages) == [(0, 10_100), (10, 200)]


def test_changing_hands_costs_time() -> None:
    messages = [Message(0, 0, 100, 1), Message(1, 0, 100, 1), Message(1, 0, 100, 1), Message(0, 0, 100, 1)]
    assert served("fifo", 7, (), messages) == [(0, 100), (107, 207), (207, 307), (314, 414)]


def test_the_higher_goes_first_at_the_end_of_a_burst() -> None:
    messages = [Message(0, 0, 100, 10), Message(1, 14, 50, 5), Message(2, 15, 20, 2)]
    assert served("priority", 0, ("c", "b"), messages) == [(0, 170), (40, 90), (20, 40)]


def test_messages_of_a_sender_follow_each_other() -> None:
    messages = [Message(0, 0, 40, 4), Message(0, 0, 40, 4), Message(1, 0, 40, 4)]
    assert served("round_robin", 0, (), messages) == [(0, 70), (80, 120), (10, 80)]


@pytest.mark.parametrize("policy", ["fifo", "round_robin", "priority"])
def test_a_long_message_costs_few_events(policy: str) -> None:
    clock = Clock()
    shared = arbiter(Arbitration(policy, 1.0, 0.0, ("a",)), clock, {"a": 0, "b": 1})
    for sender in (0, 1):
        shared.ask(sender, 10**9, 10**6, lambda payload, begun: None, None)
    clock.run()
    assert clock.now == 2 * 10**9
    assert clock.events < 10
