"""Runs that others measured and published, beside the plan of the same run.

>>> runs = published()
>>> runs.held_out[0].ratio  # plan / published
"""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mgpu_lab.planner.inference import plan_inference
from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.training import plan_training
from mgpu_lab.tables import Table
from mgpu_lab.wire.errors import UsageError

CALIBRATION, HOLDOUT, SERVING = (
    Path(__file__).with_name(f"published_{part}.toml") for part in ("calibration", "holdout", "serving")
)
GIB = 1 << 30
NEAR = 0.15  # of the published number
OUTSIDE_TORCH = ("context", "nccl")  # overhead that PyTorch's own counters do not see
NUMBERS = {  # what a source publishes: how a table names it
    "peak_gib": "memory, GiB",
    "tokens_per_s": "tokens/s",
    "step_s": "step, s",
    "time_to_first_token_s": "first token, s",
    "throughput_tokens_per_s": "tokens/s of all",
    "output_tokens_per_s": "tokens/s of all, prompts included",
}


@dataclass(frozen=True)
class Run:
    """A published run; the head of the TOML files says what the fields mean."""

    name: str
    source: str
    date: str
    quote: str
    kind: str
    model: Any
    machine: str
    options: dict[str, Any]
    published: dict[str, float]
    notes: str
    new_tokens: int = 0
    memory_metric: str = "not stated"
    machine_fields: dict[str, Any] = field(default_factory=dict)
    working: dict[str, str] = field(default_factory=dict)
    reason: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One published number of a run, and the planned one: None where the planner does not know it."""

    run: Run
    number: str
    published: float
    plan: float | None
    why: str

    @property
    def ratio(self) -> float | None:
        """Plan over published."""
        return None if self.plan is None else self.plan / self.published

    @property
    def near(self) -> bool:
        """Whether the plan is within 15%."""
        return self.ratio is not None and abs(self.ratio - 1) <= NEAR


@dataclass(frozen=True, repr=False)
class Published:
    """All published numbers: those that the planner's shares may be fitted to, and those held out."""

    held_out: tuple[Row, ...]
    calibration: tuple[Row, ...]
    serving: tuple[Row, ...] = ()  # held out too, and collected after the planner was written

    def table(self) -> Table:
        """Return how near the plans are, by what was measured."""
        head = ("held-out runs", "numbers", "within 15%", "median plan / published", "lowest", "highest")
        return Table(head, [*map(self._line, NUMBERS)], numbers=range(1, len(head)))

    def _line(self, number: str) -> tuple[str, ...]:
        of = [row for row in (*self.held_out, *self.serving) if row.number == number and row.ratio is not None]
        ratios = [row.ratio or 0.0 for row in of]
        spread = (statistics.median(ratios), min(ratios), max(ratios)) if ratios else ()
        near = str(sum(row.near for row in of))
        return (NUMBERS[number], str(len(of)), near, *(f"{ratio:.2f}" for ratio in spread or (0.0,) * 3))

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table().html()


def published() -> Published:
    """Plan every published run."""
    held_out, calibration, serving = (tuple(rows(load(file))) for file in (HOLDOUT, CALIBRATION, SERVING))
    return Published(held_out, calibration, serving)


def load(file: Path) -> tuple[Run, ...]:
    """Read the runs of a file."""
    return tuple(Run(**run) for run in tomllib.loads(file.read_text(encoding="utf-8"))["run"])


def rows(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each published number."""
    return [row for run in runs for row in rows_of(run)]


def rows_of(run: Run) -> Iterator[Row]:
    """Give a row for each published number of a run."""
    try:
        plan, refused = plan_of(run), ""
    except UsageError as error:
        plan, refused = None, f"no plan: {error}"
    for name, measured in run.published.items():
        planned = None if plan is None else number(run, plan, name)
        row = Row(run, name, measured, planned, refused)
        yield row if row.near or refused else Row(run, name, measured, planned, run.reason.get(name, "not known"))


def plan_of(run: Run) -> Any:
    """Plan a run with `plan_training` or `plan_inference`."""
    options: dict[str, Any] = {
        key: None if (key, value) == ("master", "none") else value for key, value in run.options.items()
    }
    plan: Any = plan_training if run.kind == "training" else plan_inference
    return plan(run.model, machine(run.machine).with_(**run.machine_fields), **options)


def number(run: Run, plan: Any, name: str) -> float | None:
    """Return what the plan says for a published number."""
    if name == "peak_gib":
        return memory_gib(plan.memory, run.memory_metric)
    value = plan.serving_tokens_per_s(run.new_tokens) if name == "output_tokens_per_s" else getattr(plan, name)
    return None if value is None else float(value)


def memory_gib(memory: Any, metric: str) -> float:
    """Count of the planned memory what a source counted."""
    seen = memory.total
    if metric == "reserved":
        kept = [row for row in memory.overhead_rows if not any(word in row.name.lower() for word in OUTSIDE_TORCH)]
        seen += sum(row.size_bytes for row in kept)
    return float(memory.peak_bytes if metric == "not stated" else seen) / GIB
