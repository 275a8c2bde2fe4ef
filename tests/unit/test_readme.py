"""README.md says what is there: its table and tree follow from the code, its links lead somewhere."""

import re

import pytest
import readme


def test_table_and_tree_are_those_of_the_code():
    text = readme.README.read_text(encoding="utf-8")
    assert readme.current(text) == text, "run: python tools/readme.py"


def test_an_old_tree_is_noticed():
    text = readme.README.read_text(encoding="utf-8")
    assert readme.current(text.replace("magics.py", "magic.py")) != text.replace("magics.py", "magic.py")


def test_links_lead_to_files():
    text = readme.README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (readme.ROOT / target).exists(), target


def test_missing_markers_are_named():
    with pytest.raises(SystemExit, match="fault table"):
        readme.current("no markers here")
