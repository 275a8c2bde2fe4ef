"""The calls of process groups that Python makes in a timeline's block: when, the waits for them, which are not over.

gloo's calls report their end to torch's profiler, and one that ends while another profiler runs than the one it began
under writes into memory that is gone: the process crashes, then or later (seen with torch 2.13). So what a block leaves
under way is remembered, and no new block begins before it is over.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mgpu_lab.listening import groups, waits
from mgpu_lab.metering.trace import WAIT
from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from mgpu_lab.listening.group_calls import GroupCall

MANY = 64  # calls that are followed at once, before those that are over are looked for
OURS = 2  # references to a handle that nobody else holds


@dataclass
class Noted:
    """One call: its name, when it was heard, its bytes, in which thread; whether it was over when the block ended."""

    name: str
    at_ns: int
    size_bytes: int
    thread: int
    is_over: bool = True


class Calls:
    """Notes the calls that Python makes, from any thread, and follows them until they are over."""

    follows_work: ClassVar[bool] = True

    def __init__(self) -> None:
        self.noted: list[Noted] = []
        self._followed: list[tuple[Noted, GroupCall]] = []
        self._many = MANY

    def heard(self, call: GroupCall) -> None:
        """Note one call, before it is made."""
        noted = Noted(call.name, time.time_ns(), call.bytes, threading.get_native_id())
        self.noted.append(noted)
        self._followed.append((noted, call))
        if len(self._followed) > self._many:
            self._followed = [each for each in self._followed if not let_go(each[1], ask=each[1].trusted)]
            self._many = max(MANY, 2 * len(self._followed))

    def end(self) -> None:
        """Mark the calls that are not over, and remember their handles for the next block; let go of the others."""
        for noted, call in self._followed:
            noted.is_over = let_go(call, ask=True)
            if not noted.is_over:
                _left.append((call.name, call.work))
                waits.forget([call])
        self._followed = []


_left: list[tuple[str, Any]] = []  # what earlier blocks have left under way


def let_go(call: GroupCall, *, ask: bool) -> bool:
    """Let go of the handle of a call that is over; return whether it is. It was waited for, or says so when asked."""
    over = call.ended_s is not None or (ask and (call.work is None or bool(call.work.is_completed())))
    if over:
        waits.forget([call])
    return over


def settle() -> None:
    """Before a block: let go of what earlier ones have left under way.

    Raises:
        UsageError: a call that is not over, and whose handle is still held.
    """
    held = []
    while _left:
        name, work = _left.pop()
        if sys.getrefcount(work) > OURS and not work.is_completed():
            held.append((name, work))
        del work  # a handle that nobody else holds goes here, while no profiler runs
    names = ", ".join(dict.fromkeys(name for name, _ in held))
    _left.extend(held)
    held.clear()  # or the error's traceback would hold them
    if names:
        raise UsageError(
            f"{names}: begun in an earlier block of timeline(), and not over. Wait for it (`.wait()`), or delete its "
            "handle, before you begin another block."
        )


def followed(calls: Calls) -> AbstractContextManager[None]:
    """Have calls noted, and each wait for one put into the trace, while the block runs."""
    from torch._C._profiler import _RecordFunctionFast as Span

    return groups.listening(calls, python_only=True, waits_in=lambda: Span(WAIT))
