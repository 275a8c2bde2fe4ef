"""Draw what ran when, one lane for each rank: bars for spans of time that cells on ranks have noted.

    draw_spans({"buckets of 1 MB": [{"backward": [(0.0, 0.03)], "all-reduce": [(0.01, 0.02)]}, ...]})

One picture for each entry; in it one lane for each rank, and in a lane one row of bars for each kind of span.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Span = tuple[float, float]  # began and ended, in seconds
COLOURS = ("lightgray", "lightskyblue", "khaki")
HATCHES = ("", "//", "..")  # colour is not the only sign


def draw_spans(pictures: Mapping[str, Sequence[Mapping[str, Sequence[Span]]]]) -> Any:
    """Return a figure; each picture is a list with, for each rank, ``{kind: [(began_s, ended_s), ...]}``."""
    import matplotlib.pyplot as plt

    size = (10, 1.4 + 0.6 * max(len(ranks) for ranks in pictures.values()))
    figure, axes = plt.subplots(
        1, len(pictures), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (title, ranks) in zip(axes[0], pictures.items(), strict=True):
        for rank, kinds in enumerate(ranks):
            draw_lane(axis, rank, kinds)
        names = [f"rank {rank}" for rank in range(len(ranks))]
        axis.set(title=title, xlabel="ms", xlim=(0, None), yticks=range(len(ranks)), yticklabels=names)
    handles, labels = axes[0][0].get_legend_handles_labels()
    first = dict(zip(labels, handles, strict=True))
    figure.legend(first.values(), first.keys(), loc="outside lower right", ncols=len(first))
    plt.close(figure)  # shown once, as the cell's value
    return figure


def draw_lane(axis: Any, rank: int, kinds: Mapping[str, Sequence[Span]]) -> None:
    height = 0.7 / len(kinds)
    for row, (kind, spans) in enumerate(kinds.items()):
        bars = [(1e3 * began, 1e3 * (ended - began)) for began, ended in spans]
        lower = rank + 0.35 - height * (row + 1)
        style = {"color": COLOURS[row % 3], "hatch": HATCHES[row % 3], "edgecolor": "black"}
        axis.broken_barh(bars, (lower, height), label=kind, **style)
