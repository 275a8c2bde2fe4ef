"""Write docs/published.md: what the planner says of runs that others published, beside what they measured.

    python tools/published.py              # write it
    python tools/published.py --check      # exit status 1 where it is not what would be written

The runs are read from mgpu_lab/course/published_calibration.toml, published_holdout.toml and published_serving.toml;
the head of each says what its fields mean.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from written_page import settle

from mgpu_lab.course.published import NEAR, NUMBERS, Row, published

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/published.md"
HEAD = """# Published runs

Runs that others measured and published, beside the plan of the same run. The plan knows only what its arguments say:
model, machine, method, batch. The runs were collected before the planner had a formula, and divided at random: to the
*calibration* runs the planner's assumed efficiencies may be fitted, the *held-out* runs nobody saw who wrote its
formulas. Written by `python tools/published.py` from
[published_calibration.toml](../mgpu_lab/course/published_calibration.toml) and
[published_holdout.toml](../mgpu_lab/course/published_holdout.toml), which hold the quoted words, the date and what each
source leaves out. "Memory" is for one GPU, and counts what the source counted; tokens/s are for one GPU in training and
for one request in inference. The ratio is plan / published. A reason is "known" where the run's source, or the code it
ran, says so; "probably" is an inference of ours.

The held-out runs were opened on 2026-11-28, after the first complete version of the planner, which had 29 of 59 numbers
within 15%. Because of them one formula was changed afterwards: a pipeline under DeepSpeed holds several micro-batches'
activations; and the notes of two nanotron runs (which stage's memory is published) and of NeMo's (a later recipe).
What was still missing came later, too, and changes their plans: what lies outside tensors, adapters cut by tensor and
pipeline parallelism, packed gathers of QLoRA. The shares were fitted before, and not again.
"""
SERVING = """Runs of vLLM, TensorRT-LLM, llama.cpp and MLPerf, from
[published_serving.toml](../mgpu_lab/course/published_serving.toml). They were collected for lesson 08 on 2026-11-28,
after the formulas were written, and written down before anyone saw what the planner says of them; nothing was fitted to
them. "Tokens/s of all, prompts included" are the generated tokens of all requests by the seconds from the first prompt
to the last token; the plan's is `serving_tokens_per_s`.

At the first look 9 of 20 numbers were within 15%, the ratios between 0.62 and 2.88. Two things explain most of the
rest. Engines of 2023 are slower than the plan: their CPU worked between tokens, their kernels for 4 bits and for
grouped KV heads came later; the plan knows no engine. And large batches in fp8 are faster than the plan, whose share of
an H100's products is what training sustains. One formula was plainly wrong and changed afterwards: the plan sent the
prompts of several requests through pipeline stages one stage at a time. That moved one ratio, from 0.62 to 0.65.
"""


def main(arguments: Sequence[str] = ()) -> int:
    return settle(PAGE, page(), arguments, "python tools/published.py")


def page() -> str:
    """Return docs/published.md as it must be now."""
    runs = published()
    parts = [
        section("Held-out runs", runs.held_out),
        section("Held-out runs of serving", runs.serving, SERVING),
        section("Calibration runs", runs.calibration),
    ]
    return "\n".join([HEAD, *parts])


def section(title: str, found: Sequence[Row], said: str = "") -> str:
    parts = [f"## {title}\n", *([said] if said else []), f"{counts(found)}\n", f"{table(found)}\n"]
    return "\n".join(parts)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
