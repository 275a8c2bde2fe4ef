"""What a notebook shows of a cell: newest lines while it runs, then all output in rank order, and one error."""

from types import SimpleNamespace

import pytest

from mgpu_lab.engine.output import CellOutput
from mgpu_lab.engine.results import DIED, RELEASED, CellError, RankError, RunResult, rank_result
from mgpu_lab.notebook import display
from mgpu_lab.notebook.live_table import WatchTable
from mgpu_lab.notebook.watch import Watch, watch
from mgpu_lab.wire.errors import RanksError
from mgpu_lab.wire.messages import Display


def outputs(*texts):
    """One rank's output for each text; a text of None is a figure."""
    made = {rank: CellOutput() for rank in range(len(texts))}
    for rank, text in enumerate(texts):
        if text is None:
            made[rank].show(Display({"image/png": "...", "text/plain": "figure"}, {"size": 3}))
        else:
            made[rank].write("stdout", text.encode())
    return made


def result(*texts, errors=(), notes=()):
    found = {error.rank: error for error in errors}
    return RunResult({rank: rank_result(rank, out, found.get(rank)) for rank, out in outputs(*texts).items()}, notes)


@pytest.fixture
def shell():
    """A notebook that notes what is published."""
    published = []
    publisher = SimpleNamespace(
        publish=lambda data, metadata=None: published.append((data, metadata)),
        clear_output=lambda wait: published.append(("clear", wait)),
    )
    return SimpleNamespace(kernel=None, display_pub=publisher, published=published)


def test_live_text_merges_equal_ranks_and_ends_in_the_note():
    assert display.live_text(outputs("a\nb\n", "c\n", "a\nb\n", ""), "a note") == "[0,2] a\n[0,2] b\n[1] c\na note"
    lines = "".join(f"{i}\n" for i in range(100))
    assert display.live_text(outputs(lines, lines + "x\n"), "").splitlines()[19:21] == ["[0] 99", "[1] 81"]
    assert display.live_text(outputs(*(f"{lines}{i}\n" for i in range(64))), "").count("\n") == 3 * 64 - 1


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["same\n", "same\n"], "[0-1] same\n"),
        (["1\n", "2\n"], "[0] 1\n[1] 2\n"),
        (["head\n1\ntail\n", "head\n2\ntail\n"], "[0-1] head\n[0] 1\n[1] 2\n[0-1] tail\n"),
        (["a\nb\n", "a\n", ""], "[0] a\n[0] b\n[1] a\n"),
        (["a\n", "a\na\n"], "[0-1] a\n[1] a\n"),
        (["y\nx\na\n", "y\nx\nx\na\n"], "[0-1] y\n[0-1] x\n[1] x\n[0-1] a\n"),
    ],
)
def test_lines_that_all_ranks_have_are_shown_once(shell, capsys, texts, shown):
    display.show_result(shell, result(*texts, notes=("a note",)))
    assert capsys.readouterr() == (shown, "a note\n")


def test_a_figure_stands_under_its_rank(shell, capsys):
    display.show_result(shell, result("text\n", None))
    assert capsys.readouterr().out == "[0] text\n[1]:\n"
    assert shell.published == [({"image/png": "...", "text/plain": "figure"}, {"size": 3})]


@pytest.mark.parametrize(
    ("sizes", "total", "share"),
    [([10, 20], 100, 100), ([10, 90, 90], 100, 45), ([90, 90], 100, 50), ([], 100, 100), ([10, 10, 500], 100, 80)],
)
def test_short_texts_leave_their_share_to_long_ones(sizes, total, share):
    assert display.fair_share(sizes, total) == share
    assert sum(min(size, share) for size in sizes) <= total


@pytest.mark.parametrize("text", ["z" * 100_000, "\n" * 100_000, "é\ud800" * 50_000, "line of text\n" * 9_000])
def test_a_long_text_is_cut_to_its_room(text):
    cut = display.clip(f"first{text}last", 10_000)
    assert 5_000 < display.saved_bytes(cut) <= 10_200
    assert (cut[:5], cut[-4:]) == ("first", "last")
    assert "bytes of output cut here ...]" in cut
    assert display.clip(text[:100], 10_000) == text[:100]


ZERO = {"ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": ("line 1", "line 2")}


def test_equal_errors_are_told_once_and_echoes_not_at_all(shell):
    errors = [RankError(0, **ZERO), RankError(1, **ZERO), RankError(2, "RuntimeError", "cut", kind=RELEASED)]
    with pytest.raises(CellError) as caught:
        display.show_result(shell, result("", "", "", errors=errors, notes=("a note",)))
    assert str(caught.value) == "ranks 0-1: ZeroDivisionError: division by zero"
    assert caught.value.lines == ["[0-1] ranks 0-1 raised ZeroDivisionError:", "line 1", "line 2", "a note"]


def test_different_errors_are_each_told():
    errors = [RankError(0, "KeyError", "'a'", ("one",)), RankError(1, "Died", "it was SIGKILL", kind=DIED)]
    caught = display.cell_error(result("", "", errors=errors))
    assert str(caught) == "rank 0: KeyError: 'a'"
    assert caught.lines == ["[0] rank 0 raised KeyError:", "one", "[1] it was SIGKILL"]


def test_a_mismatch_is_one_event_told_by_whoever_saw_most():
    errors = [RankError(rank, display.MISMATCH, "x" * rank, (f"of {rank}",)) for rank in range(3)]
    lines = display.cell_error(result("", "", "", errors=errors)).lines
    assert lines == ["[0-2] ranks 0-2 raised CollectiveMismatchError:", "of 2"]


def test_the_live_view_waits_for_something_to_show_and_goes_away(shell):
    view = display.LiveView(shell)
    run = SimpleNamespace(began_s=0.0, outputs=lambda: outputs("<b>\n"), note="")
    view.update(SimpleNamespace(began_s=float("inf"), outputs=run.outputs, note=""))
    assert view.widget is None
    view.update(run)
    assert "[0] &lt;b&gt;</pre>" in view.widget.value
    view.close(more_follows=True)
    assert (list(shell.published[0][0]), shell.published[1:]) == ([display.WIDGET_MIME], [("clear", True)])
    for silent in (display.LiveView(shell, silent=True), display.LiveView(SimpleNamespace())):
        silent.update(run)
        silent.close(more_follows=False)
        assert silent.widget is None


def test_watching_no_ranks_is_refused_and_a_closed_view_stays_closed():
    with pytest.raises(RanksError, match="no ranks run: start them with `%ranks start`"):
        watch()

    class Stopped:
        def __getattr__(self, name):
            raise RanksError(name)

    view = Watch(Stopped())
    assert view.stop() == view.table() == WatchTable(())
    with pytest.raises(RanksError, match="this view is closed"):
        view.show()
