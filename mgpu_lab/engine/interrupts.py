"""What the notebook's Stop (SIGINT in the kernel) does while the ranks are worked on: a note, not an exception.

Python allows signal handlers in the main thread only; in any other thread nothing here has an effect.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

HELD_BACK_S = 5.0


@contextlib.contextmanager
def noted(note: Callable[[], None]) -> Iterator[None]:
    """Call ``note`` in place of raising KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: Any = signal.signal(signal.SIGINT, lambda *_: note())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if previous is None else previous)


@contextlib.contextmanager
def held_back(limit_s: float = HELD_BACK_S) -> Iterator[None]:
    """Raise KeyboardInterrupt only at the end, so that nothing is left half done; at once if it takes too long."""
    began_s, presses = time.monotonic(), []

    def note() -> None:
        presses.append(time.monotonic())
        if presses[-1] - began_s > limit_s:
            raise KeyboardInterrupt

    with noted(note):
        yield
    if presses:
        raise KeyboardInterrupt
