"""Checks of lesson 03's first two versions of DDP: average the gradients, one by one and in one message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.kept import Kept
from mgpu_lab.checks.lesson_03_traffic import of_bytes, of_kept, percent
from mgpu_lab.checks.on_ranks import device_here, off, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-9}
SMALL_BYTES = 64  # below it a call carries marks and counts, not gradients


class Scaled(nn.Module):
    """A layer with a parameter that is a single number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape."""
        return self.norm(x) * self.scale  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Case:
    what: str
    dtype: torch.dtype
    width: int
    samples: int  # per rank
    frozen: tuple[int, ...] = ()  # layers

    def build(self) -> nn.Sequential:
        """Return the model, the same on every rank."""
        torch.manual_seed(11 + self.width)
        layers = (nn.Linear(self.width, 40), nn.Tanh(), Scaled(40), nn.Linear(40, 24, bias=False), nn.Linear(24, 3))
        model = nn.Sequential(*layers).to(device_here(), self.dtype)
        for index in self.frozen:
            model[index].requires_grad_(False)  # noqa: FBT003 - torch's own signature
        return model


CASES = (
    Case("a float64 model", torch.float64, 10, 4),
    Case("a float32 model", torch.float32, 17, 3),
    Case("a float32 model with a frozen layer", torch.float32, 8, 5, (0,)),
    Case("a float64 model with two frozen layers", torch.float64, 13, 2, (2, 3)),
)


def naive_ddp(answer: Any) -> str:
    """``average_gradients(model)``, called after backward: every gradient is the mean over the ranks."""
    try_cases(answer, "average_gradients(model)", None)
    return (
        f"{sizes_text().capitalize()}: every gradient is the mean, float32 and float64; no rank sends more than a ring."
    )


def flat_ddp(answer: Any) -> str:
    """``flat_average(model)``: the same, and everything in one message."""
    try_cases(answer, "flat_average(model)", of_messages)
    return (
        f"{sizes_text().capitalize()}: every gradient is the mean, float32 and float64, and all travel in one message."
    )


def try_cases(answer: Any, shown: str, of_calls: Callable[[Spy, list[torch.Tensor]], str | None] | None) -> None:
    for case in CASES:  # a trial each: what one rank finds is known to all before the next
        on_each_size(lambda size, case=case: one_case(answer, case, size, shown, of_calls), f"averaging in {case.what}")  # type: ignore[misc]


def one_case(
    answer: Any, case: Case, size: int, shown: str, of_calls: Callable[[Spy, list[torch.Tensor]], str | None] | None
) -> str | None:
    rank = dist.get_rank()
    each = [local_gradients(case, other) for other in range(size)]
    model = case.build()
    local_backward(model, case, rank)
    before = [p.detach().clone() for p in model.parameters()]
    with Kept() as kept, Spy() as spy:
        ask(answer, model, shown=shown)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    if any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)):
        return f"The weights have changed ({case.what}): only .grad is to be averaged, the optimizer steps later."
    hint = of_waits(spy) or of_gradients(model, each, case, size)
    hint = hint or of_bytes(spy, gradients, size) or (of_calls(spy, gradients) if of_calls else None)
    held = sum(g.nbytes for g in gradients)
    known = [*model.parameters(), *(p.grad for p in model.parameters())]
    return hint or of_kept(kept.more_than(held // 4 + 256, known))


def batch(case: Case, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(31 * case.width + rank)
    x = torch.randn(case.samples, case.width, generator=generator, dtype=torch.float64) + rank
    y = torch.randn(case.samples, 3, generator=generator, dtype=torch.float64) * (2 + rank % 3)
    return x.to(device_here(), case.dtype), y.to(device_here(), case.dtype)


def local_backward(model: nn.Module, case: Case, rank: int) -> None:
    x, y = batch(case, rank)
    (model(x) - y).square().mean().backward()


def local_gradients(case: Case, rank: int) -> list[torch.Tensor | None]:
    model = case.build()
    local_backward(model, case, rank)
    return [p.grad for p in model.parameters()]


def of_gradients(model: nn.Module, each: list[list[Any]], case: Case, size: int) -> str | None:
    local = each[dist.get_rank()]
    for (name, parameter), mine, parts in zip(model.named_parameters(), local, zip(*each, strict=True), strict=True):
        hint = of_gradient(f"`{name}` ({case.what})", parameter, mine, list(parts), size)
        if hint:
            return hint
    return None


def of_gradient(  # noqa: PLR0911 - one for each mistake
    name: str, parameter: nn.Parameter, mine: torch.Tensor | None, parts: list[Any], size: int
) -> str | None:
    found = parameter.grad
    if mine is None or found is None:
        if mine is found is None:
            return None
        if mine is None:
            return f"{name} is frozen: no rank has a gradient for it, and .grad must stay None."
        return f"{name} had a gradient on every rank; afterwards .grad is None."
    if found.dtype != parameter.dtype or found.shape != parameter.shape:
        shape = tuple(found.shape)
        return f"{name}: .grad is now {found.dtype} of shape {shape}; it was {mine.dtype} of {tuple(mine.shape)}."
    wanted = (sum(part.double() for part in parts) / size).to(found.dtype)
    tolerance = TOLERANCES[parameter.dtype]
    if off(found, wanted) < tolerance:
        return None
    largest = torch.stack(parts).amax(0).to(found)
    if size > 1 and off(found, largest) < tolerance:
        return f"{name}: of the ranks' gradients this is the largest, number by number. The mean begins with a sum."
    return of_wrong(name, found, wanted, mine, size)


def of_wrong(  # noqa: PLR0911 - one for each mistake
    name: str, found: torch.Tensor, wanted: torch.Tensor, mine: torch.Tensor, size: int
) -> str:
    """Name the mistake behind a wrong gradient."""
    tolerance = TOLERANCES[found.dtype]
    if size == 1:
        return f"{name}: with one rank the gradient is right before you start; afterwards it is not."
    here = f"rank {dist.get_rank()}"
    if off(found, wanted * size) < tolerance:
        return f"{name}: the gradient is {size} times too large: it is the sum over {size} ranks, not their mean."
    if off(found * size, wanted) < tolerance:
        return f"{name}: the gradient is {size} times too small: it was divided by the number of ranks twice."
    if off(found, mine) < tolerance:
        return f"{name}: {here} still has the gradient of its own rows; nothing from the other ranks has arrived."
    if off(found * size, mine) < tolerance:
        return f"{name}: {here} has its own gradient divided by {size}; nothing from the other ranks has arrived."
    if found.dtype == torch.float64 and off(found, wanted) < TOLERANCES[torch.float32]:
        return f"{name}: right to float32's digits only, and the model is float64: on the way something was float32."
    return (
        f"{name}: on {here} the gradient differs from the mean over the ranks by {percent(off(found, wanted))} of its "
        "largest value. Is it added up over all ranks, on all ranks, and does each number come back to its own place?"
    )


def of_messages(spy: Spy, gradients: list[torch.Tensor]) -> str | None:
    """Hint where the gradients did not travel in one message."""
    large = [event for event in spy.events if event.bytes > SMALL_BYTES]
    counts = {name: len([event for event in large if event.name == name]) for name in ("all_reduce", "reduce_scatter")}
    sends = [event for event in large if event.name == "send"]
    rounds = 2 * (sends[0].group_size - 1) if sends else 0
    if max(counts.values()) > 1 or sum(counts.values()) > 1:
        name = max(counts, key=lambda each: counts[each])
        calls = f"{len(spy.named(name))} calls of {name}"
        return (
            f"{calls} for {len(gradients)} gradients: all are to travel in one. Copy them into one flat tensor first."
        )
    if len(sends) > rounds:
        return f"{len(sends)} messages were sent where a ring sends {rounds}: copy all gradients into one tensor first."
    return None
