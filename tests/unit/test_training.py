"""Training of nets in crossbars: gradients of a convolutional net, and matrices that are stored once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_algorithms import evaluated, made

import hetsim
from hetsim.algorithms.builder import Builder
from hetsim.algorithms.cnn_training import ConvNet
from hetsim.errors import InputError

pytest.importorskip("sklearn")


def loss(net: ConvNet, x: np.ndarray, aims: np.ndarray, weights: dict[str, np.ndarray]) -> float:
    return float(((net.forward_twin(x, weights)[-1] - aims) ** 2).sum() / 2)


def small() -> tuple[ConvNet, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    net = ConvNet("net", 6, 3, 2, 4, (5, 3))
    weights = {name: w + 0.1 * rng.normal(size=w.shape) for name, w in net.initial(rng).items()}
    return net, rng.normal(size=(7, 36)), rng.normal(size=(7, 3)), weights


def test_the_slopes_of_a_convolutional_net_are_those_of_its_loss() -> None:
    net, x, aims, weights = small()
    seen = net.forward_twin(x, weights)
    slopes, _ = net.back_twin(seen, seen[-1] - aims, weights)
    assert slopes.keys() == weights.keys()
    for name, slope in slopes.items():
        for place in ((0, 0), (-1, -1)):
            moved = {k: w.copy() for k, w in weights.items()}
            moved[name][place] += 1e-6
            numeric = (loss(net, x, aims, moved) - loss(net, x, aims, weights)) / 1e-6
            assert slope[place] == pytest.approx(numeric, rel=1e-3, abs=1e-4), (name, place)


def test_its_convolution_is_scipys() -> None:
    signal = pytest.importorskip("scipy.signal")
    net, x, _, weights = small()
    sums = net.forward_twin(x, weights)[1].reshape(7, 2, 2, 4)
    kernels = weights["conv.w0"].T.reshape(4, 3, 3)
    for f in range(4):
        found = [signal.correlate2d(image.reshape(6, 6), kernels[f], "valid")[::2, ::2] for image in x]
        np.testing.assert_allclose(sums[..., f], np.array(found) + weights["conv.b0"][0, f], atol=1e-12)


def test_its_graph_does_what_its_twin_does() -> None:
    net, x, aims, weights = small()
    b = Builder("step")
    matrices, given = net.stored(b, {k: w.astype("float32") for k, w in weights.items()}, 0), net.inputs(b)
    seen = net.forward(b.input("x", x.shape), matrices, given, "")
    slopes, _ = net.back(seen, seen[-1] - b.input("aims", aims.shape), matrices, "")
    named = {name: slope.named(f"slope {name}") for name, slope in slopes.items()}
    feeds = {k: v.astype("float32") for k, v in {**weights, "x": x, "aims": aims}.items()}
    found = evaluated(b.graph([*named.values(), seen[-1]]), feeds)
    wanted = net.forward_twin(x, weights)
    np.testing.assert_allclose(found[seen[-1].name], wanted[-1], rtol=1e-4, atol=1e-4)
    for name, slope in net.back_twin(wanted, wanted[-1] - aims, weights)[0].items():
        np.testing.assert_allclose(found[f"slope {name}"], slope, rtol=1e-3, atol=1e-3)


def test_images_that_kernels_do_not_fit() -> None:
    with pytest.raises(InputError, match="does not fit"):
        made("cnn_training", kernel=9).graphs()
    with pytest.raises(InputError, match="30 features"):
        made("cnn_training", data="breast_cancer").graphs()


def test_a_convolutional_net_learns_in_place() -> None:
    changes = ["workload.epochs=1", "workload.filters=4", "workload.stride=2"]
    metrics = hetsim.simulate(hetsim.load("algorithms/cnn_in_place_digits", changes)).to_dict()["metrics"]
    assert metrics["accuracy"] > 0.93 * metrics["twin.accuracy"] > 0.6


ONE_CHIP = "system.components.imc"


@pytest.mark.parametrize("name", ["pca_digits", "sparse_coding_digits", "linear_regression_diabetes", "rbm_digits"])
def test_a_bidirectional_chip_stores_what_is_read_both_ways_once(name: str) -> None:
    """Half of the pulses before t = 0: the matrix once, and not its transpose beside it."""
    settings = ("pair=columns", "subtraction=digital", "sensing=current", "signed_inputs=two_phase")
    plain = [f"{ONE_CHIP}.{each}" for each in settings]
    took: list[Any] = []
    for able in ("false", "true"):
        changes = [*plain, f"{ONE_CHIP}.bidirectional={able}", "numerics=none", "workload.expected_iterations=2"]
        took.append(hetsim.simulate(hetsim.load(f"algorithms/{name}", changes)).to_dict()["deployment"]["pulses"])
    assert took[1] == took[0] / 2 > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8, 9])
def test_symmetric_devices_train_as_well_as_numbers_and_asymmetric_ones_do_not(seed: int) -> None:
    share = {}
    for name in ("mlp_in_place_digits", "mlp_in_place_asymmetric_digits"):
        metrics = hetsim.simulate(hetsim.load(f"algorithms/{name}", seed=seed)).to_dict()["metrics"]
        share[name] = metrics["accuracy"] / metrics["twin.accuracy"]
    assert share["mlp_in_place_digits"] > 0.97
    assert share["mlp_in_place_asymmetric_digits"] < share["mlp_in_place_digits"] - 0.01


@pytest.mark.slow
def test_cells_with_soft_bounds_forget_what_they_learn() -> None:
    """The same steps in mid-window, but none at the bounds, and twice as large at the far ends."""
    law = "system.components.imc.device.update"
    soft = [f"{law}.{way}.{key}" for way in ("up", "down") for key in ("saturation=1", "step=107.8 pS")]
    metrics = hetsim.simulate(hetsim.load("algorithms/mlp_in_place_digits", soft)).to_dict()["metrics"]
    assert metrics["accuracy"] < 0.85 * metrics["twin.accuracy"]
