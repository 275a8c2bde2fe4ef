"""Cells as a script: what stands in it. What it prints is seen under torchrun (``tests/ranks/test_export``)."""

import ast

import pytest
from cells import cell

from mgpu_lab.engine.journal import PUSHED_BYTES, Step, pushed
from mgpu_lab.notebook.export import exported_cell, script, write_script
from mgpu_lab.wire.errors import UsageError


@pytest.mark.parametrize(
    ("source", "exported"),
    [
        ("x = 1\nx", "x = 1\nshow(x)"),
        ("x;", "x;"),
        ("print(1)", "print(1)"),
        ("None", "None"),
        ("(1 +\n 2)", "show((1 +\n 2))"),
        ("x = 1\n%cd .", "x = 1\npass  # notebook only: %cd ."),
        ("if x:\n    !ls", "if x:\n    pass  # notebook only: !ls"),
        ("x?", "pass  # notebook only: x?"),
        ('text = """\n%not a magic\n"""', 'text = """\n%not a magic\n"""'),
        ("y = 7\nz = y \\\n%3", "y = 7\nz = y \\\n%3"),
        ("files = !ls", "# not exported: is no plain Python\n# files = !ls\n"),
        ("%%bash\nif true; then echo; fi", "# not exported: is no plain Python\n# pass  # notebook only: %%bash\n"),
        ("await f()", "# not exported: uses await outside a function\n# show(await f())\n"),
    ],
)
def test_a_cell_as_code(source, exported):
    assert exported_cell(source).startswith(exported)


def test_steps_in_order():
    deep = cell('''
        text = """
        not indented
        """
        if text:
            text
    ''')
    steps = [
        pushed({"lr": 0.1, "odd": float("nan"), "thing": object()}, None, 100),
        pushed({"only": [1], "no name": 1}, (1,), 100),
        pushed({"big": 1}, None, PUSHED_BYTES + 1),
        Step(deep, on=(0, 2)),
        Step("# only words", on=(0,)),
        Step("1 / 0", failed=True),
    ]
    text = script(steps, world_size=4, name="lesson.py")
    assert "torchrun --nproc_per_node=4 lesson.py" in text
    assert "lr = 0.1\n# set odd here: it was pushed from the notebook\n# set thing here" in text
    assert "if rank in (1,):\n    only = [1]\n    # set no name here" in text
    assert "# set big here" in text
    assert '# %% cell 4\nif rank in (0, 2):\n    text = """\nnot indented\n"""\n    if text:\n        text\n' in text
    assert "if rank in (0,):\n    # only words\n    pass" in text
    assert "# cell 6 failed in the notebook and is left out\n" in text
    ast.parse(text)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("meter.step(1)", "meter = Meter(rank=rank)"),
        ("memory_ledger(model)", "from mgpu_lab import memory_ledger"),
        ("value", "def show(value):"),
    ],
)
def test_helpers_stand_there_only_where_they_are_used(source, line):
    assert line in script([Step(source)], 1)
    assert line not in script([Step("x = 1")], 1)


def test_what_shows_itself_is_not_shown_again(capsys):
    text = script([Step("value")], 1)
    names = {}
    exec(text[text.index("def show(") : text.index("# %%")], names)  # noqa: S102 - our own text
    for value in (type("Quiet", (), {"_ipython_display_": print})(), None, "shown"):
        names["show"](value)
    assert capsys.readouterr().out == "'shown'\n"


def test_writing(tmp_path):
    path = tmp_path / "train.py"
    steps = [Step("x = 1"), Step("1 / 0", failed=True), pushed({"lr": 1}, None, 9)]
    told = f"Wrote 1 cells (1 that failed left out) to {path}. Run them with: torchrun --nproc_per_node=2 {path}"
    assert write_script(str(path), steps, 2) == told
    with pytest.raises(UsageError, match=r"exists already.*--force"):
        write_script(str(path), steps, 2)
    assert write_script(str(path), steps, 2, force=True) == told
    for target in ("/nowhere/train.py", "~nobody-of-that-name/train.py", str(tmp_path)):
        with pytest.raises(UsageError, match="cannot be written"):
            write_script(target, steps, 2, force=True)
    for nothing in ([], steps[1:2]):
        with pytest.raises(UsageError, match="nothing to export yet: run %%ranks cells first"):
            write_script(str(path), nothing, 2)
