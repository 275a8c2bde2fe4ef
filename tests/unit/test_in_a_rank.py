"""What a rank does without torch: tracebacks for learners, stacks of a blocked process, sockets that are cut."""

import faulthandler
import os
import socket
from types import SimpleNamespace

import pytest
from cells import cell

from mgpu_lab.engine.backends.local import LocalProcess
from mgpu_lab.rank import release, tracebacks
from mgpu_lab.rank.position import write_stacks_on_signal
from mgpu_lab.wire import frames
from mgpu_lab.wire.cells import CELL_FILE_PREFIX
from mgpu_lab.wire.messages import STACK_SIGNAL


def error_of(source, **names):
    """The error that a cell raises."""
    try:
        exec(compile(source, CELL_FILE_PREFIX + "1>", "exec"), names)  # noqa: S102 - our own text
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    return None


def lines(entries):
    return [(each.tb_frame.f_code.co_name, each.tb_lineno) for each in entries]


def test_frames_begin_with_the_cell_and_leave_this_package_out():
    source = cell("""
        def inner(value):
            return fail(value)

        inner(named)
    """)
    error = error_of(source, fail=tracebacks.presentable, named=1)
    assert lines(tracebacks.own_frames(error.__traceback__)) == [("<module>", 4), ("inner", 2)]
    assert tracebacks.own_frames(None) == []
    outside = error_of("fail()", fail=lambda: 1 / 0).__traceback__.tb_next.tb_next
    assert tracebacks.own_frames(outside) == [], "no frame of a cell, nothing to show"


def test_entries_are_linked_in_the_order_given():
    entries = tracebacks.own_frames(error_of("def f(): 1 / 0\nf()").__traceback__)
    link = frames.chain(entries[::-1])
    assert lines([link, link.tb_next]) == [("f", 1), ("<module>", 2)]
    assert link.tb_next.tb_next is None
    assert frames.chain([]) is None


def test_words_of_an_error_whose_own_code_fails():
    source = cell("""
        class Odd(BaseException):
            def __str__(self):
                raise self

        raise Odd
    """)
    assert tracebacks.words(error_of(source)) == "<no message: its __str__ raised Odd>"
    assert tracebacks.words(ValueError("plain")) == "plain"


def test_text_that_any_front_end_can_show():
    assert tracebacks.presentable("bad \ud800 é") == "bad \\ud800 é"
    long = tracebacks.presentable("a" + "y" * 20_000_000 + "b")
    assert "[... 19,996,002 characters cut ...]" in long
    assert (long[:3], long[-3:], len(long) < 4_100) == ("ayy", "yyb", True)


def test_the_cells_line_is_read_from_what_a_signal_has_written(tmp_path):
    process = SimpleNamespace(stack_file=str(tmp_path / "stacks"))
    write_stacks_on_signal(process.stack_file)
    assert LocalProcess.stack_line(process) is None
    for blank_lines in (2, 4):  # what was written last counts
        error_of("\n" * blank_lines + "os.kill(os.getpid(), number)", os=os, number=STACK_SIGNAL)
        assert LocalProcess.stack_line(process) == blank_lines + 1
    faulthandler.unregister(STACK_SIGNAL)


@pytest.fixture
def connection():
    """Two ends of a TCP connection, as gloo has them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


def pair(sock):
    return tuple(f"{host} {port}" for host, port in (sock.getsockname(), sock.getpeername()))


def test_only_the_connections_named_are_cut(connection):
    near, far = connection
    assert {pair(near), pair(far)} <= release.connected_pairs()
    assert release.cut(frozenset({("127.0.0.1 1", "127.0.0.1 2")})) == 0
    assert near.send(b"x") == 1
    assert release.cut(frozenset({pair(near)})) == 1
    assert far.recv(10) == b"x"
    assert far.recv(10) == b"", "the other side sees the end at once"
    assert near.fileno() > 0, "the descriptor stays open: gloo closes it"


def test_sockets_are_found_where_no_descriptor_is_left_for_looking(monkeypatch, connection):
    monkeypatch.setattr(release, "FD_DIR", "/nowhere")
    assert pair(connection[0]) in release.connected_pairs()
    with pytest.raises(OSError, match="is no socket"), open(os.devnull) as file, release.borrowed(file.fileno()):  # noqa: PTH123
        pass
