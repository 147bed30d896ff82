"""PyTorch modules on simulated hardware: captured whole, computed as PyTorch computes them, refused with words."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import hetsim
from hetsim.errors import InputError

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'hetsim[torch]'")
nn = torch.nn

from hetsim import torch as ours  # noqa: E402
from tests.unit import torch_modules as modules  # noqa: E402
from tools import hardening_table as networks  # noqa: E402

CPU = {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}}


def leaves(result: Any) -> list[Any]:
    return torch.utils._pytree.tree_leaves(result)


def assert_equal(module: Any, *inputs: Any) -> ours.Compiled:
    """What the CPU component gives is what PyTorch gives, in the same structure."""
    compiled = ours.compile(module, inputs, system=CPU)
    found = compiled(*inputs)
    with torch.no_grad():
        expected = copy.deepcopy(module).eval()(*inputs)
    assert torch.utils._pytree.tree_structure(found) == torch.utils._pytree.tree_structure(expected)
    for x, y in zip(leaves(found), leaves(expected), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=2e-6)
    assert compiled.deviation < 1e-6
    return compiled


@pytest.mark.parametrize("name", ["Convolutional", "Recurrent", "Encoder"])
def test_networks_on_a_cpu_are_those_of_pytorch(name: str) -> None:
    torch.manual_seed(1)
    compiled = assert_equal(getattr(networks, name)(), torch.randn(5, 64))
    assert compiled.result.document["makespan_s"] > 0


def test_structures_survive() -> None:
    torch.manual_seed(1)
    assert_equal(nn.GRU(4, 3, num_layers=2, bidirectional=True), torch.randn(3, 2, 4))  # a tensor and a tensor
    assert_equal(modules.Named(), torch.randn(2, 3), torch.randn(2, 3))  # a dictionary with a None, a number, an input


@pytest.mark.parametrize("name", ["Pointwise", "Moves", "Reductions", "Windows", "Products", "Integers"])
def test_operators_of_a_family(name: str) -> None:
    torch.manual_seed(2)
    assert_equal(getattr(modules, name)(), torch.rand(2, 4, 6, 6) * 2 - 0.9)


def test_costs_are_exact_and_products_bear_their_names() -> None:
    compiled = ours.compile(networks.Convolutional(), torch.randn(5, 64), system=CPU)
    graph = compiled._workload.graphs()[0]
    macs = {op.name: op.macs for op in graph.ops if op.macs}
    assert macs == {"conv1": 5 * 64 * 16 * 9, "conv2": 5 * 16 * 32 * 144, "fc": 5 * 128 * 10}
    assert [op.activation for op in graph.ops if op.name.startswith("conv")] == ["Relu", "Relu"]


def test_weights_of_a_recurrent_layer_are_stored_once() -> None:
    compiled = ours.compile(networks.Recurrent(), torch.randn(2, 64), system=CPU)
    stored = {op.matrix.stored.name for op in compiled._workload.graphs()[0].ops if op.matrix and op.matrix.stored}
    assert stored == {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "fc.weight"}


def test_products_go_to_crossbars_and_the_deviation_is_told() -> None:
    torch.manual_seed(3)
    module, x = networks.Encoder(), torch.randn(2, 64)
    pin = networks.Encoder.pins
    compiled = ours.compile(module, x, system=networks.SYSTEM, scheduler={"kind": "heft", "pin": pin}, seed=5)
    found = compiled(x)
    assert torch.equal(found, compiled(x))  # the same seed is the same chip, with the same noise
    assert compiled.result.document["assignments"]["encoder.layers.0.linear1"] == ["imc"]
    expected = module.eval()(x)
    assert compiled.deviation == pytest.approx(float((found - expected).norm() / expected.norm()), rel=1e-4)
    assert 0.001 < compiled.deviation < 1
    other = ours.compile(module, x, system=networks.SYSTEM, scheduler={"kind": "heft", "pin": pin}, seed=6)
    assert not torch.equal(found, other(x))
    ideal = ours.compile(module, x, system=networks.SYSTEM, scheduler={"kind": "heft", "pin": pin}, numerics="ideal")
    ideal(x)
    assert ideal.deviation < compiled.deviation


def test_systems_of_library_scenarios(tmp_path: Path) -> None:
    x = torch.rand(2, 64)
    compiled = ours.compile(networks.Convolutional(), x, system="mnist_heterogeneous", seed=1)
    found = compiled(x)
    again = hetsim.simulate(hetsim.load(compiled.save(tmp_path / "kept")))  # the same run, from files
    assert again.document["makespan_s"] == compiled.result.document["makespan_s"]
    assert found.shape == (2, 10)


def test_training_afterwards_changes_nothing() -> None:
    module, x = nn.Linear(4, 3), torch.randn(2, 4)
    compiled = ours.compile(module, x, system=CPU)
    before = compiled(x)
    with torch.no_grad():
        module.weight += 1
    assert torch.equal(before, compiled(x))
    assert module.training


# --- what is refused ---


def refused(module: Any, *inputs: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        ours.compile(module, inputs, **({"system": CPU} | options))
    return "\n".join(f"{p.message} {p.hint}" for p in caught.value.problems)


def test_unknown_operators_are_named_all_at_once() -> None:
    told = refused(modules.Unknown(), torch.rand(3, 3))
    for operator in ("aten.sort.default", "aten.erfinv.default", "aten.kthvalue.default"):
        assert f"operator {operator} is not known" in told
    assert "(nodes: erfinv in inner)" in told  # the part of the module in which it stands


def test_forms_that_rules_leave_out_are_no_wrong_numbers() -> None:
    told = refused(modules.Odd(), torch.rand(1, 2, 6, 6))
    for operator in ("aten.round.decimals", "aten.view.dtype", "aten.avg_pool2d.default"):
        assert f"operator {operator} in this form" in told


def test_no_module() -> None:
    assert "torch.nn.Module is expected, found function" in refused(lambda x: x, torch.rand(3))
    assert "example inputs are tensors, found int" in refused(nn.ReLU(), 3)


def test_shapes_that_do_not_fit_or_depend_on_numbers() -> None:
    assert "torch.export does not capture Linear" in refused(nn.Linear(4, 3), torch.rand(2, 5))
    assert "depends on numbers" in refused(modules.Selected(), torch.rand(5))
    assert "torch.export does not capture Branching" in refused(modules.Branching(), torch.rand(5))


def test_other_shapes_than_captured() -> None:
    compiled = ours.compile(nn.Linear(4, 3), torch.rand(2, 4), system=CPU)
    for wrong in (torch.rand(3, 4), torch.rand(2, 4).double(), [torch.rand(2, 4)], 1.0):
        with pytest.raises(InputError, match=r"captured for float32 \[2, 4\]; given are"):
            compiled(wrong)
    unsigned = ours.compile(nn.ReLU(), torch.rand(2), system=CPU, unsigned=True)
    with pytest.raises(InputError, match="negative numbers"):
        unsigned(torch.tensor([0.1, -0.1]))
    with pytest.raises(InputError, match="has not been called"):
        ours.compile(nn.Linear(4, 3), torch.rand(2, 4), system=CPU).result  # noqa: B018


def test_state_dtype_numerics_and_pins() -> None:
    assert "changes its own state" in refused(modules.Counting(), torch.rand(3))
    assert "bfloat16" in refused(nn.Linear(4, 3).bfloat16(), torch.rand(2, 4).bfloat16())
    assert "numerics 'none' gives no tensors" in refused(nn.ReLU(), torch.rand(3), numerics="none")
    wrong = {"kind": "heft", "pin": {"fc9": "cpu"}}
    assert "the pin 'fc9' matches no op" in refused(nn.ReLU(), torch.rand(3), scheduler=wrong)
    assert "did you mean" in refused(nn.ReLU(), torch.rand(3), system="mnist_heterogenous")


def test_random_numbers() -> None:
    assert "draws random numbers" in refused(modules.Noisy(), torch.rand(3))


def test_every_rule_is_of_an_operator_that_exists() -> None:
    from hetsim.torch.operators import RULES

    unknown = [name for name in RULES if not hasattr(torch.ops.aten, name.partition(".")[0])]
    assert not unknown
