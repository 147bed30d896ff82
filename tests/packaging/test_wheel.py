"""The wheel: what is in it, and that it works in an empty environment, away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELVES = ("components", "workloads", "scenarios")

pytestmark = pytest.mark.slow


def call(*command: str | Path, folder: Path) -> str:
    """Standard output of a command that must succeed, run where the checkout cannot be seen."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{command}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, folder=ROOT)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a new environment that holds the wheel with its data sets, and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    call(*pip, f"{wheel}[datasets]", folder=folder)
    return folder / "bin"


def test_wheel_holds_the_package_and_the_library(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hetsim").rglob("*.py")}
    files = {path for shelf in SHELVES for path in (ROOT / shelf).rglob("*") if path.is_file()}
    library = {f"hetsim/{path.relative_to(ROOT).as_posix()}" for path in files}
    assert names == code | library | {"hetsim/py.typed"}


def test_only_hetsim_lands_in_site_packages(binaries: Path) -> None:
    script = "import importlib.metadata as m; print(*{f.parts[0] for f in m.files('hetsim')}, sep='\\n')"
    tops = set(call(binaries / "python", "-c", script, folder=binaries.parent).split())
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hetsim", ".."}  # .. is bin/hetsim


def test_demo_runs_from_another_folder(binaries: Path, tmp_path: Path) -> None:
    document = json.loads(call(binaries / "hetsim", "run", "mnist_heterogeneous", "--json", folder=tmp_path))
    assert document["schema"].startswith("hetsim.result/")
    assert document["metrics"]["accuracy"] >= 0.96
    assert not list(tmp_path.iterdir()), "nothing is written without --out"


def test_types_are_shipped(binaries: Path, tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text('import hetsim\n\nanswer: hetsim.Result = hetsim.simulate(hetsim.load("a_scenario"))\n')
    options = ("--python-executable", binaries / "python", "--cache-dir", tmp_path / "cache", "--strict")
    call(sys.executable, "-m", "mypy", *options, user, folder=tmp_path)
