"""The plot of a meter result: throughput and metrics over steps. Not covered: the table (`meter_result`)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mgpu_lab.metering.result import MeterRecord

LINES = ("-", "--", ":", "-.")  # colour is never the only sign


class MeterFigure(Figure):
    """A figure that shows itself without pyplot, and says in words what it shows."""

    summary = ""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()

    def __repr__(self) -> str:
        """Stand in for the picture where none is shown."""
        return self.summary


def figure_of(records: Sequence[MeterRecord]) -> MeterFigure:
    """Draw one panel for the throughput and one for each metric."""
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    figure = MeterFigure(figsize=(7, 2.2 * (1 + len(names))), layout="constrained")
    figure.summary = f"Plot over steps: {', '.join(['throughput', *names])}; {len(records)} rank(s)"
    panels = figure.subplots(1 + len(names), 1, sharex=True, squeeze=False)[:, 0]
    for place, record in enumerate(records):
        style = {"linestyle": LINES[place % len(LINES)], "label": f"rank {record.rank}", "linewidth": 1.2}
        left_out = sum(number < record.warmup_steps for number in record.numbers)
        rates = [items / step_s for items, step_s in zip(record.items, record.step_s, strict=True)]
        panels[0].plot(record.numbers[left_out:], rates[left_out:], **style)
        for panel, name in zip(panels[1:], names, strict=True):
            points = zip(record.numbers, record.metrics.get(name, ()), strict=False)
            known = [(number, value) for number, value in points if value == value]  # noqa: PLR0124 - drops nan
            panel.plot([number for number, _ in known], [value for _, value in known], **style)
    for panel, label in zip(panels, [f"{records[0].unit}/s", *names], strict=True):
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylim(bottom=0)
    panels[0].legend(loc="lower right", fontsize="small")
    panels[-1].set_xlabel("step")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
