"""Checks of lesson 06's exercises that need one process: bytes of the training state, and a sum of bf16 gradients.

Only the second one imports torch.
"""

from __future__ import annotations

import contextlib
import gc
import math
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.calls import must_take
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
    (3e9, 2, 4, False),
    (5e8, 1, 1, False),
    (1.3e9, 4, 4, True),
)
FP32, GB, GIB = 4, 1e9, 2**30
MOST_FP32 = 2
MOST_DIFFERING = 0.01
SLACK = 16_384  # bytes of small things; Python's own are traced with numpy's
# how many gradients, of which shape: 48 is no power of two, so that dividing each gradient rounds each of them
FEEDS = ((48, (5000,)), (1, (5000,)), (7, (60, 90)), (64, (3, 20, 100)), (2, (1, 5000)), (260, (500,)))
ALL_ZERO = 3  # the number of a gradient that is


def state_gigabytes(answer: Any) -> str:
    """``gigabytes(parameters, weight_bytes, gradient_bytes, master)`` for weights, gradients and AdamW's state."""
    must_take(answer, "gigabytes(parameters, weight_bytes, gradient_bytes, master)", *STATES[0])
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
    """Hand out bf16 gradients one at a time; whenever the next is asked for, look at what the answer still holds."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        self.count, self.shape = count, shape
        self.elements = math.prod(shape)
        self.hint: str | None = None  # the first one
        self.last: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        before = {id(each) for each in live_tensors()}
        given: list[weakref.ref[Tensor]] = []
        with traced() as traced_bytes:
            for number in range(self.count):
                if number in {1, 2, self.count // 2, self.count - 1} - {0}:  # a look at all objects takes its time
                    held = sum(each() is not None for each in given)
                    new = [each for each in live_tensors() if id(each) not in before]
                    self.hint = self.hint or self.memory_hint(number, held, new, traced_bytes())
                    del new
                gradient = micro_gradient(number, self.shape)
                given = [each for each in given if each() is not None]  # a long list would count as held
                given.append(weakref.ref(gradient))
                yield gradient
                if number == self.count - 1:
                    self.last = gradient
                del gradient

    def memory_hint(self, number: int, held: int, new: list[Tensor], traced_bytes: int) -> str | None:
        import torch

        when = f"when gradient {number + 1} of {self.count} was asked for"
        if held > 1:
            return f"The mean is right, but {held} earlier gradients were still held {when}. Let go."
        large = [each for each in new if each.numel() >= self.elements]
        if any(each.dtype == torch.float64 for each in large):
            return "The mean is right, but fp64 takes twice the memory of fp32, which is exact enough here."
        wide = {each.untyped_storage().data_ptr() for each in large if each.dtype == torch.float32}
        if len(wide) > MOST_FP32:
            return f"The mean is right, but {len(wide)} fp32 tensors were alive at once {when}; one sum will do."
        storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in new}
        found, allowed = sum(storages.values()) + traced_bytes, (2 + 4 * MOST_FP32) * self.elements
        if found > allowed + SLACK:
            return (
                f"The mean is right, but {found:,} bytes were held {when}; one gradient and two fp32 tensors of its "
                f"size are {allowed:,}."
            )
        return None


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Yield a function that says how many more bytes Python and numpy hold than at the start."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: tracemalloc.get_traced_memory()[0] - start if tracemalloc.is_tracing() else 0
    finally:
        if not running:
            tracemalloc.stop()


def micro_gradient(number: int, shape: tuple[int, ...]) -> Tensor:
    """Return one micro-batch's gradient: noise, and something that all have in common."""
    import torch

    dice = torch.Generator().manual_seed(number)
    if number == ALL_ZERO:
        return torch.zeros(shape, dtype=torch.bfloat16)
    return (torch.rand(shape, generator=dice, dtype=torch.float64) - 0.3).bfloat16()


def live_tensors() -> list[Tensor]:
    import torch

    return [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]


def add_up(answer: Any) -> str:
    """``add_up(gradients)``: the mean of bf16 tensors in bf16, rounded once, with one fp32 accumulator."""
    must_take(answer, "add_up(gradients)", ())
    for count, shape in FEEDS:
        feed = Feed(count, shape)
        found = answer(iter(feed))
        refuse(value_hint(found, count, shape) or feed.hint)
        if feed.last is not None and found.data_ptr() == feed.last.data_ptr():
            raise Wrong(f"Of {count} the mean is right, but it is a gradient that was handed in: return a new tensor.")
    counts = ", ".join(str(count) for count, _ in FEEDS)
    return f"{counts} micro-batches: rounded once, one gradient at a time, fp32 for the sum only."


def value_hint(found: Any, count: int, shape: tuple[int, ...]) -> str | None:
    import torch

    if not isinstance(found, torch.Tensor):
        return f"Return one tensor of shape {shape}, not {type(found).__name__}."
    if found.shape != shape:
        return f"Return one tensor of the gradients' shape, here {shape}; yours has {tuple(found.shape)}."
    if found.dtype != torch.bfloat16:
        return f"The mean is to come back in bf16, it is {str(found.dtype)[6:]}: round once, at the end."
    total = torch.stack([micro_gradient(number, shape) for number in range(count)]).double().sum(0)
    if same(found, (total / count).bfloat16()):
        return None
    if hint := fitting(wrong_means(total, count, shape), lambda wrong: same(found, wrong)):
        return hint
    share = float((found != (total / count).bfloat16()).double().mean())
    return (
        f"With {count} micro-batches {share:.0%} of the numbers are not the mean rounded once. Is every gradient "
        "counted once, and added in fp32?"
    )


def wrong_means(total: Tensor, count: int, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Return what the usual mistakes lead to, by their hints."""
    import torch

    running, shares = torch.zeros(shape, dtype=torch.bfloat16), torch.zeros(shape)
    for number in range(count):
        running += micro_gradient(number, shape)
        shares += micro_gradient(number, shape) / count
    rounded, running, shares = total.bfloat16(), running / count, shares.bfloat16()
    return {
        f"This is the sum. The mean is asked for, here of {count}.": rounded,
        "The sum runs in bf16: each addition is rounded to 8 bits. Which type must the accumulator have?": running,
        "Each gradient is divided in bf16, so each is rounded once more before it is added. Divide the sum.": shares,
        "Rounded twice: the sum goes to bf16 and is divided there. Divide in fp32, then round.": rounded / count,
        **{
            f"The sum is divided by {other}, and there were {count} gradients.": (total / other).bfloat16()
            for other in {count - 1, count + 1, *(each for each, _ in FEEDS)} - {0, count}
        },
    }


def same(found: Tensor, wanted: Tensor) -> bool:
    """Whether all but a few numbers are equal: fp32 may round a tie the other way."""
    return float((found.cpu() != wanted).double().mean()) < MOST_DIFFERING
