"""Pages of the documentation as sessions: their fenced blocks are written, run and compared, in order.

- ```` ```yaml title="my.yaml" ````: a block with a title is a file, written into the page's folder.
- ```` ```bash ````: every line is a command. ```` ```console ````: lines after ``$`` are commands, what
  follows them is the output, which is compared (numbers within 1 %, a line ``…`` stands for anything).
- ```` ```python ```` without a title: a script of its own.
- ``<!-- needs: PACKAGE -->`` on the first line: the page is run where the package can be imported.
- ``<!-- not run: why -->`` before a block leaves it out, ``<!-- exits 2 -->`` says how its commands end.

A page's ``pyproject.toml`` with entry points counts as installed from then on.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r'(?P<indent> *)```(?P<language>\w+)?(?: .*?title="(?P<title>[^"]+)")?')
_COMMENT = re.compile(r"<!-- (?:not run: (?P<reason>.+?)|exits (?P<status>\d+)) -->")
_TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)
_RULES = str.maketrans("", "", "─│┌┐└┘├┤┬┴┼━")


@dataclass(frozen=True)
class Block:
    """A fenced block: ``title`` is that of a file, ``skip`` why it is not run, ``status`` its exit status."""

    page: str
    line: int
    language: str
    text: str
    title: str = ""
    skip: str = ""
    status: int = 0

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    note: re.Match[str] | None = None
    for number, line in lines:
        fence = _FENCE.fullmatch(line)
        if fence is None:
            note = _COMMENT.fullmatch(line.strip()) or (note if not line.strip() else None)
            continue
        body, cut = [], len(fence["indent"])
        for _, inner in lines:
            if inner.strip() == "```":
                break
            body.append(inner[cut:])
        else:
            raise ValueError(f"{page.name}:{number}: the block is not closed")
        said = note.groupdict() if note else {}
        yield Block(
            page.relative_to(ROOT).as_posix(), number, fence["language"] or "", "\n".join(body) + "\n",
            fence["title"] or "", said.get("reason") or "", int(said.get("status") or 0),
        )  # fmt: skip
        note = None


def needs(page: Path) -> list[str]:
    """The packages without which a page is not run."""
    first = page.read_text(encoding="utf-8").partition("\n")[0]
    return re.findall(r"<!-- needs: (\w+) -->", first)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Commands of a block, each with the lines that it is said to print."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language in ("bash", "sh"):
        yield from ((line, []) for line in lines if line.strip() and not line.startswith("#"))
        return
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start][2:], lines[start + 1 : end]


class Session:
    """Runs the blocks of a page in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "110"}

    def run(self, block: Block) -> None:
        """Write, run or compare a block; AssertionError when it does not hold."""
        if block.skip:
            return
        if block.title:
            self._write(block)
        elif block.language == "python":
            self._execute([sys.executable, "-c", block.text], block)
        elif block.language in ("bash", "sh", "console"):
            for command, output in commands(block):
                printed = self._command(shlex.split(command, comments=True), block)
                if output and printed is not None:
                    compare(output, printed.splitlines(), block.place)

    def _write(self, block: Block) -> None:
        file = self.folder / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        self._install()

    def _install(self) -> None:
        """What installing the page's project would do: entry points whose modules are written can be found."""
        if not (self.folder / "pyproject.toml").exists():
            return
        project = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        lines = []
        for group, points in project["entry-points"].items():
            written = {k: v for k, v in points.items() if (self.folder / f"{v.replace('.', '/')}.py").exists()}
            lines += [f"[{group}]", *(f"{name} = {module}" for name, module in written.items())]
        info = self.folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir(exist_ok=True)
        info.joinpath("METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
        info.joinpath("entry_points.txt").write_text("\n".join(lines))

    def _command(self, words: Sequence[str], block: Block) -> str | None:
        """What a command prints; None for a make target, which is only looked for."""
        if words[0] == "make":
            known = _TARGET.findall((ROOT / "Makefile").read_text())
            assert set(words[1:]) <= set(known), f"{block.place}: the Makefile has no such target: {words}"
            return None
        assert words[0] in ("hetsim", "python"), f"{block.place}: mark as not run, and why: {words}"
        head = [sys.executable, "-m", "hetsim"] if words[0] == "hetsim" else [sys.executable]
        return self._execute([*head, *words[1:]], block)

    def _execute(self, command: Sequence[str], block: Block) -> str:
        run = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        told = f"{block.place}: {shlex.join(command)[:300]}\n{run.stdout[-3000:]}{run.stderr[-3000:]}"
        assert run.returncode == block.status, f"exit {run.returncode} instead of {block.status} at {told}"
        return run.stdout + run.stderr


def compare(said: Sequence[str], printed: Sequence[str], place: str) -> None:
    """Words must agree, numbers within 1 %; blanks and rules do not count, ``…`` stands for any lines."""
    expected, found = ([words for line in lines if (words := _words(line))] for lines in (said, printed))
    position = 0
    for words in expected:
        if words == ["…"]:
            position = -1
            continue
        if position < 0:
            near = (i for i, other in enumerate(found) if _alike(words, other))
            position = next(near, len(found))
        assert position < len(found), f"{place}: not printed: {' '.join(words)}\n" + "\n".join(printed)
        assert _alike(words, found[position]), (
            f"{place}: says    {' '.join(words)}\n{place}: printed {' '.join(found[position])}"
        )
        position += 1
    rest = found[position:] if position >= 0 else []
    assert not rest, f"{place}: printed, not said: {rest}"


def _words(line: str) -> list[str]:
    return line.translate(_RULES).split()


def _alike(said: Sequence[str], printed: Sequence[str]) -> bool:
    return len(said) == len(printed) and all(map(_same, said, printed))


def _same(said: str, printed: str) -> bool:
    if said == printed:
        return True
    try:
        a, b = (float(word.replace(",", "").rstrip("%,;")) for word in (said, printed))
    except ValueError:
        return False
    return math.isclose(a, b, rel_tol=0.01)
