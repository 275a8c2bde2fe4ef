"""The README and docs/ say what is there: what follows from the code is up to date, and links lead somewhere."""

import ast
import re
from xml.etree import ElementTree as ET

import pytest

import docs
import mgpu_lab

PAGES = [docs.ROOT / "README.md", docs.ROOT / "CONTRIBUTING.md", *sorted(docs.ROOT.glob("docs/**/*.md"))]


def page(path):
    return (docs.ROOT / path).read_text(encoding="utf-8")


def slug(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", docs.PAGES, ids=lambda path: path.name)
def test_generated_parts_are_those_of_the_code(path):
    assert docs.current(page(path)) == page(path), "run: python tools/docs.py"


@pytest.mark.parametrize(("path", "old", "new"), [("faults.md", "| kept |", "| lost |"), ("tree.md", "magics", "magi")])
def test_an_old_part_is_noticed_and_mended(path, old, new):
    text = page(f"docs/{path}")
    assert old in text
    assert docs.current(text.replace(old, new)) == text


def test_each_kind_of_fault_has_its_table():
    parts = re.findall("<!-- generated: faults (.*) -->", page("docs/faults.md"))
    assert sorted(parts) == sorted({"in all", *map(docs.kind_of, docs.rows())})


def test_the_readme_is_short():
    assert len(page("README.md").splitlines()) <= 150


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere_and_pictures_have_words(path):
    for words, target in re.findall(r"\[([^\]]*)\]\(([^):]+)\)", page(path)):
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        assert there.exists(), target
        assert words, f"{target} needs alt text"
        if anchor:
            assert anchor in [slug(heading) for heading in re.findall("(?m)^#+ (.*)$", page(there))], target


def test_the_drawing_has_words_and_no_script():
    text = page("docs/architecture.svg")
    assert ET.fromstring(text).find("{*}title").text  # noqa: S314 - our own file
    assert not re.search(r"<script|\son\w+=|javascript:|https?://(?!www\.w3\.org)", text)


def test_the_wings_are_those_that_the_imports_are_held_to():
    table = re.search(r"(?ms)^MAY_IMPORT = (\{.*?^\})", page("tests/unit/test_imports.py"))[1]
    assert docs.wings() == ast.literal_eval(table)


def test_files_that_the_architecture_names_are_there():
    for name in re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", page("docs/architecture.md")):
        assert (docs.PACKAGE / name).exists() or (docs.ROOT / name).exists(), name


@pytest.mark.parametrize("name", mgpu_lab.__all__)
def test_every_public_name_is_documented(name):
    thing = getattr(mgpu_lab, name)
    members = vars(thing).items() if isinstance(thing, type) else ()
    missing = [each for each, found in members if not each.startswith("_") and callable(found) and not found.__doc__]
    assert thing.__doc__
    assert missing == []
