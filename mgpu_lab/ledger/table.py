"""Ledgers as a table: text, and HTML with a stacked bar for each rank.

The HTML keeps its meaning in a view that strips svg, role and aria: numbers are text, bars are plain boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape

from mgpu_lab.bars import sign_box, stacked_bar, words
from mgpu_lab.ledger.facts import CATEGORIES, Figures
from mgpu_lab.tables import Cell, Table
from mgpu_lab.wire.errors import UsageError

BAR_PX = (240, 120)  # the width of a full bar: up to two ranks, more ranks
Row = list[str | Cell]


def ledger_table(ledgers: Iterable[Figures], expected: Mapping[str, float] | None = None) -> LedgerTable:
    """Ledgers of several ranks side by side, with the expected bytes of a rank where given.

    >>> ledger_table(ranks.pull("ledger"), {"total": 16 * P / 2})  # doctest: +SKIP
    """
    shown = tuple(getattr(ledger, "ledger", ledger) for ledger in ledgers)  # a peak() block is taken, too
    unknown = sorted(set(expected or {}) - {*CATEGORIES, "total"})
    if unknown:
        raise UsageError(f"No category is called {', '.join(unknown)}. Choose from {', '.join(CATEGORIES)}, total.")
    return LedgerTable(shown, dict(expected or {}))


@dataclass(frozen=True, repr=False)
class LedgerTable:
    """Ledgers side by side. `expected` holds bytes of one rank for some categories."""

    ledgers: tuple[Figures, ...]
    expected: Mapping[str, float] = field(default_factory=dict)

    @property
    def off_by(self) -> dict[str, float]:
        """For each expected category the largest relative difference over the ranks: 0.02 is 2%."""
        return {
            name: max(abs(getattr(one, name) - wanted) / max(1.0, wanted) for one in self.ledgers)
            for name, wanted in self.expected.items()
        }

    def caption(self) -> str:
        """Say what the table is about."""
        when = "at the peak" if any(one.at_peak for one in self.ledgers) else "now"
        counts = sorted({one.parameter_count for one in self.ledgers})
        return f"Memory {when}; the model has {' / '.join(f'{count:,}' for count in counts)} parameters"

    def table(self) -> Table:
        """Return the table: the categories, each with its named parts, the total, and what it is made of."""
        head = ["bytes", *(f"rank {one.rank}" for one in self.ledgers)]
        head += ["expected", "off by"] if self.expected else []
        rows = [row for name in CATEGORIES for row in (self._category(name), *self._parts(name))]
        rows.append(self._sums(Cell("total", style="font-weight:bold"), "total"))
        kinds = self._devices() if len(self._devices()) > 1 else []
        rows += [self._detail(f"on {kind}", "{:,}", [one.on(kind) for one in self.ledgers]) for kind in kinds]
        rows.append(self._detail("bytes per parameter", "{:.3f}", [one.bytes_per_parameter() for one in self.ledgers]))
        rows = [[*row, *[""] * (len(head) - len(row))] for row in rows]
        return Table(head, rows, caption=self.caption(), numbers=range(1, len(head)))

    def __repr__(self) -> str:
        return f"{self.caption()}\n{self.table().text()}"

    def _repr_html_(self) -> str:
        table = self.table()
        bars = [Cell("", self._bar(one)) for one in self.ledgers]
        shares: Row = ["shares", *bars, *[""] * (len(table.head) - 1 - len(bars))]
        return replace(table, rows=[shares, *table.rows]).html()

    def _category(self, name: str) -> Row:
        label = words(name)
        return self._sums(Cell(label, f"{sign_box(name)} {label}", "font-weight:bold"), name)

    def _sums(self, label: Cell, name: str) -> Row:
        """Bytes of a category on each rank, then what was expected."""
        cells: Row = [label, *(f"{getattr(one, name):,}" for one in self.ledgers)]
        if name in self.expected:
            cells += [f"{round(self.expected[name]):,}", f"{self.off_by[name]:.1%}"]
        return cells

    def _parts(self, category: str) -> Iterable[Row]:
        """Bytes of the named parts of a category, in the order in which the ranks' ledgers name them."""
        found = [row for one in self.ledgers for row in one.details if row.category == category]
        for name, kind in dict.fromkeys((row.name, row.kind) for row in found):
            key = (category, name, kind)
            parts = ([r.size_bytes for r in one.details if (r.category, r.name, r.kind) == key] for one in self.ledgers)
            yield self._detail(f"{name} ({kind})" if len(self._devices()) > 1 else name, "{:,}", map(sum, parts))

    def _detail(self, label: str, form: str, figures: Iterable[float]) -> Row:
        indented = Cell(f"  {label}", escape(label), "padding-left:2em;font-weight:normal")
        return [indented, *map(form.format, figures)]

    def _devices(self) -> list[str]:
        return sorted({row.kind for one in self.ledgers for row in one.details})

    def _bar(self, ledger: Figures) -> str:
        """One rank as a stacked bar; the rank with most is full, the letters are those of the rows."""
        full = max(1, *(one.total for one in self.ledgers))
        width = BAR_PX[len(self.ledgers) > 2]  # noqa: PLR2004
        return stacked_bar({name: getattr(ledger, name) for name in CATEGORIES}, full, f"{width}px")
