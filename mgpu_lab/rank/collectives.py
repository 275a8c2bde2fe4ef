"""Watch over this process's collectives: name the one that runs now, and compare it with the other ranks' first.

gloo ends the process when ranks call ``all_reduce`` with different sizes or types, or silently mixes the data up.
So each rank writes what it is about to call on a board (``board``), reads whether another rank has written something
else for the same call of the same group, and raises before gloo is entered. Point-to-point calls are named, not
compared; calls that C++ makes are not heard (``listening``).
"""

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from mgpu_lab.listening import calls as listening
from mgpu_lab.listening.calls import POINT_TO_POINT, Call
from mgpu_lab.rank.call_log import told
from mgpu_lab.rank.rendezvous import CallLog
from mgpu_lab.wire.cells import is_cell_file
from mgpu_lab.wire.errors import CollectiveMismatchError, StaleGroupError

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
MUST_AGREE = "All ranks of a group must make the same calls in the same order, with the same sizes and types."


class Collectives:
    def __init__(self) -> None:
        self.open_log: Callable[[str], CallLog | None] = lambda _: None
        self.main_thread = threading.get_ident()
        self.failed: str | None = None  # the call that the running cell's last error came out of
        self.blocked_s = 0.0
        self.counts: dict[str, int] = {}
        self.point_to_point: dict[str, int] = {}  # calls by group: torch numbers each group's by themselves
        self.logs: dict[str, CallLog | None] = {}
        self.c10d: Any = None

    def begin_generation(self, open_log: Callable[[str], CallLog | None]) -> None:
        """Forget all groups: new ones come, and ``open_log`` opens the log in which a group's calls are compared."""
        for log in self.logs.values():
            if log is not None:
                log.close()
        self.open_log, self.logs, self.counts = open_log, {}, {}
        self.point_to_point = {}

    @property
    def current(self) -> str | None:
        """The call that runs now: the main thread's, or else one of another thread (autograd has some)."""
        calls = dict(listening.running)
        call = calls.get(self.main_thread) or next(iter(calls.values()), None)
        return text_of(call) if call else None

    def install(self) -> None:
        import torch.distributed.distributed_c10d as c10d

        self.c10d = c10d
        listening.add(self)

    def before(self, call: Call) -> None:
        """Compare the call with the other ranks' where that is possible; a collective made of others is one call."""
        __tracebackhide__ = True
        if call.name in POINT_TO_POINT and (call.inside is None or call.inside.name not in ("send", "recv")):
            name = self.name_of(call.argument("group"))
            self.point_to_point[name] = self.point_to_point.get(name, 0) + 1  # send calls isend
        if call.inside is None and call.name in COMPARED:
            self.compare(call)

    def after(self, call: Call) -> None:
        """Note how long the call took, and whether the cell's error came out of it."""
        if call.inside is None:
            self.blocked_s += call.ended_s - call.began_s
            if call.failed:
                self.failed = text_of(call)

    def compare(self, call: Call) -> None:
        """Count the call and raise if another rank is making another call in this place."""
        __tracebackhide__ = True
        if (group := self.group_of(call)) is None:
            return
        number = self.counts[group] = self.counts.get(group, 0) + 1
        if group not in self.logs:
            self.logs[group] = self.open_log(group)
        if (log := self.logs[group]) is None:
            return
        if written := log.differing(number, f"{text_of(call)} at {cell_line()}"):
            raise CollectiveMismatchError(f"ranks make different calls: {told(written)}. {MUST_AGREE}")

    def name_of(self, group: Any) -> str:
        """Name the group that a call's argument means; None means the one of all ranks, which a check may replace."""
        everyone = group is None or group is self.c10d.GroupMember.WORLD
        return str(getattr(self.c10d._world.default_pg if everyone else group, "group_name", ""))  # noqa: SLF001

    def group_of(self, call: Call) -> str | None:
        """Name the group of a call; None where torch itself will complain or do nothing."""
        group = call.argument("group")
        world = self.c10d._world  # noqa: SLF001 - torch offers no public way to ask whether a group is alive
        if group is None or group is self.c10d.GroupMember.WORLD:
            group = world.default_pg
        if group is None or group == self.c10d.GroupMember.NON_GROUP_MEMBER:
            return None
        if group not in world.pg_map:
            raise StaleGroupError(
                "this process group is not alive any more: it was destroyed, or made before the ranks' "
                "connection was renewed. Make it again with dist.new_group(...)."
            )
        return str(group.group_name)


def text_of(call: Call) -> str:
    """Describe a call, as much of it as can be compared: ``all_reduce(4 x float32)``."""
    tensor_name, agreeing = COMPARED.get(call.name, ("tensor", ("dst", "src")))
    tensor = call.argument(tensor_name) if tensor_name else None
    parts = [describe(tensor)] if tensor is not None else []
    for each in agreeing:
        value = call.argument(each)
        if value is None:
            continue
        if each != "op":
            parts.append(f"{each}={value}")
        elif (name := getattr(value, "name", str(value)).rpartition(".")[2]) != "SUM":
            parts.append(name.lower())
    return f"{call.name}({', '.join(parts)})"


def describe(tensor: Any) -> str:
    if not hasattr(tensor, "numel"):
        return f"{type(tensor).__name__}, no tensor"
    return f"{tensor.numel()} x {str(tensor.dtype).removeprefix('torch.')}"


def cell_line() -> int | str:
    """Find the cell's line that the call comes from."""
    frame: FrameType | None = sys._getframe(3)  # noqa: SLF001 - documented; the frames above are ours
    while frame is not None:
        if is_cell_file(frame.f_code.co_filename):
            return frame.f_lineno
        frame = frame.f_back
    return "?"
