"""The plot of a cost comparison: rent, buy and hybrid over utilisation, and where buying starts to win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mgpu_lab.figures import DescribedFigure

if TYPE_CHECKING:
    from mgpu_lab.planner.cost import CostComparison

LINES = {"rent": "-", "buy": "--", "hybrid": ":"}  # colour is never the only sign
POINTS = 101


def figure_of(result: CostComparison) -> DescribedFigure:
    """Draw the costs from no to full utilisation, in thousands of USD."""
    terms = result.terms
    shares = [point / (POINTS - 1) for point in range(POINTS)]
    ways = {"rent": terms.rent_usd, "buy": terms.buy_usd, "hybrid": terms.hybrid_usd}
    figure = DescribedFigure(figsize=(7, 3.2), layout="constrained")
    figure.summary = f"Plot of cost over utilisation, as three lines. {result.summary} {_ends(result)}"
    axis = figure.subplots()
    for name, cost in ways.items():
        axis.plot([100 * share for share in shares], [cost(share) / 1e3 for share in shares], LINES[name], label=name)
    if result.break_even is not None:
        axis.axvline(100 * result.break_even, color="#888888", linewidth=0.8)
        axis.annotate(f" {result.break_even:.0%}", (100 * result.break_even, 0), va="bottom", fontsize="small")
    axis.set(xlim=(0, 100), xlabel="utilisation, % of all hours", ylabel=f"1,000 USD over {terms.months:g} months")
    axis.set_ylim(bottom=0)
    axis.set_title(result.machine, loc="left", fontsize="medium")
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    return figure


def _ends(result: CostComparison) -> str:
    """Say where the lines begin and end."""
    terms = result.terms
    return (
        f"From no to full utilisation: rent 0 to {terms.rent_usd(1):,.0f} USD, "
        f"buy {terms.buy_usd(0):,.0f} to {terms.buy_usd(1):,.0f} USD, hybrid 0 to {terms.hybrid_usd(1):,.0f} USD."
    )
