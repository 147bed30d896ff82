"""Arrivals: the times in a trace file, a row an arrival, or as many as its count says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hetsim.document import Node, Source, shown
from hetsim.errors import InputError, Problem, did_you_mean
from hetsim.rows import column
from hetsim.units import is_quantity, quantity

MOST = 1_000_000  # arrivals: they are held in memory, and written into the result
LARGEST = 100_000_000  # bytes
_TOLD = 20  # problems
_COLUMNS = ("time", "count", "tenant")
_HINT = "such as 'time (ms), count, tenant'; count and tenant may be left out"


def arrivals(path: Path, named: Node, tenant: str = "", unit: str = "") -> tuple[str, ...]:
    """The times in a CSV file, in order, each as a quantity in seconds.

    A first row may name the columns: ``time``, with its unit in brackets, and ``count`` (of requests at that time)
    and ``tenant`` (only rows that name ``tenant`` count). Without it each line is a time. Times bear a unit, unless
    the column or ``unit`` has one. Empty lines and those with ``#`` do not count. ``named`` is the value that named the
    file. InputError says what is wrong, and in which line.
    """
    place = (named.source.file, named.line)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError([Problem(f"the trace {named.value!r} is larger than {LARGEST // 10**6} MB", "", *place)])
        with path.open(encoding="utf-8-sig") as file:
            found = _Rows(Source(shown(path), path.parent), tenant, unit).times(_split(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError([Problem(f"the trace {named.value!r} cannot be read: {reason}", "", *place)]) from None
    if not found:
        whose = f" of {tenant!r}" if tenant else ""
        raise InputError([Problem(f"the trace {named.value!r} has no arrivals{whose}", "", *place)])
    return tuple(found)


def _split(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of the lines that count, with the lines' numbers."""
    mark = ""
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            mark = mark or (";" if ";" in line else ",")
            yield number, [cell.strip() for cell in line.split(mark)]


class _Rows:
    """Reads rows one by one, and collects what is wrong with them."""

    def __init__(self, source: Source, tenant: str, unit: str) -> None:
        self._source, self._tenant, self._unit = source, tenant, unit
        self._columns = ["time"]
        self._problems: list[Problem] = []

    def times(self, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
        """The arrivals as text; equal times are one object."""
        found: list[str] = []
        last, before = 0.0, 0
        for i, (line, cells) in enumerate(rows):
            if i == 0 and self._heads(cells):
                self._head(line, cells)
                continue
            try:
                time, count = self._row(cells)
                if time < last:
                    raise ValueError(f"the arrival at {time!r} s is before that of line {before} ({last!r} s)")
            except ValueError as error:
                self._complain(str(error), line)
                continue
            if not count:
                continue
            last, before = time, line
            if len(found) + count > MOST:
                self._complain(f"there are more than {MOST:,} arrivals", line, "cut the trace, or use kind: poisson")
                break
            found += [f"{time!r} s"] * count
        if self._problems:
            raise InputError(self._problems)
        return found

    @staticmethod
    def _heads(cells: list[str]) -> bool:
        """Whether a first row names columns: it starts with a word that is no number."""
        return not is_quantity(cells[0]) and cells[0][:1].isalpha() and cells[0].lower() not in ("nan", "inf")

    def _head(self, line: int, cells: list[str]) -> None:
        titles = [column(cell, self._source, line) for cell in cells]
        self._columns = [name for name, _ in titles]
        for name, unit in titles:
            if name not in _COLUMNS:
                self._complain(f"the trace has a column {name!r}", line, did_you_mean(name, _COLUMNS))
            elif name == "time" and unit:
                self._unit = unit
        if self._columns.count("time") != 1 or len(set(self._columns)) < len(self._columns):
            self._complain("each column has a name of its own, and one is time", line, _HINT)
        if self._problems:
            raise InputError(self._problems)

    def _row(self, cells: list[str]) -> tuple[float, int]:
        """Seconds, and how many requests of the tenant arrive then. ValueError for a row that makes no sense."""
        if len(cells) != len(self._columns):
            raise ValueError(f"the row has {len(cells)} columns; {len(self._columns)} are expected")
        row = dict(zip(self._columns, cells, strict=True))
        bare = self._unit and row["time"][-1:].isdigit()
        time = quantity(f"{row['time']} {self._unit}" if bare else row["time"], "s")
        count = row.get("count", "1")
        if not count.isdecimal():
            raise ValueError(f"the count {count!r} is no whole number from 0 on")
        mine = not self._tenant or row.get("tenant", self._tenant) == self._tenant
        return time, int(count) if mine else 0

    def _complain(self, message: str, line: int, hint: str = "") -> None:
        self._problems.append(Problem(message, hint, self._source.file, line))
        if len(self._problems) == _TOLD:
            raise InputError(self._problems)
