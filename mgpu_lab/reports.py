"""Judged rows (ok, warn, fail, unknown) as text in a terminal and as a table in a notebook; one look for all reports.

The status is a word in its own column; colour only repeats it, as a bar beside the word.
"""

import html
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from mgpu_lab.tables import Band, Cell, Table

Status = Literal["ok", "warn", "fail", "unknown"]
_MARKS: dict[Status, str] = {"ok": "[ OK ]", "warn": "[WARN]", "fail": "[FAIL]", "unknown": "[ ?? ]"}
_PLURALS: dict[Status, tuple[str, str]] = {
    "ok": ("ok", "ok"),
    "warn": ("warning", "warnings"),
    "fail": ("failure", "failures"),
    "unknown": ("unknown", "unknown"),
}
_HEAD = ("Status", "Checked", "Found", "Why, and what to do")
_COLOURS: dict[Status, str] = {
    "ok": "--jp-success-color1, #388e3c",
    "warn": "--jp-warn-color1, #f57c00",
    "fail": "--jp-error-color1, #d32f2f",
    "unknown": "--jp-content-font-color2, #888",
}
_TOP = "vertical-align:top"
_WIDTH = 110
_NAME_WIDTH = 28


@dataclass(frozen=True)
class Row:
    """One line of a report: what was found, whether that is good, why, and what to do about it."""

    section: str
    name: str
    found: str
    status: Status
    reason: str = ""
    remedy: str = ""


class JudgedRows(ABC):
    """A report made of rows. Shows itself as a table in a notebook and as text in a terminal."""

    headline: str
    rows: tuple[Row, ...]

    @property
    @abstractmethod
    def title(self) -> str:
        """Say what is judged."""

    @property
    def ok(self) -> bool:
        """Whether no row is a failure."""
        return not self.of("fail")

    @property
    def summary(self) -> str:
        """Count the rows by status: "12 ok, 1 warning, 0 failures, 2 unknown"."""
        counts = {status: len(self.of(status)) for status in _PLURALS}
        return ", ".join(f"{count} {_PLURALS[status][count != 1]}" for status, count in counts.items())

    def of(self, status: Status) -> tuple[Row, ...]:
        """Return the rows of one status."""
        return tuple(row for row in self.rows if row.status == status)

    def find(self, name: str) -> tuple[Row, ...]:
        """Return the rows whose name begins so; several where GPUs differ: ``report.find("temperature")``."""
        return tuple(row for row in self.rows if row.name.startswith(name))

    def __repr__(self) -> str:
        """Write the report as text, the same on every terminal."""
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        caption = f"<strong>{_markup(self.title)}</strong><br>{_markup(self.headline)}<br>{_markup(self.summary)}"
        rows: list[tuple[Cell, ...] | Band] = []
        for section, found in groupby(self.rows, key=lambda row: row.section):
            rows += [Band(section, heading=True), *map(_cells, found)]
        return Table(_HEAD, rows, caption=Cell(self.title, caption), heading=1).html()

    def _lines(self) -> Iterator[str]:
        yield self.title
        yield from textwrap.wrap(self.headline, _WIDTH)
        yield self.summary
        for section, rows in groupby(self.rows, key=lambda row: row.section):
            yield from ("", section)
            for row in rows:
                yield from _row_lines(row)


def _row_lines(row: Row) -> Iterator[str]:
    mark = _MARKS[row.status]
    indent = " " * len(mark)
    heads = (f"{mark} {row.name:<{_NAME_WIDTH}} ", f"{indent} why: ", f"{indent} do:  ")
    for head, text in zip(heads, (row.found, row.reason, row.remedy), strict=True):
        yield from textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _cells(row: Row) -> tuple[Cell, ...]:
    word = row.status.upper()
    status = word if row.status == "ok" else f"<strong>{word}</strong>"
    bar = f"{_TOP};border-left:6px solid var({_COLOURS[row.status]})"
    advice = [_markup(row.reason), f"<strong>Do:</strong> {_markup(row.remedy)}" if row.remedy else ""]
    return (
        Cell(word, status, bar),
        Cell(row.name, style=f"{_TOP};font-weight:normal;white-space:nowrap"),
        Cell(row.found, _markup(row.found), _TOP),
        Cell(row.reason, "<br>".join(filter(None, advice)), _TOP),
    )


def _markup(text: str) -> str:
    """Escape the text; what stands in backquotes becomes code."""
    return re.sub(r"`([^`]+)`", r'<code style="white-space:nowrap">\1</code>', html.escape(text))
