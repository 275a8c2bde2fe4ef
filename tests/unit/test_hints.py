"""One more sentence below an error: where a missing name is, what a misspelt magic meant."""

import collections
import math
import re
from types import FunctionType, SimpleNamespace

import pytest

from mgpu_lab.engine.journal import Step
from mgpu_lab.engine.ranks import Ranks
from mgpu_lab.engine.results import RankError, RankResult, RunResult
from mgpu_lab.notebook.hints import Hints, missing_here, missing_there, misspelt

LIST, MODULE, FUNCTION, NET = "builtins.list", "builtins.module", "builtins.function", "__main__.Net"
Mine = type("Mine", (), {"__module__": "__main__"})
RUN = "begin the cell with %%ranks"


@pytest.mark.parametrize(
    ("name", "kinds", "says"),
    [
        (
            "losses",
            {0: LIST, 1: LIST},
            f"exists on the ranks, not in the notebook: {RUN}, or take its values with ranks.",
        ),
        (
            "losses",
            {1: LIST},
            f"exists on rank 1, not in the notebook: {RUN}, or .* ranks.pull\\('losses', on=\\[1\\]\\)",
        ),
        ("np", {0: MODULE, 1: MODULE}, f"exists on the ranks, .*: {RUN}\\.$"),
        ("net", {0: NET, 1: NET}, f"exists on the ranks, .*: {RUN}\\.$"),
        ("step", {0: FUNCTION, 1: FUNCTION}, f"{RUN}, or define it here, too"),
        ("torch", {0: MODULE, 1: MODULE}, f"{RUN}, or write `import torch` here"),
        ("dist", {}, f"{RUN}, or write `import torch.distributed as dist` here"),
        ("rank", {}, f"exists on the ranks, .*: {RUN}\\.$"),
        ("nowhere", {}, "^$"),
    ],
)
def test_a_name_that_the_notebook_lacks(name, kinds, says):
    assert re.search(says, missing_here(name, kinds, 2))


NOTEBOOK = {
    "lr": 0.1,
    "math": math,
    "c": collections,
    "Counter": collections.Counter,
    "Mine": Mine,
    "mine": Mine(),
    "local": FunctionType((lambda: 1).__code__, {"__name__": "__main__"}),
    "ranks": Ranks.__new__(Ranks),
    "_": 1,
}
HERE = "exists in the notebook, not on the ranks:"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("lr", f"`lr` {HERE} ranks.push(lr=lr), or define it in a %%ranks cell."),
        ("math", f"`math` {HERE} write `import math` in a %%ranks cell."),
        ("c", f"`c` {HERE} write `import collections as c` in a %%ranks cell."),
        ("Counter", f"`Counter` {HERE} import it in a %%ranks cell, too."),
        ("Mine", f"`Mine` {HERE} define it in a %%ranks cell."),
        ("mine", f"`mine` {HERE} make it in a %%ranks cell."),
        ("local", f"`local` {HERE} define it in a %%ranks cell."),
        ("ranks", "`ranks` drives the ranks from the notebook: use it in a cell without %%ranks."),
        ("_", ""),
        ("nowhere", ""),
    ],
)
def test_a_name_that_the_ranks_lack(name, says):
    assert missing_there(name, [0, 1], {}, NOTEBOOK, lost=False) == says


def test_a_name_that_some_ranks_have_or_have_lost():
    elsewhere = "`lr` exists on rank 1, not on rank 0: run the cell that defines it on all ranks."
    assert missing_there("lr", [0], {1: LIST}, NOTEBOOK, lost=False) == elsewhere
    again = "restarted: run the cell that defines it again."
    assert missing_there("lr", [0], {1: LIST}, NOTEBOOK, lost=True) == f"`lr` was lost when rank 0 was {again}"
    assert missing_there("lr", [0, 1], {}, {}, lost=True) == f"`lr` was lost when the ranks were {again}"


@pytest.mark.parametrize(
    ("message", "cell", "says"),
    [
        ("Cell magic `%%rank` not found.", "%%rank\n1", "Did you mean %%ranks?"),
        ("Cell magic `%%Ranks` not found.", "%%Ranks\n1", "Did you mean %%ranks?"),
        ("Line magic function `%rnaks` not found.", "%rnaks start", "Did you mean %ranks?"),
        ("Line magic function `%%ranks` not found.", "# words\n%%ranks\n1", "%%ranks must be the first line"),
        ("Line magic function `%%rank` not found.", "# words\n%%rank\n1", "Did you mean %%ranks?"),
        ("Cell magic `%%random` not found.", "%%random\n1", ""),
        ("Line magic function `%timeit2` not found.", "%timeit2", ""),
        ("something else", "%%rank", ""),
    ],
)
def test_a_misspelt_magic(message, cell, says):
    hint = misspelt(message, cell)
    assert hint.startswith(says)
    assert bool(hint) == bool(says)


@pytest.fixture
def notebook():
    """A shell with a user's own hook, and its namespace."""
    hooks, names = [print], {"lr": 0.1}
    events = SimpleNamespace(
        register=lambda _, f: hooks.append(f), unregister=lambda _, f: hooks.remove(f), hooks=hooks
    )
    return SimpleNamespace(user_ns=names, user_global_ns=names, events=events)


class Running:
    """Two ranks; rank 1 has lost what ``a = 1`` set."""

    lost = {1: [Step("a = 1")]}  # noqa: RUF012

    def __init__(self):
        self.asked = []

    def __len__(self):
        return 2

    def kinds(self, name):
        self.asked.append(name)
        return {0: LIST, 1: LIST} if name == "losses" else {0: LIST} if name == "a" else {}


def ended(shell, source):
    """What a cell of the notebook came to."""
    error = None
    try:
        exec(source, shell.user_global_ns)  # noqa: S102 - our own text
    except Exception as raised:  # noqa: BLE001 - whatever it is
        error = raised
    return SimpleNamespace(error_in_exec=error, info=SimpleNamespace(raw_cell=source))


def test_ranks_are_asked_when_the_notebook_misses_a_name_and_not_before(notebook, capsys):
    ranks = Running()
    hints = Hints(notebook, lambda: ranks)
    hints.install()
    hook = notebook.events.hooks[-1]
    for source in ("x = 1", "1 / 0", "import json; json.dumps(print)"):
        hook(ended(notebook, source))
    assert (ranks.asked, capsys.readouterr().err) == ([], "")
    hook(ended(notebook, "losses"))
    assert ranks.asked == ["losses"]
    assert capsys.readouterr().err.startswith("`losses` exists on the ranks, not in the notebook")
    exec("def f(): return losses", elsewhere := {})  # noqa: S102 - a library that misses a name of its own
    notebook.user_ns["f"] = elsewhere["f"]
    hook(ended(notebook, "f()"))
    assert (ranks.asked, capsys.readouterr().err) == (["losses"], "")
    hints.remove()
    hints.remove()
    assert notebook.events.hooks == [print]


def test_names_of_the_ranks_are_known_before_any_run(notebook, capsys):
    Hints(notebook, lambda: None).after_cell(ended(notebook, "world_size"))
    assert capsys.readouterr().err.startswith("`world_size` exists on the ranks")


def result(**missing):
    """What a cell came to on two ranks, which missed these names."""
    errors = {
        rank: RankError(rank, "NameError", f"name '{name}' is not defined")
        for name, on in missing.items()
        for rank in on
    }
    return RunResult({rank: RankResult(rank, "", "", (), errors.get(rank)) for rank in (0, 1)})


def test_hints_on_a_cell_of_the_ranks(notebook):
    hints = Hints(notebook, Running)
    assert hints.for_result(result(lr=[0, 1])) == [f"`lr` {HERE} ranks.push(lr=lr), or define it in a %%ranks cell."]
    assert hints.for_result(result(a=[1]))[0].startswith("`a` was lost when rank 1 was restarted")
    assert hints.for_result(result(nowhere=[0], lr=[1]))[0].startswith("`lr` exists")
    assert hints.for_result(result()) == []
    hints.lost = [Step("def nowhere(): pass")]
    assert hints.for_result(result(nowhere=[0, 1]))[0].startswith("`nowhere` was lost when the ranks were restarted")
