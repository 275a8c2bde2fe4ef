"""The plot of a cost comparison: rent, buy and hybrid over utilisation, and where buying starts to win."""

from mgpu_lab.figures import DescribedFigure
from mgpu_lab.planner.cost.terms import Terms

LINES = {"rent": "-", "buy": "--", "hybrid": ":"}  # colour is never the only sign
POINTS = 101


def figure_of(terms: Terms, title: str, summary: str) -> DescribedFigure:
    """Draw the costs from no to full utilisation, in thousands of USD."""
    shares = [point / (POINTS - 1) for point in range(POINTS)]
    ways = {"rent": terms.rent_usd, "buy": terms.buy_usd, "hybrid": terms.hybrid_usd}
    figure = DescribedFigure(figsize=(7, 3.2), layout="constrained")
    figure.summary = f"Plot of cost over utilisation, as three lines. {summary} {_ends(terms)}"
    axis = figure.subplots()
    for name, cost in ways.items():
        axis.plot([100 * share for share in shares], [cost(share) / 1e3 for share in shares], LINES[name], label=name)
    if (share := terms.break_even) is not None:
        axis.axvline(100 * share, color="#888888", linewidth=0.8)
        axis.annotate(f" {share:.0%}", (100 * share, 0), va="bottom", fontsize="small")
    axis.set(xlim=(0, 100), xlabel="utilisation, % of all hours", ylabel=f"1,000 USD over {terms.months:g} months")
    axis.set_ylim(bottom=0)
    axis.set_title(title, loc="left", fontsize="medium")
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    return figure


def _ends(terms: Terms) -> str:
    """Say where the lines begin and end."""
    return (
        f"From no to full utilisation: rent 0 to {terms.rent_usd(1):,.0f} USD, "
        f"buy {terms.buy_usd(0):,.0f} to {terms.buy_usd(1):,.0f} USD, hybrid 0 to {terms.hybrid_usd(1):,.0f} USD."
    )
