"""Write docs/published.md: what the planner says of runs that others published, beside what they measured.

    python tools/published.py              # write it
    python tools/published.py --check      # exit status 1 where it is not what would be written

The runs are read from docs/published_calibration.toml and docs/published_holdout.toml; the head of each says what its
fields mean.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from mgpu_lab.planner.machines import machine
from mgpu_lab.wire.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/published.md"
CALIBRATION, HOLDOUT = ROOT / "docs/published_calibration.toml", ROOT / "docs/published_holdout.toml"
GIB = 1 << 30
NEAR = 0.15  # of the published number
OUTSIDE_TORCH = ("context", "nccl")  # overhead that PyTorch's own counters do not see
NUMBERS = {  # what a source publishes: how the table names it
    "peak_gib": "memory, GiB",
    "tokens_per_s": "tokens/s",
    "step_s": "step, s",
    "time_to_first_token_s": "first token, s",
    "throughput_tokens_per_s": "tokens/s of all",
}
HEAD = """# Published runs

Runs that others measured and published, beside the plan of the same run. The plan knows only what its arguments say:
model, machine, method, batch. The runs were collected before the planner had a formula, and divided at random: to the
*calibration* runs the planner's assumed efficiencies may be fitted, the *held-out* runs nobody saw who wrote its
formulas. Written by `python tools/published.py` from [published_calibration.toml](published_calibration.toml) and
[published_holdout.toml](published_holdout.toml), which hold the quoted words, the date and what each source leaves out.
"Memory" is for one GPU, and counts what the source counted; tokens/s are for one GPU in training and for one request in
inference. The ratio is plan / published.
"""


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
        return None if self.plan is None else self.plan / self.published

    @property
    def near(self) -> bool:
        return self.ratio is not None and abs(self.ratio - 1) <= NEAR


def main(arguments: Sequence[str] = ()) -> int:
    text = page()
    if "--check" in arguments:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        if not same:
            print("docs/published.md is not what the planner says now. Write it: python tools/published.py")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def load(file: Path) -> tuple[Run, ...]:
    return tuple(Run(**run) for run in tomllib.loads(file.read_text(encoding="utf-8"))["run"])


def page() -> str:
    """Return docs/published.md as it must be now."""
    held_out, calibration = rows(load(HOLDOUT)), rows(load(CALIBRATION))
    return "\n".join([HEAD, section("Held-out runs", held_out), section("Calibration runs", calibration)])


def section(title: str, found: Sequence[Row]) -> str:
    return f"## {title}\n\n{counts(found)}\n\n{table(found)}\n"


def counts(found: Sequence[Row]) -> str:
    """Say how many plans are near, all together and by number."""
    runs = len({row.run.name for row in found})
    each = [f"{NUMBERS[name]} {share(of)}" for name in NUMBERS if (of := [row for row in found if row.number == name])]
    head = f"{runs} runs, {len(found)} numbers; planned within {NEAR:.0%}: {share(found)}"
    return f"{head} ({'; '.join(each)})."


def share(found: Sequence[Row]) -> str:
    return f"{sum(row.near for row in found)} of {len(found)}"


def table(found: Sequence[Row]) -> str:
    lines = [
        "| run | source | what | published | plan | ratio | why, where off by more than 15% |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        plan = "not known" if row.plan is None else figure(row.plan)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        cells = [row.run.name, row.run.source, NUMBERS[row.number], figure(row.published), plan, ratio, row.why]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def figure(value: float) -> str:
    """Return a number with three digits: 0.109, 82.4, 5762."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"  # noqa: PLR2004 - the third digit is the unit


def rows(runs: Sequence[Run]) -> list[Row]:
    return [row for run in runs for row in rows_of(run)]


def rows_of(run: Run) -> Iterator[Row]:
    """Give a row for each published number of a run."""
    try:
        plan, refused = plan_of(run), ""
    except UsageError as error:
        plan, refused = None, f"no plan: {error}"
    for name, published in run.published.items():
        planned = None if plan is None else number(run, plan, name)
        row = Row(run, name, published, planned, refused)
        yield row if row.near or refused else Row(run, name, published, planned, run.reason.get(name, "not known"))


def plan_of(run: Run) -> Any:
    """Plan a run with `plan_training` or `plan_inference`."""
    options = {key: None if (key, value) == ("master", "none") else value for key, value in run.options.items()}
    plan = getattr(import_module(f"mgpu_lab.planner.{run.kind}"), f"plan_{run.kind}")
    return plan(run.model, machine(run.machine).with_(**run.machine_fields), **options)


def number(run: Run, plan: Any, name: str) -> float | None:
    """Return what the plan says for a published number."""
    if name == "peak_gib":
        return memory_gib(plan.memory, run.memory_metric)
    value = getattr(plan, name)
    return None if value is None else float(value)


def memory_gib(memory: Any, metric: str) -> float:
    """Count of the planned memory what a source counted."""
    seen = memory.total
    if metric == "reserved":
        kept = [row for row in memory.overhead_rows if not any(word in row.name.lower() for word in OUTSIDE_TORCH)]
        seen += sum(row.size_bytes for row in kept)
    return float(memory.peak_bytes if metric == "not stated" else seen) / GIB


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
