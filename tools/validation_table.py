"""Write the README's table of published and simulated figures: run every scenario that expects something.

    python tools/validation_table.py            # rewrite what stands between the markers
    python tools/validation_table.py --check    # change nothing; exit status 1 when something would change
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from hetsim.validate import Row, validate

README = Path(__file__).resolve().parents[1] / "README.md"
MARKS = re.compile(r"(<!-- validation[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The table in Markdown: a row for each expectation, its source with it; why those miss that are known to."""
    yield "| scenario | metric | published | simulated | deviation | allowed | | source |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        verdict = f"known miss: {row.expected.known_miss}" if row.verdict == "known miss" else row.verdict
        cells = [*row.told(), verdict, row.expected.source]
        cells[1] = f"`{cells[1]}`"
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def block(rows: list[Row]) -> str:
    """What stands between the README's markers."""
    met = sum(row.met for row in rows)
    known = sum(row.verdict == "known miss" for row in rows)
    told = f"Of {len(rows)} rows {met} are within their tolerance, {known} are known to miss, each with its reason."
    table = "\n".join(lines(rows))
    return f"\n{told}\n\n<details><summary>All rows</summary>\n\n{table}\n\n</details>\n\n"


def main() -> int:
    """Run everything; put the table between the markers, or say whether it is another."""
    made = block(validate())
    text = README.read_text(encoding="utf-8")
    renewed = MARKS.sub(lambda m: m[1] + made + m[2], text)
    if "--check" in sys.argv[1:]:
        if renewed != text:
            print("the README's table is out of date: python tools/validation_table.py", file=sys.stderr)
        return int(renewed != text)
    README.write_text(renewed, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
