"""The planner's widget, driven without a browser: each change is planned again, an error is one line, a table stays."""

import html
import re
from types import SimpleNamespace

import pytest
from shown import Parsed
from stub_plans import RTX, inference_plan, replace_arithmetic, training_plan

from mgpu_lab.notebook.plan_choices import INFERENCE, TRAINING, Chosen, number
from mgpu_lab.notebook.plan_shown import PlanShown, who
from mgpu_lab.notebook.plan_widgets import PlanWidgets
from mgpu_lab.notebook.planner_view import PlanView, plan_view
from mgpu_lab.planner.hardware import HARDWARE, Card, Price
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import model_shape, presets
from mgpu_lab.wire.errors import UsageError
from mgpu_lab.wire.transfer import WIDGET_MIME


@pytest.fixture(autouse=True)
def arithmetic(monkeypatch):
    replace_arithmetic(monkeypatch)


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: the first bundles, and what later took their place."""
    found = SimpleNamespace(bundles=[], updates=[])

    def display(bundle, **_):
        found.bundles.append(bundle)
        return SimpleNamespace(update=found.updates.append)

    monkeypatch.setattr("IPython.display.display", display)
    return found


def status(view):
    found = re.search('role="status"[^>]*>(.*?)</div>', view.widgets.html.value)[1]
    return html.unescape(re.sub("<[^>]*>", "", found))


def rows(view):
    text = view.widgets.html.value
    return {row[0]: row[1:] for row in Parsed(text[text.index("<table") : text.rindex("</div></div>")]).rows}


def test_the_view_begins_with_the_plan_of_its_arguments():
    view = plan_view("llama-3.1-8b", "8x H100-SXM-80GB", seq_len=4096, adapter=None)
    assert view.plan == plan_view(seq_len=4096).plan
    assert view.plan.recipe == Recipe(world_size=8, seq_len=4096)
    assert status(view) == (
        "It fits: each of 8 GPUs needs 20.50 GiB of 80.00 GiB, most at forward's end. "
        "A step takes 500 ms: 65,536 tokens/s in all; compute limits it."
    )
    assert rows(view)["A activations"] == ["4.00 GiB"]
    assert "saved for backward" not in rows(view)


def test_each_setting_of_a_recipe_is_a_control_and_takes_effect():
    view = plan_view()
    assert {control.name for control in TRAINING} == Recipe.__dataclass_fields__.keys() - {"world_size", "deepspeed"}
    for control in TRAINING:
        widget = view.controls[control.name]
        widget.value = next(word for word in control.choices if word != widget.value) if control.choices else 2
    view.controls["method"].value = "fsdp"
    assert view.plan.recipe == Recipe(
        world_size=8, method="fsdp", adapter="lora", micro_batch=2, seq_len=512, accumulation=2, dtype="fp16",
        master=None, checkpointing="selective", optimizer="adamw8bit", lora_rank=2, tensor_parallel=2,
        pipeline_parallel=2, offload="cpu",
    )  # fmt: skip


def test_what_does_not_fit_and_what_nobody_knows():
    view = plan_view()
    view.controls["card"].value, view.controls["count"].value = "RTX-4090", 1
    assert status(view).startswith("It does not fit: the GPU needs 24.50 GiB, 512.00 MiB more than 24.00 GiB, most at")
    view.controls["card"].value = "CPU"
    assert status(view).startswith(
        "Whether it fits is unknown: the GPU needs 24.50 GiB, most at forward's end; the mem"
    )
    assert "capacity unknown" in view.widgets.html.value


def test_an_error_is_one_line_in_place_of_the_bars():
    view = plan_view()
    view.controls["tensor_parallel"].value = 3
    assert view.plan is None
    assert status(view) == "No plan: tensor_parallel=3 x pipeline_parallel=1 does not divide 8 GPUs."
    assert "<table" not in view.widgets.html.value
    assert "capacity" not in view.widgets.html.value
    view.controls["tensor_parallel"].value = 2
    assert status(view).startswith("It fits")


def test_a_fault_of_the_planner_is_said_and_no_old_figure_stays(monkeypatch):
    view = plan_view()
    monkeypatch.setattr("mgpu_lab.planner.training.training_calls", lambda *_: 1 / 0)
    view.controls["micro_batch"].value = 2
    assert status(view) == (
        "No plan: the planner failed with ZeroDivisionError: division by zero. That is its fault, not yours."
    )
    assert "<table" not in view.widgets.html.value


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("usd", "cheap", "No plan: USD per GPU hour: 'cheap' is not a number."),
        ("usd", "-1", "No plan: USD per GPU hour: '-1' must be 0 or more."),
        ("tokens", "", "No plan: tokens: '' is not a number."),
        ("tokens", "0", "No plan: tokens: '0' must be above 0."),
        ("usd", "<b>", "No plan: USD per GPU hour: '<b>' is not a number."),
    ],
)
def test_a_field_that_is_no_number_is_said(field, text, sentence):
    view = plan_view()
    view.controls[field].value = text
    assert status(view) == sentence
    assert "<b>" not in view.widgets.html.value


def test_a_price_gives_a_cost_and_none_gives_none():
    view = plan_view()
    assert "USD" not in view.widgets.html.value
    view.controls["usd"].value = "2"
    assert status(view).endswith("1 billion tokens take 4.24 hours and cost 67.82 USD at 2.00 USD per GPU hour.")
    assert rows(view)["cost of 1 billion tokens"] == ["67.82 USD"]
    view.controls["card"].value = "CPU"
    assert view.result.price.usd_per_gpu_hour == 2


def test_the_price_of_a_card_comes_from_the_hardware_table_with_its_source(monkeypatch):
    row = {"source": "somebody's page", "checked": "2026-11-01", "card": "RTX-4090", "kind": "rent"}
    prices = {name: Price(name, usd=usd, **row) for name, usd in (("dear", 0.9), ("cheap", 0.4))}
    monkeypatch.setitem(vars(HARDWARE), "prices", prices)
    view = plan_view()
    assert view.controls["usd"].value == ""
    view.controls["card"].value = "RTX-4090"
    assert view.controls["usd"].value == "0.4"
    assert status(view).endswith("at 0.40 USD per GPU hour (cheap).")
    view.widgets.details.value = True
    assert "cheap: somebody&#x27;s page, read 2026-11-01" in view.widgets.html.value
    view.controls["usd"].value = "0.3"
    assert "cheap" not in status(view)
    assert '">yours</td>' in view.widgets.html.value
    view.controls["card"].value = "CPU"
    assert view.controls["usd"].value == "0.3"  # the learner's own stays


def test_inference_has_controls_of_its_own():
    view = plan_view("llama-3.1-8b", "2x RTX-4090")
    view.controls["job"].value = "inference"
    assert {*view.controls} >= {control.name for control in INFERENCE}
    assert "method" not in view.controls
    assert tuple(view.widgets.fields.children) == tuple(view.controls.values())
    view.controls["batch"].value = 3
    assert view.plan == inference_plan(batch=3)
    for name, value in (("tensor_parallel", 4), ("kv", "fp8"), ("prompt", 512)):
        view.controls[name].value = value
    assert view.plan == inference_plan(batch=3, tensor_parallel=4, kv="fp8", prompt=512)
    assert status(view) == (
        "It fits: each of 2 GPUs needs 21.00 GiB of 24.00 GiB. "
        "A request gets 20.0 tokens/s, all together 80.0; memory bandwidth limits it."
    )
    assert plan_view(job="inference", batch=4).plan.serving.batch == 4


def test_plans_are_kept_beside_and_forgotten():
    view = plan_view()
    view.keep()
    assert len(view.result.table().plans) == 1  # the same plan is not shown twice
    view.controls["micro_batch"].value = 4
    assert rows(view)["A activations"] == ["8.00 GiB", "32.00 GiB"]
    assert "micro_batch=4: one bar for each of 8 GPUs" in view.widgets.html.value
    view.controls["tensor_parallel"].value = 3
    assert status(view).startswith("No plan")
    assert rows(view)["A activations"] == ["8.00 GiB"]
    view.forget()
    assert "<table" not in view.widgets.html.value


def test_all_rows_and_sources_on_demand():
    view = plan_view()
    view.widgets.details.value = True
    assert "saved for backward" in view.widgets.html.value
    assert "https://example.org/mfu" in view.widgets.html.value


def test_every_control_has_a_name():
    widgets = PlanWidgets("training", model_shape("gpt2"), machine("CPU"), {})
    names = [widget.description for widget in (*widgets.every(), widgets.keep, widgets.forget)]
    assert all(names)
    assert len({*names}) == len(names) - 2  # tensor and pipeline parallel, of both jobs


def test_a_table_stays_in_the_notebook(shown):
    with plan_view() as view:
        [bundle] = shown.bundles
        assert set(bundle) == {WIDGET_MIME, "text/html", "text/plain"}
        assert bundle[WIDGET_MIME]["model_id"] == view.widgets.box.model_id
        assert bundle["text/plain"] == repr(view.result)
        assert "saved for backward" in bundle["text/html"]
        view.controls["micro_batch"].value = 2
    assert shown.updates == [view.result]
    assert view.result.plan.recipe.micro_batch == 2
    assert repr(view.result).startswith("It fits: each of 8 GPUs needs 32.50 GiB")
    assert "  saved for backward" in repr(view.result)
    assert view.widgets.box.comm is None
    view.close()
    assert len(shown.updates) == 1
    view._ipython_display_()
    assert shown.bundles[1:] == [view.result]


def test_it_shows_itself_where_a_cell_ends_with_it(shown):
    view = plan_view()
    view._ipython_display_()
    assert [bundle[WIDGET_MIME]["model_id"] for bundle in shown.bundles] == [view.widgets.box.model_id]
    view.close()


def test_an_own_model_and_machine_are_choices():
    shape = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
    card = Card("my card", "I measured it", "2026-11-28", memory_gib=12.0)
    view = plan_view({**shape, "vocab_size": 99, "name": "mine"}, Machine(card, 2, lanes=4))
    assert (view.plan.shape.name, view.plan.machine.card) == ("mine", card)
    view.controls["count"].value = 4
    assert view.plan.machine == Machine(card, 4, lanes=4)
    view.controls["card"].value = "RTX-4090"
    assert view.plan.machine == Machine(RTX, 4)
    view.controls["model"].value = "gpt2"
    view.controls["seq_len"].value = 1024
    assert view.plan.shape == presets()["gpt2"]


def test_a_length_of_ones_own_is_a_choice():
    assert plan_view(seq_len=3000).plan.recipe.seq_len == 3000
    assert plan_view("gpt2", "2x RTX-4090", "inference", tensor_parallel=12).plan.serving.tensor_parallel == 12


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (("llama-9",), {}, "There is no model 'llama-9'"),
        (("gpt2", "RTX-1"), {}, "There is no card 'RTX-1'"),
        (("gpt2", "CPU", "cooking"), {}, "job='cooking' is not one of 'training', 'inference'."),
        (("gpt2", "CPU"), {"methods": "ddp"}, "plan_view has no setting methods of training. There are method,"),
        (("gpt2", "CPU"), {"method": "dpp"}, "method='dpp' is not one of 'ddp'"),
        (("gpt2", "CPU"), {"micro_batch": 0}, "micro_batch=0 must be a whole number, 1 or more."),
        (("gpt2", "CPU"), {"seq_len": -5}, "seq_len=-5 must be a whole number, 1 or more."),
        (("gpt2", "CPU", "inference"), {"weights": "int3"}, "weights='int3' is not one of 'bf16',"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, given, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        plan_view(*arguments, **given)
    assert "\n" not in str(caught.value)


def test_a_plan_says_of_which_gpus_it_speaks():
    assert who(training_plan(pipeline_parallel=2)) == "the fullest of 8 GPUs"
    assert who(training_plan()) == "each of 8 GPUs"


def test_nothing_chosen_is_said_in_words():
    assert repr(PlanShown(error="no.")) == "No plan: no."
    assert number("x", "1,000") == 1000
    assert Chosen("training", "gpt2", "CPU", 1, {"seq_len": 128}).plan().recipe.seq_len == 128
    assert isinstance(plan_view(), PlanView)
