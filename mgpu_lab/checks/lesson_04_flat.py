"""The check of lesson 04's ``FlatOptimizer``: equal to the plain optimizer, with state for 1/N of the numbers."""

from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.lesson_04_zero import NUMBER_BYTES, numbers, same
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy

STEPS = 5


def flat_optimizer(answer: Any) -> str:
    """``FlatOptimizer(params, optimizer_class, **defaults)``: state for exactly 1/N of the numbers."""
    if not isinstance(answer, type):
        raise Wrong("The answer must be a class.")
    kinds = ((torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}), (torch.optim.AdamW, {"lr": 0.05}))
    for kind, defaults in kinds:
        on_each_size(lambda size, k=kind, d=defaults: flat_trial(answer, size, k, d), "the flat optimizer's step")  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: equal to the plain optimizer, state of 1/N, one all-gather per step."


def weights() -> list[nn.Parameter]:
    """Parameters of 41 numbers in all: no even share for 2, 3 or 4 ranks."""
    return [nn.Parameter(numbers(i, *shape)) for i, shape in enumerate(((5, 4), (3,), (9, 2)))]


def flat_trial(answer: Any, size: int, kind: Any, defaults: dict[str, float]) -> str | None:
    ours, theirs = weights(), weights()
    plain, flat = kind(theirs, **defaults), answer(ours, kind, **defaults)
    spies = []
    for step in range(STEPS):
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            p.grad = numbers(1000 * step + i, *p.shape)
            q.grad = p.grad.clone()
        plain.step()
        with Spy() as spy:
            flat.step()
        spies.append(spy)
        hint = flat_values_hint(ours, theirs, step)
        if hint:
            return hint
    return flat_state_hint(flat, plain, size) or flat_traffic(spies[-1], theirs, size)


def flat_values_hint(ours: list[nn.Parameter], theirs: list[nn.Parameter], step: int) -> str | None:
    off = [not same(p.detach(), q.detach()) for p, q in zip(ours, theirs, strict=True)]
    if not any(off):
        return None
    if all(torch.equal(p, q) for p, q in zip(ours, weights(), strict=True)):
        return "The model's parameters have not changed. Write the gathered numbers back into them (copy_)."
    if step:
        return (
            f"The first step is right, step {step + 1} is not. Is the gradient of your part renewed before each step, "
            "and does the part go on from the updated numbers?"
        )
    if not all(off) and off[-1]:
        return (
            "The first parameters are right, the last are not. Are the last numbers in anyone's part? Mind the padding."
        )
    return "The parameters differ from the plain optimizer's after one step. Is every part where its rank belongs?"


def flat_state_hint(flat: Any, plain: Any, size: int) -> str | None:
    local = getattr(flat, "local", None)
    if local is None or not hasattr(local, "state"):
        return "Values are right. Keep the optimizer of the own part as `.local`, so that its state can be counted."
    held, whole = state_numbers(local), state_numbers(plain)
    total = sum(p.numel() for group in plain.param_groups for p in group["params"])
    wanted = -(-total // size) * whole // total
    if held > wanted:
        return f"Values are right, but this rank keeps {held} numbers of state; 1/{size} with padding is {wanted}."
    return None if held == wanted else f"This rank keeps {held} numbers of state; 1/{size} with padding is {wanted}."


def state_numbers(optimizer: Any) -> int:
    """Count the numbers in an optimizer's state, without step counters."""
    values = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.numel() for value in values if torch.is_tensor(value) and value.dim())


def flat_traffic(spy: Spy, parameters: list[nn.Parameter], size: int) -> str | None:
    if size == 1:
        return None
    names = [event.name for event in spy.events]
    total = sum(p.nbytes for p in parameters)
    if not names or not all(name.startswith("all_gather") for name in names) or "all_gather_object" in names:
        return f"Values and state are right. You called {', '.join(names) or 'nothing'}; one all-gather is enough."
    if len(names) > 1:
        return f"Values and state are right, but there were {len(names)} all-gathers in one step; one is enough."
    if spy.sent_bytes > total + size * NUMBER_BYTES:
        return f"{spy.sent_bytes} bytes were gathered; the parameters have {total}."
    return None
