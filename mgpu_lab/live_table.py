"""Tables of live figures: one row per rank, as HTML that reads without styles, and as text.

Not covered: where the figures come from (``sampler``).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mgpu_lab.messages import Sample

SPARK_S = 60.0
SPARK_WIDTH, SPARK_HEIGHT = 120, 22
MIB = 2**20
HEADINGS = ("rank", "memory now", "peak", "of", "throughput", "step", "waiting for others")
STYLE = """
.mgpu-watch{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%;max-width:62rem}
.mgpu-watch caption{text-align:left;font-weight:600;padding:2px 0}
.mgpu-watch th,.mgpu-watch td{text-align:right;padding:2px 8px;white-space:nowrap;
 border-bottom:1px solid var(--jp-border-color2,#bbb);color:var(--jp-ui-font-color1,inherit);background:none}
.mgpu-watch th:first-child{text-align:left}
.mgpu-watch svg{stroke:var(--jp-brand-color1,#1565c0);fill:none;stroke-width:1.5;vertical-align:middle}
.mgpu-watch meter{width:6rem}
"""


@dataclass(frozen=True)
class RankRow:
    """The figures of one rank; None stands for unknown."""

    rank: int
    sample: Sample | None
    history: tuple[tuple[float, int], ...] = ()  # (time in s, memory in bytes)

    def cells(self) -> tuple[str, ...]:
        """Return the figures as text, in the order of HEADINGS."""
        s = self.sample
        if s is None:
            return (str(self.rank), *["unknown"] * (len(HEADINGS) - 1))
        rate = "none yet" if s.items_per_s is None else f"{s.items_per_s:,.0f} {s.unit or 'items'}/s"
        step = "none yet" if s.step_s is None else f"{s.step_s * 1000:,.0f} ms"
        waiting = "unknown" if s.waiting_share is None else f"{s.waiting_share:.0%} of the time"
        memory = f"{s.memory_bytes / MIB:,.0f} MiB", f"{s.peak_bytes / MIB:,.0f} MiB"
        return (str(self.rank), *memory, f"{s.capacity_bytes / 2**30:,.1f} GiB", rate, step, waiting)

    def gpu(self) -> str:
        """Return what only a GPU tells, as one phrase; empty on a CPU."""
        s = self.sample
        if s is None or s.utilisation is None:
            return ""
        heat = f"{s.power_w:.0f} W, {s.temperature_c:.0f} °C" if s.power_w and s.temperature_c else ""
        return f"reserved {s.reserved_bytes / MIB:,.0f} MiB, busy {s.utilisation:.0%}, {heat}".rstrip(", ")


@dataclass(frozen=True, repr=False)
class WatchTable:
    """The newest figures of all ranks."""

    rows: tuple[RankRow, ...]

    def __repr__(self) -> str:
        """Return the table as aligned text."""
        rows = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        return table_html(self, live=False)


def rank_rows(samples: Iterable[tuple[int, list[Sample]]]) -> list[RankRow]:
    """Build the rows from each rank's samples of the last minutes."""
    rows = []
    for rank, taken in samples:
        history = tuple((s.time_s, s.memory_bytes) for s in taken if s.time_s > taken[-1].time_s - SPARK_S)
        rows.append(RankRow(rank, taken[-1] if taken else None, history))
    return rows


def live_html(table: WatchTable) -> str:
    """Return the live view: the table with sparklines of the last minute."""
    return table_html(table, live=True)


def table_html(table: WatchTable, *, live: bool) -> str:
    """Return the table; every figure is text, the meter and the line only repeat it."""
    head = "".join(f'<th scope="col">{each}</th>' for each in (*HEADINGS, *(["last minute"] if live else [])))
    top = max((row.sample.peak_bytes for row in table.rows if row.sample is not None), default=0)
    body = "".join(row_html(row, top, live=live) for row in table.rows)
    caption = "Ranks, live" if live else "Ranks, last figures"
    return (
        f'<style>{STYLE}</style><table class="mgpu-watch"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def row_html(row: RankRow, top_bytes: int, *, live: bool) -> str:
    """Return one rank's row; its bar is full at the highest peak of all ranks."""
    first, now, *rest = (html.escape(cell) for cell in row.cells())
    s = row.sample
    bar = ""
    if s is not None and top_bytes:
        label = f"rank {row.rank}: memory now, against the highest peak of all ranks"
        bar = f'<meter min="0" max="{top_bytes}" value="{s.memory_bytes}" aria-label="{label}"></meter> '
    gpu = row.gpu()
    extra = f"<br><small>{html.escape(gpu)}</small>" if gpu else ""
    cells = "".join(f"<td>{cell}</td>" for cell in rest)
    line = f"<td>{sparkline(row)}</td>" if live else ""
    return f'<tr><th scope="row">{first}</th><td>{bar}{now}{extra}</td>{cells}{line}</tr>'


def sparkline(row: RankRow) -> str:
    """Return the memory of the last minute as a small line, named for who cannot see it."""
    size = f'width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}"'
    label = f"rank {row.rank}: memory over the last minute"
    points = ""
    if len(row.history) > 1:
        newest, top = row.history[-1][0], max(m for _, m in row.history) or 1
        points = " ".join(
            f"{SPARK_WIDTH * (1 - (newest - t) / SPARK_S):.1f},{SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * m / top:.1f}"
            for t, m in row.history
        )
    return f'<svg {size} role="img" aria-label="{label}"><polyline points="{points}"/></svg>'
