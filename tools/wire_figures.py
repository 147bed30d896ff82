"""Make what docs/physics.md shows of wires: the picture under docs/images, and the table of noise and power (printed).

python tools/wire_figures.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hetsim.analog.wires.circuit import Circuit
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import effective, output_variances, transfer
from hetsim.plots.style import PALETTE, figure, styled, write

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "wires_error.png"
SIZES = (16, 32, 64, 128, 256)
PITCH = (0.1, 1.0, 5.0)  # ohms
VECTORS = 64


def crossbar(size: int) -> tuple[Any, Any]:
    """Cells between 2 and 20 uS, and bits for a half of the word lines."""
    rng = np.random.default_rng(size)
    return rng.uniform(2e-6, 2e-5, (size, size)), rng.random((VECTORS, size)) < 0.5


def wires(pitch: float, sides: str = "one_sided") -> Wires:
    """So many ohms a pitch, and nothing else."""
    ohms = f"{pitch} ohm"
    return Wires.model_validate({"word_line": ohms, "bit_line": ohms, "drive": sides, "sensing": sides})


def errors(size: int, sheet: Wires) -> tuple[float, float]:
    """Share of the current that is lost, and RMS error of outputs after the best common gain, both of the mean."""
    cells, bits = crossbar(size)
    ideal = bits @ cells
    found = bits @ transfer(cells, sheet)
    gain = (ideal * found).sum() / (found**2).sum()
    return 1 - found.mean() / ideal.mean(), float(np.sqrt(((gain * found - ideal) ** 2).mean()) / ideal.mean())


@styled
def draw() -> Any:
    """Loss and what no gain corrects, against the size of the array."""
    plot, (lost, left) = figure(2.9, 1, 2, sharex=True)
    for colour, pitch in zip(PALETTE, PITCH, strict=False):
        for sides, dash in (("one_sided", "-"), ("two_sided", "--")):
            points = [errors(size, wires(pitch, sides)) for size in SIZES]
            label = f"{pitch:g} Ω a pitch" if dash == "-" else None
            for axes, values in zip((lost, left), zip(*points, strict=True), strict=True):
                axes.plot(SIZES, [100 * value for value in values], dash, color=colour, marker="o", label=label)
    lost.plot([], [], "--", color="#333333", label="driven and sensed at both ends")
    for axes, title in ((lost, "Current lost (%)"), (left, "RMS error after one common gain (%)")):
        axes.set(xscale="log", yscale="log", xlabel="Rows and columns", title=title)
        axes.set_xticks(SIZES, [str(size) for size in SIZES])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    plot.legend(*lost.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return plot


def approximations() -> str:
    """A table row for each array: noise and power of `effective` over the exact ones, mean and largest deviation."""
    rows = []
    for size, pitch in ((64, 1.0), (128, 1.0), (256, 1.0), (128, 5.0)):
        cells, bits = crossbar(size)
        sheet, variances = wires(pitch), (0.03 * cells) ** 2
        seen, circuit = effective(cells, sheet, variances), Circuit(cells, sheet)
        noise, power, plain = [], [], []
        for volts in 0.2 * bits[:8]:
            exact = output_variances(cells, sheet, variances, volts)
            noise.append(np.sqrt(volts**2 @ seen.variances / exact))
            plain.append(np.sqrt(volts**2 @ variances / exact))
            power.append(volts**2 @ seen.loads.sum(axis=1) / circuit.operate(volts).power)
        worst = abs(np.array(noise) - 1).max()
        rows.append(
            f"| {size} × {size}, {pitch:g} Ω | {errors(size, sheet)[0]:.0%} | {np.mean(noise) - 1:+.1%} | {worst:.1%} "
            f"| {np.mean(plain) - 1:+.0%} | {abs(np.array(power) - 1).max():.1%} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Draw the picture and print the table."""
    PICTURE.parent.mkdir(exist_ok=True)
    write(draw(), PICTURE)
    print(approximations())


if __name__ == "__main__":
    main()
