"""The plot of a meter result: throughput and metrics over steps."""

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from mgpu_lab.figures import SpokenFigure

LINES = ("-", "--", ":", "-.")  # colour is never the only sign


class MeterFigure(SpokenFigure):
    """The figure; it shows itself without pyplot."""

    def _repr_png_(self) -> bytes:
        return self.png()


def figure_of(panels: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float]]]]]) -> MeterFigure:
    """Draw one panel below the other, each with a line of (step, value) for each rank; the first is the throughput."""
    figure = MeterFigure(figsize=(7, 2.2 * len(panels)), layout="constrained")
    names = ["throughput", *(name for name, _ in panels[1:])]
    figure.summary = f"Plot over steps: {', '.join(names)}; {len(panels[0][1])} rank(s)"
    drawn = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (name, lines) in zip(drawn, panels, strict=True):
        for place, (label, points) in enumerate(lines.items()):
            style = {"linestyle": LINES[place % len(LINES)], "label": label, "linewidth": 1.2}
            panel.plot([step for step, _ in points], [value for _, value in points], **style)
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
    drawn[0].set_ylim(bottom=0)
    drawn[0].legend(loc="lower right", fontsize="small")
    drawn[-1].set_xlabel("step")
    drawn[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
