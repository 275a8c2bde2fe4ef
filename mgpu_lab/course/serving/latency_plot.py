"""The picture of latency against offered load: a panel for each percentile, a line for each way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mgpu_lab.course.serving.latency import LoadRun, resting_on
from mgpu_lab.figures import DescribedFigure

STYLES = (("#0072b2", "-", "o"), ("#d55e00", "--", "s"), ("#009e73", "-.", "^"), ("#cc79a7", ":", "D"))
SUMMARY = "Latency against offered load."


class LatencyFigure(DescribedFigure):
    """The figure; it shows itself with its alternative text."""

    css_class = "mgpu-latency"


def latency_picture(runs: Sequence[LoadRun], percents: Sequence[float] = (50, 95, 99)) -> LatencyFigure:
    """Draw seconds from the planned arrival to the last token over requests a second, both on logarithmic scales.

    A hollow mark is a load with which a way did not keep up: its latency grows for as long as the load lasts.
    """
    figure = LatencyFigure(figsize=(10, 3.6), layout="constrained")
    figure.summary = summary_of(runs, percents)
    panels = figure.subplots(1, len(percents), sharex=True, sharey=True, squeeze=False)[0]
    ways = list(dict.fromkeys(run.way for run in runs))
    for panel, percent in zip(panels, percents, strict=True):
        for way, style in zip(ways, STYLES, strict=False):
            _draw(panel, [run for run in runs if run.way == way], percent, style)
        count = min(len(run.served) for run in runs)
        title = f"p{percent:g}: {resting_on(count, percent)} of {count} requests took this or longer"
        panel.set_title(title, fontsize="small", loc="left")
        panel.grid(alpha=0.3)
    panels[0].set(xscale="log", yscale="log", ylabel="latency, s")
    _number(panels[0], sorted({run.offered_per_s for run in runs}))
    figure.supxlabel("offered requests/s (hollow: did not keep up)", fontsize="medium")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def _number(panel: Any, loads: Sequence[float]) -> None:
    """Write the loads below the panel, and plain seconds beside it."""
    panel.set_xticks(loads, [f"{load:.3g}" for load in loads])
    panel.set_xticks([], minor=True)
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _draw(panel: Any, runs: Sequence[LoadRun], percent: float, style: tuple[str, str, str]) -> None:
    colour, dash, mark = style
    points = [(run.offered_per_s, run.latency_s(percent)) for run in runs]
    look = {"color": colour, "linestyle": dash, "marker": mark, "markersize": 5}
    panel.plot(*zip(*points, strict=True), label=runs[0].way, **look)
    hollow = [point for point, run in zip(points, runs, strict=True) if not run.keeps_up]
    if hollow:
        look |= {"linestyle": "", "markerfacecolor": "white", "zorder": 3}
        panel.plot(*zip(*hollow, strict=True), **look)


def summary_of(runs: Sequence[LoadRun], percents: Sequence[float]) -> str:
    """Say in one line what the picture shows."""
    said = []
    for way in dict.fromkeys(run.way for run in runs):
        points = (
            f"{run.offered_per_s:.1f} requests/s "
            + "/".join(f"{1000 * run.latency_s(percent):.0f}" for percent in percents)
            + f" ms{'' if run.keeps_up else ' (did not keep up)'}"
            for run in runs
            if run.way == way
        )
        said.append(f"{way}: {', '.join(points)}")
    names = "/".join(f"p{percent:g}" for percent in percents)
    return f"{SUMMARY} {names}. {'; '.join(said)}."
