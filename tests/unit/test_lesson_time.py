"""Lessons take the minutes that their headers state, answer every prediction, and can be read without Deeper."""

from pathlib import Path

import lesson_time
import nbformat
import pytest
from nbformat import v4

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
HEADER = "# Title\n\n**Time.** Core path 4 min, Deeper 3 min, exercises 10 min."


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_takes_what_it_says(name):
    path = ROOT / "notebooks" / name
    assert lesson_time.problems(nbformat.read(path, as_version=4), path) == []


def lesson(header=HEADER, **changed):
    """Return 391 words, a line of code and a prediction; then 595 words and a line below Deeper; then an exercise."""
    cells = {
        "text": "## Measure\n\n" + "word " * 381,
        "guess": "guess = ...  # bytes",
        "answer": "print(guess)",
        "deeper": "## Deeper: more of it\n\n" + "word " * 590,
        "deeper code": "%%ranks\nextra = 1",
        "core again": "## Go on",
        "exercise": "### Exercise 1: count (10 min)\n\n" + "word " * 1000,
        "exercise code": "%%ranks\n# no line\ndef count(): ...",
        "recap": "## Recap",
        **changed,
    }
    code = {"guess", "answer", "deeper code", "exercise code", "more code"}
    made = [(v4.new_code_cell if name in code else v4.new_markdown_cell)(text) for name, text in cells.items()]
    return v4.new_notebook(cells=[v4.new_markdown_cell(header), *made])


def found(notebook, name="03_x.ipynb"):
    return "; ".join(lesson_time.problems(notebook, Path(name)))


def test_minutes():
    minutes = lesson_time.minutes(lesson())
    assert minutes == pytest.approx({"core path": 4.4, "Deeper": 3.4, "exercises": 10}, abs=0.15)
    assert found(lesson()) == ""


LONG = "## Measure\n\n" + "word " * 12_000
BROKEN = {
    "says core path 2 min; they come to 4": lesson(HEADER.replace("4 min", "2 min")),
    "says core path 6 min": lesson(HEADER.replace("4 min", "6 min")),
    "says Deeper 9 min; they come to 3": lesson(HEADER.replace("3 min", "9 min")),
    "says exercises 15 min; they come to 10": lesson(HEADER.replace("10 min", "15 min")),
    "does not say: Deeper": lesson(HEADER.replace("Deeper 3 min, ", "")),
    "takes 62 min, more than 60": lesson(HEADER.replace("4 min", "60 min"), text=LONG),
    "cell 2: nothing answers the prediction guess": lesson(answer="print(1)"),
    "cell 8: extra is defined in a Deeper section only": lesson(**{"exercise code": "%%ranks\ncount(extra)"}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_is_untrue_is_found(words):
    assert words in found(BROKEN[words])


def test_a_prediction_on_the_core_path_is_answered_there():
    only_deeper = lesson(answer="print(1)", **{"deeper code": "print(guess)"})
    assert "nothing answers the prediction guess" in found(only_deeper)


def test_lesson_02_is_short():
    longer = lesson(HEADER.replace("4 min", "33 min"), text="## Measure\n\n" + "word " * 6_200)
    assert "more than 30" in found(longer, "02_x.ipynb")
    assert found(longer) == ""


def test_a_name_of_the_notebook_is_not_one_of_the_ranks():
    assert found(lesson(**{"exercise code": "extra = 2\nprint(extra)"})) == ""
    assert found(lesson(**{"exercise code": "%%ranks\nextra = 2\nprint(extra)"})) == ""


def test_deeper_reaches_to_the_next_heading_of_its_level():
    deeper = "## Deeper: more of it\n\n" + "word " * 290 + "\n\n### Its part\n\n" + "word " * 298
    assert found(lesson(deeper=deeper)) == ""
    assert "core path 4 min; they come to 6" in found(lesson(deeper=deeper.replace("### Its", "## Its")))


def test_headings_in_code_are_none():
    assert found(lesson(recap="## Recap\n\n```\n## Deeper: no\n### Exercise 3: no (90 min)\n```")) == ""
    assert lesson_time.predictions("%%ranks\nguess = ...") == lesson_time.predictions("def f(): ...") == []
    assert lesson_time.predictions("a = 1\nguess = {1: ..., 2: ...}\n%ranks") == ["guess"]
    assert lesson_time.predictions("up, down = ..., ...") == ["up", "down"]
