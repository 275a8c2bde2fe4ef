"""The template process: imports the heavy packages once and forks ranks from itself.

It has one thread and never initialises CUDA, so that a fork of it is a clean start. It watches two things:
its parent, the notebook's kernel (when that is gone, every rank is killed and the temp directory removed),
and its children (each death is reported before the process id can be used again).
"""

import contextlib
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import recvfds
from typing import Any, NoReturn

from mgpu_lab.wire.driver import has_driver
from mgpu_lab.wire.messages import GpuCount, RankSpec

PRELOAD = (
    # what a rank itself needs, then what a first DDP or optimizer step would import, then the big libraries
    ("IPython.core.interactiveshell", "IPython.core.completer", "numpy", "torch", "torch.distributed"),
    ("mgpu_lab.rank.process:prepare",),
    ("stack_data", "executing", "pure_eval", "asttokens"),  # what showing the first error needs
    ("pygments.lexers.python", "pygments.formatters.terminal256", "IPython.core.guarded_eval"),
    ("mgpu_lab.rank.process:rehearse", "mgpu_lab.ledger.measure"),
    ("torch._dynamo", "torch.nn.parallel", "torch.optim"),
    ("torch.utils.data", "torch.distributed.tensor", "torch.distributed.fsdp", "torch.distributed.optim"),
    ("multiprocessing.popen_fork", "matplotlib.figure", "matplotlib.backends.backend_agg"),
    ("transformers", "transformers.models.llama.modeling_llama", "transformers.trainer"),
    ("accelerate", "peft", "bitsandbytes", "deepspeed"),
    ("mgpu_lab.rank.process:rehearse",),  # once more: an error's rendering remembers where each module's file is
)
# bitsandbytes, which peft and the trainer import, initialises CUDA while it is imported, and no fork can use CUDA then
# (seen with bitsandbytes 0.50 on an H100). DeepSpeed chooses CPU or GPU, once; each rank must choose for itself.
ASK_THE_GPU = ("transformers.trainer", "peft", "bitsandbytes", "deepspeed")
PARENT_CHECK_S = 0.5
FDS_PER_RANK = 4  # requests, control, stdout, stderr


class Template:
    """Serve fork requests from the kernel at the other end of ``connection``."""

    def __init__(self, sock: socket.socket, directory: str) -> None:
        """Take the socket to the kernel and the directory to remove when the kernel has died."""
        self.sock = sock
        self.connection = Connection(os.dup(sock.fileno()))
        self.directory = directory
        self.parent = os.getppid()
        self.children: set[int] = set()
        self.occupied = False  # what the signal handler must not enter a second time
        self.wake_read, self.wake_write = os.pipe()

    def serve(self) -> NoReturn:
        """Load one module after another, answering between any two; then only answer."""
        self.watch_parent_and_children()
        gc.disable()  # what is imported is no garbage: a sixth of the time
        for module in to_load(driver=has_driver()):
            self.load(module)
            self.answer(timeout=0)
        gc.collect()
        self.report("ready")
        while True:
            self.answer(timeout=None)

    def load(self, module: str) -> None:
        """Import ``module`` (and call ``:function``); a missing or broken one is reported and left out, never fatal."""
        name, _, function = module.partition(":")
        try:
            imported = importlib.import_module(name)
            if function:
                getattr(imported, function)(self.directory)
        except BaseException as error:  # noqa: BLE001 - whatever a package raises, the template must live
            self.report("failed", module, f"{type(error).__name__}: {error}")

    def report(self, kind: str, *facts: Any) -> None:
        """Tell the kernel; if it is gone, end."""
        with self.undisturbed():
            try:
                self.connection.send((kind, *facts))
            except OSError:
                self.end()

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep the signal handler from reaping in the middle of this; ``answer`` reaps soon enough."""
        before, self.occupied = self.occupied, True
        try:
            yield
        finally:
            self.occupied = before

    # ---- what is heard

    def watch_parent_and_children(self) -> None:
        """Have a signal handler look for a dead parent also while a long import runs."""
        os.set_blocking(self.wake_write, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None if self.occupied else self.reap())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, lambda *_: self.check_parent())
        signal.siginterrupt(signal.SIGALRM, False)  # noqa: FBT003 - the stdlib's own signature
        signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK_S, PARENT_CHECK_S)

    def check_parent(self) -> None:
        """End when the kernel has died: its child is then handed to another process."""
        if os.getppid() != self.parent:
            self.end()

    def answer(self, timeout: float | None) -> None:
        readable, _, _ = select.select([self.sock.fileno(), self.wake_read], [], [], timeout)
        if self.wake_read in readable:
            os.read(self.wake_read, 4096)
        self.reap()
        if self.sock.fileno() in readable:
            try:
                request, errand = self.connection.recv()
                fds = recvfds(self.sock, FDS_PER_RANK)
            except (EOFError, OSError):
                self.end()
            self.fork(request, errand, fds)

    def reap(self) -> None:
        """Report every child that has ended, after killing what it left behind in its process group.

        Runs from the signal handler too, so that a death is heard of during a long import.
        """
        with self.undisturbed():
            while self.children:
                if (ended := ended_child()) is None:
                    return
                kill_group(ended)  # the id is still taken: the child has not been waited for
                _, status = os.waitpid(ended, 0)
                self.children.discard(ended)
                self.report("exited", ended, os.waitstatus_to_exitcode(status))

    def end(self) -> NoReturn:
        """Kill every rank with its process group, remove the directory, end."""
        for pid in self.children:
            kill_group(pid)
        shutil.rmtree(self.directory, ignore_errors=True)
        os._exit(0)

    # ---- what is done

    def fork(self, request: int, errand: RankSpec | GpuCount, fds: list[int]) -> None:
        """Fork a child that becomes a rank, or counts the GPUs."""
        gc.freeze()  # what is loaded now stays out of the children's garbage collections: shared memory pages
        with self.undisturbed():
            pid = os.fork()
            if pid == 0:
                self.become_child(errand, fds)
            self.children.add(pid)
        for fd in fds:
            os.close(fd)
        self.report("forked", request, pid)

    def become_child(self, errand: RankSpec | GpuCount, fds: list[int]) -> NoReturn:
        """Shed all that belongs to the template, then live as a rank."""
        code = 1
        try:
            template_pid = os.getppid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            die_with_parent(template_pid)
            self.sock.close()
            self.connection.close()
            requests, control, out, err = fds
            os.dup2(out, 1)
            os.dup2(err, 2)
            for fd in (self.wake_read, self.wake_write, out, err):
                os.close(fd)
            gc.enable()
            code = run_child(errand, Connection(requests), Connection(control))
        except BaseException:  # noqa: BLE001 - last resort of a forked child: never run the parent's code
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            os._exit(code)


def to_load(*, driver: bool) -> list[str]:
    """Return what is loaded before ranks are forked, in order; with a driver less: the template stays without CUDA."""
    names = [name for stage in PRELOAD for name in stage]
    return [name for name in names if name not in ASK_THE_GPU] if driver else names


def run_child(errand: RankSpec | GpuCount, requests: Connection, control: Connection) -> int:
    """Live as a rank, or answer the kernel's question for GPUs; return the exit code."""
    if isinstance(errand, GpuCount):
        import torch

        requests.send(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        return 0
    from mgpu_lab.rank.process import main as rank_main

    return rank_main(errand, requests, control)


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when the template ends, even one whose C code holds the interpreter."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(0)


def ended_child() -> int | None:
    """Return the id of a child that has ended, leaving it to be waited for; None where all live."""
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found.si_pid if found is not None else None


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads, if there still is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def main() -> NoReturn:
    """Entry point: ``python -c '...main()' FD DIRECTORY``."""
    fd, directory = int(sys.argv[1]), sys.argv[2]
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else a lost connection prints C++ stacks into the cell
    Template(socket.socket(fileno=fd), directory).serve()
