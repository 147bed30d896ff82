"""What the documentation shows is true: its files are valid, its commands and snippets run, as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Session, blocks, compare, needs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_runs(page: Path, tmp_path: Path) -> None:
    for package in needs(page):
        pytest.importorskip(package, reason=f"{page.name} needs {package}")
    session = Session(tmp_path)
    for block in blocks(page):
        session.run(block)


def test_something_is_run_on_the_first_page() -> None:
    run = [block for block in blocks(ROOT / "README.md") if not block.skip]
    assert {"bash", "python"} <= {block.language for block in run}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", text)
    files = [name for pair in targets for name in pair if name and "://" not in name]
    assert not [name for name in files if not (page.parent / name).exists()]


def test_comparison_notices_a_difference() -> None:
    compare(["makespan  1.000 s", "…", "end"], ["makespan 1.004 s", "", "more", "end"], "here")
    for printed in (["makespan 1.02 s", "end"], ["makespan 1 ms", "end"], ["makespan 1 s"]):
        with pytest.raises(AssertionError, match="here"):
            compare(["makespan 1 s", "end"], printed, "here")
