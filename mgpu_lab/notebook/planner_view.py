"""``plan_view()``: a plan whose settings are controls; it is planned again at each change, and stays as a table."""

from collections.abc import Mapping
from typing import Any, Self

from mgpu_lab.notebook.plan_choices import JOBS, Chosen, asked, controls_of
from mgpu_lab.notebook.plan_shown import PlanShown
from mgpu_lab.notebook.plan_widgets import PlanWidgets
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.shapes import ModelShape, model_shape
from mgpu_lab.planner.shown.plans import Plan
from mgpu_lab.wire.errors import UsageError
from mgpu_lab.wire.transfer import WIDGET_MIME


def plan_view(
    model: Any = "llama-3.1-8b",
    machine_or_name: str | Machine = "8x H100-SXM-80GB",
    job: str = "training",
    **given: Any,
) -> "PlanView":
    """Return controls for model, machine and settings, with the plan that they mean: memory, speed, cost, limits.

    As the last line of a cell it shows itself until ``close()``; ``with plan_view(): ...`` shows it during a block.
    ``view.plan`` is the plan of the moment, ``view.controls["method"].value = "zero3"`` changes it from code.

    Args:
        model: what `plan_training` takes: a preset's name, a folder, a dict, a config.
        machine_or_name: "8x H100-SXM-80GB", or a `Machine`.
        job: "training" or "inference".
        given: settings to begin with, named as in `plan_training` or `plan_inference`.

    Raises:
        UsageError: an unknown model, machine, job or setting.
    """
    if job not in JOBS:
        raise UsageError(f"job={job!r} is not one of {', '.join(map(repr, JOBS))}.")
    known = [control.name for control in controls_of(job)]
    if unknown := given.keys() - set(known):
        raise UsageError(
            f"plan_view has no setting {', '.join(sorted(unknown))} of {job}. There are {', '.join(known)}."
        )
    return PlanView(job, model_shape(model), machine(machine_or_name), given)


class PlanView:
    """Controls and their plan. ``close()`` (or the end of a ``with`` block) leaves a plain table in its place."""

    def __init__(self, job: str, shape: ModelShape, where: Machine, given: Mapping[str, Any]) -> None:
        self.base, self.kept, self.closed = where, tuple[Plan, ...](), False
        self.widgets = PlanWidgets(job, shape, where, given)
        self.asked, self.price_source = asked(where.card.name)
        self.handles: list[Any] = []
        self.result = PlanShown()
        for widget in self.widgets.every():
            widget.observe(self._changed, names="value")
        self.widgets.keep.on_click(self.keep)
        self.widgets.forget.on_click(self.forget)
        self._changed()

    @property
    def plan(self) -> Plan | None:
        """The plan of the moment; None where the settings do not go together."""
        return self.result.plan

    @property
    def controls(self) -> dict[str, Any]:
        """The controls that are shown, by the setting's name."""
        return self.widgets.now()

    # ---- life

    def show(self) -> Self:
        """Put the controls below the cell; the second time, show the same ones here, too."""
        from IPython.display import display

        view = {"version_major": 2, "version_minor": 0, "model_id": self.widgets.box.model_id}
        bundle = {WIDGET_MIME: view, "text/html": self.result._repr_html_(), "text/plain": repr(self.result)}
        if (handle := display(bundle, raw=True, display_id=True)) is not None:  # outside a notebook there is none
            self.handles.append(handle)
        return self

    def close(self) -> None:
        """End the view and put a plain table of its last plan in its place."""
        if not self.closed:
            self.closed = True
            self.widgets.close()
            for handle in self.handles:
                handle.update(self.result)

    def keep(self, _: Any = None) -> None:
        """Keep the plan of the moment: the next ones are shown beside it."""
        if self.plan is not None and self.plan not in self.kept:
            self.kept = (*self.kept, self.plan)
            self._changed()

    def forget(self, _: Any = None) -> None:
        """Forget the plans that were kept."""
        self.kept = ()
        self._changed()

    def _ipython_display_(self) -> None:
        if self.closed:
            from IPython.display import display

            display(self.result)
        else:
            self.show()

    def __enter__(self) -> Self:
        """Show the controls."""
        return self.show()

    def __exit__(self, *_: object) -> None:
        """Leave the table."""
        self.close()

    # ---- content

    def chosen(self) -> Chosen:
        """Return what the controls say."""
        widgets = self.widgets
        shared = {name: widget.value for name, widget in widgets.shared.items()}
        settings = {name: each.value for name, each in widgets.own[widgets.job].items()}
        source = self.price_source if shared["usd"] == self.asked else ""
        return Chosen(settings=settings, base=self.base, usd_source=source, **shared)

    def _changed(self, change: Mapping[str, Any] | None = None) -> None:
        """Plan again, and show it."""
        owner = None if change is None else change["owner"]
        if owner is self.widgets.shared["job"]:
            self.widgets.arrange()
        if owner is self.widgets.shared["card"]:
            self._ask()
        self.result = self._result()
        self.widgets.html.value = self.result.live_html()

    def _ask(self) -> None:
        """Take the price of another card from the hardware table, unless the learner's own stands there."""
        field, before = self.widgets.shared["usd"], self.asked
        self.asked, self.price_source = asked(self.widgets.shared["card"].value)
        if field.value == before:
            field.value = self.asked

    def _result(self) -> PlanShown:
        about: dict[str, Any] = {"kept": self._kept_beside(None), "details": self.widgets.details.value}
        try:
            chosen = self.chosen()
            price, plan = chosen.price(), chosen.plan()
        except UsageError as error:
            return PlanShown(error=str(error), **about)
        except Exception as error:  # noqa: BLE001 - old figures beside new settings would be worse
            fault = f"the planner failed with {type(error).__name__}: {error}. That is its fault, not yours."
            return PlanShown(error=fault, **about)
        return PlanShown(plan, price=price, **{**about, "kept": self._kept_beside(plan)})

    def _kept_beside(self, plan: Plan | None) -> tuple[Plan, ...]:
        """Return the kept plans but this one, which is shown anyway."""
        return tuple(each for each in self.kept if each != plan)
