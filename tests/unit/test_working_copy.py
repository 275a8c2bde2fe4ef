"""The learner's copy of the lessons: laid without outputs, brought up to date, and never written over."""

import json

import pytest
import working_copy
from working_copy import decide, lay


def notebook(text, outputs=("12 ms",), count=3):
    cells = [{"cell_type": "code", "id": "a", "source": [text], "outputs": [*outputs], "execution_count": count}]
    cells.append({"cell_type": "markdown", "id": "b", "source": ["Größe"]})
    return json.dumps({"cells": cells, "nbformat": 4})


@pytest.fixture
def folders(tmp_path):
    course, copy = tmp_path / "notebooks", tmp_path / "my_notebooks"
    (course / "figures").mkdir(parents=True)
    (course / "figures" / "ring.svg").write_text("<svg/>")
    (course / "01.ipynb").write_text(notebook("first"))
    (course / "02.ipynb").write_text(notebook("second"))
    (course / ".ipynb_checkpoints").mkdir()
    (course / ".ipynb_checkpoints" / "01.ipynb").write_text("{}")
    return course, copy


def source(path):
    return json.loads(path.read_text())["cells"][0]["source"]


@pytest.mark.parametrize(
    ("new", "present", "laid", "action"),
    [
        ("1", None, None, "write"),
        ("1", None, "1", "write"),  # deleted: it comes back
        ("1", "1", "1", "keep"),
        ("1", "mine", "1", "keep"),  # changed by the learner, not by the course
        ("2", "1", "1", "write"),
        ("2", "mine", "1", "lay beside"),
        ("2", "mine", None, "lay beside"),  # a file of the learner's own, or the note is lost
        ("2", "2", "1", "keep"),
    ],
)
def test_what_is_done_with_a_file(new, present, laid, action):
    assert decide(new, present, laid) == action


def test_the_copy_has_no_outputs_and_lies_as_the_course_does(folders):
    course, copy = folders
    assert list(lay(course, copy)) == ["new in my_notebooks/, your working copy: 3 files of the course"]
    first, text = json.loads((copy / "01.ipynb").read_text())["cells"]
    assert (first["outputs"], first["execution_count"], first["source"], first["id"]) == ([], None, ["first"], "a")
    assert text["source"] == ["Größe"]
    assert (copy / "figures" / "ring.svg").read_text() == "<svg/>"
    assert not (copy / ".ipynb_checkpoints").exists()
    assert not list(copy.rglob("*.part"))
    assert list(lay(course, copy)) == []


def test_another_execution_of_a_lesson_is_no_new_version(folders):
    course, copy = folders
    list(lay(course, copy))
    (copy / "01.ipynb").write_text("mine")
    (course / "01.ipynb").write_text(notebook("first", ["13 ms"], 4))
    assert list(lay(course, copy)) == []


def test_an_update_replaces_what_is_unchanged_and_lies_beside_what_was_changed(folders):
    course, copy = folders
    list(lay(course, copy))
    mine = notebook("my answer")
    (copy / "01.ipynb").write_text(mine)
    (copy / "notes.txt").write_text("mine")
    for name in ("01", "02"):
        (course / f"{name}.ipynb").write_text(notebook("new"))
    told = list(lay(course, copy))
    assert told[0] == (
        "01.ipynb has a new version. You changed yours, so it stays; the new one is my_notebooks/01.new.ipynb"
    )
    assert (copy / "01.ipynb").read_text() == mine
    assert source(copy / "01.new.ipynb") == source(copy / "02.ipynb") == ["new"]
    assert (copy / "notes.txt").read_text() == "mine"
    assert list(lay(course, copy)) == []  # said once


def test_a_second_update_takes_the_place_of_the_first_unless_that_was_changed(folders):
    course, copy = folders
    list(lay(course, copy))
    (copy / "01.ipynb").write_text("mine")
    for text in ("second", "third"):
        (course / "01.ipynb").write_text(notebook(text))
        list(lay(course, copy))
    assert source(copy / "01.new.ipynb") == ["third"]
    (copy / "01.new.ipynb").write_text("mine, too")
    (course / "01.ipynb").write_text(notebook("fourth"))
    assert "my_notebooks/01.new2.ipynb" in next(lay(course, copy))
    assert [(copy / name).read_text() for name in ("01.ipynb", "01.new.ipynb")] == ["mine", "mine, too"]
    assert source(copy / "01.new2.ipynb") == ["fourth"]


def test_what_the_course_drops_stays(folders):
    course, copy = folders
    list(lay(course, copy))
    (course / "02.ipynb").unlink()
    list(lay(course, copy))
    assert source(copy / "02.ipynb") == ["second"]


def test_without_the_note_nothing_is_written_over(folders):
    course, copy = folders
    list(lay(course, copy))
    (copy / "01.ipynb").write_text("mine")
    (copy / working_copy.LAID).write_text("{")
    assert "01.new.ipynb" in next(lay(course, copy))
    assert (copy / "01.ipynb").read_text() == "mine"


def test_an_obstacle_is_told_in_a_line(folders, monkeypatch, capsys):
    course, copy = folders
    copy.write_text("a file")
    monkeypatch.setattr(working_copy, "COURSE", course)
    monkeypatch.setattr(working_copy, "COPY", copy)
    assert working_copy.main() == 1
    assert capsys.readouterr().err.startswith(f"mgpu_lab: {copy} could not be written: ")
