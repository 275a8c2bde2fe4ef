"""The planner's controls in a real JupyterLab: by keyboard, with names and roles, readable, and plain when saved."""

import re

import nbformat
import pytest
from lab import ROOT, screenshot_folders, write_notebook

from mgpu_lab.wire.transfer import WIDGET_MIME

pytest_plugins = ["lab"]
pytestmark = pytest.mark.browser

FIGURES_CELL = f"""import sys
import pytest
sys.path.insert(0, {str(ROOT / "tests/support")!r})
from stub_plans import replace_arithmetic
replace_arithmetic(pytest.MonkeyPatch())"""
VIEW_CELL = """import mgpu_lab
view = mgpu_lab.plan_view("llama-3.1-8b", "8x H100-SXM-80GB")
view"""
LESSON = [FIGURES_CELL, VIEW_CELL, "view.close()"]
FIGURES, SHOWS, CLOSES = range(3)
LISTS = ("plan of", "model", "card", "method", "adapter", "checkpointing", "computes in", "master weights", "optimizer")
LISTS += ("sequence length", "offload")
NUMBERS = ("number of cards", "micro-batch", "accumulation", "tensor parallel", "pipeline parallel", "LoRA rank")
TEXTS = ("USD per GPU hour", "tokens, for the cost")
FITS = "It fits: each of 8 GPUs needs 24.50 GiB of 80.00 GiB, most at forward's end."
NAMES_JS = """() => {
  const node = document.activeElement;
  const label = node.labels?.[0]?.innerText ?? node.innerText ?? '';
  return node.closest('.jp-OutputArea') ? label.trim() : null;
}"""
# Whether the focused control looks another way than without the focus.
MARKED_JS = """() => {
  const node = document.activeElement;
  const look = () => { const s = getComputedStyle(node); return [s.outline, s.boxShadow, s.borderColor].join(); };
  const focused = look();
  node.blur();
  const unfocused = look();
  node.focus();
  return focused !== unfocused;
}"""
# Controls, bars and table cells that are too narrow for their text or stand out of the notebook.
CLIPPED_JS = """() => {
  const area = document.querySelector('.jp-OutputArea-output');
  const right = area.getBoundingClientRect().right + 1;
  const nodes = [...area.querySelectorAll('.widget-label, [role=status], caption, th, td, button')];
  return nodes.filter(node => node.scrollWidth > node.clientWidth + 1 || node.getBoundingClientRect().right > right)
    .map(node => node.innerText);
}"""


@pytest.fixture(scope="module")
def lesson(lab, open_notebook):
    """The notebook with its view open."""
    notebook = open_notebook(write_notebook(lab.work / "planned.ipynb", LESSON), height=1300)
    notebook.command("application:toggle-left-area")
    for number in (FIGURES, SHOWS):
        notebook.run_cell(number)
        notebook.wait(number, number + 1)
    notebook.cell(SHOWS).get_by_role("status").first.wait_for()
    return notebook


def area(lesson):
    return lesson.cell(SHOWS).locator(".jp-OutputArea .jupyter-widgets").first


def status(lesson, begins):
    """Wait until the sentence begins so; return all of it."""
    found = area(lesson).get_by_role("status")
    found.filter(has_text=re.compile(f"^{re.escape(begins)}")).wait_for()
    return " ".join(found.inner_text().split())


def test_roles_and_names(lesson):
    view = area(lesson)
    for role, names in (("combobox", LISTS), ("spinbutton", NUMBERS), ("textbox", TEXTS)):
        for name in names:
            assert view.get_by_role(role, name=name, exact=True).count() == 1, name
        assert view.get_by_role(role).count() == len(names)
    for role, name in (("checkbox", "all rows"), ("button", "Keep beside"), ("button", "Forget kept")):
        assert view.get_by_role(role, name=name).count() == 1
    assert view.get_by_role("status").count() == 1
    assert view.get_by_role("table").count() == 1
    assert view.get_by_role("rowheader", name="activations").count() == 1
    assert status(lesson, "It fits").startswith(FITS)


def test_the_keyboard_reaches_every_control_in_order_and_changes_it(lesson):
    page, view = lesson.page, area(lesson)
    view.get_by_label("plan of").focus()
    reached = [page.evaluate(NAMES_JS)]
    marked = set()
    while reached[-1] != "all rows, and what they rest on" and len(reached) < 40:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(NAMES_JS))
        marked.add(page.evaluate(MARKED_JS))
    assert {*LISTS, *NUMBERS, *TEXTS, "Keep beside", "Forget kept"} <= {*reached}
    assert marked == {True}  # each shows where the keyboard is
    page.keyboard.press("Space")
    view.get_by_role("rowheader", name="saved for backward").first.wait_for()
    page.keyboard.press("Space")
    view.get_by_role("rowheader", name="saved for backward").first.wait_for(state="detached")
    view.get_by_label("micro-batch").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("16")
    page.keyboard.press("Enter")
    sentence = status(lesson, "It does not fit: each of 8 GPUs needs 144.50 GiB, 64.50 GiB more than 80.00 GiB")
    assert "compute limits it" in sentence
    assert page.evaluate(NAMES_JS) == "micro-batch"  # the focus stays
    page.keyboard.press("Control+A")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    status(lesson, FITS)


def test_an_error_is_one_line_and_no_traceback(lesson, tmp_path):
    view = area(lesson)
    view.get_by_label("tensor parallel").fill("3")
    lesson.page.keyboard.press("Enter")
    assert status(lesson, "No plan: ") == "No plan: tensor_parallel=3 x pipeline_parallel=1 does not divide 8 GPUs."
    assert view.get_by_role("table").count() == 0
    assert "Traceback" not in lesson.page.content()
    lesson.screenshot("planner-error", screenshot_folders(tmp_path))
    view.get_by_label("tensor parallel").fill("1")
    lesson.page.keyboard.press("Enter")
    status(lesson, "It fits")


def test_plans_beside_one_another_are_readable_at_both_widths_and_in_both_themes(lesson, tmp_path):
    view, page = area(lesson), lesson.page
    view.get_by_label("USD per GPU hour").fill("2")
    page.keyboard.press("Enter")
    view.get_by_role("button", name="Keep beside").click()
    view.get_by_label("card", exact=True).select_option("RTX-4090")
    assert "1 billion tokens take" in status(lesson, "It does not fit: each of 8 GPUs needs 24.50 GiB")
    assert view.get_by_role("columnheader", name="plan 2").count() == 1
    for width in (1280, 800):
        page.set_viewport_size({"width": width, "height": 1300})
        page.wait_for_timeout(300)
        assert page.evaluate(CLIPPED_JS) == []
        for path in lesson.screenshots_in_themes(f"planner-{width}", screenshot_folders(tmp_path)):
            assert path.stat().st_size > 15_000


def test_inference_shows_its_own_controls(lesson, tmp_path):
    view = area(lesson)
    lesson.page.set_viewport_size({"width": 1280, "height": 1300})
    view.get_by_role("button", name="Forget kept").click()
    view.get_by_label("plan of").select_option("inference")
    view.get_by_label("requests at once").wait_for()
    assert view.get_by_label("method").count() == 0
    view.get_by_label("number of cards").fill("2")
    lesson.page.keyboard.press("Enter")
    assert "A request gets 20.0 tokens/s" in status(lesson, "It fits: each of 2 GPUs needs 19.00 GiB")
    lesson.screenshot("planner-inference", screenshot_folders(tmp_path))
    view.get_by_label("plan of").select_option("training")
    view.get_by_label("method").wait_for()


def test_the_table_that_stays_is_plain(lesson, lab, open_notebook, tmp_path):
    lesson.run_cell(CLOSES)
    lesson.wait(CLOSES, CLOSES + 1)
    output = lesson.cell(SHOWS).locator(".jp-OutputArea")
    output.locator(".jp-RenderedHTML table").first.wait_for()
    assert output.get_by_role("combobox").count() == 0
    lesson.screenshots_in_themes("planner-closed", screenshot_folders(tmp_path))
    assert "Error displaying widget" not in lesson.page.content()
    assert lesson.page_errors == []

    saved = lesson.save()
    nbformat.validate(saved)
    [bundle] = [output.data for output in saved.cells[SHOWS].outputs]
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert WIDGET_MIME not in nbformat.writes(saved)
    assert "widgets" not in saved.metadata
    assert bundle["text/plain"].startswith("It does not fit: each of 2 GPUs needs 24.50 GiB, 512.00 MiB more")
    figures = ["24.50 GiB", "226 calls, 40.12 GB", "1.00 s", "forward's end", "capacity 24.00 GiB"]
    assert [each for each in figures[:4] if each not in bundle["text/plain"]] == []
    exported_has(saved, figures)
    untrusted_has(saved, figures, lab, open_notebook, screenshot_folders(tmp_path))


def exported_has(saved, figures) -> None:
    """Assert that the notebook converted to HTML shows the figures as text."""
    from html import unescape

    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(saved)
    text = unescape(" ".join(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL).split()))
    assert [each for each in figures if each not in text] == []


def untrusted_has(saved, figures, lab, open_notebook, folders) -> None:
    """Assert that JupyterLab shows the figures also where it trusts nothing in the file."""
    for cell in saved.cells:
        cell.metadata.pop("trusted", None)
    saved.metadata["mail"] = "came from elsewhere"  # so that no signature of this server fits
    nbformat.write(saved, lab.work / "mailed-plan.ipynb")
    notebook = open_notebook(lab.work / "mailed-plan.ipynb", height=1500)
    notebook.cell(SHOWS).locator(".jp-RenderedHTML table").first.wait_for()
    notebook.screenshot("planner-untrusted", folders)
    assert notebook.js("return notebook.content.widgets[argument].model.trusted;", SHOWS) is False
    shown = " ".join(notebook.shown(SHOWS).split())
    assert [each for each in figures if each not in shown] == []
    notebook.page.close()
