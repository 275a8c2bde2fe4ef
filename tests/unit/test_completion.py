"""Inside a %%ranks cell completion and help ask the ranks, elsewhere the notebook."""

from types import SimpleNamespace

import pytest

from mgpu_lab.notebook.completion import CellHelp


class Ranks:
    """Rank 0 knows ``only_here``."""

    def complete(self, code, cursor):
        start = code.rindex("only", 0, cursor)
        self.asked = code, cursor
        return start, cursor, [("only_here", "function")]

    def help(self, name, detail):
        return {"text/plain": f"{name} {detail}"} if name == "only_here" else {}


@pytest.fixture
def notebook():
    kernel = SimpleNamespace(do_inspect=lambda *args, **_: ("the notebook's", *args))
    return SimpleNamespace(Completer=SimpleNamespace(custom_matchers=[]), kernel=kernel)


@pytest.mark.parametrize(
    ("text", "line", "column", "cursor"),
    [("%%ranks\nonly_", 1, 5, 5), ("%%ranks --on 0\nx = 1\nonly_", 2, 5, 11), ("%%ranks\n'🙂é'; only_ + 1", 1, 11, 11)],
)
def test_completion_inside(notebook, text, line, column, cursor):
    ranks = Ranks()
    help_ = CellHelp(notebook, lambda: ranks)
    found = help_.complete(SimpleNamespace(full_text=text, cursor_line=line, cursor_position=column))
    assert [each.text for each in found["completions"]] == ["only_here"]
    assert (found["matched_fragment"], found["suppress"]) == ("only_", True)
    assert ranks.asked == (text.split("\n", 1)[1], cursor)


@pytest.mark.parametrize(
    ("ranks", "text", "line"), [(Ranks(), "only_", 1), (Ranks(), "%%ranks --o", 0), (None, "%%ranks\nonly_", 1)]
)
def test_completion_elsewhere_is_the_notebooks(notebook, ranks, text, line):
    context = SimpleNamespace(full_text=text, cursor_line=line, cursor_position=5)
    assert CellHelp(notebook, lambda: ranks).complete(context) == {"completions": []}


def test_help_is_hooked_in_and_out(notebook):
    before = notebook.kernel.do_inspect
    help_ = CellHelp(notebook, Ranks)
    help_.install()
    assert notebook.Completer.custom_matchers == [help_.matcher]
    shown = notebook.kernel.do_inspect("%%ranks\nonly_here", 17, detail_level=1)
    assert (shown["found"], shown["data"]) == (True, {"text/plain": "only_here 1"})
    for code in ("only_here", "%%ranks\nother"):
        assert notebook.kernel.do_inspect(code, len(code)) == ("the notebook's", code, len(code))
    help_.remove()
    assert (notebook.kernel.do_inspect, notebook.Completer.custom_matchers) == (before, [])
