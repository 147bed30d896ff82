"""Write the tables of docs/technologies.md: one network on cells of every technology, and what rewriting wears.

    python tools/technology_table.py            # rewrite what stands between the markers; takes a minute or two
    python tools/technology_table.py --check    # change nothing; exit status 1 when something would change

Needs the extra `datasets`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import hetsim  # noqa: E402
from hetsim.catalog import names  # noqa: E402
from tools.completeness_table import dynamic, joules, number, rewritten, seconds  # noqa: E402

PAGE = ROOT / "docs" / "technologies.md"
SEEDS = range(7, 10)
IMAGES = 1000
HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_557_600.0
IMC = "system.components.imc"
Document = Mapping[str, Any]
Column = Mapping[str, str]  # what stands in a column, by the label of its line


# --- one network on every technology ---

TECHNOLOGIES = {
    "mnist_rram_yao": "RRAM (Yao 2020)",
    "mnist_rram_wan": "RRAM (Wan 2022)",
    "mnist_pcm": "PCM",
    "mnist_fefet": "FeFET",
    "mnist_stt_mram": "STT-MRAM",
}
CONDITIONS: Mapping[str, Sequence[str]] = {
    "accuracy, young": (),
    "after 30 days": (f"{IMC}.age=30 d",),
    "after 30 days, compensated": (f"{IMC}.age=30 d", f"{IMC}.compensation={{interval: 1 d}}"),
    "young, with 1 Ω of wire a cell": (f"{IMC}.wires={{word_line: 1 ohm, bit_line: 1 ohm}}",),
}
ONE = ("workload.batch=1", "workload.data=mnist/test[:1]")


def run(scenario: str, sets: Sequence[str] = (), seed: int | None = None) -> Document:
    return hetsim.simulate(hetsim.load(scenario, sets, seed=seed)).document


def technology(name: str) -> Column:
    """Accuracies of the median chip, the other figures of the first."""
    scenario = f"technologies/{name}"
    found = {label: [run(scenario, sets, seed) for seed in SEEDS] for label, sets in CONDITIONS.items()}
    first, alone = found["accuracy, young"][0], run(scenario, ONE)
    chip = hetsim.load(scenario).parts.components["imc"]
    rows, written = chip.active_rows or chip.rows, first["deployment"]
    accuracies = {label: number(median(d["metrics"]["accuracy"] for d in runs)) for label, runs in found.items()}
    middle, early = lifetime(first["metrics"])
    return {
        "": TECHNOLOGIES[name],
        "cells for a weight": str(chip.scheme.cells),
        "rows at once": str(rows),
        "most current of a column": f"{number(rows * chip.device.g_max * chip.read_voltage * 1e3)} mA",
        **accuracies,
        "energy of an image": joules(first["components"]["imc"]["energy_J"] / IMAGES),
        "of it in converters": joules(first["energy_J"]["by_category"]["adc"] / IMAGES),
        "of it in cells": joules(first["energy_J"]["by_category"]["array"] / IMAGES),
        "latency of an image": seconds(alone["latency_s"]["mean"]),
        "writing the network: time": seconds(written["time_s"]),
        "writing the network: energy": joules(written["energy_J"]),
        "first failure, written once an hour": middle,
        "which 95 % of chips outlive": early,
    }


def table(columns: Sequence[Column]) -> Iterator[str]:
    """Lines of a table of which each column is given; the first line is its head."""
    for i, label in enumerate(columns[0]):
        yield f"| {' | '.join([label, *(column[label] for column in columns)])} |"
        if i == 0:
            yield "|---|" + "---|" * len(columns)


def lifetime(metrics: Document, factor: float = 1.0) -> tuple[str, str]:
    """Time to the first failure of the median chip, and the time that 95 % of chips outlive."""
    keys = ("imc.first_failure_years", "imc.first_failure_years_95_percent")
    middle, early = (period(metrics[key] * factor * YEAR) for key in keys)
    return middle, early


def period(time: float) -> str:
    for length, name in ((YEAR, "years"), (DAY, "days"), (HOUR, "hours"), (60.0, "minutes")):
        if time >= 2 * length:
            return f"{number(time / length)} {name}"
    return seconds(time)


# --- what rewriting wears ---


class Wearing(NamedTuple):
    """A scenario that writes: what it writes when, and the metric of its field."""

    scenario: str
    written: str
    metric: str


KMEANS = (
    Wearing("kmeans_digits", "the data, once", "adjusted_rand_index"),
    Wearing("algorithms/kmeans_rewritten_digits", "the centroids, in every iteration", "adjusted_rand_index"),
)
TRAINING = (
    Wearing("algorithms/mlp_training_digits", "the weights, after every batch", "accuracy"),
    *(Wearing(name, "the weights, in place", "accuracy") for name in names("scenarios") if "in_place" in name),
)
SHAPES, SHAPE = (1, 2, 4), 2  # Weibull exponents, and that of the datasheets


def wearing(row: Wearing) -> Column:
    """One run that also writes what would else be there before it."""
    shaped = {
        n: run(
            row.scenario,
            (f"{IMC}.deploy=cold", f"{IMC}.rewrite=null", f"{IMC}.device.failure={{law: weibull, shape: {n}}}"),
        )
        for n in SHAPES
    }
    found = shaped[SHAPE]
    metrics, took = found["metrics"], found["makespan_s"]
    middle, early = lifetime(metrics, HOUR / took)
    others = {
        f"once an hour, with shape {n}": lifetime(d["metrics"], HOUR / d["makespan_s"])[0]
        for n, d in shaped.items()
        if n != SHAPE
    }
    return {
        "": f"`{row.scenario.removeprefix('algorithms/')}`",
        "what is written": row.written,
        row.metric.replace("_", " "): number(metrics[row.metric]),
        "time": seconds(took),
        "energy": joules(dynamic(found)),
        "of it for writing": joules(found["energy_J"]["by_category"]["program"]),
        "writes of a cell, mean": number(metrics["imc.mean_write_pulses"]),
        "writes of a cell, most": number(metrics["imc.max_write_pulses"]),
        "first failure, run after run": lifetime(metrics)[0],
        "first failure, once an hour": middle,
        "which 95 % of chips outlive": early,
        **others,
    }


def parts() -> Iterator[tuple[str, Sequence[str]]]:
    """The lines between each pair of markers."""
    yield "technologies", list(table([technology(name) for name in TECHNOLOGIES]))
    yield "kmeans", list(table([wearing(row) for row in KMEANS]))
    yield "training", list(table([wearing(row) for row in TRAINING]))


def main(arguments: Sequence[str]) -> int:
    text = PAGE.read_text(encoding="utf-8")
    new = rewritten(text, dict(parts()))
    if "--check" in arguments:
        if new != text:
            print(f"{PAGE.relative_to(ROOT)} is out of date: python tools/technology_table.py", file=sys.stderr)
        return int(new != text)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
