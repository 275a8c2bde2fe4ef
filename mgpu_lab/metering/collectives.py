"""The collectives in a trace: which, when, how many bytes.

torch.profiler records each call as an operator (``c10d::allreduce_``), whoever makes it: Python, DDP's C++, a
functional collective. Its end is that of the work it started: gloo's span, or NCCL's kernel. Bytes are those of the
whole tensor: what is reduced, gathered in the end, scattered. A call from Python is heard when it is made, with its
bytes; those of the others are read from the operator's shapes and the work's dtype.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mgpu_lab.listening.group_calls import OPERATIONS
from mgpu_lab.metering.intervals import Interval
from mgpu_lab.metering.trace import Event
from mgpu_lab.metering.works import name_of, operation, works_of

ITEM_BYTES = {  # as operators' inputs are called, and as NCCL's kernels call them
    **dict.fromkeys(("double", "long int", "Double", "Long", "c10::complex<float>"), 8),
    **dict.fromkeys(("float", "int", "Float", "Int"), 4),
    **dict.fromkeys(("c10::BFloat16", "c10::Half", "short int", "BFloat16", "Half", "Short"), 2),
    **dict.fromkeys(("unsigned char", "signed char", "bool", "Byte", "Char", "Bool"), 1),
    **dict.fromkeys(("c10::Float8_e4m3fn", "c10::Float8_e5m2", "Float8_e4m3fn", "Float8_e5m2"), 1),
}


@dataclass(frozen=True)
class Heard:
    """A call that Python made: when it was heard, what it moves, in which thread; if it was over at the block's end."""

    name: str
    at_s: float
    size_bytes: int
    thread: int | None = None
    is_over: bool = True


@dataclass(frozen=True)
class Collective:
    """One call: from the asking to the end of its work, on a GPU its kernels. ``size_bytes`` None: not known.

    ``is_over`` False: the block ended first; nor is it known to be over where only its handle's wait() can tell.
    """

    name: str
    began_s: float
    ended_s: float
    size_bytes: int | None
    is_over: bool = True


def collectives_of(events: Sequence[Event], heard: Iterable[Heard], when: Interval) -> tuple[Collective, ...]:
    """Return the calls that were made within the window, in order."""
    calls = [each for each in events if each.name.startswith("c10d::") and operation(each) in OPERATIONS]
    works = works_of(events, calls)
    by_python = made_by_python(calls, heard)
    found = []
    for place, call in enumerate(calls):
        if when[0] <= call.began_s <= when[1]:
            one = by_python.get(place)
            is_over = one is None or one.is_over
            began_s, ended_s = interval_of(call, works[place])
            ended_s = min(ended_s if is_over else when[1], when[1]) - when[0]
            began_s = min(began_s, when[1]) - when[0]
            size = computed_size(call, works[place]) if one is None else one.size_bytes
            found.append(Collective(name_of(call), began_s, ended_s, size, is_over))
    return tuple(found)


def interval_of(call: Event, works: Sequence[Event]) -> Interval:
    """Return when a call was under way: from the asking on; on a GPU, which is asked long before, its kernels."""
    kernels = [work for work in works if work.category == "kernel"]
    if kernels:
        return min(kernel.began_s for kernel in kernels), max(kernel.ended_s for kernel in kernels)
    return call.began_s, max([call.ended_s, *(work.ended_s for work in works)])


def made_by_python(calls: Sequence[Event], heard: Iterable[Heard]) -> dict[int, Heard]:
    """Return by the place of a call what was heard of it: the first of its name and thread that is not over by then.

    It begins after it was heard, on the process's clock; the trace's may be some microseconds behind.
    """
    found: dict[int, Heard] = {}
    places: dict[tuple[str, Any], list[int]] = {}
    for place, call in reversed(list(enumerate(calls))):
        places.setdefault((name_of(call), call.thread[1]), []).append(place)
    for one in sorted(heard, key=lambda each: each.at_s):
        fitting = places.get((one.name, one.thread), [])
        while fitting and calls[fitting[-1]].ended_s <= one.at_s:
            fitting.pop()
        if fitting:
            found[fitting.pop()] = one
    return found


def computed_size(call: Event, works: Sequence[Event]) -> int | None:
    """Return the bytes of the largest thing the operator was given; None where shapes or dtype do not tell."""
    for work in works:
        if "In msg nelems" in work.args:
            items = max(int(work.args["In msg nelems"]), int(work.args.get("Out msg nelems", 0)))
            return sized(items, [work.args.get("dtype")])
    if call.name == "c10d::barrier":
        return 0
    given = call.args.get("Input Dims") or []
    kinds = [
        *(call.args.get("Input type") or []),
        *(kind for work in works for kind in work.args.get("Input type", [])),
    ]
    if operation(call) in ("allgather", "reduce_scatter", "gather", "scatter", "alltoall"):
        return None  # the shapes of a list of lists are not recorded
    return sized(max(map(elements, given), default=0), kinds)


def elements(given: Any) -> int:
    """Return the number of elements of a tensor's shape, or of all shapes in a list; no tensor has none."""
    if not given:
        return 0
    return sum(map(elements, given)) if isinstance(given[0], list) else math.prod(given)


def sized(items: int, kinds: Iterable[Any]) -> int | None:
    item_bytes = next((ITEM_BYTES[kind] for kind in kinds if kind in ITEM_BYTES), None)
    return None if item_bytes is None else items * item_bytes


def summed(calls: Iterable[Collective]) -> tuple[Mapping[str, int], Mapping[str, int | None]]:
    """Return calls and bytes by name; bytes are None where those of one call are not known."""
    counts: dict[str, int] = {}
    sizes: dict[str, int | None] = {}
    for call in calls:
        counts[call.name] = counts.get(call.name, 0) + 1
        so_far = sizes.get(call.name, 0)
        sizes[call.name] = None if so_far is None or call.size_bytes is None else so_far + call.size_bytes
    return counts, sizes
