"""One trace of several ranks in Chrome's format, which https://ui.perfetto.dev opens: a process track for each rank.

The format: "Trace Event Format" (Google), as torch.profiler writes it. Of a rank's trace are kept the spans and the
arrows between them. What names the machine is left out.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

KEPT = ("X", "s", "t", "f")  # spans, and the arrows' beginnings, middles and ends
NOT_KEPT = ("Trace", "Span")  # the profiler's own
ARGS = (
    "Input Dims",
    "Input type",
    "Collective name",
    "In msg nelems",
    "Out msg nelems",
    "dtype",
    "stream",
    "Group size",
)


def packed(trace: Mapping[str, Any], began_us: float) -> bytes:
    """Compress a trace; times become microseconds since the block began. What was over by then is left out."""
    threads = {
        (each["pid"], each["tid"]): each["args"]["name"]
        for each in trace["traceEvents"]
        if each.get("ph") == "M" and each.get("name") == "thread_name"
    }
    numbers: dict[Any, int] = {}
    events = []
    for each in trace["traceEvents"]:
        if each.get("ph") not in KEPT or each.get("cat") in NOT_KEPT:
            continue
        if (times := since(began_us, each)) is None:
            continue
        place = (each.get("pid"), each.get("tid"))
        thread = numbers.setdefault(place, len(numbers) + 1)
        kept = {key: each[key] for key in ("ph", "cat", "name", "id", "bp") if key in each}
        args = {key: each["args"][key] for key in ARGS if key in each.get("args", {})}
        events.append({**kept, **times, "tid": thread, **({"args": args} if args else {})})
    names = {number: without_ids(str(threads.get(place, f"{place}"))) for place, number in numbers.items()}
    return zlib.compress(json.dumps({"events": events, "threads": names}).encode())


def since(began_us: float, event: Mapping[str, Any]) -> dict[str, float] | None:
    """Return an event's times after this moment: none is negative. None where it was over."""
    at_us = event["ts"] - began_us
    ended_us = at_us + event.get("dur", 0)
    if ended_us < 0:
        return None
    began = {"ts": max(at_us, 0.0)}
    return {**began, "dur": ended_us - began["ts"]} if "dur" in event else began


def without_ids(name: str) -> str:
    """``python`` of ``thread 4711 (python)``: a thread's number means nothing elsewhere."""
    return name.partition("(")[2].rstrip(") ") if name.startswith("thread ") and "(" in name else name.strip()


def merged(ranks: Iterable[tuple[int, bytes, float]]) -> dict[str, Any]:
    """Return one trace of (rank, its packed trace, seconds after which its block began)."""
    events: list[dict[str, Any]] = []
    arrows: dict[tuple[int, Any], int] = {}  # numbers: Perfetto takes a text for a hexadecimal number, or drops it
    for rank, data, began_s in ranks:
        one = json.loads(zlib.decompress(data))
        events.append(told(rank, 0, "process_name", name=f"rank {rank}"))
        events.append(told(rank, 0, "process_sort_index", sort_index=rank))
        for thread, name in one["threads"].items():
            events.append(told(rank, int(thread), "thread_name", name=name))
            events.append(told(rank, int(thread), "thread_sort_index", sort_index=int(thread)))
        for each in one["events"]:
            unique = {"id": arrows.setdefault((rank, each["id"]), len(arrows) + 1)} if "id" in each else {}
            events.append({**each, **unique, "pid": rank, "ts": each["ts"] + 1e6 * began_s})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def told(rank: int, thread: int, what: str, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": rank, "tid": thread, "ts": 0, "args": args}
