"""A plan as lines of text, each in a group: the verdict, memory by category, traffic, time, speed, cost.

Training plans and inference plans give lines of the same kind, so that they can stand side by side in a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mgpu_lab.bars import words
from mgpu_lab.planner.shown.amounts import (
    UNKNOWN,
    count_text,
    fits_text,
    memory_text,
    rate_text,
    time_text,
    usd_text,
    wire_text,
)
from mgpu_lab.planner.shown.plans import Plan, Price, Serves, Trains, categories
from mgpu_lab.planner.time.step_time import StepTime

TIME_PARTS = {
    "compute_s": "compute",
    "memory_s": "of it, held up by memory bandwidth",
    "communication_s": "communication",
    "exposed_s": "of it, not hidden behind compute",
    "bubble_s": "pipeline bubble",
    "optimizer_s": "optimizer",
    "offload_s": "copies to the host and its optimizer",
}
ALWAYS_TIMED = ("compute_s", "communication_s", "exposed_s", "optimizer_s")  # also where they are 0 or unknown
Look = Literal["plain", "bold", "part"]
WAYS = {"dp": "data parallel", "tp": "tensor parallel", "pp": "pipeline parallel"}


@dataclass(frozen=True)
class Line:
    """One line of a plan: lines of the same group and label stand in one row of a table."""

    group: str
    label: str
    text: str
    look: Look = "plain"


def lines(plan: Plan, price: Price, like_bytes: int) -> list[Line]:
    """Return all lines of a plan; memory in the unit that suits `like_bytes`."""
    own = _training(plan) if isinstance(plan, Trains) else _inference(plan) if isinstance(plan, Serves) else ()
    return [
        line
        for part in (_verdict(plan), _memory(plan, like_bytes), own, _power(plan), _cost(plan, price))
        for line in part
    ]


def _verdict(plan: Plan) -> Iterator[Line]:
    yield Line("verdict", "fits", fits_text(plan.fits), "bold")
    yield Line("verdict", "what limits", plan.limits or UNKNOWN)
    if isinstance(plan, Trains):
        yield Line("verdict", "most memory at", plan.memory.moment)


def _memory(plan: Plan, like_bytes: int) -> Iterator[Line]:
    def line(group: str, label: str, size_bytes: int | None, look: Look) -> Line:
        return Line(group, label, memory_text(size_bytes, like_bytes), look)

    memory = plan.memory
    for name in categories([plan]):
        yield line(name, words(name), memory.of(name), "bold")
        yield from (line(name, row.name, row.size_bytes, "part") for row in memory.rows if row.category == name)
    yield line("tensors", "all tensors", memory.total, "bold")
    yield line("overhead", "outside tensors", memory.overhead, "bold")
    yield from (line("overhead", row.name, row.size_bytes, "part") for row in memory.overhead_rows)
    yield line("peak", "peak of one GPU", plan.peak_bytes, "bold")
    yield line("peak", "capacity of one GPU", plan.capacity_bytes, "plain")
    left = None if plan.capacity_bytes is None else plan.capacity_bytes - plan.peak_bytes
    for row in getattr(memory, "host_rows", ()):  # of offloading
        yield line("host", f"in the host's memory: {row.name}", row.size_bytes, "plain")
    missing = "missing " if left is not None and left < 0 else ""
    yield Line("peak", "free", missing + memory_text(None if left is None else abs(left), like_bytes))


def _training(plan: Trains) -> Iterator[Line]:
    calls, sent = sum(call.calls for call in plan.calls), sum(call.size_bytes for call in plan.calls)
    yield Line("traffic", "traffic of a step, one GPU", f"{calls:,} calls, {wire_text(sent)}", "bold")
    for way, name in dict.fromkeys((call.dimension, call.collective) for call in plan.calls):
        same = [call for call in plan.calls if (call.dimension, call.collective) == (way, name)]
        count, size = sum(call.calls for call in same), sum(call.size_bytes for call in same)
        yield Line("traffic", f"{WAYS.get(way, way)}: {name}", f"{count:,} calls, {wire_text(size)}", "part")
    yield Line("time", "time of a step", time_text(plan.step_s), "bold")
    yield from _time_parts(plan.time)
    yield Line("speed", "tokens/s of one GPU", rate_text(plan.tokens_per_s), "bold")
    yield Line("speed", "tokens/s of all GPUs", rate_text(tokens_per_s(plan)))


def _time_parts(time: StepTime) -> Iterator[Line]:
    for name, label in TIME_PARTS.items():
        part_s = getattr(time, name, None)
        if part_s or name in ALWAYS_TIMED:
            yield Line("time", label, time_text(part_s), "part")
    if (mfu := getattr(time, "mfu", None)) is not None:
        yield Line("time", "share of the dense FLOP/s (MFU)", f"{mfu:.0%}", "part")


def _inference(plan: Serves) -> Iterator[Line]:
    yield Line("time", "time to first token", time_text(plan.time_to_first_token_s), "bold")
    yield Line("speed", "tokens/s of one request", rate_text(plan.tokens_per_s), "bold")
    yield Line("speed", "tokens/s of all GPUs", rate_text(plan.throughput_tokens_per_s))
    room = plan.max_tokens_in_cache
    yield Line("speed", "tokens that the KV cache can hold", UNKNOWN if room is None else f"{room:,}")


def _power(plan: Plan) -> Iterator[Line]:
    yield Line("speed", "watts of all GPUs", UNKNOWN if plan.watts is None else f"{plan.watts:,.0f} W")


def _cost(plan: Plan, price: Price) -> Iterator[Line]:
    if price.usd_per_gpu_hour is None:
        return
    rate, many = tokens_per_s(plan), count_text(price.tokens)
    yield Line("cost", f"cost of {many} tokens", usd_text(bill_of(plan, price)), "bold")
    yield Line("cost", "price of a GPU hour", usd_text(price.usd_per_gpu_hour), "part")
    yield Line("cost", f"time for {many} tokens", time_text(None if rate is None else price.tokens / rate), "part")


def tokens_per_s(plan: Plan) -> float | None:
    """Return the tokens a second of all GPUs together."""
    if isinstance(plan, Trains):
        return None if plan.tokens_per_s is None else plan.tokens_per_s * plan.machine.count
    return plan.throughput_tokens_per_s if isinstance(plan, Serves) else None


def bill_of(plan: Plan, price: Price) -> float | None:
    """Return what so many tokens cost in USD; None without a price or where the speed is not known."""
    rate = tokens_per_s(plan)
    if rate is None or price.usd_per_gpu_hour is None:
        return None
    return price.tokens / rate / 3600 * price.usd_per_gpu_hour * plan.machine.count
