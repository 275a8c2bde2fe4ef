"""What the kernel keeps in order around the ranks: its private directory, and Stop."""

import fcntl
import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from mgpu_lab.engine.backends import directories
from mgpu_lab.engine.interrupts import held_back, noted


def test_directories_of_killed_kernels_are_swept_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held, lock = [], fcntl.flock  # the locks made here, to be let go as the end of a process would
    monkeypatch.setattr(fcntl, "flock", lambda fd, how: (lock(fd, how), held.append(fd)))
    stale, living = Path(directories.make_private_directory()), Path(directories.make_private_directory())
    assert stale.stat().st_mode & 0o077 == 0
    (stale / "group-1").mkdir()
    (tmp_path / "mgpu_lab-without-lock").mkdir()
    (tmp_path / "another").mkdir()
    os.close(held[0])
    directories.sweep_stale_directories()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, "another", "mgpu_lab-without-lock"])
    monkeypatch.setattr(os, "getuid", lambda: -1)
    os.close(held[1])
    directories.sweep_stale_directories()
    assert living.exists(), "another user's"


def test_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert directories.working_directory() == str(tmp_path)
    tmp_path.rmdir()
    assert directories.working_directory() == "/"


def press_stop():
    signal.raise_signal(signal.SIGINT)


def test_stop_becomes_a_note():
    notes = []
    before = signal.getsignal(signal.SIGINT)
    with noted(lambda: notes.append("pressed")):
        press_stop()
        press_stop()
    assert notes == ["pressed"] * 2
    assert signal.getsignal(signal.SIGINT) is before


def test_stop_is_held_back_until_the_end():
    done = []

    def work():
        with held_back():
            press_stop()
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]
    with held_back():
        pass


def test_stop_is_not_held_back_for_ever():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back(limit_s=-1.0):
        done.append(press_stop())
    assert done == []


def test_elsewhere_than_in_the_main_thread_nothing_changes():
    seen = []

    def look():
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
