"""Networks of nodes and edges, read from a file: what PageRank and Max-Cut work on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from hetsim.errors import InputError

if TYPE_CHECKING:
    from hetsim.workload import Array


def edges(name: str, folder: Path | None) -> Array:
    """Edges [m, 2] of a CSV file with a first line that names the columns; nodes are numbered from 0 in the order of
    their numbers in the file. Raises InputError, with the line, for what is no edge."""
    import numpy as np

    path = (folder or Path()) / name
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError.of(f"edges {name!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    pairs = []
    for number, line in enumerate(lines[1:], 2):
        ends = [text.strip() for text in line]
        if len(ends) != 2 or not all(end.isdecimal() for end in ends) or ends[0] == ends[1]:
            what = f"line {number} of {name!r} is no edge: {','.join(line)!r}"
            raise InputError.of(what, "two different node numbers are expected, as in 1,2")
        pairs.append([int(end) for end in ends])
    if not pairs:
        raise InputError.of(f"edges {name!r} has no edge", "after a first line of names, a line for each: 1,2")
    _, numbered = np.unique(np.array(pairs), return_inverse=True)
    return np.unique(numbered.reshape(-1, 2), axis=0)


def adjacency(pairs: Array, directed: bool = False) -> Array:
    """Ones where an edge leads from row to column (and back, unless ``directed``), float32 [n, n]."""
    import numpy as np

    matrix = np.zeros((pairs.max() + 1,) * 2, "float32")
    matrix[pairs[:, 0], pairs[:, 1]] = 1
    return matrix if directed else np.maximum(matrix, matrix.T)
