"""Data sets by name: those of `hetsim.datasets`, ``synthetic`` ones, or a user's own ``.npz`` and ``.csv``.

``synthetic`` is drawn: four Gaussian classes. A slice may follow a name, as in Python: ``mnist/test[:100]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.datasets import SETS
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


_SYNTHETIC = "synthetic"
_DRAWN = (1000, 16, 4)  # samples, features, classes
NAMES = (*SETS, _SYNTHETIC)


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
    if base in SETS:
        total = SETS[base].samples
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
    if name in SETS:
        return _shipped(name)
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


@lru_cache(maxsize=1)
def _synthetic() -> Data:
    """Gaussian classes around centres that are drawn too; neighbours overlap."""
    import numpy as np

    samples, features, classes = _DRAWN
    generator = np.random.Generator(np.random.Philox(key=key("data", _SYNTHETIC)))
    centres = generator.standard_normal((classes, features))
    labels = np.arange(samples) % classes
    return _frozen(centres[labels] + generator.standard_normal((samples, features)), labels, _SYNTHETIC)


@lru_cache(maxsize=8)
def _shipped(name: str) -> Data:
    return _frozen(*SETS[name].load(name), name)


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
