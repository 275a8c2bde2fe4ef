"""Watch over this process's collectives: name the one that runs now, and compare it with the other ranks' first.

gloo ends the process when ranks call ``all_reduce`` with different sizes or types, or mixes the data up in
silence. So each rank writes what it is about to call on a board (``board``), reads whether another rank has written
something else for the same call of the same group, and raises before it enters gloo.
Not covered: calls that C++ makes (DDP's buckets, functional collectives), point-to-point calls.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from mgpu_lab.rank.board import told
from mgpu_lab.wire.cells import is_cell_file
from mgpu_lab.wire.errors import CollectiveMismatchError, StaleGroupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from mgpu_lab.rank.rendezvous import CallLog

# function -> (argument whose size and type must agree, further arguments that must agree)
COMPARED = {
    "all_reduce": ("tensor", ("op",)),
    "broadcast": ("tensor", ("src",)),
    "reduce": ("tensor", ("dst", "op")),
    "all_gather": ("tensor", ()),
    "gather": ("tensor", ("dst",)),
    "scatter": ("tensor", ("src",)),
    "reduce_scatter": ("output", ("op",)),
    "all_gather_into_tensor": ("input_tensor", ()),
    "all_gather_single": ("input_tensor", ()),  # torch 2.13 renamed these two; both names are watched
    "reduce_scatter_single": ("output", ("op",)),
    "reduce_scatter_tensor": ("output", ("op",)),
    "all_to_all": ("", ()),
    "all_to_all_single": ("", ()),
    "barrier": ("", ()),
    "all_gather_object": ("", ()),
    "broadcast_object_list": ("", ("src",)),
    "gather_object": ("", ("dst",)),
    "scatter_object_list": ("", ("src",)),
    "new_group": ("", ("ranks",)),
}
POINT_TO_POINT = ("send", "recv", "isend", "irecv")
NAMED_ONLY = (*POINT_TO_POINT, "batch_isend_irecv", "monitored_barrier")


MUST_AGREE = "All ranks of a group must make the same calls in the same order, with the same sizes and types."


class Collectives:
    """The collectives of one rank."""

    def __init__(self) -> None:
        """No group is known yet."""
        self.open_log: Callable[[str], CallLog | None] = lambda _: None
        self.calls: dict[int, str] = {}  # thread -> the call it is in
        self.main_thread = threading.get_ident()
        self.failed: str | None = None  # the call that the running cell's last error came out of
        self.blocked_s = 0.0
        self.counts: dict[str, int] = {}
        self.point_to_point = 0
        self.logs: dict[str, CallLog | None] = {}
        self.c10d: Any = None

    def begin_generation(self, open_log: Callable[[str], CallLog | None]) -> None:
        """Forget all groups: a new one is about to be made, whose calls ``open_log`` knows where to compare."""
        for log in self.logs.values():
            if log is not None:
                log.close()
        self.open_log, self.logs, self.counts, self.calls = open_log, {}, {}, {}
        self.point_to_point = 0

    @property
    def current(self) -> str | None:
        """The call that runs now: the main thread's, or else one of another thread (autograd has some)."""
        calls = dict(self.calls)
        return calls.get(self.main_thread) or next(iter(calls.values()), None)

    def install(self) -> None:
        """Put the watch around torch.distributed's functions, once per process."""
        import torch.distributed as dist
        import torch.distributed.distributed_c10d as c10d

        self.c10d = c10d
        for name in (*COMPARED, *NAMED_ONLY):
            original = getattr(c10d, name, None)
            if original is None:
                continue
            watched = self.watch(name, original)
            setattr(c10d, name, watched)
            if getattr(dist, name, None) is original:
                setattr(dist, name, watched)

    def watch(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``original`` with the comparison in front of it."""
        positions = {each: i for i, each in enumerate(inspect.signature(original).parameters)}

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            thread = threading.get_ident()
            outer = self.calls.get(thread, "")
            if name in POINT_TO_POINT and not outer.startswith(("send", "recv")):  # send calls isend
                self.point_to_point += 1
            if outer:  # a collective made of others
                return original(*args, **kwargs)
            call = Call(name, positions, args, kwargs)
            text = self.calls[thread] = call.text()
            began = time.perf_counter()
            try:
                if name in COMPARED:
                    self.compare(call, text)
                return original(*args, **kwargs)
            except BaseException:
                self.failed = text
                raise
            finally:
                self.calls.pop(thread, None)
                self.blocked_s += time.perf_counter() - began

        return watched

    def compare(self, call: Call, text: str) -> None:
        """Count the call and raise if another rank is making another call in this place."""
        __tracebackhide__ = True
        group = self.group_of(call)
        if group is None:
            return
        number = self.counts[group] = self.counts.get(group, 0) + 1
        if group not in self.logs:
            self.logs[group] = self.open_log(group)
        log = self.logs[group]
        if log is None:
            return
        written = log.differing(number, f"{text} at {cell_line()}")
        if written:
            raise CollectiveMismatchError(f"ranks make different calls: {told(written)}. {MUST_AGREE}")

    def group_of(self, call: Call) -> str | None:
        """Name the group of a call; None where torch itself will complain or do nothing."""
        group = call.argument("group")
        world = self.c10d._world  # noqa: SLF001 - torch offers no public way to ask whether a group is alive
        if group is None or group is self.c10d.GroupMember.WORLD:
            group = world.default_pg
        if group is None or group == self.c10d.GroupMember.NON_GROUP_MEMBER:
            return None
        if group not in world.pg_map:
            msg = (
                "this process group is not alive any more: it was destroyed, or made before the ranks' "
                "connection was renewed. Make it again with dist.new_group(...)."
            )
            raise StaleGroupError(msg)
        return str(group.group_name)


class Call:
    """One call of a collective, as much of it as can be compared."""

    __slots__ = ("args", "kwargs", "name", "positions")

    def __init__(self, name: str, positions: dict[str, int], args: Any, kwargs: Any) -> None:
        """Keep the arguments; nothing is computed yet."""
        self.name, self.positions, self.args, self.kwargs = name, positions, args, kwargs

    def argument(self, name: str) -> Any:
        """Return an argument by name, however it was passed; None where it was not."""
        position = self.positions.get(name)
        if position is not None and position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name)

    def text(self) -> str:
        """Describe the call: ``all_reduce(4 x float32)``."""
        tensor_name, agreeing = COMPARED.get(self.name, ("tensor", ("dst", "src")))
        tensor = self.argument(tensor_name) if tensor_name else None
        parts = [describe(tensor)] if tensor is not None else []
        for each in agreeing:
            value = self.argument(each)
            if each == "op":
                name = getattr(value, "name", str(value)).rpartition(".")[2]
                parts += [name.lower()] if value is not None and name != "SUM" else []
            elif value is not None:
                parts.append(f"{each}={value}")
        return f"{self.name}({', '.join(parts)})"


def describe(tensor: Any) -> str:
    """Describe a tensor as ``4 x float32``."""
    if not hasattr(tensor, "numel"):
        return type(tensor).__name__
    return f"{tensor.numel()} x {str(tensor.dtype).removeprefix('torch.')}"


def cell_line() -> int | str:
    """Find the cell's line that the call comes from."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - CPython's documented way to the calling frame
    while frame is not None:
        if is_cell_file(frame.f_code.co_filename):
            return frame.f_lineno
        frame = frame.f_back
    return "?"
