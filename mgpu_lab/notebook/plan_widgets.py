"""The widgets of `plan_view()`: core ipywidgets, each named by its own words."""

from collections.abc import Mapping, Sequence
from typing import Any

from mgpu_lab.notebook.plan_choices import INFERENCE, JOBS, MOST, TRAINING, Control, asked
from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.shapes import ModelShape, presets

WIDTH, LABEL_WIDTH = "290px", "130px"


class PlanWidgets:
    """The controls by name: `shared` ones, and the `own` ones of each job."""

    def __init__(self, job: str, shape: ModelShape, where: Machine, settings: Mapping[str, Any]) -> None:
        from ipywidgets import HTML, Button, Checkbox, HBox, Layout, VBox

        wrap = Layout(flex_flow="row wrap")
        self.shared = _shared(job, shape, where)
        self.own = {each: _own(each, settings if each == job else {}) for each in JOBS}
        self.details = Checkbox(value=False, description="all rows, and what they rest on", indent=False)
        self.keep = Button(description="Keep beside", tooltip="Keep this plan, and show the next ones beside it")
        self.forget = Button(description="Forget kept", tooltip="Show the plan of the moment only")
        self.html = HTML()
        self.fields = HBox(layout=wrap)
        self.box = VBox([self.fields, HBox([self.keep, self.forget, self.details], layout=wrap), self.html])
        self.arrange()

    @property
    def job(self) -> str:
        """The job that is chosen."""
        return str(self.shared["job"].value)

    def now(self) -> dict[str, Any]:
        """Return the controls that are shown."""
        return {**self.shared, **self.own[self.job]}

    def every(self) -> list[Any]:
        """Return all controls whose value counts."""
        return [*self.shared.values(), *(each for own in self.own.values() for each in own.values()), self.details]

    def arrange(self) -> None:
        """Show the controls of the job that is chosen."""
        self.fields.children = tuple(self.now().values())

    def close(self) -> None:
        for widget in (self.box, *self.box.children, *self.every(), self.keep, self.forget):
            widget.close()


def _shared(job: str, shape: ModelShape, where: Machine) -> dict[str, Any]:
    known = shape == presets().get(shape.name)
    models: list[Any] = list(presets()) if known else [*((name, name) for name in presets()), (shape.name, shape)]
    cards = list(HARDWARE)
    return {
        "job": _list("plan of", JOBS, job),
        "model": _list("model", models, shape.name if known else shape),
        "card": _list("card", cards if where.card.name in cards else [*cards, where.card.name], where.card.name),
        "count": _number("number of cards", where.count),
        "usd": _text("USD per GPU hour", asked(where.card.name)[0]),
        "tokens": _text("tokens, for the cost", "1e9"),
    }


def _own(job: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    controls = TRAINING if job == "training" else INFERENCE
    return {control.name: _widget(control, settings.get(control.name, control.begins)) for control in controls}


def _widget(control: Control, given: Any) -> Any:
    value = control.value(given)
    if not control.choices:
        return _number(control.label, value)
    choices = [(f"{each:,}" if isinstance(each, int) else each, each) for each in control.all_choices(value)]
    return _list(control.label, choices, value)


def _look(label: str) -> dict[str, Any]:
    from ipywidgets import Layout

    return {"description": label, "style": {"description_width": LABEL_WIDTH}, "layout": Layout(width=WIDTH)}


def _list(label: str, choices: Sequence[Any], value: Any) -> Any:
    from ipywidgets import Dropdown

    return Dropdown(options=choices, value=value, **_look(label))


def _number(label: str, value: int) -> Any:
    from ipywidgets import BoundedIntText

    return BoundedIntText(value=value, min=1, max=MOST, continuous_update=False, **_look(label))


def _text(label: str, value: str) -> Any:
    from ipywidgets import Text

    return Text(value=value, placeholder="unknown", continuous_update=False, **_look(label))
