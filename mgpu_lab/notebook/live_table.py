"""Tables of live figures: one row per rank, as HTML that reads without styles, and as text.

Every row has the same height and every column the same width whatever the figures are, so that nothing moves
while they change.
"""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mgpu_lab.tables import Band, Cell, Table
from mgpu_lab.wire.messages import Sample

SPARK_S = 60.0
SPARK_WIDTH, SPARK_HEIGHT = 100, 24
RECENTLY_S = 1.0
MIB = 2**20
HEADINGS = ("rank", "memory now", "peak", "capacity", "throughput", "step", "waiting")
TEXT_WIDTHS = (4, 10, 10, 9, 16, 8, 7)  # wide enough for usual figures, so that the text, too, keeps its columns
LAST = "Ranks, last figures"
NO_STEPS = "no steps"
STEPS = "No steps: the rank's last cell did not call meter.step()."
WAITING = "Waiting: the share of time in communication, known once a cell has run for 1 s while ranks are watched."
STYLE = """
.mgpu-scroll{overflow-x:auto;line-height:1.3;margin:2px 0 4px}
table.mgpu-watch{border-collapse:collapse;table-layout:fixed;width:100%;min-width:480px;max-width:860px;margin:0;
 font-size:var(--jp-ui-font-size1,13px);font-variant-numeric:tabular-nums;color:var(--jp-ui-font-color1,inherit)}
table.mgpu-watch caption{caption-side:top;font-weight:600;padding:2px 4px;color:inherit}
table.mgpu-watch th,table.mgpu-watch td{box-sizing:border-box;vertical-align:top;padding:3px 4px;
 overflow:hidden;text-overflow:ellipsis;white-space:nowrap;background:none;
 border:0;border-bottom:1px solid var(--jp-border-color2,#bbb)}
table.mgpu-watch thead th{white-space:normal;vertical-align:bottom;font-weight:600}
table.mgpu-watch tbody tr{background:none;height:calc(2.6em + 8px)}
table.mgpu-watch tbody tr.mgpu-gpu{height:calc(1.3em + 8px)}
table.mgpu-watch tr.mgpu-gpu td{padding-left:3.6em}
table.mgpu-watch th:first-child{width:3.3em}
table.mgpu-watch th:nth-child(2),table.mgpu-watch th:nth-child(3){width:15%}
table.mgpu-watch th:nth-child(4){width:12.5%}
table.mgpu-watch th:nth-child(5){width:15.5%}
table.mgpu-watch th:nth-child(6){width:11.5%}
table.mgpu-watch th:nth-child(7){width:11.5%}
table.mgpu-watch small{font-size:.85em}
table.mgpu-watch meter{display:block;width:100%;height:.9em;margin-top:.2em}
table.mgpu-watch svg{display:block;width:100%;fill:none;stroke:var(--jp-brand-color1,#1565c0);stroke-width:1.5;
 border-bottom:1px solid var(--jp-border-color2,#bbb)}
"""


@dataclass(frozen=True)
class RankRow:
    """The figures of one rank; None stands for unknown."""

    rank: int
    sample: Sample | None
    history: tuple[tuple[float, int], ...] = ()  # (time in s, memory in bytes)
    gone: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the figures as text, in the order of HEADINGS."""
        s = self.sample
        if s is None or self.gone:
            return (str(self.rank), *["gone" if self.gone else "unknown"] * (len(HEADINGS) - 1))
        memory = (mebibytes(s.memory_bytes), mebibytes(s.peak_bytes)) if self.measured() else ("unknown", "unknown")
        capacity = f"{s.capacity_bytes / 2**30:,.1f} GiB"
        waiting = "unknown" if s.waiting_share is None else f"{s.waiting_share:.0%}"
        speed = (rate_text(s), step_text(s.step_s)) if s.busy or s.items_per_s is not None else (NO_STEPS, NO_STEPS)
        return (str(self.rank), *memory, capacity, *speed, waiting)

    def measured(self) -> bool:
        """Whether the memory is known: a process without a byte of its own is one whose system does not tell."""
        s = self.sample
        return s is not None and not self.gone and (s.memory_bytes > 0 or s.free_bytes > 0)

    def gpu(self) -> str:
        """Return what only a GPU tells, as one phrase; empty on a CPU."""
        s = self.sample
        if s is None or self.gone or (s.utilisation is None and not s.free_bytes):
            return ""
        busy = "unknown" if s.utilisation is None else f"{s.utilisation:.0%}"
        power = "unknown" if s.power_w is None else f"{s.power_w:.0f} W"
        heat = "unknown" if s.temperature_c is None else f"{s.temperature_c:.0f} °C"
        memory = f"reserved {mebibytes(s.reserved_bytes)}, free {mebibytes(s.free_bytes)}"
        return f"GPU of rank {self.rank}: {memory}, busy {busy}, power {power}, temperature {heat}"


@dataclass(frozen=True, repr=False)
class WatchTable:
    """The newest figures of all ranks."""

    rows: tuple[RankRow, ...]

    def __repr__(self) -> str:
        table = Table(HEADINGS, [row.cells() for row in self.rows], numbers=range(len(HEADINGS)))
        return "\n".join([LAST, table.text(TEXT_WIDTHS), *(row.gpu() for row in self.rows if row.gpu()), *self.notes()])

    def notes(self) -> list[str]:
        """Explain what of the figures is not there."""
        shown = [row.sample for row in self.rows if row.sample is not None and not row.gone]
        stepless = any(NO_STEPS in row.cells() for row in self.rows)
        return [STEPS] * stepless + [WAITING] * any(sample.waiting_share is None for sample in shown)

    def _repr_html_(self) -> str:
        return table_html(self, LAST, live=False)


def mebibytes(count: int) -> str:
    return f"{count / MIB:,.0f} MiB"


def rate_text(sample: Sample) -> str:
    """Return the throughput; "none yet" before the first step of a cell."""
    rate = sample.items_per_s
    if rate is None:
        return "none yet"
    return f"{rate:,.{0 if rate >= 10 else 2}f} {sample.unit or 'items'}/s"  # noqa: PLR2004 - two digits at least


def step_text(step_s: float | None) -> str:
    """Return the time of a step in at least two digits."""
    if step_s is None:
        return "none yet"
    for unit, size, digits in (("s", 1.0, 1), ("ms", 1e-3, 0)):
        if step_s >= 10 * size:
            return f"{step_s / size:,.{digits}f} {unit}"
    return f"{1e6 * step_s:,.0f} µs"


def rank_rows(samples: Iterable[tuple[int, Sequence[Sample]]], gone: Iterable[int] = ()) -> list[RankRow]:
    return [
        RankRow(rank, newest(taken), last_minute(taken), rank in set(gone)) if taken else RankRow(rank, None)
        for rank, taken in samples
    ]


def newest(taken: Sequence[Sample]) -> Sample:
    """Return the newest sample; just after a cell with the cell's last speed, which falls once no step follows."""
    last = taken[-1]
    busy = next((s for s in reversed(taken) if s.busy or s.time_s < last.time_s - RECENTLY_S), last)
    if last.busy or not busy.busy or busy.time_s < last.time_s - RECENTLY_S or busy.items_per_s is None:
        return last
    return replace(last, items_per_s=busy.items_per_s, step_s=busy.step_s, unit=busy.unit)


def last_minute(taken: Sequence[Sample]) -> tuple[tuple[float, int], ...]:
    """Return time and memory of the last minute, one of each second: enough for the line, and light to send."""
    since_s = taken[-1].time_s - SPARK_S
    return tuple({int(s.time_s): (s.time_s, s.memory_bytes) for s in taken if s.time_s > since_s}.values())


def live_html(table: WatchTable, *, paused: bool = False) -> str:
    return table_html(table, "Ranks, paused" if paused else "Ranks, live", live=True)


def table_html(table: WatchTable, caption: str, *, live: bool) -> str:
    """Return the table; every figure is text, the meter and the line only repeat it."""
    headings = [*HEADINGS, "last minute"] if live else HEADINGS
    top = max((row.sample.peak_bytes for row in table.rows if row.sample is not None), default=0)
    rows: list[tuple[str | Cell, ...] | Band] = []
    for row in table.rows:
        rows.append((*html_cells(row, top), *([Cell("", sparkline(row))] if live else [])))
        if row.gpu():
            rows.append(Band(Cell("", f"<small>{html.escape(row.gpu())}</small>"), css_class="mgpu-gpu"))
    shown = Table(headings, rows, caption, numbers=range(1, len(headings)), css_class="mgpu-watch")
    notes = [STEPS, WAITING] if live else table.notes()  # live: always all of them, so that nothing moves
    below = f"<small>{'<br>'.join(notes)}</small>" if notes else ""
    return f'<style>{STYLE}</style><div class="mgpu-scroll">{shown.html()}{below}</div>'


def html_cells(row: RankRow, top_bytes: int) -> tuple[str | Cell, ...]:
    """Return one rank's cells; its bar is full at the highest peak of all ranks."""
    rank, now, peak, capacity, rate, *rest = row.cells()
    number, _, unit = map(html.escape, rate.partition(" "))
    split = f"{number}<br><small>{unit}</small>" if rate.endswith("/s") else None
    return rank, Cell(now, html.escape(now) + meter(row, top_bytes)), peak, capacity, Cell(rate, split), *rest


def meter(row: RankRow, top_bytes: int) -> str:
    """Return the memory as a bar; nothing where it is unknown."""
    if row.sample is None or not row.measured() or not top_bytes:
        return ""
    label = f"rank {row.rank}: memory now, against the highest peak of all ranks"
    return f'<br><meter min="0" max="{top_bytes}" value="{row.sample.memory_bytes}" aria-label="{label}"></meter>'


def sparkline(row: RankRow) -> str:
    """Return the memory of the last minute as a small line, with a label for those who cannot see it."""
    size = f'height="{SPARK_HEIGHT}" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" preserveAspectRatio="none"'
    label = f"rank {row.rank}: memory over the last minute"
    points = ""
    if len(row.history) > 1:
        last_s, top = row.history[-1][0], max(m for _, m in row.history) or 1
        points = " ".join(
            f"{SPARK_WIDTH * (1 - (last_s - t) / SPARK_S):.1f},{SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * m / top:.1f}"
            for t, m in row.history
        )
    line = f'<polyline points="{points}" vector-effect="non-scaling-stroke"/>'
    return f'<svg {size} role="img" aria-label="{label}">{line}</svg>'
