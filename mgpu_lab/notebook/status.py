"""The table that ``%ranks`` shows: one row per rank, as an accessible HTML table and as text."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgpu_lab.engine.ranks import RankStatus

HEADINGS = ("rank", "pid", "device", "state", "memory", "last cell")


@dataclass(frozen=True, repr=False)
class StatusTable:
    """The state of all ranks at one moment."""

    ranks: tuple[RankStatus, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of the table as text."""
        return [
            (
                str(each.rank),
                str(each.pid),
                each.device,
                each.state,
                "unknown" if each.memory_bytes is None else f"{each.memory_bytes / 2**20:.0f} MiB",
                "none" if each.last_cell is None else f"[{each.last_cell}]",
            )
            for each in self.ranks
        ]

    def __repr__(self) -> str:
        """Return the table as aligned text."""
        rows = [HEADINGS, *self.rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{each}</th>' for each in HEADINGS)
        body = "".join(
            f'<tr><th scope="row">{html.escape(first)}</th>'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in self.rows()
        )
        return f"<table><caption>Ranks</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
