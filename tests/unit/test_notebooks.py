"""The committed notebooks are what notebook_checks asks for, and each check refuses a broken one."""

from pathlib import Path

import execute
import nbformat
import notebook_checks as checks
import pytest
from nbformat import v4

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(
    path.relative_to(ROOT) for path in ROOT.glob("notebooks/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts
)
LESSON = Path("notebooks/01_setup_verification.ipynb")
FIRST = "# Setup\n\n**Questions**: what is here?\n\n**Objectives**: know it."
LAST = "## Recap\n\n**Key points**\n- one"


def test_there_are_notebooks():
    assert LESSON in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_committed_notebook(path):
    notebook = nbformat.read(ROOT / path, as_version=4)
    nbformat.validate(notebook)
    assert not [problem.replace(str(ROOT), "") for problem in checks.problems(notebook, ROOT / path)]


def test_lessons_and_their_solutions_go_together():
    lessons = {path.name for path in NOTEBOOKS if checks.is_lesson(path)}
    assert {path.name for path in NOTEBOOKS if not checks.is_lesson(path)} <= lessons


def code(source="x = 1", count=1, outputs=(), **metadata):
    return v4.new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=metadata)


def stream(text):
    return v4.new_output("stream", text=text)


def html(text):
    return v4.new_output("display_data", data={"text/html": text, "image/png": "/tmp/"})


def lesson(*cells, first=FIRST, last=LAST, **metadata):
    notebook = v4.new_notebook(metadata={**execute.METADATA, **metadata})
    notebook.cells = [v4.new_markdown_cell(first), *(cells or [code()]), v4.new_markdown_cell(last)]
    return notebook


def found(notebook, path=LESSON):
    return " ".join(checks.problems(notebook, path))


def test_a_good_lesson_passes():
    picture = v4.new_markdown_cell("## Picture\n\n![A ring of four ranks](https://example.org/ring.svg)")
    error = v4.new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
    spelt = html('<img alt="a" src="data:image/png;base64,aa/root/bb/tmp/cc=">')
    fine = code(outputs=[stream("2 ranks\n"), html("<b>fine</b>"), spelt])
    assert found(lesson(picture, fine, code("1 / 0", 2, [error], tags=["raises-exception"]))) == ""


BROKEN = {
    "execution counts are [None]": lesson(code(count=None)),
    "execution counts are [1, 3]": lesson(code(), code(count=3)),
    "execution counts are [2, 1]": lesson(code(count=2), code(count=1)),
    "no code cell": lesson(v4.new_markdown_cell("text")),
    "no raises-exception tag": lesson(code(outputs=[v4.new_output("error", ename="E", evalue="v", traceback=[])])),
    "a warning in the output": lesson(code(outputs=[stream("x.py:3: UserWarning: careful\n")])),
    "names this machine: /home/a": lesson(code(outputs=[stream("/home/ann/course/x.py")])),
    f"names this machine: {ROOT.parent}": lesson(code(outputs=[stream(f"in {ROOT.parent}/x.py")])),
    "names this machine: C:\\Users": lesson(code(outputs=[stream("C:\\Users\\ann\\x.py")])),
    "names this machine: site-packages": lesson(code(outputs=[html("lib/site-packages/torch")])),
    "metadata.widgets": lesson(widgets={}),
    "the kernel is conda-env": lesson(kernelspec={"name": "conda-env", "display_name": "c"}),
    "41 lines of code": lesson(code("x = 1\n" * 41), *(code(count=n) for n in range(2, 30))),
    "the median code cell has 6 lines": lesson(code("x = 1\n" * 6)),
    "83% of the code cells": lesson(code("x = 1\n" * 16), *(code(count=n) for n in range(2, 7))),
    "not a title": lesson(first=FIRST.replace("# Setup", "## Setup")),
    "a second title": lesson(last="# Recap\n\nKey points"),
    "level 3 right under one of level 1": lesson(last="### Recap\n\nKey points"),
    "level 4 right under one of level 1": lesson(last="<h4>Recap</h4>\n\nKey points"),
    "no questions": lesson(first=FIRST.replace("Questions", "Asked")),
    "no objectives": lesson(first=FIRST.replace("Objectives", "Aims")),
    "no key points": lesson(last="## Recap"),
    "an image without alt text": lesson(last=LAST + "\n![ ](https://example.org/a.svg)"),
    "<img> without alt text": lesson(last=LAST + '\n<img src="https://example.org/a.svg" alt="">'),
    "the output's <img> without alt text": lesson(code(outputs=[html("<img src='data:x'>")])),
    "nowhere.svg is not there": lesson(last=LAST + "\n![A ring](nowhere.svg)"),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_lesson_is_refused(words):
    assert words in found(BROKEN[words])


def test_the_host_name_is_refused(monkeypatch):
    monkeypatch.setattr(checks.socket, "gethostname", lambda: "gpu-node-17")
    assert "names this machine: gpu-node-17" in found(lesson(code(outputs=[stream("on gpu-node-17:")])))
    assert found(lesson(code(outputs=[stream("on gpu-node-170:")]))) == ""


def test_a_solution_needs_no_frame_and_may_have_longer_cells():
    solution = lesson(code("x = 1\n" * 20), first="# Solutions", last="The end.")
    assert found(solution, Path("notebooks/solutions/01_setup_verification.ipynb")) == ""
    assert "the median" in found(solution)


def test_code_in_text_is_neither_heading_nor_image():
    assert found(lesson(last=LAST + "\n```\n# a comment\n![](x.png)\n```\nand `![](y.png)`")) == ""
