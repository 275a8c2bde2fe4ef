"""What a rank writes is kept within bounds and in order, and becomes data: merged, tagged, readable by anyone."""

import pytest

from mgpu_lab.engine import output
from mgpu_lab.engine.output import Capture, CellOutput
from mgpu_lab.engine.results import CellError, RankError, RunResult, rank_result, tag_lines
from mgpu_lab.wire.errors import LabError
from mgpu_lab.wire.messages import Display, mark
from mgpu_lab.wire.naming import named, tag_of, verb


def captured(*parts):
    capture = Capture()
    for part in parts:
        capture.write(part)
    return capture


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([b"caf\xc3", b"\xa9\n"], "café\n"),  # a letter split between two writes
        ([b"caf\xe9 \xff\xfe\n"], "caf\\xe9 \\xff\\xfe\n"),
        ([b"one\rtwo\n", b"windows\r\nend\n"], "two\nwindows\nend\n"),
        ([b"\r1/2", b"\r2/2", b"\n"], "2/2\n"),
        ([b"before\n\r1/", b"2\r2/2"], "before\n2/2"),
        ([b"kept\r"], "kept"),
        ([], ""),
    ],
)
def test_text_of_bytes(parts, text):
    assert captured(*parts).text() == text


def test_a_flood_keeps_head_and_tail_and_says_how_much_was_cut():
    flood = captured(b"first line\n", *[b"z" * 99_999 + b"\n"] * 100, b"last line\n")
    head, note, tail = flood.text().partition(f"\n{output.cut_note(flood.total_bytes - 2**18)}\n")
    assert flood.total_bytes == 10_000_000 + len("first line\nlast line\n")
    assert (len(head), bool(note), len(tail)) == (output.HEAD_BYTES, True, output.TAIL_BYTES)
    assert head.startswith("first line\nz")
    assert tail.endswith("z\nlast line\n")
    assert len(flood.head) + len(flood.tail) <= output.HEAD_BYTES + 2 * output.TAIL_BYTES
    assert flood.last_lines(1) == "last line"


def test_a_progress_bar_of_many_states_takes_no_room():
    bar = captured(*(b"\r%d" % i + b"#" * 1000 for i in range(1000)), b"\rdone\n")
    assert (bar.text(), bar.total_bytes) == ("done\n", 5)


def test_displays_among_lines_and_the_rest_aside():
    cell = CellOutput()
    assert cell.items() == []
    cell.write("stdout", b"before\n" + mark(1) + b"after\n")
    cell.write("stderr", b"aside\n")
    cell.show(Display({"text/html": "first"}, {}, number=1))
    result = rank_result(1, cell, None)
    assert [getattr(item, "data", item) for item in result.items] == ["before\n", {"text/html": "first"}, "after\n"]
    assert (result.stdout, result.stderr, result.displays) == ("before\nafter\n", "aside\n", ({"text/html": "first"},))
    assert (cell.last_lines(2), cell.total_bytes()) == ("after\naside", 19)


def test_displays_of_many_bytes_are_counted():
    cell = CellOutput()
    for number in range(1, 11):
        cell.write("stdout", mark(number))
        cell.show(Display({"text/html": "h" * 2**22}, {}, number=number))
    result = rank_result(0, cell, None)
    assert (len(result.displays), result.stdout) == (8, "[... 2 more displays cut here ...]\n")


def run_result(*stdouts, errors=(), notes=()):
    ranks = {}
    for rank, text in enumerate(stdouts):
        cell = CellOutput()
        cell.write("stdout", text.encode())
        ranks[rank] = rank_result(rank, cell, next((each for each in errors if each.rank == rank), None))
    return RunResult(ranks, notes)


def test_result_is_data():
    error = RankError(1, "KeyError", "'missing'", line=3)
    result = run_result("a\n", "b\n", errors=[error], notes=("a note",))
    assert (len(result), result.ok, result[0].ok, result[1].ok) == (2, False, True, False)
    assert (result.errors, [each.rank for each in result]) == ((error,), [0, 1])
    assert repr(result) == "[0] a\n[1] b\nrank 1: KeyError: 'missing'\na note"
    with pytest.raises(KeyError):
        result[2]
    assert LabError("do this")._render_traceback_() == ["LabError: do this"]
    assert CellError("short", ["long", "text"], result)._render_traceback_() == ["long", "text"]


def test_equal_outputs_are_one():
    assert repr(run_result("same\n", "other\n", "same\n")) == "[0,2] same\n[1] other"
    assert run_result("x").shows_something()
    assert run_result(notes=("a note",)).shows_something()
    assert not run_result("", "").shows_something()


@pytest.mark.parametrize(
    ("ranks", "tag", "name"),
    [([0], "0", "rank 0"), ([3, 2, 1, 0], "0-3", "ranks 0-3"), ([5, 0, 2, 3], "0,2-3,5", "ranks 0, 2-3, 5")],
)
def test_names_of_ranks(ranks, tag, name):
    form = "one" if len(ranks) == 1 else "many"
    assert (tag_of(ranks), named(ranks), verb(ranks, "one", "many")) == (tag, name, form)
    assert tag_lines("x\n\ny\n\n", tag) == [f"[{tag}] x", f"[{tag}] ", f"[{tag}] y"]
    assert tag_lines("\n\n", tag) == []
