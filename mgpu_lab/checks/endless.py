"""End an answer that loops for ever: a limit on the processor time of one call, in the main thread.

A wait is no loop: a call that sleeps uses no processor time, and is left alone.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mgpu_lab.checks.core import Wrong

LIMIT_S = 3.0  # what is checked so takes milliseconds
AGAIN_S = 0.1  # an answer may catch even this


class _Endless(BaseException):
    """Not an Exception, which an answer's own loop might catch."""


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Endless


@contextmanager
def ending(shown: str, limit_s: float = LIMIT_S, error: type[Exception] = Wrong) -> Iterator[None]:
    """Raise ``error`` where the block, which is to do what ``shown`` says, uses more processor time than ``limit_s``.

    On a rank let it be no Wrong: the others, which wait for this rank, are to hear that it raised an error.
    """
    __tracebackhide__ = True
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _end)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit_s, AGAIN_S)
        yield
    except _Endless:
        raise error(f"{shown} had not ended after {limit_s:g} s of computing. Does it loop for ever?") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
