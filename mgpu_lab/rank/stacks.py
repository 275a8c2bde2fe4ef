"""The stack of a rank whose C code holds the interpreter: no thread of it can answer, but a signal handler in C can.

Not covered: ranks that answer (``where``).
"""

from __future__ import annotations

import faulthandler
import pathlib
import re
import signal
import sys

CELL_FRAME = re.compile(r'File "<ipython-input-[^"]*", line (\d+) in (\S+)')
NUMBER = signal.SIGRTMIN + 7 if sys.platform == "linux" else signal.SIGUSR2


def write_on_signal(directory: str, rank: int) -> None:
    """In a rank: have Python's fault handler write all stacks into a file when asked by a signal."""
    file = path(directory, rank).open("w")  # open as long as the process lives: the handler needs the descriptor
    faulthandler.register(NUMBER, file=file, all_threads=True)


def cell_line(directory: str, rank: int) -> int | None:
    """In the kernel: read the cell's line from what the rank wrote last; None where there is nothing."""
    try:
        text = path(directory, rank).read_text(errors="replace")
    except OSError:
        return None
    found = CELL_FRAME.findall(text.rpartition("Current thread")[2] or text)
    return int(found[0][0]) if found else None


def path(directory: str, rank: int) -> pathlib.Path:
    """Name the file."""
    return pathlib.Path(directory, f"stacks-{rank}")
