"""Plans as a table: text, and HTML with a stacked bar for each plan against the capacity of one GPU.

The HTML keeps its meaning in a view that strips svg, role and aria: numbers are text, bars are plain boxes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from mgpu_lab.bars import COLOURS, ruler, sign_box, stacked_bar
from mgpu_lab.planner.shown.amounts import memory_text, usd_text
from mgpu_lab.planner.shown.lines import Line, lines
from mgpu_lab.planner.shown.plans import ORDER, Plan, Price, parts, settings, settings_text, title
from mgpu_lab.planner.shown.sources import HEAD, sources
from mgpu_lab.tables import Band, Cell, Table
from mgpu_lab.wire.errors import UsageError

GROUPS = ("verdict", *ORDER, "tensors", "overhead", "peak", "host", "traffic", "time", "speed", "cost")
ABSENT = "-"
BAR_PX = (360, 200)  # the width of a full bar: one plan, more plans
GAP = "padding-left:1.5em"
FONT = "font-variant-numeric:tabular-nums"


def plan_table(
    *plans: Plan, names: Sequence[str] = (), usd_per_gpu_hour: float | None = None, tokens: float = 1e9
) -> "PlanTable":
    """Plans side by side: memory at the peak against capacity, traffic, time, speed, and cost where a price is given.

    >>> plan_table(plan, other, names=["one card", "two"], usd_per_gpu_hour=2.0)  # doctest: +SKIP

    Args:
        plans: plans of training or of inference.
        names: what to call them; by default the model and the machine.
        usd_per_gpu_hour: the price of one GPU for one hour.
        tokens: for how many tokens the cost is wanted.

    Raises:
        UsageError: there is no plan, or not one name for each.
    """
    if not plans or (names and len(names) != len(plans)):
        raise UsageError(f"plan_table takes one plan or more and a name for each; not {len(plans)} and {len(names)}.")
    return PlanTable(plans, tuple(names), Price(usd_per_gpu_hour, tokens))


@dataclass(frozen=True, repr=False)
class PlanTable:
    """Plans side by side, each in a column."""

    plans: tuple[Plan, ...]
    names: tuple[str, ...] = ()
    price: Price = field(default_factory=Price)
    details: bool = True  # whether named parts have rows of their own

    def titles(self) -> list[str]:
        """Name each plan: as told, or model, machine and, where these are the same, what differs."""
        if self.names:
            return list(self.names)
        found = [title(plan) for plan in self.plans]
        if len(set(found)) == len(found):
            return found
        return [f"{name}, {differences}" for name, differences in zip(found, self._differences(), strict=True)]

    def table(self) -> Table:
        """Return the table of all lines."""
        biggest = max(max(plan.peak_bytes, plan.capacity_bytes or 0) for plan in self.plans)
        columns = [lines(plan, self.price, biggest) for plan in self.plans]
        cells = [{(line.group, line.label): Cell(line.text, style=GAP) for line in column} for column in columns]
        rows: list[Sequence[str | Cell] | Band] = [
            [_label(line), *(cell.get((line.group, line.label), ABSENT) for cell in cells)]
            for line in _all(columns)
            if self.details or line.look != "part"
        ]
        return Table(["", *self._heads()], rows, self._caption(), numbers=range(1, len(self.plans) + 1))

    def assumptions(self) -> Table:
        """Return what the plans rest on: each number that is not arithmetic, with its source."""
        rows: list[Sequence[str | Cell] | Band] = []
        for plan, name in zip(self.plans, self.titles(), strict=True):
            rows += [Band(name, heading=True)] if len(self.plans) > 1 else []
            rows += [_source_row(*each) for each in sources(plan)]
        if self.price.usd_per_gpu_hour is not None:
            source = self.price.source or "yours"
            price = usd_text(self.price.usd_per_gpu_hour)
            rows.append(_source_row("price of a GPU hour", price, source))
        return Table(HEAD, rows, "What the plan rests on")

    def __repr__(self) -> str:
        about = [f"{head}: {text}" for head, text in zip(self._heads(), self._about(), strict=True)]
        return "\n".join([*about, "", self.table().text()])

    def _repr_html_(self) -> str:
        table = self.table()
        bars: list[str | Cell] = [Cell("", self.bar(plan), "padding:4px 6px") for plan in self.plans]
        shown = replace(table, rows=[["shares", *bars], *table.rows])
        return f'<div style="overflow-x:auto;{FONT}">{shown.html()}</div>'

    def bar(self, plan: Plan, width: str = "") -> str:
        """Return the bar of one plan; all bars have one scale, and below each is the capacity of its GPU."""
        full = max(max(each.peak_bytes, each.capacity_bytes or 0) for each in self.plans)
        width = width or f"{BAR_PX[len(self.plans) > 1]}px"
        capacity = memory_text(plan.capacity_bytes, full)
        below = ruler(f"capacity {capacity}", plan.capacity_bytes, full, width)
        return stacked_bar(parts(plan), full, width) + below

    def _heads(self) -> list[str]:
        if self.names:
            return list(self.names)
        if len(self.plans) == 1:
            return ["plan"]
        return [f"plan {number}" for number in range(1, len(self.plans) + 1)]

    def _about(self) -> list[str]:
        pairs = zip(self.plans, self._heads(), strict=True)
        named = ([title(plan)] if head != title(plan) else [] for plan, head in pairs)
        known = (settings_text(settings(plan)) for plan in self.plans)
        return [", ".join(filter(None, (*name, values))) for name, values in zip(named, known, strict=True)]

    def _caption(self) -> Cell:
        about = [f"{head}: {text}" for head, text in zip(self._heads(), self._about(), strict=True)]
        return Cell("\n".join(about), "<br>".join(map(escape, about)))

    def _differences(self) -> list[str]:
        found = [settings(plan) for plan in self.plans]
        same = set.intersection(*({(name, repr(value)) for name, value in each.items()} for each in found))
        return [_unlike(each, {name for name, _ in same}) for each in found]


def _unlike(values: Mapping[str, object], same: set[str]) -> str:
    return settings_text({name: value for name, value in values.items() if name not in same})


def _all(columns: Sequence[Sequence[Line]]) -> Iterable[Line]:
    """Return each line that a column has, once: groups in one order, in a group the columns' own order."""
    found = {(line.group, line.label): line for column in columns for line in column}
    known = [*GROUPS, *dict.fromkeys(group for group, _ in found if group not in GROUPS)]
    return sorted(found.values(), key=lambda line: known.index(line.group))


def _label(line: Line) -> Cell:
    if line.look == "part":
        return Cell(f"  {line.label}", escape(line.label), "padding-left:2em;font-weight:normal")
    box = f"{sign_box(line.group)} " if line.group in COLOURS and line.look == "bold" else ""
    return Cell(line.label, box + escape(line.label), f"font-weight:{'bold' if line.look == 'bold' else 'normal'}")


def _source_row(what: str, value: str, source: str) -> list[str | Cell]:
    top = "vertical-align:top"
    label = Cell(what, style=f"{top};font-weight:normal;min-width:15em")
    return [label, Cell(value, style=f"{top};min-width:8em"), Cell(source, _linked(source), top)]


def _linked(source: str) -> str:
    """Return a source as markup: addresses become links."""
    return re.sub(
        r"https://[^\s<>&]*[^\s<>&.,;:)]", lambda found: f'<a href="{found[0]}">{found[0]}</a>', escape(source)
    )
