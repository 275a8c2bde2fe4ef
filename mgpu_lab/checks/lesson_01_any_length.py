"""The check of lesson 01's last exercise: an all-reduce made of two other collectives, called on all ranks.

The lesson's other checks run in the notebook's kernel; so this module, too, imports torch only inside functions.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.spy import Spy

if TYPE_CHECKING:
    from torch import Tensor


WIDTHS = {"float32": 12, "float64": 40, "int64": 50}  # bits: the sums are exact in their type, and in no narrower one
CASES = ((8, "float32"), (7, "float64"), (1, "float32"), (13, "int64"), (1001, "float32"), (60, "float64"))


def any_length(answer: Any) -> str:
    """``any_length(x)``: an all-reduce in place, of one reduce-scatter and one all-gather; called on all ranks."""
    from mgpu_lab.checks.on_ranks import on_each_size, sizes_text

    must_take(answer, "any_length(x) with one tensor", "x")
    for case in CASES:
        on_each_size(partial(hint_for, answer, *case), "a tensor of {} x {}".format(*case))
    lengths = ", ".join(str(length) for length, _ in CASES)
    return f"Lengths {lengths} in three types at {sizes_text()}, and no number too many."


@dataclass
class Tried:
    """What an answer did with one tensor: what the ranks held before, what this one holds now, what it called."""

    x: Tensor
    ranks: tuple[Tensor, ...]
    rank: int
    returned: Any
    same_memory: bool
    spy: Spy

    @property
    def length(self) -> int:
        return len(self.wanted)

    @property
    def wanted(self) -> Tensor:
        return sum(self.ranks[1:], self.ranks[0])


def hint_for(answer: Any, length: int, kind: str, size: int) -> str | None:
    """Call the answer twice, with other numbers, on ``size`` ranks and judge what came of it."""
    hints = [called_once(answer, length, kind, size, turn) for turn in (0, 1)]  # both, as the other ranks do
    return hints[0] or hints[1]


def called_once(answer: Any, length: int, kind: str, size: int, turn: int) -> str | None:
    import torch
    import torch.distributed as dist

    from mgpu_lab.checks.on_ranks import device_here

    device, rank = device_here(), dist.get_rank()
    ranks = tuple(numbers(length, getattr(torch, kind), each + turn * size).to(device) for each in range(size))
    x = ranks[rank].clone()
    place = x.data_ptr()
    with Spy() as spy:
        returned = answer(x)
    case = Tried(x, ranks, rank, returned, x.data_ptr() == place, spy)
    return value_hint(case) or calls_hint(case)


def numbers(length: int, dtype: Any, rank: int) -> Tensor:
    """Return a rank's numbers: whole ones, whose sums are exact in ``dtype`` and not in a narrower type.

    They are no multiples of another rank's.
    """
    import torch

    small = (torch.arange(length) * (13 * rank + 7) + 5 * rank) % 97 + 1
    return small.mul(2 ** WIDTHS[str(dtype).removeprefix("torch.")] + 1).to(dtype)


def value_hint(case: Tried) -> str | None:
    import torch

    x, wanted, length, ranks = case.x, case.wanted, case.length, len(case.ranks)
    if x.shape != wanted.shape or x.dtype != wanted.dtype:
        return f"x was {length} x {wanted.dtype}; now it is {tuple(x.shape)} of {x.dtype}. Write the sums into it."
    right, whole = x == wanted, length - length % ranks
    if bool(right.all()):
        return None if case.same_memory else "x was given other memory; write the sums into what it has: x.copy_(...)."
    returned = case.returned
    if isinstance(returned, torch.Tensor) and returned.shape == wanted.shape and bool((returned == wanted).all()):
        return "The sum is right, but x does not hold it: write it back into x."
    if not case.spy.all_waited_for:
        return "An asynchronous call was never waited for: what it brings is not there yet. Wait, then use it."
    for event in case.spy.events:
        if event.elements >= length / ranks and event.dtype != str(x.dtype).removeprefix("torch."):
            return f"{event.name} was given {event.dtype}, and x is {x.dtype}: make your buffers of x's own type."
    own = case.ranks[case.rank]
    twice = "x holds the sum and its own numbers besides" if ranks > 1 else "On one rank x now holds twice the sum"
    mistakes = {
        "That is the mean. An all-reduce adds up; whoever wants the mean divides afterwards.": x == mean(wanted, ranks),
        "That is the largest number of all ranks, not the sum.": x == torch.stack(case.ranks).amax(0),
        f"On rank {case.rank} x of length {length} is what it was before: write the sum back into x.": x == own,
        f"{twice}: write the sum over x, add nothing to it.": x == wanted + own,
        f"With {length} numbers on {in_words(ranks)} the last ones are not summed. Pad before you cut.": right[:whole],
    }
    otherwise = f"With {length} numbers x holds no sums. Are the shares equally long, and gathered in rank order?"
    if bool(right.any()):
        otherwise = "Some numbers are sums and some are not: each rank needs the shares of all ranks, in rank order."
    return fitting(mistakes, lambda signs: len(signs) > 0 and bool(signs.all())) or otherwise


def in_words(ranks: int) -> str:
    return "1 rank" if ranks == 1 else f"{ranks} ranks"


def mean(total: Tensor, ranks: int) -> Tensor:
    return total / ranks if total.is_floating_point() else total // ranks


def calls_hint(case: Tried) -> str | None:
    """Judge the calls of an answer whose sum is right: which, how often, and how far it padded."""
    events, ranks = case.spy.events, len(case.ranks)
    counts = Counter(event.name for event in events)
    if any(event.name == "all_reduce" and event.elements >= case.length for event in events):
        return "The sum is right, but all_reduce did it. Build it from reduce_scatter and all_gather."
    if not case.spy.all_waited_for:
        return "The sum is right this time, but an asynchronous call was never waited for."
    if ranks == 1 and not events:
        return None  # alone, there is nobody to talk to
    if counts != {"reduce_scatter": 1, "all_gather": 1}:
        calls = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "none"
        return f"The sum is right. The calls should be one reduce_scatter and one all_gather; they are: {calls}."
    return padding_hint(case)


def padding_hint(case: Tried) -> str | None:
    """Say which of the calls moved more than the tensor needs: too long a padding, or too wide a type."""
    import torch

    ranks = len(case.ranks)
    enough = math.ceil(case.length / ranks) * ranks
    for event in case.spy.events:
        handed = event.bytes // getattr(torch, event.dtype).itemsize
        if event.bytes <= enough * case.x.element_size():
            continue
        if handed > enough:
            told = f"{event.name} handled {handed} numbers for {case.length} on {in_words(ranks)}"
            return f"The sum is right, but {told}: pad less, {enough} will do."
        return f"The sum is right, but {event.name} was given {event.dtype}, which is wider than x's {case.x.dtype}."
    return None
