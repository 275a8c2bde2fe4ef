"""Listen at the process groups themselves, below every name that torch.distributed gives their calls.

``calls`` hears the functions of torch.distributed. This hears what ends up in a group, whoever asks for it: a name
imported by hand, a functional collective, an object collective's parts, DistributedDataParallel's C++. Two places are
watched while a listener listens:

- the methods of ``ProcessGroup``, where Python's calls arrive, from any thread; they return the handle that is
  waited for later;
- the dispatcher, where C++'s calls arrive, in this thread and in the backward passes that it starts.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from mgpu_lab.listening import waits
from mgpu_lab.listening.group_calls import OPERATIONS, GroupCall, of_functional, of_group, of_operator

FUNCTIONAL_SPACES = ("_c10d_functional", "_c10d_functional_autograd")


class GroupListener(Protocol):
    """Told of each call in the thread that makes it, before it is made.

    ``follows_work``: whether the call's handle is kept, so that the wait for it is noted; then ``forget`` the calls.
    """

    @property
    def follows_work(self) -> bool: ...

    def heard(self, call: GroupCall) -> None:
        """Whatever this raises, the caller gets, and the call is not made."""


_listeners: list[GroupListener] = []
_in_dispatcher = False  # whether C++'s calls are heard already
_inside = threading.local()  # .busy: within a call that is heard already
_installed = False


@contextmanager
def listening(
    listener: GroupListener,
    *,
    python_only: bool = False,
    waits_in: Callable[[], AbstractContextManager[Any]] | None = None,
) -> Iterator[None]:
    """Tell ``listener`` of every call of any process group until the block ends.

    ``python_only``: C++'s calls need not be heard. To hear them every operator passes through Python, which a block
    whose time is measured would feel; calls from Python cost nothing more.
    ``waits_in``: makes what each ``wait()`` for a handle is to happen within.
    """
    global _in_dispatcher  # noqa: PLW0603 - one for the process, like the listeners
    install()
    first = not _in_dispatcher and not python_only
    _listeners.append(listener)
    waits.happen_in.extend([waits_in] if waits_in else [])
    try:
        if first:
            _in_dispatcher = True
            with dispatch_mode():
                yield
        else:
            yield
    finally:
        _listeners.remove(listener)
        if waits_in:
            waits.happen_in.remove(waits_in)
        _in_dispatcher = _in_dispatcher and not first


def hear(call: GroupCall) -> None:
    for listener in _listeners:
        listener.heard(call)
    call.began_s = time.perf_counter()


def install() -> None:
    """Wrap the methods of ProcessGroup and of Work; once per process. Without a listener they only pass on."""
    global _installed  # noqa: PLW0603 - torch's classes exist once per process, and so does this
    if _installed:
        return
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import ProcessGroup

    _installed = True
    for operation in OPERATIONS:
        if (original := getattr(ProcessGroup, operation, None)) is not None:
            setattr(ProcessGroup, operation, method(operation, original))
    waits.install(dist.Work)


def method(operation: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of ProcessGroup that tells the listeners first."""

    def heard(group: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not _listeners or getattr(_inside, "busy", False):
            return original(group, *args, **kwargs)
        call = of_group(operation, group, args, kwargs)
        hear(call)
        _inside.busy = True
        try:
            work = original(group, *args, **kwargs)
        finally:
            _inside.busy = False
        if work is None:
            call.ended_s = time.perf_counter()
        elif any(each.follows_work for each in _listeners):
            waits.follow(call, work)
        return work

    heard.__name__ = heard.__qualname__ = operation
    heard.__doc__ = original.__doc__
    return heard


def dispatch_mode() -> Any:
    """Return a new mode that hears C++'s calls."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Hearing(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if any(each.__name__ == "DTensor" for each in types):
                return NotImplemented  # first DTensor's own dispatch, whose collectives then come here
            if getattr(_inside, "busy", False) or func.namespace not in ("c10d", *FUNCTIONAL_SPACES):
                return func(*args, **kwargs)
            operation = func.name().rpartition("::")[2].removesuffix("_")
            call = operator_call(func.namespace, operation, args)
            if call is None:
                return func(*args, **kwargs)
            hear(call)
            call.is_async = call.trusted = True
            _inside.busy = True
            try:
                return func(*args, **kwargs)
            finally:
                _inside.busy = False

    return Hearing()  # type: ignore[no-untyped-call]


def operator_call(namespace: str, operation: str, args: tuple[Any, ...]) -> GroupCall | None:
    """Describe what the dispatcher was asked for; None where it moves nothing."""
    from torch.distributed import distributed_c10d as c10d

    if namespace == "c10d":
        boxed = next((each for each in args if is_group(each)), None)
        return of_operator(operation, c10d.ProcessGroup.unbox(boxed), args) if boxed is not None else None
    group = next((each for each in reversed(args) if isinstance(each, str) or hasattr(each, "group_name")), None)
    if isinstance(group, str):
        group = c10d._resolve_process_group(c10d.GroupName(group))  # type: ignore[attr-defined]  # noqa: SLF001
    return of_functional(operation, group, args) if group is not None else None


def is_group(value: Any) -> bool:
    return type(value).__name__ == "ScriptObject" and "ProcessGroup" in str(value._type())  # noqa: SLF001 - no public name
