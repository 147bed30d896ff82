"""Write the table of docs/pytorch.md and its picture: networks on a chip, with hardening and without.

    python tools/hardening_table.py            # rewrite what stands between the markers; takes some minutes
    python tools/hardening_table.py --check    # change nothing; exit status 1 when a claim of the page does not hold

Needs the extras `datasets` and `torch`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import hetsim.torch  # noqa: E402
from hetsim import data  # noqa: E402
from hetsim.plots.style import PALETTE, figure, styled, write  # noqa: E402
from tools.completeness_table import joules, rewritten, seconds  # noqa: E402

PAGE, PICTURE = ROOT / "docs" / "pytorch.md", ROOT / "docs" / "images" / "pytorch_hardening.png"
CHIP = "imc/rram_wan_nature_2022"
SYSTEM = {
    "components": {"cpu": {"use": "cpus/cortex_a72_x4"}, "imc": {"use": CHIP}},
    "links": {"bus": {"use": "links/axi4_128b", "between": ["cpu", "imc"]}},
}
CHIPS = range(5)
TRAINING, HARDENING, RATE = 60, 80, 2e-3  # epochs, epochs, learning rate


class Convolutional(nn.Module):
    """Two convolutions and a dense layer."""

    pins: Mapping[str, str] = {"conv*": "imc", "fc": "imc"}

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        x = functional.max_pool2d(self.conv1(x.reshape(-1, 1, 8, 8)).relu(), 2)
        x = functional.max_pool2d(self.conv2(x).relu(), 2)
        return self.fc(x.flatten(1))


class Recurrent(nn.Module):
    """An LSTM that reads an image row by row."""

    pins: Mapping[str, str] = {"lstm.*": "imc", "fc": "imc"}

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        states, _ = self.lstm(x.reshape(-1, 8, 8))
        return self.fc(states[:, -1])


class Encoder(nn.Module):
    """A transformer encoder whose tokens are the rows of an image."""

    pins: Mapping[str, str] = {"embed": "imc", "encoder.*": "imc", "fc": "imc"}

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(8, 32), nn.Parameter(torch.randn(8, 32) * 0.1)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Any) -> Any:
        return self.fc(self.encoder(self.embed(x.reshape(-1, 8, 8)) + self.place).mean(1))


NETWORKS = {"CNN": Convolutional, "LSTM": Recurrent, "transformer encoder": Encoder}


@dataclass(frozen=True)
class Digits:
    """8 x 8 images of digits, 0..1, [n, 64], and their classes: 1,297 for training and 500 held out."""

    x: Any
    y: Any
    x_test: Any
    y_test: Any

    @classmethod
    def load(cls) -> Digits:
        whole = data.load("digits")
        order = np.random.default_rng(0).permutation(len(whole.inputs))
        x = torch.tensor(whole.inputs.reshape(len(order), -1)[order])
        y = torch.tensor(np.asarray(whole.labels)[order])
        return cls(x[:1297] / x.max(), y[:1297], x[1297:] / x.max(), y[1297:])

    def batches(self, size: int = 64) -> list[tuple[Any, Any]]:
        """The training data, always in the same order."""
        return list(zip(self.x.split(size), self.y.split(size), strict=True))

    def accuracy(self, module: Any) -> float:
        """Share of held-out images whose largest output is that of their class."""
        with torch.no_grad():
            return float((module(self.x_test).argmax(1) == self.y_test).float().mean())


def trained(kind: type[Any], digits: Digits, epochs: int = TRAINING) -> Any:
    """A network trained in float32, in evaluation mode."""
    torch.manual_seed(0)
    module = kind().train()
    optimiser = torch.optim.Adam(module.parameters(), RATE)
    for _ in range(epochs):
        order = torch.randperm(len(digits.x))
        for part in order.split(64):
            optimiser.zero_grad()
            functional.cross_entropy(module(digits.x[part]), digits.y[part]).backward()
            optimiser.step()
    return module.eval()


def hardened(module: Any, digits: Digits) -> Any:
    return hetsim.torch.harden(module, digits.batches(), device=CHIP, epochs=HARDENING, rate=RATE, seed=1)


def on_chips(module: Any, digits: Digits) -> tuple[list[float], Any]:
    """Accuracies on several chips, and the last result."""
    found = []
    for seed in CHIPS:
        scheduler = {"kind": "heft", "pin": module.pins}
        compiled = hetsim.torch.compile(module, digits.x_test, system=SYSTEM, scheduler=scheduler, seed=seed)
        found.append(digits.accuracy(compiled))
    return found, compiled.result


@dataclass(frozen=True)
class Row:
    """Accuracies of a network: in float32, on chips as trained, on chips after hardening; figures of a run."""

    digital: float
    plain: Sequence[float]
    hard: Sequence[float]
    again: float  # the hardened network in float32
    document: Mapping[str, Any]

    @property
    def lost(self) -> float:
        """Share of images that the mean chip loses without hardening."""
        return self.digital - mean(self.plain)

    @property
    def left(self) -> float:
        """What of it is left after hardening."""
        return self.digital - mean(self.hard)

    @property
    def holds(self) -> bool:
        """Within 1 % of the digital one, where without hardening the loss is several times that."""
        return self.left <= 0.01 and self.lost >= max(0.02, 3 * self.left)


def measured(kind: type[Any], digits: Digits) -> Row:
    module = trained(kind, digits)
    hard = hardened(module, digits)
    plain, _ = on_chips(module, digits)
    mended, result = on_chips(hard, digits)
    return Row(digits.accuracy(module), plain, mended, digits.accuracy(hard), result.document)


def table(rows: Mapping[str, Row]) -> list[str]:
    def percents(values: Sequence[float]) -> str:
        return f"{mean(values):.1%} ({min(values):.1%} to {max(values):.1%})"

    images = len(Digits.load().y_test)
    lines = {
        "in float32": [f"{row.digital:.1%}" for row in rows.values()],
        "on the chip, as trained": [percents(row.plain) for row in rows.values()],
        "on the chip, hardened": [percents(row.hard) for row in rows.values()],
        "hardened, in float32": [f"{row.again:.1%}" for row in rows.values()],
        "lost without hardening": [f"{row.lost:.1%}" for row in rows.values()],
        "lost with it": [f"{row.left:.1%}" for row in rows.values()],
        f"time of the {images} images": [seconds(row.document["makespan_s"]) for row in rows.values()],
        "energy of the chip, an image": [
            joules(row.document["components"]["imc"]["energy_J"] / images) for row in rows.values()
        ],
    }
    head = ["", *rows]
    body = [[name, *cells] for name, cells in lines.items()]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]


@styled
def picture(rows: Mapping[str, Row]) -> Any:
    """Each chip's accuracy as a dot, the float32 one as a line."""
    plot, (ax,) = figure(2.8)
    for i, row in enumerate(rows.values()):
        label = "in float32" if not i else None
        ax.hlines(100 * row.digital, i - 0.35, i + 0.35, color="black", linewidth=1, label=label)
        for offset, values, colour, label in (
            (-0.15, row.plain, PALETTE[1], "on a chip, as trained"),
            (0.15, row.hard, PALETTE[0], "on a chip, hardened"),
        ):
            places = i + offset + np.linspace(-0.06, 0.06, len(values))
            ax.plot(places, 100 * np.array(values), "o", color=colour, markersize=4, label=label if not i else None)
    ax.set_xticks(range(len(rows)), list(rows))
    ax.set(ylabel="accuracy (%)")
    ax.legend(loc="lower right")
    return plot


def main(arguments: Sequence[str]) -> int:
    digits = Digits.load()
    rows = {name: measured(kind, digits) for name, kind in NETWORKS.items()}
    if "--check" in arguments:
        missed = [name for name, row in rows.items() if not row.holds]
        print("\n".join(f"{name}: hardening does not win back what it should" for name in missed), file=sys.stderr)
        return int(bool(missed))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(rewritten(text, {"hardening": table(rows)}), encoding="utf-8")
    write(picture(rows), PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
