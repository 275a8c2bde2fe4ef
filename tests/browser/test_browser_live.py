"""The live view of the ranks in a real JupyterLab: seen updating, steady, readable, reachable, and plain when saved."""

import itertools
import re
from dataclasses import dataclass
from typing import Any

import nbformat
import pytest
from lab import OpenNotebook, screenshot_folders, write_notebook

from mgpu_lab.wire.transfer import WIDGET_MIME

pytest_plugins = ["lab"]
pytestmark = pytest.mark.browser

TABLE = "table.mgpu-watch"
LIVE_TABLE = f".jupyter-widgets {TABLE}"
COLUMNS = ("rank", "memory now", "peak", "capacity", "throughput", "step", "waiting", "last minute")
LOAD, START, TRAINS, OPENS, QUIET, CLOSES = range(6)
TRAINING_CELL = """%%ranks --watch
import time
kept = []
for step in range(50):
    if step % 5 == 0:
        kept.append(torch.ones(2**20 * (1 + rank)))
    dist.all_reduce(torch.ones(4))
    meter.step(900 * (step + 1))
    time.sleep(0.1)
print("rank", rank, "is done")"""
OPEN_CELL = """import mgpu_lab
view = mgpu_lab.watch()
view"""
QUIET_CELL = """%%ranks
for step in range(20):
    meter.step(512 * (step + 1))
    time.sleep(0.1)"""
LESSON = ["%load_ext mgpu_lab", "%ranks start -n 2 --device cpu", TRAINING_CELL, OPEN_CELL, QUIET_CELL, "view.close()"]
WIDE_CELL = """from ipywidgets import HTML
from mgpu_lab.notebook.live_table import RankRow, WatchTable, live_html
from mgpu_lab.wire.messages import Sample

figures = {"memory_bytes": 123_456 * 2**20, "peak_bytes": 143_000 * 2**20, "capacity_bytes": 150_754 * 2**20}
more = {"reserved_bytes": 143_210 * 2**20, "free_bytes": 7_123 * 2**20, "utilisation": 1.0, "power_w": 699.8}
speed = {"items_per_s": 1_234_567.8, "unit": "tokens", "step_s": 9.876, "waiting_share": 1.0}
sample = Sample(time_s=60.0, busy=True, **figures, **more, **speed, temperature_c=81.0)
line = tuple((float(i), 2**30 * (i % 20)) for i in range(61))
HTML(live_html(WatchTable(tuple(RankRow(rank, sample, line) for rank in range(8)))))"""
# Note every state of the live table: its text, and where its cells lie within the notebook's cell.
NOTE_STATES_JS = """selector => {
  window.seenStates = [];
  let last = null;
  const look = () => {
    const table = document.querySelector(selector);
    if (!table || table === last) return;
    last = table;
    const origin = table.closest('.jp-OutputArea').getBoundingClientRect();
    const boxes = [table, ...table.querySelectorAll('th, td')].map(node => {
      const box = node.getBoundingClientRect();
      return [box.x - origin.x, box.y - origin.y, box.width, box.height].map(Math.round).join(' ');
    });
    const figures = [...table.querySelectorAll('tbody tr')].map(
      row => [...row.children].map(node => node.innerText.trim().replace(/\\s+/g, ' ')));
    window.seenStates.push({at_s: performance.now() / 1000, figures, boxes: boxes.join('; ')});
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""
MOVING_JS = """node => [node, ...node.querySelectorAll('*')].filter(each => {
  const style = getComputedStyle(each);
  return style.animationName !== 'none' || style.transitionDuration.split(', ').some(part => part !== '0s');
}).map(each => each.outerHTML.slice(0, 80))"""
# Cells of the table that are too narrow for their text or stand out of the notebook.
# One call with a selector, not a locator: the table is a new one with each update.
CLIPPED_JS = """selector => {
  const table = document.querySelector(selector);
  const area = table.closest('.jp-OutputArea-output').getBoundingClientRect();
  const clipped = [...table.querySelectorAll('caption, th, td')].filter(node => {
    const box = node.getBoundingClientRect();
    return node.scrollWidth > node.clientWidth || box.right > area.right + 1 || box.right > innerWidth;
  });
  return clipped.map(node => node.innerText);
}"""
CONTRAST_JS = """selector => {
  const node = document.querySelector(selector);
  const shade = text => text.match(/[\\d.]+/g).map(Number);
  let below = node;
  while (below && shade(getComputedStyle(below).backgroundColor)[3] === 0) below = below.parentElement;
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(
    v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
  ).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const pair = [light(shade(getComputedStyle(node).color)), light(shade(getComputedStyle(below).backgroundColor))];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""


@dataclass
class Lesson:
    """A notebook run in the browser up to the open view, and the states of the live table seen in each part."""

    notebook: OpenNotebook
    trained: list[dict[str, Any]]
    quiet: list[dict[str, Any]]


def states(notebook: OpenNotebook) -> list[dict[str, Any]]:
    """Return the states noted since the last call."""
    return list(
        notebook.page.evaluate("() => { const seen = window.seenStates; window.seenStates = []; return seen; }")
    )


def run(notebook: OpenNotebook, *numbers: int) -> None:
    """Run cells, each to its end."""
    for number in numbers:
        notebook.run_cell(number)
        notebook.wait(number, number + 1)


@pytest.fixture(scope="module")
def lesson(lab, open_notebook, tmp_path_factory):
    """The lesson, run once for all tests that look at it; the view of its fourth cell stays open."""
    folders = screenshot_folders(tmp_path_factory.mktemp("live"))
    notebook = open_notebook(write_notebook(lab.work / "watched.ipynb", LESSON), height=1200)
    run(notebook, LOAD, START)
    notebook.page.evaluate(NOTE_STATES_JS, LIVE_TABLE)
    notebook.run_cell(TRAINS)
    notebook.page.wait_for_selector(f"{LIVE_TABLE}:has-text('tokens/s')")
    notebook.screenshot("watch-training", folders)
    notebook.wait(TRAINS, TRAINS + 1)
    trained = states(notebook)
    run(notebook, OPENS)
    notebook.page.wait_for_selector(f"{LIVE_TABLE} meter")
    states(notebook)
    run(notebook, QUIET)
    notebook.page.wait_for_timeout(500)
    return Lesson(notebook, trained, states(notebook))


def column(seen: list[dict[str, Any]], rank: int, name: str) -> list[str]:
    """Return one figure through all states, once for each change."""
    figures = [state["figures"][rank][COLUMNS.index(name)] for state in seen]
    return [figure for i, figure in enumerate(figures) if i == 0 or figure != figures[i - 1]]


def mebibytes(seen: list[dict[str, Any]], rank: int, name: str) -> list[int]:
    """Return a column's figures in MiB, one for each state that has one."""
    figures = [state["figures"][rank][COLUMNS.index(name)] for state in seen]
    return [int(each.split()[0]) for each in figures if each.endswith(" MiB")]


def test_figures_change_while_the_cell_runs(lesson):
    for rank in (0, 1):
        memory, peak = (mebibytes(lesson.trained, rank, name) for name in ("memory now", "peak"))
        assert len(set(memory)) >= 3
        assert peak == sorted(peak)
        # between two exact readings memory is added up from the kernel's counters (rank/sampler.py), off by some pages,
        # which the next exact reading may take back: never half of what the cell adds at a time
        added = 4 * (1 + rank)
        assert all(earlier - later < added / 2 for earlier, later in itertools.pairwise(memory)), memory
        assert memory[-1] - memory[0] >= 4 * (1 + rank) * 3
        assert len({each for each in column(lesson.trained, rank, "throughput") if each.endswith(" tokens/s")}) >= 3


def test_an_open_view_follows_another_cell(lesson):
    assert len(set(column(lesson.quiet, 0, "throughput"))) >= 3


def test_at_most_four_updates_a_second(lesson):
    for seen in (lesson.trained, lesson.quiet):
        span_s = seen[-1]["at_s"] - seen[0]["at_s"]
        assert 3 <= len(seen) <= 4 * span_s + 3


def test_nothing_moves_while_it_updates(lesson):
    for seen in (lesson.trained, lesson.quiet):
        assert len({state["boxes"] for state in seen}) == 1
    assert lesson.trained[-1]["figures"][0][COLUMNS.index("throughput")] not in ("none yet", "no steps")


def test_roles_and_names(lesson):
    area = lesson.notebook.cell(OPENS).locator(".jp-OutputArea")
    table = area.get_by_role("table", name="Ranks, live")
    for name in COLUMNS:
        assert table.get_by_role("columnheader", name=name, exact=True).count() == 1
    for rank in (0, 1):
        assert table.get_by_role("rowheader", name=str(rank), exact=True).count() == 1
        memory = table.get_by_role("meter", name=f"rank {rank}: memory now, against the highest peak of all ranks")
        assert memory.evaluate("node => 0 < node.value && node.value <= node.max")
        assert table.get_by_role("img", name=f"rank {rank}: memory over the last minute").count() == 1
    assert area.get_by_role("button", name="Pause").count() == 1


def test_nothing_is_animated(lesson):
    view = lesson.notebook.cell(OPENS).locator(".jp-OutputArea .widget-vbox").first
    assert view.evaluate(MOVING_JS) == []


def test_keyboard_reaches_the_button_and_pauses(lesson):
    page, area = lesson.notebook.page, lesson.notebook.cell(OPENS).locator(".jp-OutputArea")
    lesson.notebook.js("notebook.content.activeCellIndex = argument; notebook.content.activate();", OPENS)
    focused = "() => document.activeElement.closest('button.jupyter-button')?.innerText ?? ''"
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "Pause":
            break
    assert page.evaluate(focused) == "Pause"
    outline = "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow; }"
    assert page.evaluate(outline) != "nonenone"
    page.keyboard.press("Enter")
    area.get_by_role("button", name="Resume").wait_for()
    area.get_by_role("table", name="Ranks, paused").wait_for()
    page.wait_for_timeout(600)
    states(lesson.notebook)
    page.wait_for_timeout(1000)
    assert states(lesson.notebook) == []
    page.keyboard.press("Space")
    area.get_by_role("table", name="Ranks, live").wait_for()
    page.wait_for_timeout(1000)
    assert states(lesson.notebook) != []


def test_the_table_that_stays_is_plain(lesson, lab, open_notebook, tmp_path):
    run(lesson.notebook, CLOSES)
    lesson.notebook.page.wait_for_selector(LIVE_TABLE, state="detached")
    for number in (TRAINS, OPENS):
        area = lesson.notebook.cell(number).locator(".jp-OutputArea")
        table = area.get_by_role("table", name="Ranks, last figures")
        assert table.get_by_role("meter").count() == 2
        assert area.get_by_role("button").count() == 0
    lesson.notebook.screenshots_in_themes("watch-closed", screenshot_folders(tmp_path))
    assert "Error displaying widget" not in lesson.notebook.page.content()
    assert lesson.notebook.page_errors == []

    saved = lesson.notebook.save()
    nbformat.validate(saved)
    bundles = [output.data for cell in saved.cells for output in cell.outputs if "data" in output]
    assert [sorted(each) for each in bundles] == [["text/html", "text/plain"]] * 2
    assert WIDGET_MIME not in nbformat.writes(saved)
    assert "widgets" not in saved.metadata
    figures = re.findall(r"[\d,]+ (?:MiB|tokens/s)", bundles[0]["text/plain"])
    assert len(figures) == 6
    exported_has(saved, figures)
    untrusted_has(saved, figures, lab, open_notebook, screenshot_folders(tmp_path))


def exported_has(saved: nbformat.NotebookNode, figures: list[str]) -> None:
    """Assert that the notebook converted to HTML shows the figures as text."""
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(saved)
    text = " ".join(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL).split())
    assert [each for each in figures if each not in text] == []


def untrusted_has(saved, figures, lab, open_notebook, folders) -> None:
    """Assert that JupyterLab shows the figures also where it trusts nothing in the file."""
    for cell in saved.cells:
        cell.metadata.pop("trusted", None)
    saved.metadata["mail"] = "came from elsewhere"  # so that no signature of this server fits
    nbformat.write(saved, lab.work / "mailed.ipynb")
    notebook = open_notebook(lab.work / "mailed.ipynb", height=1200)
    notebook.cell(TRAINS).locator(".jp-RenderedHTML table").wait_for()
    notebook.screenshot("watch-untrusted", folders)
    assert notebook.js("return notebook.content.widgets[argument].model.trusted;", TRAINS) is False
    assert notebook.cell(TRAINS).locator(".jp-RenderedHTML style").count() == 0
    shown = " ".join(notebook.shown(TRAINS).split())
    assert [each for each in figures if each not in shown] == []
    notebook.page.close()


def test_wide_figures_of_eight_gpus_fit(lab, open_notebook, tmp_path):
    notebook = open_notebook(write_notebook(lab.work / "wide.ipynb", [WIDE_CELL]), height=900)
    notebook.command("application:toggle-left-area")
    run(notebook, 0)
    notebook.page.wait_for_selector(LIVE_TABLE)
    for width in (1280, 800):
        notebook.page.set_viewport_size({"width": width, "height": 900})
        notebook.page.wait_for_timeout(300)
        notebook.screenshot(f"watch-wide-{width}", screenshot_folders(tmp_path))
        assert notebook.page.evaluate(CLIPPED_JS, LIVE_TABLE) == []
    notebook.page.close()


@pytest.mark.parametrize(("count", "widths"), [(1, (800,)), (2, (1280,)), (8, (1280, 800))])
def test_readable_at_both_widths_and_in_both_themes(lab, open_notebook, tmp_path, count, widths):
    cells = ["%load_ext mgpu_lab", f"%ranks start -n {count} --device cpu", OPEN_CELL]
    cells += ["%%ranks\nfor step in range(3): meter.step(123_456)", "view.close()", "%ranks stop"]
    notebook = open_notebook(write_notebook(lab.work / f"ranks-{count}.ipynb", cells), height=900)
    run(notebook, 0, 1, 2, 3)
    notebook.page.wait_for_selector(f"{LIVE_TABLE} tbody tr:nth-child({count}):has-text('tokens/s')")
    notebook.command("application:toggle-left-area")
    for state in ("live", "closed"):
        if state == "closed":
            run(notebook, 4)
            notebook.page.wait_for_selector(LIVE_TABLE, state="detached")
        for width in widths:
            notebook.page.set_viewport_size({"width": width, "height": 900})
            notebook.page.wait_for_timeout(300)
            assert notebook.page.evaluate(CLIPPED_JS, TABLE) == []
            name = f"watch-{state}-{count}-ranks-{width}"
            for path in notebook.screenshots_in_themes(name, screenshot_folders(tmp_path)):
                assert path.stat().st_size > 15_000
            for theme in ("dark", "light"):
                notebook.use_theme(theme)
                for part in ("caption", "th", "tbody th", "td"):
                    assert notebook.page.evaluate(CONTRAST_JS, f"{TABLE} {part}") >= 4.5
    run(notebook, 5)
    notebook.page.close()
