"""What a step of MiniDDP sends, and when: bytes, the sizes of buckets, and how early they leave.

Time is told in gradient bytes: how much of the gradients was computed when a call was made. So a slow or a busy machine
changes nothing.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.lesson_03_models import MIDDLE_MB, SMALL_MB, Case
from mgpu_lab.checks.lesson_03_traffic import PADDING_BYTES, SLACK_BYTES
from mgpu_lab.checks.spy import Spy
from mgpu_lab.listening.group_calls import GroupCall as Event

MARK_BYTES = 16  # per parameter: room for marks that say which gradients there are
LATE_BYTES, MOSTLY = 32, 0.75  # less than the smallest gradient of the deep model; more than chance makes late
LAST_THIRD, ENOUGH = 2 / 3, 1 / 3


class Timed(Spy):
    """Notes with each call how many bytes of gradients were ready."""

    def __init__(self, watched: "Watched") -> None:
        super().__init__()
        self.watched, self.ready_at = watched, dict[int, int]()

    def heard(self, call: Event) -> None:
        """Take down one call, before it is made."""
        super().heard(call)
        self.ready_at[id(call)] = self.watched.ready_bytes


class Watched:
    """Follows which gradients of a module are ready, by hooks that run before an answer's."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.ready_bytes, self.last_s = 0, 0.0
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self.count)  # type: ignore[no-untyped-call]

    def count(self, parameter: torch.Tensor) -> None:
        self.ready_bytes += parameter.nbytes
        self.last_s = time.perf_counter()

    @contextmanager
    def watching(self) -> Iterator[Timed]:
        """Follow one step."""
        self.ready_bytes = 0
        with Timed(self) as spy:
            yield spy


@dataclass
class Step:
    number: int  # from 1
    spy: Timed
    backward_began_s: float
    backward_ended_s: float
    ready_bytes: int  # of all gradients that backward computed on this rank
    last_s: float  # when the last of them was there
    local: dict[str, torch.Tensor | None]  # gradients of this rank's shard alone, from a twin


def of_traffic(module: Any, step: Step, case: Case, bucket_mb: float) -> str | None:
    size = dist.get_world_size()
    trainable = [p for p in module.parameters() if p.requires_grad]
    events = [event for event in step.spy.events if event.name not in ("broadcast", "barrier")]
    if size == 1 and not events:
        return None  # alone there is nothing to send
    return (
        of_amount(step, events, trainable, module, case)
        or of_buckets(events, trainable, bucket_mb)
        or of_order(step, events, trainable, case, bucket_mb)
    )


def of_amount(step: Step, events: list[Event], trainable: list[torch.Tensor], module: Any, case: Case) -> str | None:
    """Hint where more travels than each gradient once, a mark for each, and the buffers."""
    size, held = dist.get_world_size(), sum(p.nbytes for p in trainable)
    marks = MARK_BYTES * len(trainable)
    slack = SLACK_BYTES + PADDING_BYTES * size * len(trainable)
    gathered = sum(event.input_bytes for event in events if event.name in ("all_gather", "gather"))
    if size > 1 and gathered > held / size + marks + slack:
        return (
            f"{gathered} bytes of rank {dist.get_rank()} were gathered, and its gradients hold {held}: with N ranks a "
            "rank then holds the gradients N times. Add them up on the way, as an all-reduce does."
        )
    share = 2 * (size - 1) / size
    sent = sum(event.wire_bytes for event in events)
    if sent > share * (held + marks) + slack:
        return (
            f"Rank {dist.get_rank()} sent {sent:.0f} bytes for the gradients of one step, and a ring all-reduce of the "
            f"trainable parameters' {held} bytes sends {share * held:.0f} ({case.what}): something is reduced more "
            "than once, or need not be reduced at all."
        )
    buffers = sum(b.nbytes for b in module.buffers())
    broadcast = sum(event.bytes for event in step.spy.named("broadcast"))
    if broadcast > 2 * buffers + slack:
        return f"{broadcast} bytes were broadcast in one step, and the buffers hold {buffers} ({case.what})."
    return None


def of_buckets(events: list[Event], trainable: list[torch.Tensor], bucket_mb: float) -> str | None:
    """Hint where the number of buckets is not what ``bucket_mb`` makes of these parameters."""
    held, cap = sum(p.nbytes for p in trainable), bucket_mb * 2**20
    large = large_ones(events, trainable)
    rounds = 2 * (large[0].group_size - 1) if large and large[0].name == "send" else 1
    count = math.ceil(len(large) / max(rounds, 1))
    if cap > held:
        one = "one bucket holds the whole model"
        return f"{count} messages where {one} (bucket_mb={bucket_mb:g})." if count > 1 else None
    if len(trainable) > 1 and count == 1:
        return (
            f"One all-reduce for all {held} bytes, and bucket_mb={bucket_mb:g} are {cap:.0f} bytes: nothing can be "
            "sent before the last gradient. Is bucket_mb heeded, and its unit?"
        )
    biggest, most = max(event.bytes for event in large) if large else 0, max(p.nbytes for p in trainable)
    marks = MARK_BYTES * len(trainable) + SLACK_BYTES
    if biggest > cap + most + marks:
        return f"A message of {biggest} bytes, and bucket_mb={bucket_mb:g} are {cap:.0f}: the buckets are too large."
    if bucket_mb == MIDDLE_MB and biggest > cap + marks:
        return (
            f"A message of {biggest} bytes, and bucket_mb={bucket_mb:g} are {cap:.0f}: the bucket was closed one "
            "parameter too late. Look before you put it in."
        )
    fewest = 2 * held / cap + 1  # two neighbours together are larger than the cap, or they would be one
    if len(trainable) > fewest and count > fewest:
        return (
            f"{count} messages for {held} bytes, and bucket_mb={bucket_mb:g} are {cap:.0f} bytes: that many gradients "
            f"fit into {math.floor(fewest)} buckets at most. Is the unit right?"
        )
    return None


def large_ones(events: list[Event], trainable: list[torch.Tensor]) -> list[Event]:
    """Return the calls that carry gradients forth: one for each bucket, whatever its way back is.

    What is no larger than marks for all parameters may be marks; where every bucket is that small, all count.
    """
    for name in ("all_reduce", "reduce_scatter", "send", "reduce", "all_to_all", "all_gather"):
        named = [event for event in events if event.name == name]
        if named:
            marks = MARK_BYTES * len(trainable)
            return [event for event in named if event.bytes > marks] or named
    return []


def of_order(
    step: Step, events: list[Event], trainable: list[torch.Tensor], case: Case, bucket_mb: float
) -> str | None:
    large = large_ones(events, trainable)
    if bucket_mb != SMALL_MB or len(trainable) < 2 or not large:  # noqa: PLR2004 - one gradient cannot leave early
        return None
    if not case.unused and min(each.began_s for each in events) > step.backward_ended_s:
        return (
            f"In step {step.number} every all-reduce starts only after backward has ended, so nothing overlaps. A "
            "gradient is ready long before: register_post_accumulate_grad_hook tells you when."
        )
    inside = [each for each in large if step.backward_began_s < each.began_s < step.backward_ended_s]
    if not all(each.is_async for each in inside):
        return "An all-reduce inside backward is synchronous: backward stands still meanwhile. What does async_op do?"
    if any(not each.polled and each.ended_s is not None and each.ended_s < step.last_s for each in inside):
        return "A bucket is waited for while backward still computes: it stands still meanwhile. Wait in the end."
    if case.deep:
        return of_early(step, [each for each in events if each.name == large[0].name])
    return None


def of_early(step: Step, forth: list[Event]) -> str | None:
    """Hint where less than a third of the traffic left before the last third of the gradients was computed."""
    total = sum(event.bytes for event in forth)
    early = sum(event.bytes for event in forth if step.spy.ready_at[id(event)] <= LAST_THIRD * step.ready_bytes)
    if early >= ENOUGH * total:
        return late_hint(step, forth)
    return (
        f"When two thirds of the gradients were computed, {early / total:.0%} of the traffic had left. Backward "
        "computes the last layer first: are the buckets in that order, and does each leave as soon as it is full?"
    )


def late_hint(step: Step, forth: list[Event]) -> str | None:
    """Hint where nearly every bucket was full before the gradient came that made it leave."""
    sent, late = 0, list[int]()
    for event in forth[:-1]:
        sent += event.bytes
        late.append(step.spy.ready_at[id(event)] - sent)
    if sum(each >= LATE_BYTES for each in late) <= MOSTLY * len(late):
        return None
    return "The buckets leave one bucket late: they were full, with all before them gone, one gradient before."
