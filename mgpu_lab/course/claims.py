"""The ledger of claims that readers arrive with: each with a verdict, the number behind it, and how that is known.

The texts are ``claims.toml``; the numbers in them are planned when the ledger is read, so they are what the planner
and the hardware table say now.
"""

import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from mgpu_lab.course.claim_numbers import numbers
from mgpu_lab.course.claim_plans import CANNOT_TEST, DOES_NOT_HOLD, HOLDS, ONLY_IF
from mgpu_lab.planner.hardware import look_up
from mgpu_lab.tables import Cell, Table
from mgpu_lab.wire.errors import UsageError

FILE = Path(__file__).with_name("claims.toml")
VERDICTS = (HOLDS, ONLY_IF, DOES_NOT_HOLD, CANNOT_TEST)
PLURAL = {HOLDS: "hold", ONLY_IF: "hold only under a condition", DOES_NOT_HOLD: "do not hold"}
WIDTH, LABEL = 100, 11


@dataclass(frozen=True)
class Claim:
    """One claim. `only_if` ends the sentence "holds only if"; `number` is computed, `published` what others measured.

    `how` says how it is known: "computed", "published", "measured here (lesson NN)". `source` has addresses and dates.
    """

    key: str
    claim: str
    verdict: str
    only_if: str
    number: str
    published: str
    why: str
    how: str
    source: tuple[str, ...]
    supported: bool  # whether the computed numbers support this verdict

    @property
    def sentence(self) -> str:
        """The verdict, with its condition where there is one."""
        return f"{self.verdict} {self.only_if}" if self.only_if else f"{self.verdict}."

    def parts(self) -> Iterator[tuple[str, str]]:
        """Give what is known, each part with its label; empty ones are left out."""
        for label, text in (("computed", self.number), ("published", self.published), ("why", self.why)):
            if text:
                yield label, text

    def __str__(self) -> str:
        """Write the claim as a block of lines of at most 100 columns."""
        rows = [*self.parts(), ("known", self.how), *(("source", each) for each in self.source)]
        lines = [_wrapped(f'"{self.claim}"', ""), _wrapped(self.sentence[0].upper() + self.sentence[1:], "  ")]
        return "\n".join([*lines, *(_wrapped(text, " " * (LABEL + 2), f"  {label:{LABEL}}") for label, text in rows)])


@dataclass(frozen=True, repr=False)
class Claims:
    """The ledger: iterate over it, or take a claim by its key: `claims()["scaling-95"]`. It shows itself as a table."""

    rows: tuple[Claim, ...]

    @property
    def summary(self) -> str:
        """Count the verdicts."""
        counts = [(sum(row.verdict == verdict for row in self.rows), verdict) for verdict in VERDICTS]
        found = [(count, PLURAL.get(verdict, verdict) if count > 1 else verdict) for count, verdict in counts if count]
        parts = [f"{count} {words}" for count, words in found]
        return f"{len(self.rows)} claims: {', '.join(parts)}."

    def __getitem__(self, key: str) -> Claim:
        """Return a claim by its key.

        Raises:
            UsageError: the ledger has no such claim.
        """
        return _found({row.key: row for row in self.rows}, key)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def table(self) -> Table:
        """Return claim, verdict, number and how it is known, with published numbers, reasons and sources in HTML."""
        rows = [(row.claim, row.sentence, Cell(row.number, _known(row)), row.how) for row in self.rows]
        return Table(("claim", "verdict", "number", "how it is known"), rows, caption=self.summary)

    def __repr__(self) -> str:
        return "\n\n".join([self.summary, *map(str, self.rows)])

    def _repr_html_(self) -> str:
        return self.table().html()


@cache
def claims() -> Claims:
    """Read the ledger, and plan the numbers that it states: about a second, then at once.

    Raises:
        UsageError: the file has a claim that lacks a part, or a number that is not computed.
    """
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return Claims(tuple(claim_of(key, row) for key, row in rows.items()))


def claim_of(key: str, row: Mapping[str, Any]) -> Claim:
    """Fill the braces of one claim.

    Raises:
        UsageError: it lacks a part, or names a number that is not computed.
    """
    try:
        found = numbers(row["computed"])
        return Claim(
            key,
            row["claim"],
            row["verdict"],
            row.get("only_if", ""),
            row["number"].format(**found),
            row.get("published", ""),
            row["why"],
            row["how"],
            tuple(row.get("source", ())),
            found["verdict"] == row["verdict"],
        )
    except KeyError as error:
        raise UsageError(f"{FILE.name}, {key}: {error} is missing.") from None


def _found(rows: Mapping[str, Claim], key: str) -> Claim:
    try:
        return look_up(rows, key, "claim")
    except UsageError as error:
        raise UsageError(str(error).replace("hardware table", "ledger")) from None


def _known(row: Claim) -> str:
    """Write what is known of a claim as HTML."""
    parts = [f"<div><i>{label}:</i> {escape(text)}</div>" for label, text in row.parts()]
    return "".join([*parts, *(f"<div><small>{escape(each)}</small></div>" for each in row.source)])


def _wrapped(text: str, indent: str, first: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first or indent,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
