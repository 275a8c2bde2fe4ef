"""Read what torch.profiler has recorded of one rank: which spans were compute, which communication.

On a CPU compute is what torch's operators take: from the moment torch is asked for one until it returns. Python between
two operators counts as idle, and so does code that torch does not see. Communication is what gloo reports, from the
call to its end, waiting for other ranks included, and the time a thread spends inside a call of torch.distributed.
gloo completes a send or a receive in its ``wait()``, so the span of a message ends when that has returned, even where
the data was there before (seen with torch 2.13).
On a GPU compute is the kernels and copies that the GPU itself reports, and communication is NCCL's kernels.
Units: seconds since the block began.
"""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.metering.intervals import Interval, clipped, inside, outside, union

BEGIN, END = "mgpu_lab: the timeline begins", "mgpu_lab: the timeline ends"
WAIT = "mgpu_lab: waits for a call"  # Python, in a handle's wait()
SHADOWS = "gpu_user_annotation"  # of the CPU's annotations, over the kernels launched in them: they run later
COMMUNICATING = ("c10d", "_c10d_functional", "_c10d_functional_autograd", "symm_mem")  # operators that send or wait
FRAMES = ("autograd", "torch", "profiler")  # operators that only hold others: a node of the backward graph, a mark
BACKENDS = ("gloo:", "mpi:", "ucc:")  # on a CPU; NCCL's kernels are seen on the GPU
BACKWARD = "autograd::engine::evaluate_function"
OPTIMIZER = "Optimizer.step#"
ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
LAUNCHES = ("cuda_runtime", "cuda_driver")
PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True)
class Event:
    """One span of a trace: seconds, and where it ran."""

    name: str
    category: str
    thread: Any
    began_s: float
    ended_s: float
    args: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def interval(self) -> Interval:
        return (self.began_s, self.ended_s)

    @property
    def namespace(self) -> str:
        """``aten`` of ``aten::mm``; empty where the name has none."""
        return self.name.partition("::")[0] if "::" in self.name else ""


@dataclass(frozen=True)
class Spans:
    """A rank's time by what it did; compute by the phase that asked for it. Within a list nothing overlaps."""

    window_s: float
    compute: Mapping[str, list[Interval]]
    communication: list[Interval]
    on_gpu: bool

    @property
    def computing(self) -> list[Interval]:
        """Compute of all phases."""
        return union(part for parts in self.compute.values() for part in parts)

    @property
    def exposed(self) -> list[Interval]:
        """Communication while nothing was computed."""
        return outside(self.communication, self.computing)

    @property
    def idle(self) -> list[Interval]:
        """Neither."""
        return outside([(0.0, self.window_s)], [*self.computing, *self.communication])


def events_of(trace: Mapping[str, Any]) -> list[Event]:
    """Return the spans of a trace as torch.profiler exports it, in the order in which they began."""
    found = [
        Event(
            str(each["name"]),
            str(each.get("cat", "")),
            (each.get("pid"), each.get("tid")),
            1e-6 * float(each["ts"]),
            1e-6 * (float(each["ts"]) + float(each.get("dur", 0))),
            each.get("args", {}),
        )
        for each in trace["traceEvents"]
        if each.get("ph") == "X" and each.get("cat") != SHADOWS
    ]
    return sorted(found, key=lambda event: (event.began_s, -event.ended_s))


def window(events: Iterable[Event]) -> Interval:
    """Return when the block began and ended, by the marks at its ends."""
    marks = {event.name: event for event in events if event.name in (BEGIN, END)}
    return (marks[BEGIN].ended_s, marks[END].began_s)


def spans_of(events: list[Event], when: Interval, under_way: Sequence[Interval] = ()) -> Spans:
    """Sort a rank's time by what it did within the window.

    ``under_way``: the calls that were not over when the block ended, in seconds since it began; a trace may lack them.
    """
    on_gpu = any(event.category in ON_GPU for event in events)
    asked = phases_of(events)
    work = kernels(events, asked) if on_gpu else operators(events, asked)
    sent = [event.interval for event in events if is_communication(event, on_gpu=on_gpu)]

    def shifted(intervals: Iterable[Interval]) -> list[Interval]:
        return [(began - when[0], ended - when[0]) for began, ended in union(clipped(intervals, when))]

    communication = union([*shifted(sent), *under_way])
    return Spans(when[1] - when[0], {name: shifted(work[name]) for name in PHASES}, communication, on_gpu)


def is_communication(event: Event, *, on_gpu: bool) -> bool:
    """Whether this span is communication, where it is carried out."""
    if event.name.startswith(BACKENDS):
        return True
    if on_gpu:
        return event.category == "kernel" and event.name.startswith("nccl")
    return is_waiting(event)


def is_waiting(event: Event) -> bool:
    """Whether a thread of the CPU was sending or waiting in this span."""
    return event.category == "cpu_op" and (event.namespace in COMMUNICATING or event.name == WAIT)


def is_compute(event: Event) -> bool:
    """Whether this span is an operator that computes; one that has no name space is a node of the backward graph."""
    return event.category == "cpu_op" and event.namespace not in ("", *COMMUNICATING, *FRAMES)


def phases_of(events: Iterable[Event]) -> dict[str, list[Interval]]:
    """When backward ran and when the optimizer's step did; backward counts in whichever thread it runs."""
    backward = [event.interval for event in events if event.name.startswith(BACKWARD)]
    stepping = [event.interval for event in events if event.name.startswith(OPTIMIZER)]
    return {"backward": union(backward), "optimizer": union(stepping)}


def operators(events: list[Event], asked: Mapping[str, list[Interval]]) -> dict[str, list[Interval]]:
    """Compute on a CPU: the operators' spans, without the time in which their thread sends or waits inside them."""
    work: list[Interval] = []
    for thread in dict.fromkeys(event.thread for event in events):
        mine = [event for event in events if event.thread == thread and event.category == "cpu_op"]
        waiting = [event.interval for event in mine if is_waiting(event)]
        work += outside([event.interval for event in mine if is_compute(event)], waiting)
    stepping = inside(work, asked["optimizer"])
    backward = outside(inside(work, asked["backward"]), stepping)
    return {"forward": outside(work, [*stepping, *backward]), "backward": backward, "optimizer": stepping}


def kernels(events: list[Event], asked: Mapping[str, list[Interval]]) -> dict[str, list[Interval]]:
    """Compute on a GPU: a kernel counts for the phase in which it was launched, which may be over when it runs."""
    launched = {event.args.get("correlation"): event.began_s for event in events if event.category in LAUNCHES}
    work: dict[str, list[Interval]] = {name: [] for name in PHASES}
    for event in events:
        if event.category in ON_GPU and not is_communication(event, on_gpu=True):
            at_s = launched.get(event.args.get("correlation"), event.began_s)
            phase = next((name for name in ("optimizer", "backward") if holds(asked[name], at_s)), "forward")
            work[phase].append(event.interval)
    later = list(work)
    # kernels of two phases may run at once on two streams: such time counts once, for the earlier phase
    return {
        name: outside(work[name], (part for earlier in later[:place] for part in work[earlier]))
        for place, name in enumerate(later)
    }


def holds(intervals: list[Interval], at_s: float) -> bool:
    """Whether a moment lies in one of these disjoint intervals, which are in order."""
    place = bisect.bisect_right(intervals, at_s, key=lambda interval: interval[0])
    return place > 0 and at_s <= intervals[place - 1][1]
