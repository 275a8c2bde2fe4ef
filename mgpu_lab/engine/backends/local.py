"""Where rank processes come from, seen from the kernel: one template per kernel, forked on request.

This is the seam for other engines: whatever yields ``RankProcess`` objects can serve ``Ranks``.
Not covered: what is said to a rank once it lives (``ranks``, ``run``).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.reduction import sendfds
from typing import TYPE_CHECKING, Any

from mgpu_lab.engine.backends.directories import make_private_directory, sweep_stale_directories, working_directory
from mgpu_lab.engine.interrupts import held_back
from mgpu_lab.wire.errors import RanksError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mgpu_lab.wire.messages import RankSpec

FORK_TIMEOUT_S = 120.0


@dataclass
class RankProcess:
    """One forked process and the kernel's ends of its pipes."""

    pid: int
    connection: Connection
    out: int
    err: int
    pidfd: int | None
    exit_code: int | None = None
    ended_here: bool = False  # killed by this package
    exited: threading.Event = field(default_factory=threading.Event)

    def signal(self, number: int) -> None:
        """Send a signal to this process and no other, whatever became of its id."""
        if self.exited.is_set():
            return
        with contextlib.suppress(ProcessLookupError):
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, number)
            else:
                os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and the children in its process group, as a terminal's Ctrl-C does."""
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def close(self) -> None:
        """Close the kernel's ends."""
        self.connection.close()
        for fd in (self.out, self.err, self.pidfd):
            if fd is not None:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self.pidfd = None


class TemplateProcess:
    """The kernel's handle of its template: start it, fork ranks from it, hear of deaths."""

    def __init__(self) -> None:
        """Start the template in the background; nothing here waits for it."""
        if not hasattr(os, "waitid"):
            msg = "ranks need fork() and waitid(): run the course on Linux (on Windows: in WSL2; macOS: Python 3.13)."
            raise RanksError(msg)
        sweep_stale_directories()
        self.directory = make_private_directory()
        self.loaded: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self.ready = threading.Event()
        self.gone = threading.Event()
        self._ids = itertools.count(1)
        self._forks: dict[int, threading.Event] = {}
        self._pids: dict[int, int] = {}
        self._processes: dict[int, tuple[RankProcess, Callable[[], None]]] = {}
        self._early: dict[int, int] = {}
        self._lock = threading.Lock()
        self.owner_pid = os.getpid()
        self.process, self._socket = launch(self.directory)
        self._connection = Connection(os.dup(self._socket.fileno()))
        threading.Thread(target=self._listen, name="mgpu_lab-template", daemon=True).start()
        atexit.register(self.stop)

    def alive(self) -> bool:
        """Whether forks can be asked for."""
        return self.owner_pid == os.getpid() and not self.gone.is_set() and self.process.poll() is None

    def fork(self, spec: RankSpec | None, on_exit: Callable[[], None]) -> RankProcess:
        """Fork one process; ``on_exit`` is called from a thread when it has ended."""
        here, there = socket.socketpair()
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        request, event = next(self._ids), threading.Event()
        self._forks[request] = event
        try:
            with held_back(), self._lock:  # half a request would leave the template waiting for the rest
                self._connection.send((request, spec))
                sendfds(self._socket, [there.fileno(), out_write, err_write])
        except OSError as error:
            self.gone.set()
            msg = f"the process that ranks are forked from has ended ({error}); run `%ranks restart`."
            raise RanksError(msg) from error
        finally:
            there.close()
            os.close(out_write)
            os.close(err_write)
        for fd in (out_read, err_read):
            os.set_blocking(fd, False)
        connection = Connection(here.detach())
        try:
            self._wait_for_fork(event)
        except BaseException:  # a process that comes up later finds its pipe closed and ends
            RankProcess(0, connection, out_read, err_read, pidfd=None).close()
            raise
        pid = self._pids.pop(request)
        process = RankProcess(pid, connection, out_read, err_read, open_pidfd(pid))
        self._adopt(process, on_exit)
        return process

    def gpu_count(self) -> int:
        """Count the GPUs that torch can use, asked in a child so that nobody initialises CUDA."""
        if not any(pathlib.Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-gpu")):
            return 0
        process = self.fork(None, lambda: None)
        try:
            return int(process.connection.recv()) if process.connection.poll(FORK_TIMEOUT_S) else 0
        except (EOFError, OSError):
            return 0
        finally:
            process.close()

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
            msg = f"no rank could be forked: the template process ended or does not answer. {tail}"
            raise RanksError(msg)

    def _adopt(self, process: RankProcess, on_exit: Callable[[], None]) -> None:
        with self._lock:
            code = self._early.pop(process.pid, None)
            if code is None:
                self._processes[process.pid] = (process, on_exit)
        if code is not None:
            finish(process, code, on_exit)

    def _listen(self) -> None:
        try:
            while True:
                self._hear(*self._connection.recv())
        except (EOFError, OSError):
            self.gone.set()
            for event in list(self._forks.values()):
                event.set()
            for process, on_exit in list(self._processes.values()):
                finish(process, -int(signal.SIGKILL), on_exit)

    def _hear(self, kind: str, *facts: Any) -> None:
        if kind == "loaded":
            self.loaded[facts[0]] = facts[1]
        elif kind == "failed":
            self.failed[facts[0]] = facts[1]
        elif kind == "ready":
            self.ready.set()
        elif kind == "forked":
            self._pids[facts[0]] = facts[1]
            self._forks.pop(facts[0]).set()
        elif kind == "exited":
            with self._lock:
                known = self._processes.pop(facts[0], None)
                if known is None:
                    self._early[facts[0]] = facts[1]
            if known is not None:
                finish(known[0], facts[1], known[1])


def finish(process: RankProcess, code: int, on_exit: Callable[[], None]) -> None:
    """Note the exit code (negative: the signal) and tell whoever asked."""
    process.exit_code = code
    process.exited.set()
    on_exit()


def launch(directory: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the template with this Python; its output goes to a file of its own, never into a cell."""
    here, there = socket.socketpair()
    package_root = str(pathlib.Path(__file__).resolve().parents[3])
    paths = filter(None, [package_root, os.environ.get("PYTHONPATH")])  # an empty one would mean the directory
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    with pathlib.Path(directory, "template.log").open("wb") as log, there:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                "from mgpu_lab.rank.template import main; main()",
                str(there.fileno()),
                directory,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environ,
            cwd=working_directory(),
            pass_fds=[there.fileno()],
            start_new_session=True,
        )
    return process, here


def open_pidfd(pid: int) -> int | None:
    """Open a handle that never means another process; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


@functools.cache
def _template_of(_pid: int) -> TemplateProcess:
    return TemplateProcess()


def shared_template() -> TemplateProcess:
    """Return this kernel's one template, started anew if it has ended."""
    template = _template_of(os.getpid())
    if not template.alive():
        _template_of.cache_clear()
        template = _template_of(os.getpid())
    return template
