"""Output folders: written whole or not at all, and never over what is not ours."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hetsim.errors import InputError, RunError

_TABLES = ("spans.parquet", "transfers.parquet", "requests.parquet", "calls.parquet")
_PLOTS = ("timeline.png", "power.png", "energy.png", "throughput.png")
OURS = frozenset({"result.json", "trace.json", "study.json", "study.csv", *_TABLES, *_PLOTS})


def is_ours(name: str) -> bool:
    """Whether hetsim writes files of this name into output folders."""
    return name in OURS or (name.startswith("study_") and name.endswith(".png"))


def check_folder(folder: str | Path) -> Path:
    """Return the output folder's path, or raise InputError when it may not be written or replaced."""
    path = Path(folder).expanduser()
    path = Path(os.path.abspath(path.resolve() if path.is_symlink() else path))
    if path == Path.cwd() or path in Path.cwd().parents:
        raise InputError.of(f"{folder!s} is the folder you are in", "give the output a folder of its own")
    if path.exists() and not path.is_dir():
        raise InputError.of(f"{folder!s} is a file; a folder is expected for the output")
    foreign = sorted(entry.name for entry in path.iterdir() if not is_ours(entry.name)) if path.exists() else []
    if foreign:
        shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise InputError.of(
            f"{folder!s} holds files that hetsim did not write: {shown}",
            "an output folder is replaced whole: give it a folder of its own",
        )
    return path


@contextlib.contextmanager
def whole(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder to write into, which takes the place of ``folder`` only when the block succeeds.

    An older output folder of ours is replaced. Raises InputError for a folder that holds other files or
    cannot be made, RunError when writing fails.
    """
    target = check_folder(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise InputError.of(f"{folder!s} cannot be made: {error.strerror or error}") from None
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        _swap(temporary, target)
    except OSError as error:
        raise RunError(f"{folder!s} could not be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, target: Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    old = new.with_name(new.name + ".old")
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:  # an interrupt too must leave the old folder in its place
        old.rename(target)
        raise
    shutil.rmtree(old)


def replace(path: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` make a file beside ``path`` and put it in its place once it is complete."""
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"{path!s} could not be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def dump(document: Any) -> str:
    """JSON text: keys in their order, two blanks an indent, floats in full; NaN and infinities refused."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def dump_events(document: dict[str, Any]) -> str:
    """JSON text of a Chrome trace, an event a line."""
    head = {key: value for key, value in document.items() if key != "traceEvents"}
    lines = ",\n".join(json.dumps(event, ensure_ascii=False, allow_nan=False) for event in document["traceEvents"])
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "traceEvents": [\n' + lines + "\n]}\n"


def read_document(folder: str | Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a file of an output folder; InputError when hetsim did not write it."""
    path = Path(folder) / name
    if not path.is_file():
        raise InputError.of(f"{folder!s} holds no {name}", "name a folder that --out wrote")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError.of(f"{path!s} cannot be read: {error}") from None
    if not isinstance(document, dict) or not str(document.get("schema", "")).startswith("hetsim."):
        raise InputError.of(f"{path!s} was not written by hetsim: it has no schema")
    return document
