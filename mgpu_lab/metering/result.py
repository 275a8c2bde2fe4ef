"""What `meter` recorded: one record for each rank, and the group's result as a table and a plot.

Plain numbers, so that it travels to the notebook's kernel, where no torch is. Not covered: taking the times.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

WARMUP_STEPS = 3  # left out of every figure, a quarter of the steps at most, but the first step always
HEAD = ("rank", "steps", "left out", "median ms", "p95 ms", "items/s", "unit")


@dataclass(frozen=True)
class MeterRecord:
    """The steps one rank took in a cell.

    Totals are of all steps. `numbers`, `step_s`, `items` and `metrics` are of the steps kept: all of them
    up to a few thousand, then every second, fourth ... one. The first steps (`warmup_steps`) are in them,
    but in none of the figures.
    """

    rank: int = 0
    unit: str = ""
    steps: int = 0
    total_items: float = 0
    total_s: float = 0.0
    first: tuple[tuple[float, float], ...] = ()  # seconds and items of the first steps
    numbers: tuple[int, ...] = ()
    step_s: tuple[float, ...] = ()
    items: tuple[float, ...] = ()
    metrics: dict[str, tuple[float, ...]] = field(default_factory=dict)
    began_at: float = 0.0  # seconds since 1970

    @property
    def warmup_steps(self) -> int:
        """How many steps at the beginning are left out."""
        return min(WARMUP_STEPS, max(1, self.steps // 4)) if self.steps > 1 else 0

    @property
    def measured_s(self) -> float:
        """Seconds of all steps but the first."""
        return self.total_s - sum(seconds for seconds, _ in self.first[: self.warmup_steps])

    @property
    def measured_items(self) -> float:
        """Items of all steps but the first."""
        return self.total_items - sum(items for _, items in self.first[: self.warmup_steps])

    @property
    def items_per_s(self) -> float:
        """Items a second of this rank; not a number where no step was taken."""
        return self.measured_items / self.measured_s if self.measured_s > 0 else math.nan

    @property
    def median_step_s(self) -> float:
        """The median step time."""
        return statistics.median(self._measured_steps()) if self.steps else math.nan

    @property
    def p95_step_s(self) -> float:
        """The time that 95% of the steps did not exceed (nearest rank)."""
        ordered = sorted(self._measured_steps())
        return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else math.nan

    def _measured_steps(self) -> list[float]:
        left_out = self.warmup_steps
        return [step_s for number, step_s in zip(self.numbers, self.step_s, strict=True) if number >= left_out]

    @staticmethod
    def together(records: Sequence[MeterRecord]) -> MeterResult:
        """Put the records of a group together."""
        return MeterResult(tuple(records))


@dataclass(frozen=True, repr=False)
class MeterResult:
    """The records of a group, in rank order; ranks that took no step are left out of its figures."""

    records: tuple[MeterRecord, ...]

    def __getitem__(self, rank: int) -> MeterRecord:
        """Give the record of a rank."""
        for record in self.records:
            if record.rank == rank:
                return record
        raise UsageError(f"Rank {rank} has no record. There are {[record.rank for record in self.records]}.")

    @property
    def stepped(self) -> tuple[MeterRecord, ...]:
        """The records with steps."""
        return tuple(record for record in self.records if record.steps)

    @property
    def items_per_s(self) -> float:
        """Items a second of the group: all ranks' items over the slowest rank's time."""
        slowest_s = max((record.measured_s for record in self.stepped), default=0.0)
        return sum(record.measured_items for record in self.stepped) / slowest_s if slowest_s else math.nan

    @property
    def unit(self) -> str:
        """What was counted; several units where the ranks differ."""
        return ", ".join(dict.fromkeys(record.unit for record in self.stepped))

    def plot(self) -> Figure:
        """Draw throughput and each metric over the steps, one line for each rank."""
        from mgpu_lab.metering.plot import figure_of

        if not self.stepped:
            raise UsageError("No rank has taken a step. Call meter.step(items) in the loop, then ranks.meter().plot().")
        return figure_of(self.stepped)

    def rows(self) -> list[tuple[str, ...]]:
        """Make the rows of the table: one for each rank, and the group's."""
        rows = [
            (
                f"{one.rank}",
                f"{one.steps}",
                f"{one.warmup_steps}",
                f"{1000 * one.median_step_s:.2f}",
                f"{1000 * one.p95_step_s:.2f}",
                f"{one.items_per_s:,.1f}",
                one.unit,
            )
            for one in self.stepped
        ]
        return [*rows, ("group", "", "", "", "", f"{self.items_per_s:,.1f}", self.unit)]

    def __repr__(self) -> str:
        """Show the text table."""
        if not self.stepped:
            return "no rank has taken a step: call meter.step(items) in the training loop"
        lines: list[tuple[str, ...]] = [HEAD, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        if not self.stepped:
            return f"<p>{escape(repr(self))}</p>"
        head = "".join(f'<th scope="col">{escape(text)}</th>' for text in HEAD)
        body = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows()
        )
        caption = "Steps and throughput; the first steps are left out"
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _aligned(line: tuple[Any, ...], widths: list[int]) -> list[str]:
    """Text to the left, numbers to the right."""
    return [
        cell.ljust(width) if place in {0, len(line) - 1} else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
