"""Volatile memristors: the law by hand, devices that differ, and what a sequence takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from hetsim.extensions import faded, opened
from hetsim.hardware.component import Moment, Outcome
from hetsim.hardware.volatile import Volatile, VolatileSheet
from hetsim.operators import arithmetic
from hetsim.workload import Op, Tensor

FACTS = {
    "devices": 12, "g_min": "1 uS", "g_max": "5 uS", "tau": "400 us", "gain": 0.7, "steepness": 3, "voltage": "2 V",
    "width": "100 us", "read_voltage": "1 V", "read_width": "10 us", "period": "200 us", "rest": "2 ms",
    "input_bits": 12, "drive": "1 pJ", "output_bits": 16, "convert": "2 pJ", "conversion": "1 us",
    "bandwidth": "1 GB/s", "transfer": "1 pJ/bit",
}  # fmt: skip
ONE_BY_ONE = {"tau_spread": 0.1, "gain_spread": 0.1, "cycle": 0.05, "noise": 0.01}


def part(**changes: object) -> Volatile:
    return Volatile("nodes", VolatileSheet.model_validate({**FACTS, **changes}))


def fading(shape: tuple[int, int, int], **more: object) -> Op:
    attributes = {"decay": math.exp(-0.5), "gain": 0.7, "steepness": 3.0}
    inputs, outputs = (Tensor("x", shape),), (Tensor("y", shape),)
    count = arithmetic("FadingMemory", attributes, inputs, outputs)
    return Op("fading", "FadingMemory", inputs, outputs, attributes, None, *count, **more)  # type: ignore[arg-type]


def run(nodes: Volatile, drive: np.ndarray, ideal: bool = False, key: int = 1) -> Outcome:
    op = fading(drive.shape)  # type: ignore[arg-type]
    assert nodes.supports(op) == ""
    return nodes.compute(op, [drive], nodes.state(3), Moment(0.0, key, ideal), nodes.plan(op, nodes.residency()))


def test_a_pulse_opens_a_share_of_what_is_closed_and_the_rest_fades() -> None:
    """Three steps by hand: a full pulse, none, a half one."""
    share = 1 - math.exp(-0.7)
    half = 1 - math.exp(-0.7 * math.sinh(1.5) / math.sinh(3))
    first, second = share, share * 0.6
    third = 0.6 * second + (1 - 0.6 * second) * half
    found = faded(np.array([[[1.0], [0.0], [0.5]]]), 0.6, 0.7, 3.0)
    np.testing.assert_allclose(found.ravel(), [first, second, third], rtol=1e-12)


def test_the_share_grows_with_the_drive_and_never_exceeds_all() -> None:
    drive = np.linspace(0, 1, 50)
    shares = opened(drive, 2.0, 4.0)
    assert shares[0] == 0 and (np.diff(shares) > 0).all() and shares[-1] == pytest.approx(1 - math.exp(-2))
    assert opened(np.array([1.0]), 1e3, 4.0)[0] == 1


def test_without_a_drive_a_state_halves_in_its_half_life() -> None:
    drive = np.zeros((1, 9, 1))
    drive[0, 0] = 1
    states = faded(drive, 0.5 ** (1 / 4), 1.0, 3.0).ravel()
    assert states[4] == pytest.approx(states[0] / 2) and states[8] == pytest.approx(states[0] / 4)


def test_ideal_devices_follow_the_law_to_a_code() -> None:
    drive = np.random.default_rng(0).uniform(-0.2, 1.2, (5, 7, 4)).astype("float32")
    found = run(part(**ONE_BY_ONE), drive, ideal=True).outputs[0]
    # 12 bits of the drive, and 16 of the states
    np.testing.assert_allclose(found, faded(drive.astype("float64"), math.exp(-0.5), 0.7, 3.0), atol=2e-4)


def test_devices_that_differ_do_so_again_and_others_differ_otherwise() -> None:
    drive = np.full((6, 5, 4), 0.8, "float32")
    nodes = part(tau_spread=0.2, gain_spread=0.2)
    states = run(nodes, drive).outputs[0]
    np.testing.assert_array_equal(states[0], states[3])  # three sets take turns: the same devices, without noise
    assert np.abs(states[0] - states[1]).max() > 1e-3
    np.testing.assert_array_equal(states, run(nodes, drive).outputs[0])


def test_spreads_have_the_stated_size() -> None:
    nodes = part(devices=20_000, tau_spread=0.1, gain_spread=0.05)
    state = nodes.state(5)
    tau = -200e-6 / np.log(state.decay) / 400e-6
    assert (tau.mean(), tau.std()) == pytest.approx((1, 0.1), abs=0.003)
    assert (state.gain / 0.7).std() == pytest.approx(0.05, abs=0.001)


def test_noise_of_reads_and_pulses() -> None:
    drive = np.full((4000, 1, 12), 0.9, "float32")
    mean = float(opened(np.array(0.9), 0.7, 3.0))
    read = run(part(noise=0.01), drive).outputs[0]
    assert read.std() == pytest.approx(0.01, rel=0.02) and read.mean() == pytest.approx(mean, abs=1e-3)
    assert run(part(cycle=0.05), drive).outputs[0].std() == pytest.approx(0.05 * mean, rel=0.02)


def test_sequences_take_turns_over_sets_of_nodes() -> None:
    """Seven sequences of five steps on two sets of six devices: four rounds, each of five periods and a rest."""
    nodes = part()
    plan = nodes.plan(fading((7, 5, 6)), nodes.residency())
    assert plan.chunks == 4 and plan.fill == plan.interval == pytest.approx(5 * 200e-6 + 2e-3)
    shared = part(sharing=6, conversion="50 us")  # six reads of a converter take longer than the period
    assert shared.plan(fading((1, 5, 6)), shared.residency()).fill == pytest.approx(5 * (100e-6 + 6 * 50e-6) + 2e-3)


def test_energy_is_that_of_the_conductances() -> None:
    """One device, one full pulse: it is at its state while it is pulsed and read."""
    outcome = run(part(), np.ones((1, 1, 1), "float32"))
    x = 1 - math.exp(-0.7)
    expected = (1e-6 + 4e-6 * x) * (2**2 * 100e-6 + 1**2 * 10e-6)
    assert outcome.steps["pulse"].joules == pytest.approx(expected, rel=1e-6)
    plan = part().plan(fading((3, 5, 4)), part().residency())
    counts = {step.name: step.count for step in plan.steps}
    assert counts["drive"] == counts["pulse"] == counts["convert"] == 60 and counts["load"] == 60 * 28 / 8


def test_what_it_cannot_run() -> None:
    assert part().supports(fading((2, 3, 13))) == "13 nodes are more than its 12 devices"
    assert part().supports(fading((2, 3, 4), exact=True)) == "forgets as its devices do, and the op must be exact"
    other = Op("y", "Tanh", (Tensor("x", (3,)),), (Tensor("y", (3,)),))
    assert part().supports(other) == "is driven and forgets, and runs no Tanh"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"g_min": "6 uS"}, "g_min must be below g_max"), ({"width": "195 us"}, "do not fit in the period"),
     ({"tau": "0 s"}, "greater than 0")],
)  # fmt: skip
def test_wrong_figures_are_refused(change: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        part(**change)
