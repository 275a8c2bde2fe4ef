"""What `timeline` recorded: one row for each rank, and the group's result as a table, a picture and a trace.

Plain numbers, so that it travels to the notebook's kernel, where no torch is.
"""

from __future__ import annotations

import builtins
import json
import pathlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING

from mgpu_lab.metering.collectives import Collective
from mgpu_lab.metering.intervals import Interval
from mgpu_lab.metering.perfetto import merged
from mgpu_lab.metering.result import of_rank
from mgpu_lab.tables import Table
from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAD = ("rank", "step ms", "compute ms", "communication ms", "exposed ms", "idle ms", "computing")
NOTHING = (
    "no timeline was recorded: put `with timeline():` around a step in a %%ranks cell, then ranks.timeline(). "
    "(A block that ended with an error records nothing.)"
)
ON_CPU = (
    "Compute is torch's operators on the CPU (Python between them counts as idle); communication lasts from a call to "
    "its end, waiting for other ranks included"
)
ON_GPU = "Compute is kernels and copies on the GPU; communication is NCCL's kernels, waiting for other ranks included"


@dataclass(frozen=True)
class RankTimeline:
    """Where the time of one rank went. Times are seconds, per step where the block held several.

    Args:
        step_s: how long the block took.
        compute_s: while at least one operator (on a GPU: kernel or copy) ran.
        communication_s: while a call of a process group was under way, waiting for other ranks included.
        exposed_s: the part of it during which nothing was computed.
        idle_s: neither; compute_s + exposed_s + idle_s = step_s.
        calls: number of calls by collective, in the whole block.
        bytes: their bytes (the whole tensor's), in the whole block; None where those of a call are not known.
        collectives: each call, with its times in seconds since the block began.
        spans: when it did what: forward, backward, optimizer (compute, by what asked for it), communication, exposed.
        began_at: when the block began, in seconds since 1970 on this rank's clock.
        clock_error_s: by how much at most the times of this rank may be off.
        trace: torch.profiler's trace, compressed.
    """

    rank: int = 0
    steps: int = 1
    step_s: float = 0.0
    compute_s: float = 0.0
    communication_s: float = 0.0
    exposed_s: float = 0.0
    idle_s: float = 0.0
    calls: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int | None] = field(default_factory=dict)
    collectives: tuple[Collective, ...] = field(default=(), repr=False)
    spans: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict, repr=False)
    on_gpu: bool = False
    began_at: float = field(default=0.0, repr=False)
    clock_error_s: float = field(default=0.0, repr=False)
    trace: builtins.bytes = field(default=b"", repr=False)

    @property
    def compute_share(self) -> float:
        """The share of this rank's own block in which it computed; a rank that is done early has a shorter block."""
        return self.compute_s / self.step_s if self.step_s else 0.0

    def at(self, ahead_s: float, error_s: float) -> RankTimeline:
        """Return this row on a clock that this rank's clock is ahead of by so much, give or take an error."""
        return replace(self, began_at=self.began_at - ahead_s, clock_error_s=self.clock_error_s + error_s)

    @staticmethod
    def together(rows: Iterable[RankTimeline]) -> TimelineResult:
        """Put the rows of a group, in rank order, into one result; ranks that recorded nothing are left out."""
        return TimelineResult(tuple(row for row in rows if row.step_s))


@dataclass(frozen=True, repr=False)
class TimelineResult:
    """The timelines of a group. `ranks` has one row for each rank that recorded one, in rank order."""

    ranks: tuple[RankTimeline, ...]

    def __getitem__(self, rank: int) -> RankTimeline:
        return of_rank(self.ranks, rank, "timeline")

    @property
    def clock_error_s(self) -> float:
        """By how much at most two ranks' times may be off against one another (measured)."""
        return sum(sorted(row.clock_error_s for row in self.ranks)[-2:])  # one's too early, the other's too late

    @property
    def began_s(self) -> dict[int, float]:
        """When each rank's block began, in seconds after the first one's."""
        first = min((row.began_at for row in self.ranks), default=0.0)
        return {row.rank: row.began_at - first for row in self.ranks}

    def plot(self, title: str = "") -> Figure:
        """Draw a lane for each rank: above what it computed, below what it communicated; hatched where exposed."""
        from mgpu_lab.metering.timeline_plot import figure_of

        return figure_of(self._recorded().ranks, self.began_s, title, self.summary())

    def save(self, path: str) -> str:
        """Write one trace of all ranks for https://ui.perfetto.dev, a process track for each; return a sentence."""
        target = pathlib.Path(path).expanduser()
        began = self.began_s
        trace = merged([(row.rank, row.trace, began[row.rank]) for row in self._recorded().ranks])
        try:
            target.write_text(json.dumps(trace), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
        many = f"{len(self.ranks)} rank{'s' * (len(self.ranks) > 1)}"
        return f"Wrote {path}: {many}. Open it at https://ui.perfetto.dev; it stays on your machine."

    def summary(self) -> str:
        """Say in words what the picture shows."""
        told = [
            f"rank {row.rank}: {1e3 * row.step_s:.1f} ms, of which compute {row.compute_share:.0%}, "
            f"exposed communication {row.exposed_s / row.step_s:.0%}, idle {row.idle_s / row.step_s:.0%}"
            for row in self.ranks
        ]
        return "Timeline of a step. " + "; ".join(told)

    def table(self) -> Table:
        """Return the table: times of a step, and each collective's calls and bytes in the block."""
        names = list(dict.fromkeys(name for row in self.ranks for name in row.calls))
        rows = [[*self._times(row), *(_calls(row, name) for name in names)] for row in self.ranks]
        return Table((*HEAD, *names), rows, self._caption(), numbers=range(1, len(HEAD) + len(names)))

    def __repr__(self) -> str:
        return f"{self.table().text()}\n{self._caption()}" if self.ranks else NOTHING

    def _repr_html_(self) -> str:
        return self.table().html() if self.ranks else f"<p>{escape(NOTHING)}</p>"

    @staticmethod
    def _times(row: RankTimeline) -> list[str]:
        times = (row.step_s, row.compute_s, row.communication_s, row.exposed_s, row.idle_s)
        return [f"{row.rank}", *(f"{1e3 * seconds:.1f}" for seconds in times), f"{row.compute_share:.0%}"]

    def _caption(self) -> str:
        steps = sorted({row.steps for row in self.ranks})
        many = "" if steps == [1] else f"; times are per step, calls those of {' / '.join(map(str, steps))} steps"
        source = ON_GPU if any(row.on_gpu for row in self.ranks) else ON_CPU
        return f"{source}{many}. The ranks' clocks agree within {1e3 * self.clock_error_s:.2f} ms."

    def _recorded(self) -> TimelineResult:
        if not self.ranks:
            raise UsageError(NOTHING)
        return self


def _calls(row: RankTimeline, name: str) -> str:
    """``4 (1,024 bytes)``."""
    count, size = row.calls.get(name, 0), row.bytes.get(name, 0)
    return f"{count} ({'bytes unknown' if size is None else f'{size:,} bytes'})" if count else "-"
