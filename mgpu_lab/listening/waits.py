"""The handles of calls: whether they were ever waited for, and what a wait happens within."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from mgpu_lab.listening.group_calls import GroupCall

happen_in: list[Callable[[], AbstractContextManager[Any]]] = []  # the last one is what waits happen within
_calls: dict[int, GroupCall] = {}  # id of a handle -> its call, which keeps the handle alive until `forget`


def install(work: Any) -> None:
    """Wrap the methods of torch's class of handles; once per process."""
    for name, note in WAITS.items():
        if (original := getattr(work, name, None)) is not None:
            setattr(work, name, noting(within(original) if name == "wait" else original, note))


def follow(call: GroupCall, work: Any) -> None:
    """Keep a call's handle, so that a later wait is recognised, until `forget`."""
    call.work = work
    _calls[id(work)] = call


def forget(calls: list[GroupCall]) -> None:
    """Let go of the handles of these calls."""
    for call in calls:
        if call.work is not None:
            _calls.pop(id(call.work), None)
            call.work = None


def has_waited(call: GroupCall, _: Any) -> None:
    call.ended_s = call.ended_s or time.perf_counter()


def may_have_waited(call: GroupCall, completed: Any) -> None:
    if completed:
        call.polled = call.polled or call.ended_s is None
        has_waited(call, None)


def will_wait(call: GroupCall, _: Any) -> None:
    call.trusted = True


WAITS: dict[str, Callable[[GroupCall, Any], None]] = {
    "wait": has_waited,
    "synchronize": has_waited,
    "is_completed": may_have_waited,
    "get_future": will_wait,
    "get_future_result": will_wait,
    "block_current_stream": will_wait,
}


def within(wait: Callable[..., Any]) -> Callable[..., Any]:
    """Return Work's ``wait``, which happens within what the listeners want."""

    def waits(work: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not happen_in:
            return wait(work, *args, **kwargs)
        with happen_in[-1]():
            return wait(work, *args, **kwargs)

    waits.__name__ = waits.__qualname__ = wait.__name__
    waits.__doc__ = wait.__doc__
    return waits


def noting(original: Callable[..., Any], note: Callable[[GroupCall, Any], None]) -> Callable[..., Any]:
    """Return a method of Work that notes what it means for the wait."""

    def noted(work: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        result = original(work, *args, **kwargs)
        if (call := _calls.get(id(work))) is not None:
            note(call, result)
        return result

    noted.__name__ = noted.__qualname__ = original.__name__
    noted.__doc__ = original.__doc__
    return noted
