"""The picture of plans: a stacked bar for each against the capacity of one GPU. Hatches tell what colours do."""

from collections.abc import Sequence
from typing import Any

from matplotlib.patches import Patch

from mgpu_lab.bars import COLOURS, words
from mgpu_lab.figures import DescribedFigure
from mgpu_lab.planner.shown.amounts import MEMORY_UNITS, fits_text, memory_text
from mgpu_lab.planner.shown.plan_table import PlanTable
from mgpu_lab.planner.shown.plans import Plan, categories, parts

HATCHES = dict(zip(COLOURS, ("", "///", "...", "xx", "---", "\\\\\\", "++", ""), strict=True))
HEIGHT = 0.55  # of a bar; the next one begins at 1
LABELS = {"overhead": "outside tensors"}


class PlanFigure(DescribedFigure):
    """The figure of plans; `summary` says in words what it shows."""

    css_class = "mgpu-plan"


def plan_plot(*plans: Plan, names: Sequence[str] = ()) -> PlanFigure:
    """Draw each plan's peak by category, from the left, and its card's capacity as a thick line across its bar.

    Needs no pyplot; `figure.summary` says in words what it shows.
    """
    titles = PlanTable(plans, tuple(names)).titles()
    biggest = max(max(plan.peak_bytes, plan.capacity_bytes or 0) for plan in plans)
    unit, one = next(((unit, one) for unit, one in MEMORY_UNITS if biggest >= one), MEMORY_UNITS[-1])
    figure = PlanFigure(figsize=(10, 1.2 + 0.7 * len(plans)), layout="constrained")
    figure.summary = summary(plans, titles)
    axis = figure.subplots()
    for place, plan in enumerate(reversed(plans)):
        _draw(axis, place, plan, one)
    axis.set(xlim=(0, 1.04 * biggest / one), ylim=(-0.5, len(plans) - 0.5), xlabel=f"{unit} of one GPU")
    axis.set_yticks(
        range(len(plans)), [f"{name}\nfits: {fits_text(plan.fits)}" for name, plan in _pairs(plans, titles)]
    )
    axis.tick_params(axis="y", length=0)
    figure.legend(handles=_keys(plans), loc="outside lower center", ncols=5, fontsize="small", frameon=False)
    return figure


def summary(plans: Sequence[Plan], titles: Sequence[str]) -> str:
    """Say in words what the picture shows: for each plan whether it fits, and its categories, largest first."""
    return "Planned memory of one GPU at the peak. " + " ".join(
        f"{name}: {memory_text(plan.peak_bytes)}, capacity {memory_text(plan.capacity_bytes)}, "
        f"fits: {fits_text(plan.fits)}; {_shares(plan)}."
        for name, plan in zip(titles, plans, strict=True)
    )


def _shares(plan: Plan) -> str:
    found = sorted(parts(plan).items(), key=lambda part: -part[1])
    return ", ".join(f"{LABELS.get(name, words(name))} {memory_text(size)}" for name, size in found if size)


def _pairs(plans: Sequence[Plan], titles: Sequence[str]) -> list[tuple[str, Plan]]:
    return list(reversed(list(zip(titles, plans, strict=True))))


def _draw(axis: Any, place: int, plan: Plan, one: float) -> None:
    begin = 0.0
    for name, size in parts(plan).items():
        look = {"facecolor": COLOURS[name], "hatch": HATCHES[name], "edgecolor": "black", "linewidth": 0.6}
        axis.barh(place, size / one, HEIGHT, begin, **look)
        begin += size / one
    if plan.capacity_bytes is not None:
        axis.vlines(plan.capacity_bytes / one, place - 0.42, place + 0.42, colors="black", linewidth=3)


def _keys(plans: Sequence[Plan]) -> list[Any]:
    from matplotlib.lines import Line2D

    names = [name for name in (*categories(plans), "overhead") if any(parts(plan).get(name) for plan in plans)]
    keys: list[Any] = [
        Patch(facecolor=COLOURS[name], hatch=HATCHES[name], edgecolor="k", label=LABELS.get(name, words(name)))
        for name in names
    ]
    known = any(plan.capacity_bytes is not None for plan in plans)
    return keys + [Line2D([], [], color="black", linewidth=3, label="capacity of one GPU")] * known
