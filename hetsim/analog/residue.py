"""AN codes: weights stored times A, so that any digital sum that is no multiple of A shows that a conversion erred."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hetsim.analog.drive import Coded, Codes, applied
from hetsim.analog.face import Face
from hetsim.analog.lines import Layout, Lines
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.readout import Readers
from hetsim.keys import key as derive

Whole = NDArray[np.int64]

_OF_ROWS = ("signals", "variances", "cells", "sigma", "telegraph", "bows")  # fields of `Lines`


@dataclass(frozen=True, slots=True)
class Checked:
    """Sums [M, N] in codes after correction; ``driven`` [K] integrations of each line; ``saved`` siemens; conversions
    that ``clipped``, sums that were ``checked``, and those of them that were ``wrong``."""

    values: NDArray[np.float64]
    driven: NDArray[np.float64]
    saved: float
    clipped: int
    checked: int
    wrong: int


def corrections(a: int, shares: tuple[float, ...]) -> Whole:
    """What to take off a sum for each remainder modulo ``a``, int64 [a]: the likeliest error that leaves it.

    Errors are ranked by how many codes one conversion was off, then by the worth of its line, the smallest first, as
    small errors of noise are likelier than large ones; a table of A - 1 entries, as in [Feinberg 2018], without its
    knowledge of the stored data.
    """
    found = np.zeros(a, np.int64)
    missing = set(range(1, a))
    worths = sorted({abs(int(share)) for share in shares})
    for off in range(1, a):
        for error in (sign * off * worth for worth in worths for sign in (1, -1)):
            if error % a in missing:
                missing.remove(error % a)
                found[error % a] = error
        if not missing:
            break
    return found


def parts(face: Face) -> list[Readers]:
    """Readers of each tile down alone, since sums are checked before tiles are added up; they count whole codes."""
    whole, readers = face.readers.layout.tiling, []
    for r, height in enumerate(whole.heights()):
        tiling = Tiling(height, whole.columns, whole.height, whole.width)
        layout = Layout(tiling, face.readers.sheet.scheme.shares)
        lines = face.readers.lines
        cut = {name: getattr(lines, name)[r : r + 1] for name in Lines._fields if name not in ("signs", "shares")}
        cut |= {name: cut[name][:, :, : layout.rows] for name in _OF_ROWS}
        own = lines._replace(**cut)
        readers.append(replace(face.readers, layout=layout, lines=own, scale=1.0))
    return readers


def read(sheet: MacroSheet, readers: list[Readers], codes: Codes, signed: bool, key: int, first: int) -> Checked:
    """Read input ``codes`` [M, K] pass by pass and tile by tile, and correct each sum by its remainder."""
    assert sheet.an_code is not None
    table = corrections(sheet.an_code, sheet.scheme.shares)
    total = np.zeros((len(codes), readers[0].layout.tiling.columns))
    driven, saved, clipped, checked, wrong = [], 0.0, 0, 0, 0
    top = 0
    for r, reader in enumerate(readers):
        rows = slice(top, top := top + reader.layout.tiling.rows)
        heat = np.zeros(reader.layout.tiling.rows)
        for i, step in enumerate(sheet.passes(signed)):
            alone = sheet.single_pass(step)
            part = Coded(applied(codes[:, rows], step).astype(np.int16), 1.0)
            one = replace(reader, sheet=alone)
            found = one.read(part, step.sign == 0, derive(key, "sum", r, i), first, derive(key, "lasting", r))
            sums = np.rint(found.values).astype(np.int64)
            errors = table[sums % sheet.an_code]
            total += (2.0**step.first) * (-1 if step.sign < 0 else 1) * (sums - errors)
            heat += found.driven
            saved, clipped = saved + found.saved, clipped + found.clipped
            checked, wrong = checked + sums.size, wrong + int(np.count_nonzero(sums % sheet.an_code))
        driven.append(heat)
    return Checked(total, np.concatenate(driven), saved, clipped, checked, wrong)
