"""Hardening: the noise that is injected is the device's, gradients go straight through, accuracy comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hetsim.analog import conductance
from hetsim.errors import InputError
from tests.unit.library_devices import shipped_device

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'hetsim[torch]'")
nn = torch.nn

from hetsim import torch as ours  # noqa: E402
from hetsim.torch.hardening import Noise  # noqa: E402
from tools import hardening_table as tool  # noqa: E402

DEVICE = "devices/rram_wan_nature_2022"


def state(module: Any) -> dict[str, Any]:
    return {name: x.detach().clone() for name, x in module.state_dict().items()}


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_weights_are_exact_again_and_each_chip_is_another() -> None:
    torch.manual_seed(0)
    module = tool.Recurrent()
    noise, before, seen = Noise(module, torch.rand(2, 64), device=DEVICE), state(module), []
    for use in (1, 1, 2):
        with noise.injected(module, use):
            seen.append(state(module))
        assert equal(before, state(module))
    assert equal(seen[0], seen[1]) and not equal(seen[0], seen[2])
    changed = {name for name in before if not torch.equal(before[name], seen[0][name])}
    assert changed == {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "fc.weight"}  # biases are digital


def test_a_failure_inside_leaves_the_weights_exact() -> None:
    module = nn.Linear(4, 3)
    noise, before = Noise(module, torch.rand(2, 4), device=DEVICE), state(module)
    with pytest.raises(RuntimeError), noise.injected(module, 1):
        raise RuntimeError
    assert equal(before, state(module))


def test_spread_is_that_of_the_device_at_the_scale_of_the_layer() -> None:
    """Weights at the top of the range: each is one cell at g_max and an empty one at g_min."""
    sheet, top = shipped_device("rram_wan_nature_2022"), 0.25
    module = nn.Linear(100, 100, bias=False)
    nn.init.constant_(module.weight, top)
    noise = Noise(module, torch.rand(1, 100), device=DEVICE)
    held = noise.held("weight", module.weight.detach().numpy(), 1)
    cells = np.array([sheet.g_max, sheet.g_min], np.float32)
    errors = conductance.sigma(sheet, cells, sheet.reference_age)
    reads = conductance.read_sigma(sheet, cells, sheet.reference_age)
    expected = top * float(np.sqrt((errors**2 + reads**2).sum())) / (sheet.g_max - sheet.g_min)
    # that conductances are not negative narrows the spread of empty cells, at most to nothing
    narrow = top * float(np.hypot(errors[0], reads[0])) / (sheet.g_max - sheet.g_min)
    assert 0.97 * narrow < held.std() < 1.03 * expected
    assert held.mean() == pytest.approx(top, rel=0.02)


def test_spread_is_that_of_the_chip_on_which_the_module_runs() -> None:
    """The matrix that the simulated chip multiplies by, read with unit vectors, errs as the injected one does."""
    torch.manual_seed(1)
    module, unit = nn.Linear(48, 32, bias=False), torch.eye(48)
    compiled = ours.compile(module, unit, system=tool.SYSTEM, scheduler={"kind": "heft", "pin": {"*": "imc"}}, seed=3)
    weights = module.weight.detach()
    on_chip = float((compiled(unit).T - weights).std())
    noise = Noise(module, unit, device=tool.CHIP)
    injected = np.mean([(noise.held("weight", weights.numpy(), use) - weights.numpy()).std() for use in range(5)])
    assert injected == pytest.approx(on_chip, rel=0.25)  # converters add their own


def test_gradients_are_taken_at_the_noisy_weights() -> None:
    torch.manual_seed(2)
    module, x, y = nn.Linear(6, 2, bias=False), torch.rand(8, 6), torch.rand(8, 2)
    noise = Noise(module, x, device=DEVICE)
    with noise.injected(module, 4):
        (0.5 * (module(x) - y).square().sum()).backward()
    held = torch.from_numpy(noise.held("weight", module.weight.detach().numpy(), 4))
    torch.testing.assert_close(module.weight.grad, (x @ held.T - y).T @ x)


def test_groups_of_a_convolution_have_scales_of_their_own() -> None:
    module = nn.Conv2d(4, 4, 3, groups=2, bias=False)
    with torch.no_grad():
        module.weight[:2] *= 1000
    noise = Noise(module, torch.rand(1, 4, 5, 5), device="devices/rram_rao_nature_2023")
    weights = module.weight.detach().numpy()
    error = np.abs(noise.held("weight", weights, 1) - weights)
    assert error[2:].max() < 0.1 * np.abs(weights[2:]).max()


def test_parameters_lie_as_they_are_multiplied() -> None:
    """Rows and columns of what is stored are those of the product, whichever way a layer keeps its weights."""
    from hetsim.torch.capture import capture

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix, self.linear = nn.Parameter(torch.rand(6, 5)), nn.Linear(6, 3)
            self.grouped = nn.Conv1d(6, 4, 2, groups=2)

        def forward(self, x: Any) -> Any:
            return x @ self.matrix, self.linear(x), self.grouped(x.T[None])

    module = Both()
    stored = capture(module, (torch.rand(4, 6),)).stored
    shapes = {name: s.matrices(module.get_parameter(name).detach().numpy()).shape for name, s in stored.items()}
    assert shapes == {"matrix": (1, 6, 5), "linear.weight": (1, 6, 3), "grouped.weight": (2, 6, 2)}
    for name, s in stored.items():
        x = module.get_parameter(name).detach().numpy()
        assert (s.parameter(s.matrices(x), x.shape) == x).all()


def test_the_module_stays_and_a_seed_repeats() -> None:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    before, batches = state(module), [(torch.rand(16, 4), torch.randint(3, (16,))) for _ in range(3)]
    torch.manual_seed(4)
    first = ours.harden(module, batches, device=DEVICE, epochs=2, seed=1)
    drawn = torch.rand(1)  # the caller's random numbers go on as if nothing had been
    torch.manual_seed(4)
    assert torch.equal(drawn, torch.rand(1))
    again = ours.harden(module, batches, device=DEVICE, epochs=2, seed=1)
    other = ours.harden(module, batches, device=DEVICE, epochs=2, seed=2)
    assert equal(before, state(module)) and module.training and not first.training
    assert equal(state(first), state(again)) and not equal(state(first), state(other))
    assert equal(before, state(ours.harden(module, batches, device=DEVICE, epochs=0)))


def test_layers_can_be_chosen_and_devices_changed() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    cells = {"use": "devices/stt_mram_nvmexplorer_hpca_2022"}
    override = {"device": cells, "weight_bits": 4, "slices": [1, 1, 1]}
    block = {"use": "imc/rram_yao_nature_2020", "override": override}
    noise = Noise(module, torch.rand(2, 4), device=block, layers=("1",))
    assert list(noise.stored) == ["1.weight"]
    weights = module[1].weight.detach().numpy()
    assert np.abs(noise.held("1.weight", weights, 0) - weights).max() < np.abs(weights).max()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"module": len}, "torch.nn.Module is expected, found builtin"),
        ({"batches": iter([])}, "gone through only once"),
        ({"batches": []}, "no batches"),
        ({"batches": [torch.rand(2, 4)]}, "a pair of inputs and targets, found Tensor"),
        ({"device": "devices/rram_wan"}, "no file and no name in the library"),
        ({"device": "gpus/nvidia_t4"}, "no chip with crossbars and no device"),
        ({"epochs": -1}, "epochs are -1"),
        ({"layers": ("conv*",)}, "no weight of the module is stored"),
        ({"device": {"use": DEVICE, "override": {"levels": 1}}}, "at least 2"),
    ],
)
def test_what_is_refused(change: dict[str, Any], said: str) -> None:
    batch = (torch.rand(2, 4), torch.tensor([0, 1]))
    given: dict[str, Any] = {"module": nn.Linear(4, 3), "batches": [batch], "device": DEVICE} | change
    module, batches = given.pop("module"), given.pop("batches")
    with pytest.raises(InputError, match=said):
        ours.harden(module, batches, **given)


@pytest.mark.slow
@pytest.mark.parametrize("name", tool.NETWORKS)
def test_hardening_wins_back_what_the_chip_loses(name: str) -> None:
    """Real data and five chips: within 1 % of float32, where without hardening the loss is several times that."""
    row = tool.measured(tool.NETWORKS[name], tool.Digits.load())
    assert row.digital > 0.9
    assert row.holds, f"{row.digital}: {row.plain} as trained, {row.hard} hardened"
