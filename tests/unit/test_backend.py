"""The local backend's parts that need no process: the meeting in files, cores shared out, stacks read, plain cells."""

import os
import signal
from types import SimpleNamespace

import pytest
from IPython.core.autocall import ExitAutocall

from mgpu_lab.engine.backends import forkserver, local
from mgpu_lab.engine.backends.files import FileRendezvous
from mgpu_lab.engine.journal import PUSHED_BYTES, pushed
from mgpu_lab.rank.plain_python import plain_tree
from mgpu_lab.rank.rendezvous import meet


def test_each_generation_meets_in_files_of_its_own(tmp_path):
    place = FileRendezvous(str(tmp_path))
    first = place.next(1)
    assert oct(place.directory.stat().st_mode)[-3:] == "700"
    for name in ("store-1", "store-1.2", "calls-1.0-0"):
        (place.directory / name).touch()
    second = place.next(2)
    assert list(place.directory.iterdir()) == []
    assert (first.generation, second.generation, second.master_addr) == (1, 2, "127.0.0.1")
    place.close()
    assert not place.directory.exists()


def test_a_broken_store_gives_an_error_to_whoever_reads_it(tmp_path):
    place = FileRendezvous(str(tmp_path))
    place.next(1)
    files = [place.directory / name for name in ("store-1", "store-1.3")]
    for file in files:
        file.touch()
    place.break_store()
    for file in files:
        with pytest.raises(OSError, match="symbolic links"):
            file.read_bytes()


def test_ranks_compare_calls_where_they_meet(tmp_path):
    meeting = FileRendezvous(str(tmp_path)).next(1)
    here, there = (meet(meeting, rank, 2) for rank in (0, 1))
    assert here.environ()["MASTER_PORT"] == str(meeting.master_port)
    one, other = here.call_log(0, "default"), there.call_log(0, "default")
    assert one.differing(1, "barrier() at 2") == {}
    assert other.differing(1, "send(x) at 3") == {0: "barrier() at 2", 1: "send(x) at 3"}
    assert there.call_log(1, "default").differing(1, "send(x) at 3") == {}  # another attempt, another log
    with pytest.raises(TypeError, match="no meeting"):
        meet("nowhere", 0, 2)


@pytest.mark.parametrize(("limit", "threads"), [("", 4), ("2", 2), ("9", 4), ("none", 4)])
def test_cores_are_shared_out(monkeypatch, limit, threads):
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert local.threads_per_rank(2) == threads
    assert local.threads_per_rank(64) == 1


def test_a_process_that_has_ended_gets_no_signal(monkeypatch):
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *args: sent.append(args))
    line, pipes = SimpleNamespace(hang_up=None), SimpleNamespace(add=lambda _: None, do=lambda _: None)
    process = local.LocalProcess(SimpleNamespace(pid=2**30), line, pipes)
    process.signal(signal.SIGINT, children=True)
    process.kill()
    process.has_ended(-9)
    process.signal(signal.SIGINT, children=True)
    assert sent == [(2**30, signal.SIGINT), (2**30, signal.SIGKILL)]
    assert (process.alive(), process.end().code, process.end().decided_here) == (False, -9, True)


def test_connections_are_two_pairs_and_two_pipes():
    here, there = forkserver.connections()
    os.write(there[2], b"out")
    os.write(there[0], b"request")
    assert (os.read(here[2], 10), os.read(here[0], 10)) == (b"out", b"request")
    forkserver.close_all([*here, *there])
    forkserver.close_all(here)  # harmless


@pytest.mark.parametrize(
    ("values", "size", "source"),
    [
        ({"lr": 0.1, "name": "x"}, 100, "lr = 0.1\nname = 'x'\n"),
        ({"made": object()}, 100, "# set made here: it was pushed from the notebook\n"),
        ({"lr": 0.1}, PUSHED_BYTES + 1, "# set lr here: it was pushed from the notebook\n"),
    ],
)
def test_a_push_is_noted_as_assignments(values, size, source):
    step = pushed(values, (1,), size)
    assert (step.source, step.on, step.is_push, step.failed) == (source, (1,), True, False)


NAMES = {"x": 1, "model": object(), "exit": ExitAutocall()}
PLAIN = [
    "pass", "x", "x + 1", "print(x)", "model.step(x)", "-x", "1 / 0", "'%ls'", "x = 1\nls", "def f():\n    return 1",
    "# nothing",
]  # fmt: skip
IPYTHONS = [
    "%time x", "!ls", "x?", "ls", "ls.x", "exit", "undefined_name", "%%time\nx", "x = !ls", "  x", "\nx", "In [1]: x",
    "await x", "x = await y\nx", "print(", "for", "a\n%matplotlib inline", "\0",
]  # fmt: skip


@pytest.mark.parametrize("source", PLAIN)
def test_plain_python_is_known(source):
    assert plain_tree(source, NAMES) is not None


@pytest.mark.parametrize("source", IPYTHONS)
def test_what_ipython_treats_otherwise_is_left_to_it(source):
    assert plain_tree(source, NAMES) is None
