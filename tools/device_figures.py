"""Draw the pictures of docs/devices.md: models against published formulas, pulses, endurance against write speed.

python tools/device_figures.py
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hetsim.analog import conductance
from hetsim.analog.device import DeviceSheet
from hetsim.catalog import filled, locate, names, stripped
from hetsim.document import read
from hetsim.plots.style import OTHER, PALETTE, figure, legend, styled, write

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
CELLS, DAY, YEAR = 4000, 86_400.0, 31_557_600.0
COLOURS = {
    "rram": PALETTE[0], "pcm": PALETTE[1], "fefet": PALETTE[2], "stt": PALETTE[3], "sot": PALETTE[4],
    "sonos": PALETTE[5],
}  # fmt: skip
NOUNS = {"rram": "RRAM", "pcm": "PCM", "fefet": "FeFET", "stt": "STT-MRAM", "sot": "SOT-MRAM", "sonos": "SONOS"}

# reported 2016-2020, lowest and highest [NVMExplorer endurance survey]
SURVEY = {"rram": (1e4, 1e9), "pcm": (1e5, 2e11), "stt": (1e6, 1e15), "fefet": (1e4, 1e11)}

Law = Callable[[Any], Any]


def device(name: str) -> DeviceSheet:
    """A device datasheet of the library."""
    path = locate(f"devices/{name}")
    return DeviceSheet.model_validate(filled(stripped(read(path)[0]), [path.parent]).plain())


def cells(sheet: DeviceSheet, g: Any, age: float, key: int = 3) -> Any:
    """Conductances in uS of many cells at each target in uS, [targets, cells], at an age."""
    targets = np.repeat(np.asarray(g, float)[:, None] * 1e-6, CELLS, axis=1)
    return conductance.conductance(sheet, conductance.program(sheet, targets, key), age).astype(float) * 1e6


# Formulas as published, in uS, written down here a second time: the datasheets are not read for them.
PROGRAMMING: dict[str, tuple[str, Law, float, float]] = {
    "pcm_nandakumar_icecs_2019": (
        "PCM, Nandakumar", lambda g: np.polyval([-1.1731, 1.9650, 0.26348], g / 25), 4, 25,
    ),
    "pcm_joshi_natcommun_2020": ("PCM, Joshi", lambda g: -0.00178767 * g**2 + 0.07585724 * g + 0.28638599, 4, 25),
    "pcm_hermes_legallo_natelectron_2023_one": (
        "PCM, HERMES, one device",
        lambda g: np.polyval([0.68841818, -2.16310839, 2.32443916, 0.15781817], g / 10.35), 2, 10.35,
    ),
    "pcm_hermes_legallo_natelectron_2023_two": (
        "PCM, HERMES, two devices",
        lambda g: np.polyval([4.68961419, -8.48101252, 4.71806468, 0.16603222], g / 20.7), 2, 20.7,
    ),
}  # fmt: skip
WAN = {
    1.0: ("1 s", [-16.815, 45.393, -43.853, 16.030, 0.348]),
    DAY: ("1 day", [-16.458, 47.095, -50.773, 22.086, 0.701]),
    2 * DAY: ("2 days", [-11.934, 37.062, -43.507, 20.274, 0.782]),
}
NU: dict[str, tuple[str, Law, float]] = {
    "pcm_nandakumar_icecs_2019": ("Nandakumar", lambda x: np.clip(-0.0155 * np.log(x) + 0.0244, 0.049, 0.1), 25),
    "pcm_hermes_legallo_natelectron_2023_one": (
        "HERMES",
        lambda x: np.where(
            x < 0.0945, np.clip(-0.0387 * np.log(x) - 0.0182, 0.072, 0.13), 0.0736 - 0.0126 * x - 0.0436 * x**2
        ),
        10.35,
    ),
}  # fmt: skip


@styled
def models() -> Any:
    """Sampled cells (dots) on published formulas (lines)."""
    plot, axes = figure(6.6, 3, 2)
    _programming(axes[0])
    _wan(axes[1])
    _exponents(axes[2])
    _over_time(axes[3])
    _cmo(axes[4])
    _linear(axes[5])
    return plot


def _dots(ax: Any, x: Any, y: Any, colour: str, law: Law, line: Any, label: str) -> None:
    ax.plot(line, law(line), color=colour, label=label)
    ax.plot(x, y, "o", color=colour, markersize=3.5, markerfacecolor="white")


def _programming(ax: Any) -> None:
    for i, (name, (label, law, low, high)) in enumerate(PROGRAMMING.items()):
        g = np.linspace(low, high, 9)
        sheet = device(name).model_copy(update={"drift": None})
        _dots(ax, g, cells(sheet, g, 0.0).std(axis=1), PALETTE[i], law, np.linspace(low, high, 100), label)
    ax.set(xlabel="target (µS)", ylabel="σ after programming (µS)", title="Programming error", ylim=(0, None))
    ax.legend(loc="lower right", fontsize=6.5)


def _wan(ax: Any) -> None:
    sheet, g = device("rram_wan_nature_2022"), np.linspace(8, 38, 9)
    for i, (age, (label, polynomial)) in enumerate(WAN.items()):
        _dots(
            ax, g, cells(sheet, g, age).std(axis=1), PALETTE[i], lambda g, p=polynomial: np.polyval(p, g / 40),
            np.linspace(1, 40, 100), label,
        )  # fmt: skip
    ax.set(xlabel="target (µS)", ylabel="σ (µS)", title="RRAM, Wan: relaxation", ylim=(0, None))
    ax.legend(loc="lower center")


def _exponents(ax: Any) -> None:
    for i, (name, (label, law, largest)) in enumerate(NU.items()):
        sheet = device(name)
        exact = sheet.model_copy(update={"programming": sheet.programming.model_copy(update={"polynomial": (0.0,)})})
        assert sheet.drift is not None
        x = np.geomspace(0.05, 1, 9)
        start = sheet.drift.time
        nu = -np.log(cells(exact, x * largest, 1e4 * start) / cells(exact, x * largest, start)) / math.log(1e4)
        line = np.geomspace(0.05, 1, 200)
        _dots(ax, x, nu.mean(axis=1), PALETTE[i], law, line, label)
    ax.set(xlabel="G / largest G", ylabel="mean exponent ν", title="PCM: drift exponent", xscale="log", ylim=(0, None))
    ax.legend(loc="lower left")


def _over_time(ax: Any) -> None:
    """Mean and spread of PCM cells beside what aihwkit says."""
    sheet, ages = device("pcm_nandakumar_icecs_2019"), np.geomspace(20, YEAR, 12)
    with (ROOT / "tests" / "reference" / "aihwkit.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == "pcm_nandakumar_icecs_2019"]
    for i, target in enumerate((25.0, 12.5, 5.0)):
        found = []
        for age in ages:
            programmed = conductance.program(sheet, np.full(20 * CELLS, target * 1e-6), 3)
            actual = conductance.conductance(sheet, programmed, age)
            noise = conductance.read_sigma(sheet, actual, age, programmed)
            drawn = np.random.default_rng(1).standard_normal(actual.size)
            seen = (actual + noise * drawn) * 1e6
            found.append((seen.mean(), seen.std()))
        mean, sigma = np.array(found).T
        ax.plot(ages, mean, color=PALETTE[i], label=f"{target:g} µS")
        ax.fill_between(ages, mean - sigma, mean + sigma, color=PALETTE[i], alpha=0.15, linewidth=0)
        theirs = [(float(r["age_s"]), float(r["mean_uS"]), float(r["sigma_uS"])) for r in rows]
        theirs = [t for t, r in zip(theirs, rows, strict=True) if float(r["g_uS"]) == target]
        age, middle, spread = np.array(theirs).T
        ax.errorbar(
            age, middle, spread, fmt="o", color=PALETTE[i], markersize=3.5, markerfacecolor="white", linewidth=0.8
        )
    ax.set(xscale="log", xlabel="age (s)", ylabel="G read (µS)", title="PCM: mean ± σ; dots: aihwkit", ylim=(0, None))
    ax.legend(loc="upper right", fontsize=6.5, ncols=3)


def _cmo(ax: Any) -> None:
    sheet, ages = device("rram_cmo_falcone_fine"), np.geomspace(1, 1e8, 9)
    line = np.geomspace(1, 1e8, 100)
    seen = np.array([cells(sheet, [50.0], age)[0] for age in ages])
    error = 0.00081107 + 0.00106879 * 50
    _dots(ax, ages, seen.mean(axis=1) - 50, PALETTE[0], lambda t: -0.08900206 * np.log(t), line, "mean shift")
    spread: Law = lambda t: np.hypot(error, 0.04201137 * np.log(t) + 0.41183342)  # noqa: E731
    _dots(ax, ages, seen.std(axis=1), PALETTE[1], spread, line, "σ")
    ax.set(xscale="log", xlabel="age (s)", ylabel="µS", title="RRAM, CMO/HfOx: relaxation at 50 µS")
    ax.legend(loc="lower left")


def _linear(ax: Any) -> None:
    laws: dict[str, tuple[str, Law, float, float]] = {
        "rram_milo_irps_2021": ("Milo", lambda g: 4.782321 - 0.009107 * g, 50, 225),
        "rram_cmo_falcone_coarse": ("CMO, 2 %", lambda g: 0.0112185391 + 0.01129027418 * g, 9, 88.2),
        "rram_cmo_falcone_fine": ("CMO, 0.2 %", lambda g: 0.00081107 + 0.00106879 * g, 9, 88.2),
    }
    for i, (name, (label, law, low, high)) in enumerate(laws.items()):
        g = np.linspace(low, high, 7)
        sheet = device(name).model_copy(update={"relaxation": ()})
        _dots(ax, g, cells(sheet, g, 0.0).std(axis=1), PALETTE[i], law, np.linspace(low, high, 50), label)
    ax.set(xlabel="target (µS)", ylabel="σ (µS)", title="RRAM: programming error", yscale="log")
    ax.legend(loc="center right")


@styled
def pulses() -> Any:
    """Single pulses: what they do to some cells, and how many write-verify takes."""
    sheet = device("rram_gong_natcommun_2018")
    response = sheet.update
    assert response is not None and response.bounds is not None
    plot, (left, right) = figure(2.7, 1, 2)
    numbers, count = np.random.default_rng(4), 1000
    factor = np.exp(response.device * numbers.standard_normal(6))
    g = np.full(6, response.bounds[0])
    trace = [g]
    for up in (True, False):
        for _ in range(count):
            g = response.after(g, np.full(6, up), factor, numbers.standard_normal(6), response.bounds)
            trace.append(g)
    left.plot(np.array(trace)[:, :] * 1e6, color=PALETTE[0], alpha=0.5, linewidth=0.8)
    quiet = response.model_copy(update={"cycle": 0.0})
    g, line = np.array([response.bounds[0]]), []
    for k in range(2 * count + 1):
        line.append(g[0])
        g = quiet.after(g, np.array([k < count]), 1.0, np.zeros(1), response.bounds)
    left.plot(np.array(line) * 1e6, color=PALETTE[5], label="median cell without noise")
    left.set(xlabel="pulse (up, then down)", ylabel="G (µS)", title="Open loop: six cells")
    left.legend(loc="lower center")
    for i, level in enumerate((2, 8, 15)):
        target = sheet.targets(np.array([level]))[0]
        programmed = conductance.program(sheet, np.full(20_000, target), 1, bits=8)
        right.hist(programmed.pulses, 80, color=PALETTE[i], alpha=0.6, label=f"{target * 1e6:.0f} µS")
    right.set(xlabel="pulses to within 1.5 µS", ylabel="cells of 20,000", title="Write-verify")
    right.legend()
    return plot


@styled
def endurance() -> Any:
    """Every device that wears out: endurance against the time that a write takes."""
    plot, (ax,) = figure(3.6)
    found = []
    for name in (n.partition("/")[2] for n in names("devices")):
        sheet = device(name)
        if sheet.endurance is not None:
            seconds = sheet.write.pulses * (sheet.write.time + sheet.write.verify) + sheet.write.finish[0]
            found.append((name.partition("_")[0], sheet.endurance, seconds, _called(name)))
            ax.plot(seconds, sheet.endurance, "o", color=COLOURS.get(found[-1][0], OTHER), markersize=6)
    for kind, (low, high) in SURVEY.items():
        places = sorted({x for k, _, x, _ in found if k == kind})
        ax.vlines(places, low, high, color=COLOURS[kind], alpha=0.35, linewidth=3)
    for group in _close(sorted(found)):
        _, cycles, seconds, _ = group[-1]
        who = ", ".join(dict.fromkeys(entry[3] for entry in group))
        ax.annotate(who, (seconds, cycles), xytext=(6, 5), textcoords="offset points", fontsize=7)
    ax.set(xscale="log", yscale="log", xlabel="time of a write, verify reads included (s)", ylabel="endurance (pulses)")
    ax.set(xlim=(1e-9, 2e-1), ylim=(5e3, 2e15))
    lines = ax.get_lines()
    shown = {NOUNS[kind]: line for kind in NOUNS for line in lines if line.get_color() == COLOURS[kind]}
    legend(plot, shown)
    return plot


def _close(entries: list[tuple[str, float, float, str]]) -> list[list[tuple[str, float, float, str]]]:
    """Entries of one technology and endurance whose times are near: they share a label."""
    groups: list[list[tuple[str, float, float, str]]] = []
    for entry in entries:
        last = groups[-1][-1] if groups else None
        if last is not None and last[:2] == entry[:2] and entry[2] < 2.5 * last[2]:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _called(name: str) -> str:
    """``rram_wan_nature_2022`` as ``Wan``."""
    words = {"legallo": "HERMES", "nvmexplorer": "NVMExplorer", "reviews": "reviews"}
    who = next(word for word in name.split("_")[1:] if word not in ("hermes", "cmo", "mram"))
    return words.get(who, who.capitalize())


def main() -> None:
    """Draw all."""
    IMAGES.mkdir(exist_ok=True)
    for name, draw in (("device_models", models), ("device_pulses", pulses), ("device_endurance", endurance)):
        write(draw(), IMAGES / f"{name}.png")
        print(f"wrote docs/images/{name}.png")


if __name__ == "__main__":
    main()
