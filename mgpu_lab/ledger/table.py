"""Show ledgers: a text table, and an accessible HTML table with a stacked bar for each rank.

The HTML keeps its meaning in a view that strips svg, role and aria: numbers are text, bars are plain boxes.
Not covered: measuring.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from mgpu_lab.ledger.ledger import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mgpu_lab.ledger.ledger import LedgerRow, MemoryLedger

Row = tuple[str, str, list[str]]  # kind ("category", "detail", "total"), label, cells
SIGNS = dict(zip(CATEGORIES, "PGOBAX", strict=True))  # colour is never the only sign
COLOURS = dict(zip(CATEGORIES, ("#8ecae6", "#ffb703", "#95d5b2", "#d0bfff", "#ffadad", "#d9d9d9"), strict=True))
BAR_PX = (240, 120)  # the width of a full bar: up to two ranks, more ranks
LEAST_PERCENT = 6  # a narrower part of a bar shows no letter
BOX_STYLE = (
    "display:inline-block;box-sizing:border-box;height:18px;line-height:18px;overflow:hidden;"
    "text-align:center;vertical-align:top;color:#000;border-right:1px solid #000"
)


@dataclass(frozen=True, repr=False)
class LedgerTable:
    """Ledgers side by side. `expected` holds bytes of one rank for some categories."""

    ledgers: tuple[MemoryLedger, ...]
    expected: Mapping[str, float] = field(default_factory=dict)

    @property
    def off_by(self) -> dict[str, float]:
        """For each expected category the largest relative difference over the ranks: 0.02 is 2%."""
        return {
            name: max(abs(getattr(one, name) - wanted) / max(1.0, wanted) for one in self.ledgers)
            for name, wanted in self.expected.items()
        }

    def rows(self) -> list[Row]:
        """Make the rows below the head."""
        rows: list[Row] = []
        for name in CATEGORIES:
            rows.append(("category", name, self._cells(name)))
            rows += [("detail", self._label(part), self._sizes(name, *part)) for part in self._parts(name)]
        rows.append(("total", "total", self._cells("total")))
        if len(self._devices()) > 1:
            rows += [("detail", f"on {device}", self._on(device)) for device in self._devices()]
        each = [f"{one.bytes_per_parameter():.3f}" for one in self.ledgers]
        return [*rows, ("detail", "bytes per parameter", self._pad(each))]

    def head(self) -> list[str]:
        """Make the head of the table."""
        ranks = [f"rank {one.rank}" for one in self.ledgers]
        return ["bytes", *ranks, *(["expected", "off by"] if self.expected else [])]

    def caption(self) -> str:
        """Say what the table is about."""
        when = "at the peak" if any(one.at_peak for one in self.ledgers) else "now"
        counts = sorted({one.parameter_count for one in self.ledgers})
        return f"Memory {when}; the model has {' / '.join(f'{count:,}' for count in counts)} parameters"

    def _parts(self, category: str) -> list[tuple[str, str]]:
        """List the named parts of a category over all ranks, in the order of their first appearance."""
        rows = (row for one in self.ledgers for row in one.details if row.category == category)
        return list(dict.fromkeys((row.name, _kind(row)) for row in rows))

    def _devices(self) -> list[str]:
        return sorted({_kind(row) for one in self.ledgers for row in one.details})

    def _label(self, part: tuple[str, str]) -> str:
        """Name the device too, where there is more than one kind."""
        return f"{part[0]} ({part[1]})" if len(self._devices()) > 1 else part[0]

    def _sizes(self, category: str, name: str, kind: str) -> list[str]:
        """Bytes of a named part on each rank."""
        wanted = (category, name, kind)
        rows = ([r for r in one.details if (r.category, r.name, _kind(r)) == wanted] for one in self.ledgers)
        return self._pad([f"{sum(row.size_bytes for row in some):,}" for some in rows])

    def _on(self, device: str) -> list[str]:
        return self._pad([f"{one.on(device):,}" for one in self.ledgers])

    def _cells(self, name: str) -> list[str]:
        """Bytes of a category on each rank, then what was expected."""
        cells = [f"{getattr(one, name):,}" for one in self.ledgers]
        if name in self.expected:
            cells += [f"{round(self.expected[name]):,}", f"{self.off_by[name]:.1%}"]
        return self._pad(cells)

    def _pad(self, cells: list[str]) -> list[str]:
        return cells + [""] * (len(self.head()) - 1 - len(cells))

    def __repr__(self) -> str:
        """Show the text table."""
        lines = [self.head()]
        for kind, label, cells in self.rows():
            lines.append([f"  {label}" if kind == "detail" else label.replace("_", " "), *cells])
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        text = []
        for label, *cells in lines:
            padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
            text.append("  ".join([label.ljust(widths[0]), *padded]).rstrip())
        return "\n".join([self.caption(), *text])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(text)}</th>' for text in self.head())
        bars = "".join(f"<td>{self._bar(one)}</td>" for one in self.ledgers)
        padding = "<td></td>" * (len(self.head()) - 1 - len(self.ledgers))
        body = "".join(_html_row(*row) for row in self.rows())
        return (
            f'<table><caption style="text-align:left">{escape(self.caption())}</caption>'
            f'<thead><tr>{head}</tr></thead><tbody><tr><th scope="row" style="text-align:left">shares</th>'
            f"{bars}{padding}</tr>{body}</tbody></table>"
        )

    def _bar(self, ledger: MemoryLedger) -> str:
        """One rank as a stacked bar; the rank with most is full, the letters are those of the rows."""
        full = max(1, *(one.total for one in self.ledgers))
        width = BAR_PX[len(self.ledgers) > 2]  # noqa: PLR2004
        boxes = "".join(_box(name, 100 * getattr(ledger, name) / full) for name in CATEGORIES)
        return f'<div style="width:{width}px;white-space:nowrap;font-size:11px;text-align:left">{boxes}</div>'


def _kind(row: LedgerRow) -> str:
    """Give the kind of device a row is on: "cuda" for "cuda:0"."""
    return row.device.partition(":")[0]


def _box(name: str, percent: float) -> str:
    """One part of a stacked bar."""
    if not percent:
        return ""
    sign = SIGNS[name] if percent >= LEAST_PERCENT else ""
    style = f"width:{percent:.2f}%;background-color:{COLOURS[name]};{BOX_STYLE}"
    return f'<span title="{name.replace("_", " ")}" style="{style}">{sign}</span>'


def _html_row(kind: str, label: str, cells: Sequence[str]) -> str:
    """Make one row: categories and the total stand out, details are indented."""
    text, left = escape(label), "font-weight:bold"
    if kind == "category":
        box = f'<span style="background-color:{COLOURS[label]};color:#000;padding:0 4px">{SIGNS[label]}</span>'
        text = f"{box} {escape(label.replace('_', ' '))}"
    elif kind == "detail":
        left = "padding-left:2em;font-weight:normal"
    data = "".join(f'<td style="text-align:right">{escape(cell)}</td>' for cell in cells)
    return f'<tr><th scope="row" style="text-align:left;{left}">{text}</th>{data}</tr>'
