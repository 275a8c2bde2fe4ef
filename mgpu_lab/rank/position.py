"""Where a rank's main thread stands, told by the control thread while the main thread may be blocked.

A main thread in C code that holds the interpreter keeps the control thread from running, too: the kernel then learns
of it by the missing answer, and a fault handler (``write_stacks_on_signal``), which needs no interpreter, says where.
"""

import faulthandler
import linecache
import pathlib
import sys
import time

from mgpu_lab.rank.collectives import Collectives
from mgpu_lab.rank.nccl import under_way
from mgpu_lab.wire.cells import is_cell_file
from mgpu_lab.wire.messages import STACK_SIGNAL, Position

COMMUNICATION_FILES = ("torch/distributed/", "deepspeed/comm/", "torch/autograd/graph.py", "torch/nn/parallel/")
COMMUNICATION_CALLS = (".wait(", ".synchronize(", "backward(", "init_process_group(", "store.get(", "barrier(")


STILL_S = 0.2  # a thread that has stood so long in one place is inside a call of C code


class Lookout:
    def __init__(self, main_thread: int, collectives: Collectives) -> None:
        self.main_thread, self.collectives = main_thread, collectives
        self.mark: tuple[object, ...] = ()
        self.since_s = 0.0

    def position(self) -> Position:
        """Tell the cell's line, the innermost function, the collective, and a mark that changes with progress."""
        frame = sys._current_frames().get(self.main_thread)  # noqa: SLF001 - documented for exactly this
        line, source, innermost, communicating = None, "", "", False
        mark: list[object] = [self.collectives.current, sum(self.collectives.counts.values())]
        if frame is not None:
            innermost = frame.f_code.co_name
        while frame is not None:
            name = frame.f_code.co_filename
            mark.append((frame.f_code.co_name, frame.f_lasti))
            communicating = communicating or is_communication(name, "")
            if is_cell_file(name):
                line, source = frame.f_lineno, line_of(name, frame.f_lineno)
                break
            frame = frame.f_back
        current = self.collectives.current
        waiting = bool(current) or communicating or is_communication("", source)
        cpu_s = time.process_time() - time.thread_time()
        if line is not None and self.still(tuple(mark)) and under_way():
            waiting, cpu_s = True, 0.0  # a thread that waits for its GPU spins
        return Position(line, source, innermost, current, waiting and line is not None, tuple(mark), cpu_s)

    def still(self, mark: tuple[object, ...]) -> bool:
        """Whether the thread stands where it stood `STILL_S` ago.

        Only then is NCCL asked: its recorder shares a lock with the call that is being begun. Asked at once, one rank
        of five went silent, on an H100.
        """
        now = time.monotonic()
        if mark != self.mark:
            self.mark, self.since_s = mark, now
        return now - self.since_s >= STILL_S


def line_of(cell_file: str, line: int) -> str:
    """Return the text of a cell's line: the frame's own cell, which may be one that defined a function earlier."""
    return linecache.getline(cell_file, line).strip()


def is_communication(filename: str, source: str) -> bool:
    """Whether a frame's file, or the text of the cell's line, is one that communicates between ranks."""
    return any(part in filename for part in COMMUNICATION_FILES) or any(call in source for call in COMMUNICATION_CALLS)


def write_stacks_on_signal(file: str) -> None:
    """Have Python's fault handler write all stacks into a file when asked by a signal."""
    stacks = pathlib.Path(file).open("w")  # noqa: SIM115 - the handler needs it as long as the process lives
    faulthandler.register(STACK_SIGNAL, file=stacks, all_threads=True)
