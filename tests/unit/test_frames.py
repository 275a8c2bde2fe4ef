"""Which lines of a traceback a learner sees: their own and the libraries' they call, not this package's."""

import contextlib
from types import SimpleNamespace

import pytest

from mgpu_lab.notebook.own_frames import OwnFrames
from mgpu_lab.rank.tracebacks import hide_package
from mgpu_lab.wire import frames
from mgpu_lab.wire.cells import CELL_FILE_PREFIX

CELL = CELL_FILE_PREFIX + "1>"
CHECK = frames.PACKAGE + "checks/lesson.py"
OTHER = frames.PACKAGE + "engine/run.py"


def made(source, file, **names):
    """The names that code in this file defines."""
    exec(compile(source, file, "exec"), names)  # noqa: S102 - our own text
    return names


def error_of(function):
    with pytest.raises((ValueError, ZeroDivisionError)) as caught:
        function()
    return caught.value.with_traceback(caught.value.__traceback__.tb_next)


def files(tb):
    return [entry.tb_frame.f_code.co_filename for entry in frames.entries_of(tb)]


GUARDED = """
@contextlib.contextmanager
def guard():
    try:
        yield
    except ZeroDivisionError as error:
        raise ValueError("not yet") from error

def check(answer):
    with guard():
        answer()
"""


@pytest.fixture
def failed():
    """The error of an answer, raised again by a context manager of the checks."""
    check = made(GUARDED, CHECK, contextlib=contextlib)["check"]
    return error_of(made("def run(): check(answer)\ndef answer(): 1 / 0", CELL, check=check)["run"])


def test_context_managers_of_the_package_go_with_it(failed):
    entries = frames.entries_of(failed.__traceback__)
    assert files(failed.__traceback__) == [CELL, CHECK, contextlib.__file__, CHECK]
    assert files(frames.chain(frames.without_package(entries))) == [CELL]
    assert len(frames.without_package(entries, "engine/")) == 4


def test_a_librarys_context_manager_stays_where_a_cell_enters_it():
    source = "@contextlib.contextmanager\ndef guard(): yield\ndef run():\n    with guard(): 1 / 0"
    error = error_of(made(source, CELL, contextlib=contextlib)["run"])
    kept = frames.without_package(frames.entries_of(error.__traceback__))
    assert files(frames.chain(kept)) == files(error.__traceback__)


def test_errors_that_led_to_it_lose_the_packages_lines(failed):
    assert files(failed.__cause__.__traceback__) == [CHECK, CHECK, CELL]
    hide_package(failed)
    assert files(failed.__cause__.__traceback__) == [CELL]


def test_an_error_of_the_package_alone_is_left_out_of_the_chain():
    source = """
def fail():
    try:
        {}["inner"]
    except KeyError as error:
        raise ValueError("told") from error
"""
    error = error_of(made(source, OTHER)["fail"])
    hide_package(error)
    assert (error.__cause__, error.__context__) == (None, None)
    loop = ValueError("of itself")
    loop.__context__ = other = ValueError("other")
    other.__context__ = loop
    hide_package(loop)


class Tracebacks:
    """Stands for IPython's tracebacks."""

    def get_records(self, etb, *args, **options):
        return files(etb), args, options


def test_the_notebook_shows_no_lines_of_the_checks(failed):
    shell = SimpleNamespace(InteractiveTB=Tracebacks())
    own = OwnFrames(shell)
    own.install()
    assert shell.InteractiveTB.get_records(failed.__traceback__, 5, offset=1) == ([CELL], (5,), {"offset": 1})
    elsewhere = error_of(made("def f(): 1 / 0", OTHER)["f"]).__traceback__
    assert shell.InteractiveTB.get_records(elsewhere)[0] == [OTHER], "an error of ours is to be seen"
    inside = error_of(made("def f(): 1 / 0", CHECK)["f"]).__traceback__
    assert shell.InteractiveTB.get_records(inside)[0] == [CHECK], "nothing else to show"
    own.remove()
    assert shell.InteractiveTB.get_records(failed.__traceback__)[0] == files(failed.__traceback__)
    for without in (SimpleNamespace(), SimpleNamespace(InteractiveTB=SimpleNamespace())):
        nothing = OwnFrames(without)
        nothing.install()
        nothing.remove()
