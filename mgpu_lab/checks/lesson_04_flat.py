"""The check of lesson 04's ``FlatOptimizer``: equal to the plain optimizer, with state for 1/N of the numbers."""

from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.lesson_04_numbers import MARKS_BYTES, average_bytes, numbers, same
from mgpu_lab.checks.lesson_04_shard import both, compared, is_optimizer, state_numbers
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

UNEVEN = ((50, 4), (29,), (9, 19), (15,))  # 415 numbers: no even share for 2, 3 or 4 ranks; nor has each of them
EVEN = ((70,), (20, 3, 4), (10,), (16, 10))  # 480
TRIALS = (
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, torch.float64, UNEVEN),
    (torch.optim.AdamW, {"lr": 0.05}, torch.float32, EVEN),
    (torch.optim.AdamW, {"lr": 0.02, "weight_decay": 0.3}, torch.float32, UNEVEN[::-1]),
)


def flat_optimizer(answer: Any) -> str:
    """``FlatOptimizer(params, optimizer_class, **defaults)``: state for exactly 1/N of the numbers."""
    is_optimizer(answer, "FlatOptimizer")
    for trial in TRIALS:
        on_each_size(lambda size, trial=trial: flat_trial(answer, size, *trial), "the flat optimizer's step")  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: equal to the plain optimizer, state of 1/N, one all-gather per step."


def parameters_of(shapes: Any, dtype: torch.dtype) -> list[nn.Parameter]:
    return [nn.Parameter(numbers(i, *shape, dtype=dtype)) for i, shape in enumerate(shapes)]


def flat_trial(  # noqa: PLR0913, PLR0917 - what is varied
    answer: Any, size: int, kind: Any, defaults: dict[str, float], dtype: torch.dtype, shapes: Any
) -> str | None:
    ours, theirs = parameters_of(shapes, dtype), parameters_of(shapes, dtype)
    plain, flat = both(answer, kind, defaults, ours, theirs)
    hint, spies, used = compared(plain, flat, ours, theirs, flat_values_hint)
    return hint or flat_state_hint(flat, used, plain, size) or flat_traffic(spies, theirs, size)


def flat_values_hint(
    ours: list[nn.Parameter], theirs: list[nn.Parameter], before: list[torch.Tensor], step: int
) -> str | None:
    off = [not same(p.detach(), q.detach()) for p, q in zip(ours, theirs, strict=True)]
    if not any(off):
        return None
    if all(torch.equal(p, old) for p, old in zip(ours, before, strict=True)):
        return (
            "The model's parameters have not changed. Does step() write the gathered numbers into them (copy_), after "
            "the own part's update?"
        )
    if all(same(p.detach(), q.detach().float()) for p, q in zip(ours, theirs, strict=True)):
        return (
            f"The values are right to fp32's precision only, and these parameters are {ours[0].dtype}. "
            "Make the flat tensor of their dtype."
        )
    if step:
        return (
            f"The first step is right, step {step + 1} is not. Is the gradient of your part renewed before each step, "
            "and does the part go on from the updated numbers?"
        )
    if not all(off) and off[-1]:
        return (
            "The first parameters are right, the last are not. Are the last numbers in anyone's part? Mind the padding."
            " Does every rank update its part?"
        )
    return (
        "The parameters differ from the plain optimizer's after one step. Is every part where its rank belongs, and "
        "does the optimizer of the part get the defaults and the gradient as they are?"
    )


def flat_state_hint(flat: Any, used: list[torch.optim.Optimizer], plain: Any, size: int) -> str | None:
    local = getattr(flat, "local", None)
    if local is None or not hasattr(local, "state"):
        return "Values are right. Keep the optimizer of the own part as `.local`, so that its state can be counted."
    total = sum(p.numel() for group in plain.param_groups for p in group["params"])
    for_each, share = state_numbers(plain) // total, -(-total // size)
    held = state_numbers(*{id(each): each for each in (*used, local)}.values())
    if held > share * for_each:
        return (
            f"Values are right, but with {size} rank{'s' * (size > 1)} this rank keeps {held} numbers of state; "
            f"1/{size} with padding is {share * for_each}."
        )
    if state_numbers(local) < (share - (share * size - total)) * for_each:
        return f"`.local` keeps {state_numbers(local)} numbers of state; 1/{size} with padding is {share * for_each}."
    return None


def flat_traffic(spies: list[Spy], parameters: list[nn.Parameter], size: int) -> str | None:
    if size == 1:
        return None
    total = sum(p.nbytes for p in parameters)
    padded = -(-total // (size * parameters[0].element_size())) * size * parameters[0].element_size()
    wanted = padded * (size - 1) / size
    sent = max(average_bytes(spy, size) for spy in spies)
    if sent > 1.01 * wanted + MARKS_BYTES:
        names = {event.name for spy in spies for event in spy.events if event.bytes > MARKS_BYTES}
        return (
            f"Values and state are right, but a step sends about {sent:.0f} bytes from each of {size} ranks, by "
            f"{', '.join(sorted(names))}. One all-gather is enough: it takes {wanted:.0f}, in the parameters' dtype."
        )
    return of_waits(*spies)
