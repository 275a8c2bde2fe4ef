"""What a notebook has started in the background ends with it: with its pipe, or when it is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import psutil
import pytest

from mgpu_lab.course.serving import guard

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the guard reads /proc")
GUARD = [sys.executable, guard.__file__]
PATIENCE_S = 20
# A child and a grandchild that does not listen to SIGTERM; both map shared memory and leave it behind.
FAMILY = """
import os, signal, sys, time
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
resource_tracker.register = lambda *_: None
memory = SharedMemory(create=True, size=1024)
who = "child" if os.fork() else "grandchild"
if who == "grandchild":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, f"{who} {os.getpid()} {memory.name}\\n".encode())
time.sleep(600)
"""
PARENT = f"""
import subprocess, sys, time
subprocess.Popen([*{GUARD!r}, sys.executable, '-c', {FAMILY!r}], stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""


def eventually(what):
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def family(process):
    """Ids of child and grandchild, and the shared memory they have mapped."""
    lines = sorted(process.stdout.readline().decode().split() for _ in range(2))
    time.sleep(2 * guard.POLL_S)  # the guard looks now and then
    return [int(pid) for _, pid, _ in lines], Path("/dev/shm", lines[0][2])


def gone(pids):
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


@contextlib.contextmanager
def guarded(*command):
    """The guard with its command; what the test has left of them is killed."""
    process = subprocess.Popen(
        [*GUARD, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_all_end_when_the_pipe_closes():
    with guarded(sys.executable, "-c", FAMILY) as process:
        pids, memory = family(process)
        assert memory.exists()
        process.stdin.close()
        process.stdin = None
        process.wait(PATIENCE_S)
        assert gone(pids)
        assert not memory.exists()


def test_all_end_when_the_notebook_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        pids, memory = family(parent)
        parent.kill()
        try:
            eventually(lambda: gone(pids))
            eventually(lambda: not memory.exists())
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_a_command_that_ends_by_itself_tells_its_status():
    with guarded(sys.executable, "-c", "print('said'); raise SystemExit(3)") as process:
        assert process.stdout.read() == b"said\n"
        assert process.wait(PATIENCE_S) == 3


def test_what_a_crashed_command_leaves_is_ended_and_removed():
    with guarded(sys.executable, "-c", FAMILY) as process:
        (child, grandchild), memory = family(process)
        os.kill(child, signal.SIGKILL)
        assert process.wait(PATIENCE_S) != 0
        assert gone([grandchild])
        assert not memory.exists()


def test_only_this_processs_named_memory_counts():
    memory = SharedMemory(create=True, size=1024)
    try:
        path = Path("/dev/shm", memory.name)
        assert path in guard.shared_memory_of([os.getpid()])
        assert guard.shared_memory_of([os.getppid()]) & {path} == set()
        guard.remove([path, Path("/dev/shm/mgpu-lab-none")])
        assert not path.exists()
        assert memory.buf[0] == 0  # the memory is still there
        path.touch()  # for unlink
    finally:
        memory.close()
        memory.unlink()
