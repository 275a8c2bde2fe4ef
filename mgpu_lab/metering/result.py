"""What `meter` recorded: one record for each rank, and the group's result as a table and a plot.

Plain numbers, so that it travels to the notebook's kernel, where no torch is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Protocol, TypeVar

from mgpu_lab.tables import Table
from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WARMUP_STEPS = 3  # left out of every figure, a quarter of the steps at most, but the first step always
HEAD = ("rank", "steps", "left out", "median ms", "p95 ms", "items/s", "unit")


class OfRank(Protocol):
    """What belongs to one rank."""

    @property
    def rank(self) -> int: ...


R = TypeVar("R", bound=OfRank)


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

    @staticmethod
    def together(records: Sequence[MeterRecord]) -> MeterResult:
        """Put the records of a group, in rank order, into one result."""
        return MeterResult(tuple(records))

    def rates(self) -> list[tuple[float, float]]:
        """Return step and items a second of the steps kept, without the first ones."""
        timed = zip(self.numbers, self.items, self.step_s, strict=True)
        return [(number, items / step_s) for number, items, step_s in timed if number >= self.warmup_steps]

    def points(self, metric: str) -> list[tuple[float, float]]:
        """Return step and value of a metric where the loop gave one."""
        values = zip(self.numbers, self.metrics.get(metric, ()), strict=False)
        return [(number, value) for number, value in values if not math.isnan(value)]

    def _measured_steps(self) -> list[float]:
        left_out = self.warmup_steps
        return [step_s for number, step_s in zip(self.numbers, self.step_s, strict=True) if number >= left_out]


@dataclass(frozen=True, repr=False)
class MeterResult:
    """The records of a group, in rank order; ranks that took no step are left out of its figures."""

    records: tuple[MeterRecord, ...]

    def __getitem__(self, rank: int) -> MeterRecord:
        return of_rank(self.records, rank, "record")

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
        panels = [(f"{self.stepped[0].unit}/s", {f"rank {one.rank}": one.rates() for one in self.stepped})]
        names = dict.fromkeys(name for one in self.stepped for name in one.metrics)
        panels += [(name, {f"rank {one.rank}": one.points(name) for one in self.stepped}) for name in names]
        return figure_of(panels)

    def table(self) -> Table:
        """Return the table: a row for each rank that took steps, and the group's."""
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
        group = ("group", "", "", "", "", f"{self.items_per_s:,.1f}", self.unit)
        caption = "Steps and throughput; the first steps are left out"
        return Table(HEAD, [*rows, group], caption, numbers=range(1, len(HEAD) - 1))

    def __repr__(self) -> str:
        if not self.stepped:
            return "no rank has taken a step: call meter.step(items) in the training loop"
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html() if self.stepped else f"<p>{escape(repr(self))}</p>"


def of_rank(found: Sequence[R], rank: int, what: str) -> R:
    """Return that of a rank; UsageError names those that there are."""
    for one in found:
        if one.rank == rank:
            return one
    raise UsageError(f"Rank {rank} has no {what}. There are {[one.rank for one in found]}.")
