"""What the algorithms share: a sheet, data split for training and testing, and marks beside a float64 twin's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hetsim import data
from hetsim.errors import InputError
from hetsim.keys import key
from hetsim.workload import Workload, WorkloadSheet

if TYPE_CHECKING:
    import numpy as np

    from hetsim.workload import Array


class AlgorithmSheet(WorkloadSheet):
    """``expected_iterations`` stands for what a program decides when there are no numbers; ``seed`` keys its draws."""

    expected_iterations: int | None = Field(default=None, ge=1)
    seed: int = 0


class LearnerSheet(AlgorithmSheet):
    """``data`` are split by ``seed``; the share ``test`` is kept for testing.

    Features are centred and divided by a deviation: ``each`` by its own, or all by that of the ``whole`` data, as
    suits images, whose nearly constant pixels would otherwise take the crossbars' range for themselves.
    """

    data: str
    scale: Literal["each", "whole"] = "each"
    test: float = Field(default=0.3, gt=0, lt=1)


class Algorithm(Workload):
    """A program that is scored beside the same algorithm in float64."""

    decides = True
    sheet: AlgorithmSheet

    @abstractmethod
    def marks(self, answer: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """The metrics of a request's answer, and those of the float64 twin."""

    def score(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """Means over the requests; the twin's are named ``twin.…``."""
        rows = []
        for answer in answers:
            mine, twin = self.marks(answer)
            rows.append({**mine, **{f"twin.{name}": value for name, value in twin.items()}})
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}

    def draw(self, *use: Any) -> np.random.Generator:
        """A generator of its own for each use."""
        import numpy as np

        return np.random.Generator(np.random.Philox(key=key(self.sheet.seed, self.kind, *use)))

    def most(self, numbers: bool, limit: int) -> int:
        """Iterations that the program may take: the limit, or what is expected when there are no numbers."""
        return limit if numbers else min(self.sheet.expected_iterations or 1, limit)


@dataclass(frozen=True, slots=True)
class Split:
    """Standardised features, float32 [n, d], with labels as they were, of training and test samples."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1


class Learner(Algorithm):
    """An algorithm that learns from one part of labelled data and is tested on the other."""

    sheet: LearnerSheet
    targets = "classes"  # what labels are: classes, or a quantity

    @cached_property
    def split(self) -> Split:
        """Features less their means over deviations, both of the training part; constant features become 0."""
        x, labels = self.samples
        order = self.draw("split").permutation(len(x))
        count = max(1, min(len(x) - 1, round(self.sheet.test * len(x))))
        test, train = order[:count], order[count:]
        centred = x[train] - (mean := x[train].mean(axis=0))
        deviation = ((centred**2).mean(axis=0 if self.sheet.scale == "each" else None)) ** 0.5
        scaled = ((x - mean) / (deviation + (deviation == 0))).astype("float32")
        return Split(scaled[train], labels[train], scaled[test], labels[test])

    @cached_property
    def samples(self) -> tuple[Array, Array]:
        """The data as they are: features [n, d] in float64, and labels."""
        found = data.load(self.sheet.data, self.folder)
        if found.labels is None:
            raise InputError.of(f"data {self.sheet.data!r} have no labels, and {self.kind} learns from them")
        if self.targets == "classes" and (found.labels.dtype.kind != "i" or found.labels.min() < 0):
            raise InputError.of(
                f"labels of {self.sheet.data!r} are no classes", f"{self.kind} needs whole numbers from 0 on"
            )
        if len(found.inputs) < 2:
            raise InputError.of(f"data {self.sheet.data!r} have {len(found.inputs)} samples", "at least 2 are needed")
        return found.inputs.reshape(len(found.inputs), -1).astype("float64"), found.labels


def centred(name: str, folder: Path | None) -> tuple[Array, Array | None]:
    """Data without their mean, over the deviation of all of them: float32 [n, d]; and their labels if any."""
    found = data.load(name, folder)
    points = found.inputs.reshape(len(found.inputs), -1).astype("float64")
    points = points - points.mean(axis=0)
    return (points / (points.std() or 1.0)).astype("float32"), found.labels


def accuracy(found: Array, labels: Array) -> float:
    """Share of equal entries."""
    return float((found.ravel() == labels).mean())


def distances(a: Array, b: Array) -> Array:
    """Squared distances of the rows of one array from those of another, float64 [len(a), len(b)]."""
    import numpy as np

    return np.asarray(((a.astype("float64")[:, None] - b.astype("float64")) ** 2).sum(axis=2))


def gaussian(a: Array, b: Array, width: float) -> Array:
    """The kernel exp(-|s - q|² / (width x features)) of the rows of two arrays, float64 [len(a), len(b)]."""
    import numpy as np

    return np.asarray(np.exp(-distances(a, b) / (width * b.shape[1])))


def one_hot(labels: Array, classes: int) -> Array:
    """Rows of zeros with a one at each label, float32 [n, classes]."""
    import numpy as np

    return np.eye(classes, dtype="float32")[labels]
