"""Checks of lesson 06's exercises that need one process: bytes of the training state, and a sum of bf16 gradients.

Only the second one imports torch.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.mistakes import close, fitting, number_from

if TYPE_CHECKING:
    from torch import Tensor

# parameters, bytes of a weight, bytes of a gradient, fp32 master weights
STATES = (
    (1e9, 4, 4, False),
    (8e9, 2, 2, True),
    (8e9, 2, 4, True),
    (7e10, 2, 2, False),
    (705_408, 2, 2, True),
    (4e11, 1, 2, True),
)
FP32, GB, GIB = 4, 1e9, 2**30
MICRO_BATCHES = 48  # no power of two: dividing each gradient by it rounds each of them
LENGTH = 5000
MOST_FP32 = 2
MOST_DIFFERING = 0.01


def state_gigabytes(answer: Any) -> str:
    """``gigabytes(parameters, weight_bytes, gradient_bytes, master)`` for weights, gradients and AdamW's state."""
    answers = [number_from(answer, *case, shown=str(case)) for case in STATES]
    wanted = [state_gb(*case) for case in STATES]
    if not all(map(close, answers, wanted)):
        raise Wrong(state_hint(answers, wanted))
    return "fp32 16, bf16 8, mixed 16, mixed with fp32 gradients 18 bytes per parameter, from thousands to billions."


def state_gb(parameters: float, weight: float, gradient: float, master: bool) -> float:  # noqa: FBT001
    """Return the GB of the state; AdamW's moments have the type of what it updates."""
    moment = FP32 if master else weight
    return parameters * (weight + gradient + (FP32 if master else 0) + 2 * moment) / GB


def wrong_gb(parameters: float, weight: float, gradient: float, master: bool) -> dict[str, float]:  # noqa: FBT001
    """Return what the usual mistakes lead to, by their hints."""
    per_gb, right = parameters / GB, state_gb(parameters, weight, gradient, master)
    masters, moment = (FP32, FP32) if master else (0, weight)
    return {
        "That is a number of bytes. The function returns GB.": right * GB,
        "That is GiB, 2^30 bytes. The function returns GB, 10^9 bytes.": right * GB / GIB,
        "The fp32 master weights are missing: they come on top of the weights.": right - per_gb * masters,
        "AdamW keeps two moments for each parameter, not one.": right - per_gb * moment,
        "Where are AdamW's two moments?": right - per_gb * 2 * moment,
        "The gradients are missing.": right - per_gb * gradient,
        "The weights that forward and backward use are missing.": right - per_gb * weight,
        "With masters AdamW updates these. Of which type are its moments then?": right - per_gb * 2 * (moment - weight),
        "Without masters AdamW updates the weights themselves. Of which type are its moments then?": right
        + per_gb * 2 * (FP32 - moment),
        "Gradients can have another type than the weights: use gradient_bytes.": right + per_gb * (weight - gradient),
        "Master weights are counted where there are none.": right + per_gb * (FP32 - masters),
    }


def state_hint(answers: list[float], wanted: list[float]) -> str:
    """Name the one mistake that leads to all of these answers, or else the first answer that is wrong."""
    mistakes = [wrong_gb(*case) for case in STATES]
    for hint in mistakes[0]:
        if all(close(found, each[hint]) for found, each in zip(answers, mistakes, strict=True)):
            return hint
    found, case = next((a, case) for a, right, case in zip(answers, wanted, STATES, strict=True) if not close(a, right))
    parameters, weight, gradient, master = case
    return (
        f"For {parameters:g} parameters ({weight} bytes a weight, {gradient} a gradient, master={master}) you have "
        f"{found:g} GB. Add up weights, gradients, masters if there are any, and two moments."
    )


class Feed:
    """Hand out bf16 gradients one at a time; at the last one, look at what the answer still holds."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.held = 0  # earlier gradients that are still alive
        self.wide: list[str] = []  # types of the large fp32 and fp64 tensors that were made since the start

    def __iter__(self) -> Iterator[Tensor]:
        before = {id(each) for each in wide_tensors()}
        given: list[weakref.ref[Tensor]] = []
        for number in range(self.count):
            gradient = micro_gradient(number)
            if number == self.count - 1:
                self.held = sum(each() is not None for each in given)
                self.wide = [str(each.dtype)[6:] for each in wide_tensors() if id(each) not in before]
            given.append(weakref.ref(gradient))
            yield gradient
            del gradient


def micro_gradient(number: int) -> Tensor:
    """Return one micro-batch's gradient: noise, and something that all have in common."""
    import torch

    dice = torch.Generator().manual_seed(number)
    return (torch.rand(LENGTH, generator=dice, dtype=torch.float64) - 0.3).bfloat16()


def wide_tensors() -> list[Tensor]:
    """List the live tensors of the exercise's size that take 4 or 8 bytes per number."""
    import torch

    wide = (torch.float32, torch.float64)
    found = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return [each for each in found if each.dtype in wide and each.numel() >= LENGTH]


def add_up(answer: Any) -> str:
    """``add_up(gradients)``: the mean of bf16 tensors in bf16, rounded once, with one fp32 accumulator."""
    for count in (MICRO_BATCHES, 1):
        feed = Feed(count)
        found = answer(iter(feed))
        refuse(value_hint(found, count) or memory_hint(feed))
    return f"{MICRO_BATCHES} micro-batches and one alone: rounded once, one gradient at a time, fp32 for the sum only."


def value_hint(found: Any, count: int) -> str | None:
    import torch

    if not isinstance(found, torch.Tensor) or found.shape != (LENGTH,):
        return f"Return one tensor of {LENGTH} numbers, not {getattr(found, 'shape', type(found).__name__)}."
    if found.dtype != torch.bfloat16:
        return f"The mean is to come back in bf16, it is {str(found.dtype)[6:]}: round once, at the end."
    total = torch.stack([micro_gradient(number) for number in range(count)]).double().sum(0)
    if same(found, (total / count).bfloat16()):
        return None
    error = (found.double() - total / count).abs().max() / (total / count).abs().max()
    otherwise = (
        f"The mean is off by up to {error:.1%} of its largest value. Is every gradient counted once, and in fp32?"
    )
    return fitting(wrong_means(total, count), lambda wrong: same(found, wrong)) or otherwise


def wrong_means(total: Tensor, count: int) -> dict[str, Tensor]:
    """Return what the usual mistakes lead to, by their hints."""
    import torch

    running, shares = torch.zeros(LENGTH, dtype=torch.bfloat16), torch.zeros(LENGTH)
    for number in range(count):
        running += micro_gradient(number)
        shares += micro_gradient(number) / count
    rounded, running, shares = total.bfloat16(), running / count, shares.bfloat16()
    return {
        "This is the sum. The mean is asked for.": rounded,
        "The sum runs in bf16: each addition is rounded to 8 bits. Which type must the accumulator have?": running,
        "Each gradient is divided in bf16, so each is rounded once more before it is added. Divide the sum.": shares,
        "Rounded twice: the sum goes to bf16 and is divided there. Divide in fp32, then round.": rounded / count,
    }


def same(found: Tensor, wanted: Tensor) -> bool:
    """Whether all but a few numbers are equal: fp32 may round a tie the other way."""
    return float((found != wanted).double().mean()) < MOST_DIFFERING


def memory_hint(feed: Feed) -> str | None:
    if feed.held > 1:
        return f"The mean is right, but {feed.held} earlier gradients were still held when the last one came. Let go."
    if "float64" in feed.wide:
        return "The mean is right, but fp64 takes twice the memory of fp32, which is exact enough here."
    if len(feed.wide) > MOST_FP32:
        return f"The mean is right, but {len(feed.wide)} fp32 tensors were alive at once; one accumulator will do."
    return None
