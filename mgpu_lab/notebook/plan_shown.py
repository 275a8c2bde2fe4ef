"""What `plan_view()` shows of its plans: a sentence, a bar for each against the capacity of a GPU, and a table."""

from dataclasses import dataclass, field, replace
from html import escape

from mgpu_lab.planner.shown.amounts import count_text, memory_text, rate_text, time_text, usd_text
from mgpu_lab.planner.shown.lines import bill_of, tokens_per_s
from mgpu_lab.planner.shown.plan_table import PlanTable
from mgpu_lab.planner.shown.plans import Plan, Price, Serves, Trains

MARKS = {True: "--jp-success-color1, #388e3c", False: "--jp-error-color1, #d32f2f", None: "--jp-warn-color1, #f57c00"}
WIDTH = "max-width:720px"


@dataclass(frozen=True, repr=False)
class PlanShown:
    """The plan of the moment, and those that are kept beside it; `error` stands in its place where there is none."""

    plan: Plan | None = None
    error: str = ""
    kept: tuple[Plan, ...] = ()
    price: Price = field(default_factory=Price)
    details: bool = False

    def table(self) -> PlanTable | None:
        """Return the plans as a table; None where there are none."""
        plans = (*self.kept, *([] if self.plan is None else [self.plan]))
        return PlanTable(plans, price=self.price, details=self.details) if plans else None

    def status(self) -> str:
        """Say in words how the plan of the moment ends."""
        if self.plan is None:
            return f"No plan: {self.error}"
        return " ".join(filter(None, (fit_sentence(self.plan), speed_sentence(self.plan), self._cost())))

    def __repr__(self) -> str:
        table = self.table()
        return "\n".join([self.status(), *([] if table is None else ["", repr(replace(table, details=True))])])

    def _repr_html_(self) -> str:
        """Return what stays in a saved notebook: all rows, and what they rest on."""
        return replace(self, details=True).live_html()

    def live_html(self) -> str:
        """Return the sentence, the bars and the table."""
        fits = False if self.plan is None else self.plan.fits
        style = f"border-left:6px solid var({MARKS[fits]});padding:4px 8px;margin:4px 0;{WIDTH}"
        status = f'<div role="status" style="{style}">{_strong(self.status())}</div>'
        return f'<div style="line-height:1.4">{status}{self._bars()}{self._tables()}</div>'

    def _bars(self) -> str:
        table = self.table()
        if table is None:
            return ""
        bars = (
            f'<div style="margin:8px 0 2px">{escape(f"{name}: one bar for {who(plan)}")}</div>{table.bar(plan, "100%")}'
            for name, plan in zip(table.titles(), table.plans, strict=True)
        )
        return f'<div style="{WIDTH}">{"".join(bars)}</div>'

    def _tables(self) -> str:
        table = self.table()
        if table is None:
            return ""
        rests = table.assumptions().html() if self.details else ""
        style = "overflow-x:auto;margin-top:8px;font-variant-numeric:tabular-nums"
        return f'<div style="{style}">{table.table().html()}{rests}</div>'

    def _cost(self) -> str:
        if self.plan is None or self.price.usd_per_gpu_hour is None:
            return ""
        usd, rate = bill_of(self.plan, self.price), tokens_per_s(self.plan)
        if usd is None or rate is None:
            return "What it costs is unknown."
        took, source = time_text(self.price.tokens / rate), self.price.source.partition(":")[0]
        price = f"{usd_text(self.price.usd_per_gpu_hour)} per GPU hour{f' ({source})' if source else ''}"
        return f"{count_text(self.price.tokens)} tokens take {took} and cost {usd_text(usd)} at {price}."


def who(plan: Plan) -> str:
    """Say which GPUs a plan speaks of."""
    count = plan.machine.count
    if count == 1:
        return "the GPU"
    fullest = isinstance(plan, Trains) and plan.recipe.pipeline_parallel > 1
    return f"the fullest of {count} GPUs" if fullest else f"each of {count} GPUs"


def fit_sentence(plan: Plan) -> str:
    """Say whether a plan fits, and by how much."""
    needs, has = memory_text(plan.peak_bytes), memory_text(plan.capacity_bytes)
    moment = f", most at {plan.memory.moment}" if isinstance(plan, Trains) else ""
    need = f"{who(plan)} needs {needs}"
    if plan.capacity_bytes is None:
        return f"Whether it fits is unknown: {need}{moment}; the memory of {plan.machine.card.name} is not known."
    if plan.fits:
        return f"It fits: {need} of {has}{moment}."
    return f"It does not fit: {need}, {memory_text(plan.peak_bytes - plan.capacity_bytes)} more than {has}{moment}."


def speed_sentence(plan: Plan) -> str:
    """Say how fast a plan is, and what limits it."""
    rate = tokens_per_s(plan)
    if rate is None:
        return "How fast it is is unknown."
    limits = f"; {plan.limits} limits it" if plan.limits else ""
    if isinstance(plan, Trains):
        return f"A step takes {time_text(plan.step_s)}: {rate_text(rate)} tokens/s in all{limits}."
    one = rate_text(plan.tokens_per_s) if isinstance(plan, Serves) else "unknown"
    return f"A request gets {one} tokens/s, all together {rate_text(rate)}{limits}."


def _strong(sentence: str) -> str:
    """Set the verdict, which ends at the first colon, in bold."""
    verdict, colon, rest = sentence.partition(":")
    return f"<strong>{escape(verdict + colon)}</strong>{escape(rest)}"
