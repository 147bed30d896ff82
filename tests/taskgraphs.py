"""Task graphs for scheduling studies: random ones, and the shapes of well-known programs. Plain scenario data.

Costs are those of the usual generator [Topcuoglu 2002, sec. 6.1]: a task's mean duration is uniform around that of
its kind, and its duration on each processor uniform within ``spread`` of that; the time to send data is uniform
with a mean of ``ccr`` (communication to computation ratio) times the mean duration. Everything is in whole
nanoseconds and, on a link of 1 GB/s, whole bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

MEAN = 100_000  # ns: mean duration of a task

Shape = Mapping[str, Sequence[str]]  # task -> the tasks it reads from, each named before
Tasks = dict[str, dict[str, Any]]


def scenario(tasks: Tasks, processors: int, scheduler: str, **more: Any) -> dict[str, Any]:
    """The task graph on a few abstract processors, on one link on which nothing waits."""
    parts = names(processors)
    return {
        "system": {
            "components": {part: {"kind": "abstract"} for part in parts},
            "links": {"net": {"kind": "ideal", "bandwidth": "1 GB/s", "between": parts}},
        },
        "workload": {"tasks": tasks},
        "scheduler": {"kind": scheduler, **more},
        "numerics": "none",
    }


def names(processors: int) -> list[str]:
    return [f"P{number}" for number in range(1, processors + 1)]


def weighted(
    shape: Shape, processors: int, ccr: float, seed: int, spread: float = 1.0, work: Mapping[str, float] | None = None
) -> Tasks:
    """Give a shape its costs. ``work`` is each task's share of the mean duration where kinds of task differ."""
    draw, tasks = Random(seed), Tasks()
    for name, producers in shape.items():
        mean = MEAN * (work[name] if work else draw.uniform(0, 2))
        low, high = mean * (1 - spread / 2), mean * (1 + spread / 2)
        tasks[name] = {
            "cost": {part: f"{round(draw.uniform(low, high))} ns" for part in names(processors)},
            "after": {p: f"{round(draw.uniform(0, 2 * ccr * MEAN))} B" for p in producers},
        }
    return tasks


def layered(size: int, seed: int, fat: float = 0.5, degree: int = 3) -> Shape:
    """Layers of about ``size ** fat`` tasks, each of which reads from 1 to ``degree`` of the layer before, so that the
    graph may have several entries and exits."""
    draw, shape = Random(seed), dict[str, list[str]]()
    before: list[str] = []
    while len(shape) < size:
        width = min(size - len(shape), max(1, round(draw.uniform(0.5, 1.5) * size**fat)))
        layer = [f"t{len(shape) + k}" for k in range(width)]
        for name in layer:
            shape[name] = draw.sample(before, min(len(before), draw.randint(1, degree)))
        before = layer
    return shape


def gaussian_elimination(size: int) -> Shape:
    """Elimination of a ``size`` x ``size`` matrix: a pivot a column, then an update of each column behind it.

    Has (size² + size - 2) / 2 tasks [Topcuoglu 2002, fig. 11].
    """
    shape: dict[str, list[str]] = {}
    for k in range(1, size):
        shape[f"pivot{k}"] = [f"update{k - 1}_{k}"] if k > 1 else []
        for j in range(k + 1, size + 1):
            shape[f"update{k}_{j}"] = [f"pivot{k}", *([f"update{k - 1}_{j}"] if k > 1 else [])]
    return shape


def fft(points: int) -> Shape:
    """The recursive calls of a fast Fourier transform, then its butterflies; ``points`` is a power of two.

    Has 2 points - 1 + points log2(points) tasks, all paths equally long [Topcuoglu 2002, fig. 13].
    """
    stages = points.bit_length() - 1
    shape: dict[str, list[str]] = {}
    for stage in range(stages + 1):
        for k in range(1 << stage):
            shape[f"call{stage}_{k}"] = [f"call{stage - 1}_{k // 2}"] if stage else []
    last = [f"call{stages}_{k}" for k in range(points)]
    for stage in range(stages):
        row = [f"butterfly{stage}_{k}" for k in range(points)]
        for k, name in enumerate(row):
            shape[name] = [last[k], last[k ^ (1 << stage)]]
        last = row
    return shape


def montage(images: int) -> tuple[Shape, Mapping[str, float]]:
    """The shape of an astronomical mosaic workflow, and its tasks' work relative to the mean.

    Each image is projected, neighbours are compared, one fit follows from all differences, every image is corrected
    by it, and all are added up [Bharathi 2008, fig. 2]; that comparing and correcting are short and the serial
    stages long is kept, in round numbers.
    """
    shape: dict[str, list[str]] = {f"project{k}": [] for k in range(images)}
    for k in range(images):
        shape[f"difference{k}"] = [f"project{k}", f"project{(k + 1) % images}"]
    shape["fit"] = [f"difference{k}" for k in range(images)]
    for k in range(images):
        shape[f"correct{k}"] = [f"project{k}", "fit"]
    shape["table"] = [f"correct{k}" for k in range(images)]
    shape["add"] = ["table"]
    work = {"project": 1.0, "difference": 0.5, "correct": 0.5, "fit": 2.0, "table": 1.0, "add": 2.0}
    return shape, {name: work[name.rstrip("0123456789")] for name in shape}


def sample() -> Iterator[tuple[str, Tasks, int]]:
    """The study's graphs as (name, tasks, processors): 200 random ones, and three families of programs.

    Width and spread of the random ones are those of the PEFT paper's study [Arabnejad 2014, sec. 5.2]; the spread
    ends their names.
    """
    for seed in range(200):
        draw = Random(seed)
        size, processors, ccr = draw.randint(10, 40), draw.randint(3, 6), 10 ** draw.uniform(-1, 1)
        shape = layered(size, seed, fat=draw.choice([0.1, 0.4, 0.8]), degree=draw.randint(1, 4))
        spread = draw.choice([0.1, 0.2, 0.5, 1.0, 2.0])
        yield f"random{seed}_{spread}", weighted(shape, processors, ccr, seed, spread), processors
    for seed, ccr in enumerate((0.1, 1.0, 10.0)):
        for size in (4, 5, 6, 7, 8):
            yield f"gauss{size}_{ccr}", weighted(gaussian_elimination(size), 4, ccr, seed), 4
        for points in (2, 4, 8):
            yield f"fft{points}_{ccr}", weighted(fft(points), 4, ccr, seed), 4
        for images in (3, 5, 8, 12):
            shape, work = montage(images)
            yield f"montage{images}_{ccr}", weighted(shape, 4, ccr, seed, work=work), 4
