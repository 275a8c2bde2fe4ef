"""Which work belongs to which call in a trace: gloo's spans by name and shape, NCCL's kernels by their launch."""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mgpu_lab.listening.group_calls import OPERATIONS
from mgpu_lab.metering.trace import BACKENDS, LAUNCHES, Event

WORKS = {"reduce_scatter": ("reduce_scatter", "all_reduce")}  # gloo reduces all of it and keeps its part


def operation(event: Event) -> str:
    """``allreduce`` of ``c10d::allreduce_``."""
    return event.name.partition("::")[2].removesuffix("_")


def name_of(call: Event) -> str:
    return OPERATIONS[operation(call)][0]


def works_of(events: Sequence[Event], calls: Sequence[Event]) -> list[list[Event]]:
    """Return for each call the spans of its work: gloo's by name and shape, in order; NCCL's by its launch."""
    works: list[list[Event]] = [[] for _ in calls]
    waiting = list(range(len(calls)))  # for a work
    for event in events:
        if event.name.startswith(BACKENDS):
            place = next((at for at in begun(waiting, calls, event) if may_be(calls[at], event)), None)
            if place is not None:
                waiting.remove(place)
            else:  # a list of pieces: each is a work of its own
                earlier = range(bisect.bisect_right(calls, event.began_s, key=began) - 1, -1, -1)
                place = next((at for at in earlier if may_be(calls[at], event)), None)
            if place is not None:
                works[place].append(event)
    for places, kernel in launched_in(events, calls):
        for place in [at for at in places if not works[at]] or places[-1:]:
            works[place].append(kernel)
    return works


def began(event: Event) -> float:
    return event.began_s


def begun(places: Iterable[int], calls: Sequence[Event], work: Event) -> Iterator[int]:
    """Go through the calls that had begun when the work did."""
    return itertools.takewhile(lambda at: calls[at].began_s <= work.began_s, places)


def launched_in(events: Sequence[Event], calls: Sequence[Event]) -> Iterator[tuple[list[int], Event]]:
    """Return NCCL's kernels, each with the places of the calls it may be for, the last one last.

    A kernel is launched in its call; or, for calls that are made together (``batch_isend_irecv``), after the last one.
    """
    launches = {event.args.get("correlation"): event for event in events if event.category in LAUNCHES}
    by_thread: dict[Any, list[int]] = {}
    for place, call in enumerate(calls):
        by_thread.setdefault(call.thread, []).append(place)
    for kernel in events:
        launch = launches.get(kernel.args.get("correlation"))
        if kernel.category == "kernel" and kernel.name.startswith("nccl") and launch is not None:
            places = by_thread.get(launch.thread, [])
            after = bisect.bisect_right(places, launch.began_s, key=lambda at: calls[at].began_s)
            if after:
                within = launch.began_s <= calls[places[after - 1]].ended_s
                yield places[after - 1 : after] if within else together(places[:after], calls), kernel


def together(places: Sequence[int], calls: Sequence[Event]) -> list[int]:
    """Return the sends and receives at the end."""
    last = itertools.takewhile(lambda at: name_of(calls[at]) in ("send", "recv"), reversed(places))
    return list(last)[::-1]


def may_be(call: Event, work: Event) -> bool:
    """Whether this span can be the work of that call: begun after it, of its name, with one of its shapes."""
    name = name_of(call)
    named = work.name.partition(":")[2] in WORKS.get(name, (name,))
    if not named or work.began_s < call.began_s:
        return False
    shapes = work.args.get("Input Dims") or []
    return not shapes or any(shape in flat_shapes(call) for shape in shapes)


def flat_shapes(call: Event) -> list[Any]:
    """Return the shapes of all tensors that the operator was given, lists of tensors taken apart."""
    shapes: list[Any] = []
    for given in call.args.get("Input Dims") or []:
        shapes += given if given and isinstance(given[0], list) else [given]
    return shapes
