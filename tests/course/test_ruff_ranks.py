"""The lint of `%%ranks` cells sees what ruff alone leaves out, and writes back under the magic line."""

import shutil
from pathlib import Path

import nbformat
import pytest
import ruff_ranks
from nbformat import v4

BADLY_FORMED = "%%ranks --on 0 --timeout 5\nx = { 'rank':rank }"
WELL_FORMED = '%%ranks --on 0 --timeout 5\nx = {"rank": rank}'


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Writes a notebook of two cells, of which the first is for the ranks, and returns its path."""
    shutil.copy(ruff_ranks.ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(ruff_ranks, "ROOT", tmp_path)
    path = tmp_path / "notebooks/solutions/lesson.ipynb"
    path.parent.mkdir(parents=True)

    def write(source: str) -> Path:
        cells = [v4.new_code_cell(source), v4.new_code_cell("y = 'left alone'")]
        nbformat.write(v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}}), path)
        return path

    return write


def test_a_badly_formed_cell_is_refused_and_then_fixed(notebook):
    path = notebook(BADLY_FORMED)
    assert ruff_ranks.main(fix=False) == 1
    assert ruff_ranks.main(fix=True) == 0
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    assert sources == [WELL_FORMED, "y = 'left alone'"]
    assert ruff_ranks.main(fix=False) == 0


def test_a_lint_error_is_refused(notebook, capfd):
    notebook("%%ranks\nvalue = 1 if rank == None else 2")
    assert ruff_ranks.main(fix=False) == 1
    assert "E711" in capfd.readouterr().out


def test_a_well_formed_cell_and_another_magic_are_left_alone(notebook):
    for source in (WELL_FORMED, "%%ranks", "%%html\n<b>x='1'</b>"):
        path = notebook(source)
        before = path.read_bytes()
        assert ruff_ranks.main(fix=False) == 0
        assert ruff_ranks.main(fix=True) == 0
        assert path.read_bytes() == before
