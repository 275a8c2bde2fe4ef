"""Wrap torch.distributed's functions once per process; tell listeners before and after each call.

A listener may raise before the call, which then is not made, or put something else in the place of its result.
Calls that C++ makes (DistributedDataParallel's buckets, functional collectives) go through no function here and are
not heard, nor are functions that were taken out of torch.distributed by name before ``install``.
"""

import functools
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

POINT_TO_POINT = ("send", "recv", "isend", "irecv")
HEARD = (
    *POINT_TO_POINT, "batch_isend_irecv", "new_group", "barrier", "monitored_barrier",
    "all_reduce", "all_reduce_coalesced", "broadcast", "reduce", "all_gather", "gather", "scatter", "reduce_scatter",
    "all_gather_into_tensor", "reduce_scatter_tensor", "all_to_all", "all_to_all_single",
    "all_gather_single", "reduce_scatter_single",  # torch 2.13's names of the two that end in _tensor
    "all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list",
)  # fmt: skip


class Call:
    """One call. Times are those of ``time.perf_counter``; what belongs to its end is set when it is over."""

    result: Any = None
    failed = False
    ended_s = 0.0

    def __init__(self, name: str, positions: dict[str, int], args: Any, kwargs: Any) -> None:
        self.name, self.positions, self.args, self.kwargs = name, positions, args, kwargs
        self.thread = threading.get_ident()
        self.inside = running.get(self.thread)  # the outermost: gather_object is made of other collectives
        self.began_s = time.perf_counter()

    def argument(self, name: str) -> Any:
        """Return an argument by name, however it was passed; None where it was not."""
        position = self.positions.get(name)
        if position is not None and position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name)

    @property
    def first(self) -> Any:
        """The first argument, most collectives' tensor; None where there is none."""
        return self.args[0] if self.args else self.kwargs.get(next(iter(self.positions), ""))


class Listener(Protocol):
    """Told of each call in the thread that makes it. ``after`` is called even where a ``before`` has raised."""

    def before(self, call: Call) -> None:
        """Whatever this raises, the caller gets, and the call is not made."""

    def after(self, call: Call) -> None:
        """The call is over; ``call.result`` is what its caller will get."""


_listeners: tuple[Listener, ...] = ()  # replaced as a whole: a call keeps those it began with
running: dict[int, Call] = {}  # thread -> the outermost call it is in
_installed = False


def add(listener: Listener) -> None:
    """Tell ``listener`` of every call from now on."""
    global _listeners  # noqa: PLW0603 - torch's functions exist once per process, and so does this
    install()
    _listeners = (*_listeners, listener)


def remove(listener: Listener) -> None:
    """Tell ``listener`` of no further call."""
    global _listeners  # noqa: PLW0603 - as above
    _listeners = tuple(each for each in _listeners if each is not listener)


def install() -> None:
    """Wrap torch.distributed's functions, as far as this version of torch has them; once per process."""
    global _installed  # noqa: PLW0603 - as above
    if _installed:
        return
    import torch.distributed as dist
    import torch.distributed.distributed_c10d as c10d

    _installed = True
    for name in HEARD:
        if (original := getattr(c10d, name, None)) is None:
            continue
        heard = wrapped(name, original)
        setattr(c10d, name, heard)
        if getattr(dist, name, None) is original:
            setattr(dist, name, heard)


def wrapped(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``original`` with the listeners told before and after it."""
    positions = {each: i for i, each in enumerate(inspect.signature(original).parameters)}

    @functools.wraps(original)
    def heard(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        call = Call(name, positions, args, kwargs)
        listeners = _listeners
        if call.inside is None:
            running[call.thread] = call
        try:
            for listener in listeners:
                listener.before(call)
            call.result = original(*args, **kwargs)
        except BaseException:
            call.failed = True
            raise
        finally:
            call.ended_s = time.perf_counter()
            if call.inside is None:
                running.pop(call.thread, None)
            for listener in listeners:
                listener.after(call)
        return call.result

    return heard
