"""%%ranks in a real JupyterLab: what a learner sees while a cell runs, at its end, on Stop, in the saved file."""

import re
from dataclasses import dataclass

import nbformat
import pytest
from lab import OpenNotebook, screenshot_folders, write_notebook

from mgpu_lab.wire.transfer import WIDGET_MIME

pytest_plugins = ["lab"]
pytestmark = pytest.mark.browser

LIVE_VIEW = ".jp-OutputArea pre[aria-live]"
SLOW, FAILS, PLOT, AFTER = 2, 3, 4, 5
SLOW_CELL = """%%ranks
import time
for step in range(10):
    print(f"step {step}")
    time.sleep(0.3)
print("rank", rank, "is done")"""
FAILING_CELL = """%%ranks
if rank == 1:
    raise ValueError("a wrong shard")
dist.barrier()"""
PLOT_CELL = """%%ranks --on 0
import matplotlib.pyplot as plt
plt.figure(figsize=(4, 2))
plt.plot([3, 1, 2], label="loss")
plt.legend()
plt.show()"""
START = ["%load_ext mgpu_lab", "%ranks start -n 2 --device cpu"]
LESSON = [*START, SLOW_CELL, FAILING_CELL, PLOT_CELL, "%%ranks\nprint('rank', rank, 'goes on')"]
WAITING_CELL = """%%ranks
kept = rank + 10
print("before")
if rank == 0:
    dist.barrier()"""
TOTAL_CELL = """%%ranks
total = torch.tensor([kept])
dist.all_reduce(total)
print(int(total))"""


@dataclass
class Lesson:
    """A notebook that has been run to its end in the browser, and what was seen meanwhile."""

    notebook: OpenNotebook
    live_texts: list[str]
    saved: nbformat.NotebookNode


@pytest.fixture(scope="module")
def lesson(lab, open_notebook, tmp_path_factory):
    """The lesson, run once for all tests that look at it."""
    notebook = open_notebook(write_notebook(lab.work / "lesson.ipynb", LESSON, raising=(FAILS,)))
    notebook.watch_texts(LIVE_VIEW)
    notebook.run_all()
    notebook.page.wait_for_selector(f"{LIVE_VIEW}:has-text('step 2')")
    notebook.screenshot("live", screenshot_folders(tmp_path_factory.mktemp("live")))
    notebook.wait()
    notebook.page.wait_for_timeout(500)  # the last output is drawn a moment after the kernel is idle
    return Lesson(notebook, notebook.seen_texts(), notebook.save())


def test_output_appears_while_the_cell_runs(lesson):
    last_steps = [re.findall(r"step (\d+)", text)[-1] for text in lesson.live_texts if "step" in text]
    assert len(set(last_steps)) >= 3
    assert last_steps == sorted(last_steps)
    assert any("[0-1] step 0" in text for text in lesson.live_texts)


def test_final_output_replaces_the_live_view(lesson):
    assert lesson.notebook.page.locator(LIVE_VIEW).count() == 0
    shown = lesson.notebook.shown(SLOW)
    for line in ("[0-1] step 0", "[0-1] step 9", "[0] rank 0 is done", "[1] rank 1 is done"):
        assert shown.count(line) == 1


def test_no_broken_widget_and_no_page_error(lesson):
    page = lesson.notebook.page
    for text in ("Error displaying widget", "Loading widget", "Error creating widget"):
        assert page.get_by_text(text).count() == 0
    assert lesson.notebook.page_errors == []


def test_failed_cell_shows_one_error_and_the_next_cell_works(lesson):
    assert [output.output_type for output in lesson.saved.cells[FAILS].outputs].count("error") == 1
    shown = lesson.notebook.shown(FAILS)
    assert [words for words in ("a wrong shard", "rank 1", "Cell In[4], line 2") if words not in shown] == []
    assert "mgpu_lab/" not in shown
    assert "[0] rank 0 goes on\n[1] rank 1 goes on" in lesson.notebook.shown(AFTER)


def test_plot_of_a_rank_is_shown(lesson):
    image = lesson.notebook.cell(PLOT).locator(".jp-OutputArea img")
    assert image.count() == 1
    assert image.bounding_box()["width"] > 100


def test_saved_notebook_holds_no_trace_of_the_live_view(lesson):
    nbformat.validate(lesson.saved)
    kinds = {mime for cell in lesson.saved.cells for output in cell.outputs for mime in output.get("data", {})}
    assert WIDGET_MIME not in kinds
    assert "widgets" not in lesson.saved.metadata
    assert "aria-live" not in nbformat.writes(lesson.saved)
    assert any("step 9" in output.get("text", "") for output in lesson.saved.cells[SLOW].outputs)


def test_saved_notebook_converts_to_html_with_all_of_it(lesson):
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(lesson.saved)
    text = re.sub(r"<[^>]*>", "", page)
    for expected in ("[0-1] step 9", "[1] rank 1 is done", "a wrong shard", "[1] rank 1 goes on"):
        assert expected in text
    assert "data:image/png;base64" in page


def test_output_is_readable_in_both_themes(lesson, tmp_path):
    brightness = """node => {
      const [r, g, b] = getComputedStyle(node).color.match(/\\d+/g).map(Number);
      return r + g + b;
    }"""
    output = lesson.notebook.cell(AFTER).locator(".jp-OutputArea-output pre").first
    light, dark = (lesson.notebook.use_theme(theme) or output.evaluate(brightness) for theme in ("light", "dark"))
    assert light < 250
    assert dark > 500
    for path in lesson.notebook.screenshots_in_themes("lesson", screenshot_folders(tmp_path)):
        assert path.stat().st_size > 20_000


def test_stop_button_releases_a_hanging_cell(lab, open_notebook, tmp_path):
    notebook = open_notebook(write_notebook(lab.work / "stuck.ipynb", [*START, WAITING_CELL, TOTAL_CELL]))
    for number in (0, 1):
        notebook.run_cell(number)
        notebook.wait(number, number + 1)
    notebook.run_cell(2)
    notebook.page.wait_for_selector(f"{LIVE_VIEW}:has-text('before')")
    notebook.press_stop()
    notebook.wait(2, 3)
    notebook.page.wait_for_timeout(300)
    shown = notebook.shown(2)
    notebook.screenshots_in_themes("stopped", screenshot_folders(tmp_path))
    assert [words for words in ("Stop was pressed", "barrier", "[0-1] before") if words not in shown] == []
    notebook.run_cell(3)
    notebook.wait(3, 4)
    assert "[0-1] 21" in notebook.shown(3)
