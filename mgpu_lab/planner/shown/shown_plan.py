"""How a plan shows itself: as a table, in a notebook with its bar, and as a picture. For plans of every kind."""

from typing import TYPE_CHECKING

from mgpu_lab.planner.shown.plan_table import PlanTable, plan_table
from mgpu_lab.planner.shown.plans import Plan
from mgpu_lab.tables import Table

if TYPE_CHECKING:
    from mgpu_lab.planner.shown.plot import PlanFigure


class ShownPlan:
    """A plan that shows itself; make the dataclass with ``repr=False``, or its own text stands in place of this."""

    def table(self: Plan, usd_per_gpu_hour: float | None = None, tokens: float = 1e9) -> PlanTable:
        """Return the plan as a table, with the cost of so many tokens where a price is given."""
        return plan_table(self, usd_per_gpu_hour=usd_per_gpu_hour, tokens=tokens)

    def assumptions(self: Plan) -> Table:
        """Return what the plan rests on, each number with its source."""
        return plan_table(self).assumptions()

    def plot(self: Plan) -> "PlanFigure":
        """Return the peak by category against the capacity, as a matplotlib figure with words."""
        from mgpu_lab.planner.shown.plot import plan_plot

        return plan_plot(self)

    def __repr__(self: Plan) -> str:
        """Return the table as text."""
        return repr(plan_table(self))

    def _repr_html_(self: Plan) -> str:
        return plan_table(self)._repr_html_()
