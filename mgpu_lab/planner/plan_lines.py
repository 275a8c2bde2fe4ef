"""A plan as lines of text, each in a group: the verdict, memory by category, traffic, time, speed, cost.

Training plans and inference plans give lines of the same kind, so that they can stand side by side in a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mgpu_lab.bars import words
from mgpu_lab.planner.amounts import (
    UNKNOWN,
    count_text,
    fits_text,
    memory_text,
    rate_text,
    time_text,
    usd_text,
    wire_text,
)
from mgpu_lab.planner.plans import Plan, Price, Serves, Trains, categories

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
    rest = (_training(plan), _training_bill(plan, price)) if isinstance(plan, Trains) else (_inference(plan, price),)
    return [line for part in (_verdict(plan), _memory(plan, like_bytes), *rest) for line in part]


def _verdict(plan: Plan) -> Iterator[Line]:
    yield Line("verdict", "fits", fits_text(plan.fits), "bold")
    yield Line("verdict", "what limits", plan.limits or UNKNOWN)
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
    yield Line("time", "compute", time_text(plan.time.compute_s), "part")
    yield Line("time", "communication", time_text(plan.time.communication_s), "part")
    yield Line("time", "communication that nothing hides", time_text(plan.time.exposed_s), "part")
    yield Line("time", "optimizer", time_text(plan.time.optimizer_s), "part")
    total = None if plan.tokens_per_s is None else plan.tokens_per_s * plan.machine.count
    yield Line("speed", "tokens/s of one GPU", rate_text(plan.tokens_per_s), "bold")
    yield Line("speed", "tokens/s of all GPUs", rate_text(total))
    yield Line("speed", "watts of all GPUs", UNKNOWN if plan.watts is None else f"{plan.watts:,.0f} W")


def _training_bill(plan: Trains, price: Price) -> Iterator[Line]:
    if price.usd_per_gpu_hour is None:
        return
    total = None if plan.tokens_per_s is None else plan.tokens_per_s * plan.machine.count
    yield from _bill(price, plan.usd(price.tokens, price.usd_per_gpu_hour), total)


def _inference(plan: Plan, price: Price) -> Iterator[Line]:
    if not isinstance(plan, Serves):
        return
    yield Line("time", "time to first token", time_text(plan.time_to_first_token_s), "bold")
    yield Line("speed", "tokens/s of one request", rate_text(plan.tokens_per_s), "bold")
    rate = plan.throughput_tokens_per_s
    yield Line("speed", "tokens/s of all GPUs", rate_text(rate))
    if price.usd_per_gpu_hour is not None:
        per_token = price.usd_per_gpu_hour * plan.machine.count / 3600
        yield from _bill(price, None if rate is None else price.tokens / rate * per_token, rate)


def _bill(price: Price, usd: float | None, per_s: float | None) -> Iterator[Line]:
    many = count_text(price.tokens)
    yield Line("cost", f"cost of {many} tokens", usd_text(usd), "bold")
    yield Line("cost", "at, per GPU and hour", usd_text(price.usd_per_gpu_hour), "part")
    yield Line("cost", f"time for {many} tokens", time_text(None if per_s is None else price.tokens / per_s), "part")
