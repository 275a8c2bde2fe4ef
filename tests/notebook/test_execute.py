"""Executing a notebook keeps its tags and nothing of the machine; a failing one is left as it was."""

import execute
import nbformat
from nbformat import v4

OF_THE_MACHINE = {"widgets": {"state": {}}, "language_info": {"name": "python", "version": "3.11.7"}}
TIMES = {"execution": {"iopub.status.busy": "2026-01-01"}, "scrolled": True}


def written(path, source):
    """Write a notebook that somebody has worked with: a title and one cell."""
    path.parent.mkdir()
    code = v4.new_code_cell(source, execution_count=7, metadata={"tags": ["a"], **TIMES})
    cells = [v4.new_markdown_cell("# Title"), code]
    nbformat.write(v4.new_notebook(cells=cells, metadata={**execute.METADATA, **OF_THE_MACHINE}), path)
    return path


def test_executing_keeps_tags_and_nothing_of_the_machine(tmp_path):
    path = written(tmp_path / "solutions/lesson.ipynb", "print('hello')")
    assert execute.execute(path) == []
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata == execute.METADATA
    assert notebook.cells[1].metadata == {"tags": ["a"]}
    assert (notebook.cells[1].execution_count, notebook.cells[1].outputs[0].text) == (1, "hello\n")


def test_a_failing_notebook_is_left_as_it_was(tmp_path, capsys):
    path = written(tmp_path / "solutions/lesson.ipynb", "1 / 0")
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().out
