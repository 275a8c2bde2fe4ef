"""Release a main thread that is blocked inside gloo: cut the group's own TCP sockets from the control thread.

No signal and no abort reaches a thread that waits inside gloo. A cut socket does: the wait raises within
milliseconds. Which sockets are gloo's? Those whose (local, peer) pair is mirrored in another rank of the same
set; the learner's own connections to the outside have no mirror and stay. The kernel compares the lists.
Waits on the store hold no socket; the kernel ends them by replacing the store's file (``engine.backends.files``).
On GPUs NCCL's groups are aborted by torch itself: tried with two ranks that shared an H100 (torch 2.11, NCCL 2.30.3,
2026-11-28), which were released within a second from an all-reduce, a receive, a barrier and a DDP backward that the
other rank did not join, with their variables. A kernel that runs for long is not ended by that: only by SIGKILL.
"""

import contextlib
import os
import resource
import socket
import stat
import sys

FDS_SCANNED = 2**16
FD_DIR = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"


def connected_pairs() -> frozenset[tuple[str, str]]:
    """List (local, peer) of every connected TCP socket of this process."""
    return frozenset(pair for _, pair in connected_sockets())


def cut(pairs: frozenset[tuple[str, str]]) -> int:
    """Shut these connections down in both directions; return how many there were."""
    found = 0
    for fd, pair in connected_sockets():
        if pair in pairs:
            with contextlib.suppress(OSError), borrowed(fd) as sock:
                sock.shutdown(socket.SHUT_RDWR)
                found += 1
    abort_nccl()
    return found


def connected_sockets() -> list[tuple[int, tuple[str, str]]]:
    """List the descriptors of connected TCP sockets; those that vanish meanwhile are left out."""
    found = []
    for fd in descriptors():
        with contextlib.suppress(OSError, ValueError), borrowed(fd) as sock:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
                local, peer = sock.getsockname()[:2], sock.getpeername()[:2]
                found.append((fd, (f"{local[0]} {local[1]}", f"{peer[0]} {peer[1]}")))
    return found


def descriptors() -> list[int]:
    """List the open descriptors; all that may be open where the cell has used up every one: listing takes one."""
    try:
        return [int(name) for name in os.listdir(FD_DIR)]  # noqa: PTH208 - names are numbers, not paths
    except OSError:
        return list(range(min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], FDS_SCANNED)))


@contextlib.contextmanager
def borrowed(fd: int):  # type: ignore[no-untyped-def] # noqa: ANN201 - a generator of socket
    """Look at a descriptor as a socket without ever closing it."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        raise OSError(f"descriptor {fd} is no socket")
    sock = socket.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()


def abort_nccl() -> None:
    """Abort NCCL communicators, where this process has CUDA in use."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    with contextlib.suppress(Exception):
        torch.distributed.distributed_c10d._abort_process_group()  # noqa: SLF001 - the way torch's own watchdog takes
