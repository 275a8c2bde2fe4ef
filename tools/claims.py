"""Write docs/claims.md: the ledger of claims, with the numbers that the planner and the hardware table say now.

    python tools/claims.py              # write it
    python tools/claims.py --check      # exit status 1 where it is not what would be written

The texts are read from mgpu_lab/course/claims.toml; lesson 09 prints the same ledger.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from written_page import settle

from mgpu_lab.course.claims import Claim, Claims, claims

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/claims.md"
HEAD = """# Claims that readers arrive with

Claims of the kind met in articles on machines with several GPUs, each with a verdict: *holds*, *holds only if*, *does
not hold*, *cannot be tested here*. Behind each verdict stand the number and how it is known: *computed* by this
repository's planner from its hardware table, *published* by others (address and date), *measured here* in a lesson.
None of the computed numbers was measured on a GPU by this project. Written by `python tools/claims.py` from
[claims.toml](../mgpu_lab/course/claims.toml); a test fails where the planner's numbers stop supporting a verdict.
"""


def main(arguments: Sequence[str] = ()) -> int:
    return settle(PAGE, page(claims()), arguments, "python tools/claims.py")


def page(ledger: Claims) -> str:
    """Return docs/claims.md as it must be now."""
    return "\n".join([HEAD, ledger.summary, "", overview(ledger), "", *map(section, ledger)])


def overview(ledger: Claims) -> str:
    """Return all claims with their verdicts as a table."""
    lines = ["| claim | verdict | how it is known |", "|---|---|---|"]
    lines += [f"| [{cell(row.claim)}](#{anchor(row.claim)}) | {row.verdict} | {row.how} |" for row in ledger]
    return "\n".join(lines)


def section(row: Claim) -> str:
    """Return one claim with everything known of it."""
    known = [f"- *{label}*: {text}" for label, text in row.parts()]
    sources = [f"- *source*: {address(each)}" for each in row.source]
    sentence = row.sentence[0].upper() + row.sentence[1:]
    head = f"## {row.claim}\n\n**{sentence}** Known: {row.how}.\n"
    return "\n".join([head, *known, *sources, ""])


def address(source: str) -> str:
    """Make a source's address a link: what follows it may be a path in a repository, and a date."""
    first, _, rest = source.partition(" ")
    return f"<{first}> {rest}" if first.startswith("https://") else source


def anchor(heading: str) -> str:
    """Return what a heading's link is called, as GitHub does it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def cell(text: str) -> str:
    return text.replace("|", "/")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
