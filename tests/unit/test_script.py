"""Cells as a script: what stands in it. What it prints is seen under torchrun (``tests/ranks/test_export``)."""

import ast

import pytest
from cells import cell

from mgpu_lab.engine.journal import PUSHED_BYTES, Step, pushed
from mgpu_lab.notebook.export import exported_cell, script, write_script
from mgpu_lab.notebook.leaving_out import EXERCISE, FAILED, exists, left_out, relative_paths, unmet
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


def steps_of(*sources, failed=()):
    return [Step(source, failed=i in failed) for i, source in enumerate(sources, 1)]


CHECKED = 'def f(x): ...\n\n\ncheck("mini",\n      f)'


@pytest.mark.parametrize(
    ("steps", "out", "needs"),
    [
        (steps_of("for i in range(9): step()", "print(i)", failed=[1]), {1: FAILED}, [(2, "i", 1)]),
        (steps_of("i = 0", "i = 1; 1 / 0", "print(i)", failed=[2]), {2: FAILED}, []),
        (steps_of("i = 1 / 0", "i = 0", "print(i)", failed=[1]), {1: FAILED}, []),
        (steps_of("h = 1; 1 / 0", "def f(): return h", "f()", failed=[1]), {1: FAILED}, [(2, "h", 1)]),
        (steps_of("h = 1; 1 / 0", "def f(): return h", "h = 2; f()", failed=[1]), {1: FAILED}, []),
        (steps_of("a = b = 1; 1 / 0", "a; b", "a", failed=[1]), {1: FAILED}, [(2, "a", 1), (2, "b", 1)]),
        (steps_of("rank = 1; 1 / 0", "rank; os; print", failed=[1]), {1: FAILED}, []),
        (steps_of(CHECKED, "x = 1"), {1: EXERCISE}, []),
        (steps_of(CHECKED, "x = f(1)"), {}, []),
        (steps_of(CHECKED, "check('second', g := f)", "x = g(1)"), {}, []),
        (steps_of(CHECKED, "check('second', f)"), {1: EXERCISE, 2: EXERCISE}, []),
        (steps_of("check(x)", "a.check('mini')", "if 1:\n    check('mini', f)"), {}, []),
        ([pushed({"odd": object()}, None, 9), Step("print(odd)")], {}, [(2, "odd", 1)]),
        ([pushed({"lr": 1}, None, 9), Step("print(lr)")], {}, []),
    ],
)
def test_cells_that_are_left_out_and_what_the_others_miss(steps, out, needs):
    assert left_out(steps) == out
    assert [(need.cell, need.name, need.setter) for need in unmet(steps, out)] == needs


def test_what_is_missing_is_told_and_has_its_place_in_the_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = [*steps_of("for i in range(9):\n    step()", "files = !ls", "files, i", failed=[1])]
    gone = "and that is left out"
    assert write_script("train.py", steps, 2).endswith(
        f"\nIt is not complete: cell 3 needs `files`, which only cell 2 set, {gone}; cell 3 needs `i`, "
        f"which only cell 1 set, {gone}. Set what is missing where comments in it say so."
    )
    text = (tmp_path / "train.py").read_text()
    assert (
        "# cell 1 failed in the notebook and is left out, though cells below need names of it:\n"
        "# for i in range(9):\n#     step()\n"
    ) in text
    assert f"# set i here: cell 3 needs `i`, which only cell 1 set, {gone}\n\n# %% cell 3\n" in text
    many = steps_of("a = b = c = d = 1; 1 / 0", "a, b, c, d", failed=[1])
    assert f"cell 2 needs `c`, which only cell 1 set, {gone}; and 1 more. Set" in write_script("many.py", many, 2)


def test_an_exercise_is_told_and_one_that_is_needed_stays_without_its_check(tmp_path):
    path = tmp_path / "train.py"
    steps = steps_of(CHECKED, "1 / 0", "check('second', f)", "x = 1", failed=[2])
    assert write_script(str(path), steps, 2).startswith("Wrote 1 cells (1 that failed and 2 exercises left out) to")
    assert "# cell 1 is an exercise and is left out\n" in path.read_text()
    write_script(str(path), steps_of(CHECKED, "f(1)"), 2, force=True)
    assert 'def f(x): ...\n\n\n# check("mini",\n#       f)\n' in path.read_text()


def test_paths_that_only_this_folder_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "text.txt").touch()
    code = (
        f'load("models/"); open("text.txt"); load("models"); open("gone.txt"); open("."); open("{tmp_path}/text.txt")'
    )
    told = write_script("train.py", steps_of(code), 2)
    assert told.endswith(".py\nRun it in this folder: text.txt is a path relative to it.")
    (tmp_path / "models" / "tiny").mkdir()
    assert write_script("train.py", steps_of('load("models/tiny")'), 2, force=True).endswith(
        "models/tiny is a path relative to it."
    )
    assert "relative" not in write_script("other.py", steps_of('load("models")'), 2)
    assert relative_paths(["for", "'a\\0/b'", f"'{'x' * 300}/'"], exists) == []
    assert exists("x/" * 5000) is False


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
