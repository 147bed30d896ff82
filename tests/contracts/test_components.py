"""What every component must do, for every registered kind and every datasheet that ships."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hetsim.catalog import filled, locate, names, stripped, unsourced
from hetsim.document import read
from hetsim.hardware.component import Component, Moment, Plan, kinds
from hetsim.hardware.link import link_kinds
from hetsim.numerics import run
from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Cost, Op, Tensor

NAME = "unit"
SHEETS = [
    (name, filled(stripped(read(locate(name))[0]), [locate(name).parent]).plain()) for name in names("components")
]
PARTS = {name: data for name, data in SHEETS if data.get("kind") in kinds()}
LINKS = {name: data for name, data in SHEETS if data.get("kind") in link_kinds()}
PARTS["abstract"] = {"kind": "abstract"}  # needs no datasheet


def built(sheet: str) -> Component[Any]:
    kind = kinds()[PARTS[sheet]["kind"]]
    part = kind(NAME, kind.sheet_type.model_validate(PARTS[sheet]))
    part.bind({NAME: part})
    return part


def _value(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def _op(kind: str, data: list[Any], stored: list[Any], out: tuple[int, ...], **attributes: Any) -> Op:
    """An op on moving and then stored operands."""
    exact = attributes.pop("exact", False)
    activation = attributes.pop("activation", None)
    inputs = [Tensor(f"x{i}", v.shape, v.dtype.name) for i, v in enumerate(data)]
    inputs += [Tensor(f"w{i}", v.shape, v.dtype.name, load=lambda v=v: v) for i, v in enumerate(stored)]
    outputs = (Tensor("y", out, [*data, *stored][0].dtype.name),)
    macs, element_ops = arithmetic(kind, attributes, inputs, outputs)
    view = matrix_view(kind, attributes, inputs, outputs)
    return Op(kind, kind, tuple(inputs), outputs, attributes, activation, macs, element_ops, view, exact)


_ROOT = _value((6, 6))
_SPD = _ROOT @ _ROOT.T / 6 + np.eye(6, dtype="float32")

OPS = {
    "convolution": _op(
        "Conv",
        [abs(_value((2, 1, 8, 8)))],
        [_value((4, 1, 3, 3)), _value((4,))],
        (2, 4, 6, 6),
        activation="Relu",
    ),
    "grouped convolution": _op("Conv", [_value((1, 4, 5, 5))], [_value((4, 2, 3, 3))], (1, 4, 3, 3), group=2),
    "dense": _op("Gemm", [_value((3, 20))], [_value((5, 20)), _value((5,))], (3, 5), transB=1),
    "product": _op("MatMul", [_value((3, 20))], [_value((20, 5))], (3, 5)),
    "product of two that move": _op("MatMul", [_value((3, 20)), _value((20, 5))], [], (3, 5)),
    "product in double": _op("MatMul", [_value((3, 20), "float64")], [_value((20, 5), "float64")], (3, 5)),
    "pooling": _op("MaxPool", [_value((2, 4, 6, 6))], [], (2, 4, 3, 3), kernel_shape=(2, 2), strides=(2, 2)),
    "sum": _op("Add", [_value((3, 20)), _value((3, 20))], [], (3, 20)),
    "exact difference": _op("Sub", [_value((9,), "float64")] * 2, [], (9,), exact=True),
    "softmax": _op("Softmax", [_value((3, 20))], [], (3, 20), axis=-1),
    "linear system": _op("AnalogSolve", [], [_SPD, _value((6, 2))], (6, 2)),
    "search": _op("CamSearch", [_value((5, 3))], [_value((7, 3)) - 1, _value((7, 3)) + 1], (5, 7)),
    "fading": _op("FadingMemory", [_value((5, 3, 4))], [], (5, 3, 4), decay=0.5, gain=1.0, steepness=2.0),
    "task": Op("task", "Task", (), (Tensor("y", (40,), "byte"),), cost={NAME: Cost(2.0, 3.0)}),
    "task of others": Op("other", "Task", (), (Tensor("y", (40,), "byte"),), cost={"another": Cost(1.0)}),
}


def supported(part: Component[Any]) -> Iterator[Op]:
    return (op for op in OPS.values() if not part.supports(op))


def values(op: Op) -> list[np.ndarray | None]:
    return [None if t is None else t.value if t.constant else _value(t.shape, t.dtype) for t in op.inputs]


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> Component[Any]:
    return built(request.param)


def test_every_kind_has_a_datasheet() -> None:
    assert {data["kind"] for data in PARTS.values()} == kinds().keys()
    assert {data["kind"] for data in LINKS.values()} | {"ideal"} == link_kinds().keys()


@pytest.mark.parametrize("name", [name for name, _ in SHEETS])
def test_every_figure_has_a_source_and_evidence(name: str) -> None:
    assert list(unsourced(stripped(read(locate(name))[0]))) == []


@pytest.mark.parametrize("name", LINKS)
def test_links_take_time_and_energy(name: str) -> None:
    kind = link_kinds()[LINKS[name]["kind"]]
    link = kind("link", kind.sheet_type.model_validate({"between": ("a", "b"), **LINKS[name]}))
    assert 0 == link.occupancy(0) < link.occupancy(1) <= link.occupancy(4096)
    assert 0 == link.joules(0) <= link.joules(1) <= link.joules(4096) < math.inf
    assert 0 <= link.latency() < 1e-3
    assert len(link.lanes("a", "b")) == link.hops("a", "b")
    assert link.places() >= 1
    assert 0 < link.peaks()["peak_bytes_per_s"] < math.inf
    assert link.static_power() >= 0


def test_it_knows_its_kind_and_what_it_cannot_do(part: Component[Any]) -> None:
    assert isinstance(part.sheet, part.sheet_type)
    assert part.sheet.kind == part.kind
    for op in OPS.values():
        reason = part.supports(op)
        assert reason == part.supports(op)
        assert reason == reason.strip()
        assert "\n" not in reason
    assert part.supports(OPS["task of others"])


def test_plans_are_equal_for_equal_questions(part: Component[Any]) -> None:
    for op in supported(part):
        first = part.plan(op, part.residency())
        assert first == part.plan(op, part.residency())
        assert hash(part.residency()) == hash(part.residency())
        if first.after is not None:
            again = part.plan(op, first.after)
            assert again == part.plan(op, first.after)


def test_plans_are_finite_and_complete(part: Component[Any]) -> None:
    for op in supported(part):
        plan = part.plan(op, part.residency())
        for number in (plan.setup, plan.fill, plan.interval, *(amount for _, amount in plan.demands)):
            assert 0 <= number < math.inf
        assert plan.setup + plan.fill + sum(amount for _, amount in plan.demands) > 0
        assert plan.chunks >= 1
        assert len(plan.output_bytes) == len(op.outputs)
        assert all(isinstance(size, int) and size > 0 for size in plan.output_bytes)
        check_steps(plan)


def check_steps(plan: Plan) -> None:
    categories = {"compute", "array", "dac", "adc", "digital", "buffer", "link", "memory", "program"}
    assert len({step.name for step in plan.steps}) == len(plan.steps)
    for step in plan.steps:
        assert step.category in categories
        assert 0 <= step.count < math.inf
        assert 0 <= step.seconds < math.inf
        assert 0 <= step.joules < math.inf


def test_resources_are_named_after_their_owner(part: Component[Any]) -> None:
    owners = {NAME, *(m for m in [getattr(part.sheet, "memory", "")] if isinstance(m, str) and m)}
    for op in supported(part):
        plan = part.plan(op, part.residency())
        assert plan.holds
        for resource in (*plan.holds, *(port for port, _ in plan.demands)):
            assert resource.partition(".")[0] in owners
        assert {port for port, _ in plan.demands} <= part.ports().keys()
    assert all(capacity >= 1 for capacity in part.capacities().values())
    assert all(0 < rate < math.inf for rate in part.ports().values())


def test_powers_and_peaks_are_finite(part: Component[Any]) -> None:
    assert 0 <= part.static_power() < math.inf
    peaks = part.peaks()
    assert all(0 < peak < math.inf for peak in peaks.values())
    assert peaks.get("peak_power_W", math.inf) >= part.static_power()


@pytest.mark.parametrize("ideal", [True, False])
def test_numbers_fit_the_op_and_depend_on_the_key_alone(part: Component[Any], ideal: bool) -> None:
    for op in supported(part):
        plan = part.plan(op, part.residency())
        outcomes = [part.compute(op, values(op), part.state(11), Moment(0.0, 7, ideal), plan) for _ in range(2)]
        for outcome in outcomes:
            assert len(outcome.outputs) == len(op.outputs)
            assert all(y.shape == t.shape for y, t in zip(outcome.outputs, op.outputs, strict=True))
            assert all(np.isfinite(y).all() for y in outcome.outputs)
            assert outcome.steps.keys() <= {step.name for step in plan.steps}
            assert all(0 <= m.joules < math.inf for m in outcome.steps.values())
        for one, other in zip(outcomes[0].outputs, outcomes[1].outputs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_numbers_are_near_the_true_ones(part: Component[Any]) -> None:
    """Whatever the arithmetic, a dense layer's outputs correlate with the exact ones."""
    for name in ("convolution", "dense", "product"):
        op = OPS[name]
        if part.supports(op):
            continue
        x = values(op)
        outcome = part.compute(op, x, part.state(11), Moment(0.0, 7, True), part.plan(op, part.residency()))
        correlation = np.corrcoef(outcome.outputs[0].ravel(), run(op, x)[0].ravel())[0, 1]
        assert correlation > 0.9
