"""The picture of a timeline: a lane for each rank, compute above, communication below. Hatches tell what colours do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.patches import Patch

from mgpu_lab.figures import DescribedFigure
from mgpu_lab.metering.collectives import Collective
from mgpu_lab.metering.intervals import Interval, clipped, length, union

STYLES = {  # colour, hatch
    "forward": ("#cfe8ff", ""),
    "backward": ("#4f9bd9", ""),
    "optimizer": ("#ffffff", "..."),
    "communication, hidden": ("#ffe9b0", ""),
    "communication, exposed": ("#ffb703", "///"),
    "idle": ("#ffffff", ""),
}
LABELS = {"forward": "forward and other compute"}
PHASES = ("forward", "backward", "optimizer")
Height = tuple[float, float]  # where it begins, and how high it is; a lane is 1 high
COMPUTE: Height = (0.52, 0.38)
SENT: Height = (0.1, 0.38)
MOST_AT_ONCE = 3  # calls under way at once that are drawn below one another
LEAST_SHARE = 0.0004  # of the width: gaps narrower than a pixel are not drawn
LONG = 25  # pixels
HIDDEN_SHARE = 0.002  # of the step: less hidden communication is not seen


class Drawn(Protocol):
    """What is drawn of a rank; times in seconds since its block began."""

    @property
    def rank(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def step_s(self) -> float: ...
    @property
    def compute_share(self) -> float: ...
    @property
    def spans(self) -> Mapping[str, Sequence[Interval]]: ...
    @property
    def collectives(self) -> Sequence[Collective]: ...


class TimelineFigure(DescribedFigure):
    """The figure; it shows itself with its alternative text."""

    css_class = "mgpu-timeline"


def figure_of(rows: Sequence[Drawn], began: Mapping[int, float], title: str, summary: str) -> TimelineFigure:
    """Draw the lanes of all ranks over one time axis, the first on top; `began` says when each rank's block began."""
    end_s = max(began[row.rank] + row.steps * row.step_s for row in rows)
    figure = TimelineFigure(figsize=(10, 1.1 + 0.62 * len(rows)), layout="constrained")
    figure.summary = f"{title}. {summary}" if title else summary
    axis = figure.subplots()
    depth = max(len(levels(row.collectives)) for row in rows)
    for place, row in enumerate(reversed(rows)):
        Lane(axis, place, began[row.rank], depth).draw(row, LEAST_SHARE * end_s)
    axis.set(xlim=(0, 1e3 * end_s), ylim=(0, len(rows)), xlabel="ms")
    labels = [f"rank {row.rank}\ncomputes {row.compute_share:.0%}" for row in reversed(rows)]
    axis.set_yticks([place + 0.5 for place in range(len(rows))], labels)
    axis.tick_params(axis="y", length=0)
    if title:
        axis.set_title(title, loc="left", fontsize="medium")
    shown = occurring(rows)
    keys = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="k", label=LABELS.get(name, name))
        for name, (colour, hatch) in STYLES.items()
        if name in shown
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize="small", frameon=False)
    return figure


@dataclass(frozen=True)
class Lane:
    """Where one rank is drawn: its place from below, and when its block began."""

    axis: Any
    place: int
    began_s: float
    depth: int  # how many calls lie below one another at most, on any rank

    def draw(self, row: Drawn, least_s: float) -> None:
        """Draw a frame, which is idle time where nothing lies on it; in it the compute, and below it the calls."""
        frame = (SENT[0], COMPUTE[0] + COMPUTE[1] - SENT[0])
        self.bars([(0, row.steps * row.step_s)], frame, "idle", edgecolor="#888888")
        for name in PHASES:
            self.bars(joined(row.spans.get(name, ()), least_s), COMPUTE, name, linewidth=0.3)
        height = SENT[1] / max(1, self.depth)
        for level, calls in enumerate(levels(row.collectives)):
            where = (SENT[0] + SENT[1] - height * (level + 1), height)
            for call in calls:
                self.draw_call(call, row.spans.get("exposed", ()), where)

    def draw_call(self, call: Collective, exposed: Iterable[Interval], where: Height) -> None:
        whole = [(call.began_s, call.ended_s)]
        self.bars(whole, where, "communication, hidden")
        self.bars(clipped(exposed, whole[0]), where, "communication, exposed", linewidth=0)
        self.bars(whole, where, "idle", facecolor="none")

    def bars(self, parts: Iterable[Interval], where: Height, name: str, **style: Any) -> None:
        colour, hatch = STYLES[name]
        drawn = [(1e3 * (self.began_s + began), 1e3 * (ended - began)) for began, ended in parts]
        looks = {"facecolor": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.6, **style}
        self.axis.broken_barh(drawn, (self.place + where[0], where[1]), **looks)


def joined(parts: Iterable[Interval], least_s: float) -> list[Interval]:
    """Close gaps that are too narrow to be seen, but between two long parts, which are things of their own.

    >>> joined([(0, 1), (1.5, 2)], least_s=1.0), joined([(0, 50), (50.5, 99)], least_s=1.0)
    ([(0, 2)], [(0, 50), (50.5, 99)])
    """
    closed: list[Interval] = []
    for began, ended in union(parts):
        if closed:
            before = closed[-1]
            shorter_s = min(ended - began, before[1] - before[0])
            if began - before[1] < least_s and shorter_s < LONG * least_s:
                closed[-1] = (before[0], ended)
                continue
        closed.append((began, ended))
    return closed


def occurring(rows: Sequence[Drawn]) -> set[str]:
    """Return the styles that the picture needs."""
    names = {name for name in PHASES for row in rows if row.spans.get(name)}
    for row in rows:
        sent, exposed = (length(row.spans.get(name, ())) for name in ("communication", "exposed"))
        names |= {"communication, exposed"} if exposed else set()
        names |= {"communication, hidden"} if sent - exposed > HIDDEN_SHARE * row.steps * row.step_s else set()
    return {*names, "idle"}


def levels(calls: Sequence[Collective]) -> list[list[Collective]]:
    """Deal calls to levels so that those of a level do not overlap; what finds no room goes to the last.

    >>> one, two = Collective("send", 0.0, 2.0, 8), Collective("recv", 1.0, 3.0, 8)
    >>> [len(level) for level in levels([one, two])]
    [1, 1]
    """
    free = [0.0] * MOST_AT_ONCE
    dealt: list[list[Collective]] = [[] for _ in free]
    for call in calls:
        level = next((at for at, until_s in enumerate(free) if until_s <= call.began_s), MOST_AT_ONCE - 1)
        free[level] = max(free[level], call.ended_s)
        dealt[level].append(call)
    return [level for level in dealt if level]
