"""Run a command and end it with all its children when this process's standard input closes: `python guard.py COMMAND`.

A server that a notebook has started must not outlive the kernel, whatever that died of. A kernel that is killed runs no
clean-up, but the system closes its end of a pipe. So the guard, a process between the two, waits for that. It imports
the standard library only and is started as a file.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_S = 10.0
POLL_S = 0.5
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory by name


def main(command: list[str]) -> int:
    """Run the command in this process's own group; return its exit status, or 0 when it was ended."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what goes to the whole group is for the command
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mapped: set[Path] = set()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_as_usual) as process:  # noqa: PLW1509
        while process.poll() is None and not select.select([sys.stdin], [], [], POLL_S)[0]:
            mapped |= shared_memory_of(group_members())  # noted while they live: one that crashes leaves it behind
        status = process.poll()
        end_group(process)
        remove(mapped)
    return status or 0


def _as_usual() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the command to end, then kill what is left of the group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    for pid in group_members():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + GRACE_S
    while group_members() and time.monotonic() < deadline:
        process.poll()
        time.sleep(0.01)


def group_members() -> list[int]:
    """Return the process ids of this process's group, without its own; none where there is no /proc."""
    members = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, state, group = int(status.parent.name), *status.read_text().rpartition(")")[2].split()[:3:2]
            if int(group) == os.getpgrp() and pid != os.getpid() and state != "Z":
                members.append(pid)
    return members


def shared_memory_of(pids: Iterable[int]) -> set[Path]:
    """Return the files in /dev/shm that these processes have mapped; none where there is no /proc."""
    mapped = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
            mapped |= {Path(words[5]) for line in lines if len(words := line.split(maxsplit=5)) > 5}  # noqa: PLR2004
    return {path for path in mapped if path.parent == SHARED_MEMORY and path.exists()}


def remove(paths: Iterable[Path]) -> None:
    """Take names of shared memory away; the memory itself goes with the last process that has mapped it."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
