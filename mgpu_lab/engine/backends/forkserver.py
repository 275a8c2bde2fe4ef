"""The kernel's handle of its template, the process that ranks are forked from: start it, fork, hear of deaths."""

import atexit
import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import sendfds
from typing import Any

from mgpu_lab.engine.backends.directories import make_private_directory, sweep_stale_directories, working_directory
from mgpu_lab.engine.interrupts import held_back
from mgpu_lab.wire.errors import RanksError
from mgpu_lab.wire.messages import GpuCount, RankSpec

FORK_TIMEOUT_S = 120.0
TEMPLATE = "from mgpu_lab.rank.template import main; main()"  # started by name: the engine imports no rank


@dataclass(frozen=True)
class Forked:
    """A new process and the kernel's ends of its connections."""

    pid: int
    requests: socket.socket
    control: socket.socket
    out: int
    err: int


class ForkServer:
    """The template of this kernel. Starting it takes no time here: it loads its packages in the background."""

    def __init__(self) -> None:
        if not hasattr(os, "waitid"):
            msg = "ranks need fork() and waitid(): run the course on Linux (on Windows: in WSL2; macOS: Python 3.13)."
            raise RanksError(msg)
        sweep_stale_directories()
        self.directory = make_private_directory()
        self.failed: dict[str, str] = {}
        self.ready = threading.Event()
        self.gone = threading.Event()
        self._ids = itertools.count(1)
        self._forks: dict[int, threading.Event] = {}
        self._pids: dict[int, int] = {}
        self._watched: dict[int, Callable[[int], None]] = {}
        self._early: dict[int, int] = {}
        self._lock = threading.Lock()
        self.owner_pid = os.getpid()
        self.process, self._socket = launch(self.directory)
        self._connection = Connection(os.dup(self._socket.fileno()))
        threading.Thread(target=self._listen, name="mgpu_lab-template", daemon=True).start()
        atexit.register(self.stop)

    def alive(self) -> bool:
        return self.owner_pid == os.getpid() and not self.gone.is_set() and self.process.poll() is None

    def fork(self, errand: RankSpec | GpuCount) -> Forked:
        """Fork a process that becomes a rank, or counts the GPUs."""
        here, there = connections()
        request, event = next(self._ids), threading.Event()
        self._forks[request] = event
        try:
            try:
                with held_back(), self._lock:  # half a request would leave the template waiting for the rest
                    self._connection.send((request, errand))
                    sendfds(self._socket, there)
            finally:
                close_all(there)
            self._wait_for_fork(event)
        except BaseException as error:  # a process that comes up later finds its pipe closed and ends
            close_all(here)
            if not isinstance(error, OSError):
                raise
            self.gone.set()
            msg = f"the process that ranks are forked from has ended ({error}); run `%ranks restart`."
            raise RanksError(msg) from error
        requests, control, out, err = here
        return Forked(self._pids.pop(request), socket.socket(fileno=requests), socket.socket(fileno=control), out, err)

    def watch(self, pid: int, ended: Callable[[int], None]) -> None:
        """Call ``ended`` with the exit code (negative: the signal), from a thread, when the process has ended."""
        with self._lock:
            if (code := self._early.pop(pid, None)) is None:
                self._watched[pid] = ended
        if code is not None or self.gone.is_set():
            ended(-int(signal.SIGKILL) if code is None else code)

    def stop(self) -> None:
        """End the template; it kills what it forked and removes the directory."""
        if self.owner_pid != os.getpid():
            return  # a fork of the kernel: not ours to stop
        atexit.unregister(self.stop)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _wait_for_fork(self, event: threading.Event) -> None:
        if not event.wait(FORK_TIMEOUT_S) or self.gone.is_set():
            log = pathlib.Path(self.directory, "template.log")
            tail = log.read_text(errors="replace")[-400:].strip() if log.exists() else ""
            raise RanksError(f"no rank could be forked: the template process ended or does not answer. {tail}")

    def _listen(self) -> None:
        try:
            while True:
                self._hear(*self._connection.recv())
        except (EOFError, OSError):
            self.gone.set()
            for event in list(self._forks.values()):
                event.set()
            for ended in list(self._watched.values()):
                ended(-int(signal.SIGKILL))

    def _hear(self, kind: str, *facts: Any) -> None:
        if kind == "failed":
            self.failed[facts[0]] = facts[1]
        elif kind == "ready":
            self.ready.set()
        elif kind == "forked":
            self._pids[facts[0]] = facts[1]
            self._forks.pop(facts[0]).set()
        elif kind == "exited":
            with self._lock:
                if (ended := self._watched.pop(facts[0], None)) is None:
                    self._early[facts[0]] = facts[1]
            if ended is not None:
                ended(facts[1])


def connections() -> tuple[list[int], list[int]]:
    """Make two socket pairs and two pipes; return this end's and the other end's descriptors."""
    pairs = [tuple(end.detach() for end in socket.socketpair()) for _ in range(2)]
    pipes = [os.pipe() for _ in range(2)]
    for read, _ in pipes:
        os.set_blocking(read, False)
    both = [*pairs, *pipes]
    return [here for here, _ in both], [there for _, there in both]


def close_all(fds: list[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def launch(directory: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the template with this Python; its output goes to a file of its own, never into a cell."""
    here, there = socket.socketpair()
    package_root = str(pathlib.Path(__file__).resolve().parents[3])
    paths = filter(None, [package_root, os.environ.get("PYTHONPATH")])  # an empty one would mean the directory
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    with pathlib.Path(directory, "template.log").open("wb") as log, there:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", TEMPLATE, str(there.fileno()), directory],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environ,
            cwd=working_directory(),
            pass_fds=[there.fileno()],
            start_new_session=True,
        )
    return process, here
