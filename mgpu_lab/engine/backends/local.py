"""The backend of one machine: every rank is forked from one template, and bytes go through pipes."""

import contextlib
import functools
import os
import pathlib
import queue
import re
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any

from mgpu_lab.engine.backends import processor_load as load
from mgpu_lab.engine.backends.directories import working_directory
from mgpu_lab.engine.backends.files import FileRendezvous
from mgpu_lab.engine.backends.forkserver import FORK_TIMEOUT_S, Forked, ForkServer
from mgpu_lab.engine.backends.pipes import Channel, Line, Pipes
from mgpu_lab.engine.backends.protocols import Listener
from mgpu_lab.wire.cells import CELL_FILE_PREFIX
from mgpu_lab.wire.driver import has_driver
from mgpu_lab.wire.messages import STACK_SIGNAL, GpuCount, JoinGroup, RankSpec

CELL_FRAME = re.compile(rf'File "{re.escape(CELL_FILE_PREFIX)}[^"]*", line (\d+) in (\S+)')


@dataclass
class LocalEnd:
    code: int | None = None
    decided_here: bool = False


class LocalProcess:
    """One process forked from the template."""

    def __init__(
        self, forked: Forked, line: Line, pipes: Pipes, device_name: str = "cpu", stack_file: str = ""
    ) -> None:
        self.pid, self.pidfd = forked.pid, open_pidfd(forked.pid)
        self.device_name, self.stack_file = device_name, stack_file
        self.line, self.pipes = line, pipes
        self.ended = threading.Event()
        self._end = LocalEnd()
        self._usage: load.Usage | None = None
        pipes.add(line)

    def send(self, message: bytes, *, control: bool) -> None:
        """Send to the main thread or the control thread; a rank that has gone is found out by its silence."""
        with contextlib.suppress(OSError):
            self.pipes.send(self.line.control if control else self.line.requests, message)

    def signal(self, number: int, *, children: bool = False) -> None:
        """Send a signal to this process and no other, whatever became of its id, or to its process group."""
        if self.ended.is_set():
            return
        if children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
                return  # else it has only just been forked, and leads no group yet
        with contextlib.suppress(ProcessLookupError):
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, number)
            else:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self._end.decided_here |= self.alive()
        self.signal(signal.SIGKILL, children=True)

    def alive(self) -> bool:
        return not self.ended.is_set()

    def wait_ended(self, timeout_s: float) -> bool:
        return self.ended.wait(timeout_s)

    def end(self) -> LocalEnd:
        return self._end

    def has_ended(self, code: int) -> None:
        """Take in the template's report; what the process said before is still passed on."""
        self._end.code = code
        self.ended.set()
        self.pipes.do(self.line.hang_up)

    def begin_clock(self) -> None:
        self._usage = load.usage(self.pid)

    def starved(self) -> bool:
        return load.starved(self.pid, self._usage)

    def dump_stack(self) -> None:
        """Have the fault handler write all stacks into the process's file."""
        self.signal(STACK_SIGNAL)

    def stack_line(self) -> int | None:
        """Read the cell's line from what it wrote last."""
        try:
            text = pathlib.Path(self.stack_file).read_text(errors="replace")
        except OSError:
            return None
        found = CELL_FRAME.findall(text.rpartition("Current thread")[2] or text)
        return int(found[0][0]) if found else None

    def close(self) -> None:
        self.pipes.remove(self.line, self._close)

    def _close(self) -> None:
        self.line.requests.sock.close()
        self.line.control.sock.close()
        pidfd, self.pidfd = self.pidfd, None
        for fd in (*self.line.streams, pidfd):
            if fd is not None:
                with contextlib.suppress(OSError):
                    os.close(fd)


class LocalBackend:
    def __init__(self) -> None:
        self.server = ForkServer()
        self.pipes = Pipes()
        self.gpus = 0  # those counted last

    def alive(self) -> bool:
        return self.server.alive()

    def warm(self, wait_s: float = 0.0) -> bool:
        return self.server.ready.wait(wait_s)

    def rendezvous(self) -> FileRendezvous:
        return FileRendezvous(self.server.directory)

    def start(self, rank: int, world_size: int, device: str, join: JoinGroup, listener: Listener) -> LocalProcess:
        """Fork one rank with this process's environment, directory and path as they are now."""
        scratch = join.meeting.directory
        spec = RankSpec(
            rank=rank,
            world_size=world_size,
            local_rank=rank,
            local_world_size=world_size,
            machine=0,
            interface="lo0" if sys.platform == "darwin" else "lo",
            device=device,
            gpu=rank % max(1, self.gpus),
            threads=threads_per_rank(world_size),
            scratch=scratch,
            stack_file=str(pathlib.Path(scratch, f"stacks-{rank}")),
            environ=dict(os.environ),
            cwd=working_directory(),
            sys_path=list(sys.path),
            group=join,
        )
        return self._fork(spec, listener, spec.device_name, spec.stack_file)

    def gpu_count(self) -> int:
        """Count the GPUs that torch can use, asked in a child so that nobody initialises CUDA."""
        if not has_driver():
            return 0
        answer = Answered()
        process = self._fork(GpuCount(), answer)
        try:
            self.gpus = answer.first.get(timeout=FORK_TIMEOUT_S)
        except queue.Empty:
            return 0
        else:
            return self.gpus
        finally:
            process.close()

    def _fork(self, errand: RankSpec | GpuCount, listener: Listener, *about: str) -> LocalProcess:
        forked = self.server.fork(errand)
        line = Line(Channel(forked.requests), Channel(forked.control), forked.out, forked.err, listener)
        process = LocalProcess(forked, line, self.pipes, *about)
        self.server.watch(process.pid, process.has_ended)
        return process


class Answered:
    """Listen for one number."""

    def __init__(self) -> None:
        self.first: queue.SimpleQueue[int] = queue.SimpleQueue()

    def heard(self, message: Any) -> None:
        self.first.put(int(message))

    def printed(self, stream: str, data: bytes) -> None:
        """Nothing is expected."""

    def hung_up(self) -> None:
        """No answer counts as no GPU."""
        self.first.put(0)


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_rank(world_size: int) -> int:
    """Share the cores out; an OMP_NUM_THREADS that is set (Binder sets it) stays the upper bound."""
    share = max(1, usable_cores() // world_size)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(limit)) if limit.isdigit() and int(limit) > 0 else share


def open_pidfd(pid: int) -> int | None:
    """Open a handle that never means another process; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


@functools.cache
def _backend_of(_pid: int) -> LocalBackend:
    return LocalBackend()


def local_backend() -> LocalBackend:
    """Return this kernel's one backend, a new one if its template has ended."""
    if not _backend_of(os.getpid()).alive():
        _backend_of.cache_clear()
    return _backend_of(os.getpid())
