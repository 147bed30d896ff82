"""The exceptions that hetsim raises, and how they are told to a person."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in the input: what was found and expected, what to do (``hint``), and where."""

    message: str
    hint: str = ""
    file: str = ""
    line: int | None = None
    path: str = ""

    def at(self, file: str = "", line: int | None = None, path: str = "") -> Problem:
        """The same problem with its place filled in; a problem of another file keeps its own."""
        if self.file and self.file != file:
            return self
        return replace(self, file=file, line=self.line or line, path=self.path or path)


class HetsimError(Exception):
    """Anything that ends a command; ``exit_code`` is the status it ends with."""

    exit_code: ClassVar[int] = 1


class RunError(HetsimError):
    """A run that could not finish: it stalled, diverged, or hit a limit."""


class InputError(HetsimError):
    """Input that a person has to change; carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.message for problem in self.problems))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)

    @classmethod
    def of(cls, message: str, hint: str = "", *, path: str = "") -> Self:
        """An error with a single problem."""
        return cls([Problem(message, hint, path=path)])

    def at(self, file: str = "", line: int | None = None, path: str = "") -> Self:
        """The same error with the place filled in for the problems that have none."""
        return type(self)(problem.at(file, line, path) for problem in self.problems)


@contextmanager
def gathering(found: list[Problem]) -> Iterator[None]:
    """Add what is wrong to what has been found, and go on behind the block."""
    try:
        yield
    except InputError as error:
        found += error.problems


def closest(word: str, words: Iterable[str]) -> str | None:
    """The word most like another, None when none is close."""
    known = {w.lower(): w for w in sorted(set(words), reverse=True)}
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return known[near[0]] if near else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest word, or the known words when none is close."""
    known = sorted(set(words))
    near = closest(word, known)
    if near is not None:
        return f"did you mean {near!r}?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"known: {shown}" if known else ""


def tell(error: BaseException) -> str:
    """Return the text that a person reads: each problem with its place, what was found and what to do."""
    if not isinstance(error, InputError):
        return str(error) or type(error).__name__
    return "\n".join(_told(error.problems))


def _told(problems: Sequence[Problem]) -> Iterable[str]:
    for problem in problems:
        place = problem.file + (f":{problem.line}" if problem.file and problem.line else "")
        where = "  ".join(part for part in (place, problem.path) if part)
        indent = "    " if where else ""
        if where:
            yield where
        for text in (problem.message, problem.hint):
            yield from (indent + line for line in text.splitlines())
