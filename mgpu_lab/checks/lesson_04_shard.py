"""The check of lesson 04's ``Shard``: equal to the plain optimizer, each rank with the state of its own parameters."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.lesson_04_numbers import MARKS_BYTES, average_bytes, numbers, same
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

STEPS = 5
ValuesHint = Callable[[list[nn.Parameter], list[nn.Parameter], list[torch.Tensor], int], str | None]
TRIALS = (
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, torch.float64),
    (torch.optim.AdamW, {"lr": 0.03, "weight_decay": 0.2}, torch.float32),
)


def shard_optimizer(answer: Any) -> str:
    """``Shard(params, optimizer_class, **defaults)``: each parameter's state on its owner, new values on all ranks."""
    is_optimizer(answer, "Shard")
    for trial in TRIALS:
        on_each_size(lambda size, trial=trial: shard_trial(answer, size, *trial), "the sharded optimizer's step")  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: equal to the plain optimizer, state for the own share, each number sent once."


def is_optimizer(answer: Any, name: str) -> None:
    if not isinstance(answer, type):
        raise Wrong("The answer must be a class.")
    must_take(answer, f"{name}(params, optimizer_class, lr=..., ...)", [], torch.optim.SGD, lr=0.1, momentum=0.9)


def parameters_for(size: int, dtype: torch.dtype) -> list[nn.Parameter]:
    """The large ones last, or one after so many small ones as there are other ranks; one is frozen."""
    if dtype is torch.float32:
        counts = [8 * (2 + i) + 1 for i in range(3 * size)] + [8 * (30 + 7 * i % 5) for i in range(4 * size)]
    else:
        counts = [8 * (36 - i // size) if i % size == 0 else 8 * (2 + i) + 1 for i in range(4 * size)]
    frozen = 1 if dtype is torch.float32 else 2 * size - 1
    made = [numbers(i, count, dtype=dtype) for i, count in enumerate(counts)]
    shaped = [each.view(2, -1) if each.numel() % 2 == 0 else each for each in made]
    return [nn.Parameter(each, requires_grad=i != frozen) for i, each in enumerate(shaped)]


def shard_trial(answer: Any, size: int, kind: Any, defaults: dict[str, float], dtype: torch.dtype) -> str | None:
    ours, theirs = parameters_for(size, dtype), parameters_for(size, dtype)
    plain, sharded = both(answer, kind, defaults, ours, theirs)
    hint, spies, used = compared(plain, sharded, ours, theirs, shard_values_hint)
    return hint or shard_state_hint(sharded, used, plain, ours, size) or shard_traffic(spies, ours, size)


def both(
    answer: Any, kind: Any, defaults: dict[str, float], ours: list[nn.Parameter], theirs: list[nn.Parameter]
) -> tuple[Any, Any]:
    """Make the plain optimizer over ``theirs`` and the answer's over ours, given as an iterator in some trials."""
    given = iter(ours) if ours[0].dtype is torch.float32 else list(ours)
    plain, sharded = kind(theirs, **defaults), answer(given, kind, **defaults)
    if not callable(getattr(sharded, "step", None)):
        raise Wrong("There is no method step().")
    return plain, sharded


def compared(
    plain: Any, sharded: Any, ours: list[nn.Parameter], theirs: list[nn.Parameter], values_hint: ValuesHint
) -> tuple[str | None, list[Spy], list[torch.optim.Optimizer]]:
    """Take some steps with both; return the first hint on the values, what each step sent, and what optimizers it has.

    Those are the ones that ``sharded`` holds and the ones that have stepped, wherever they are held.
    """
    spies, used = [], {id(each): each for each in optimizers_in(sharded)}
    for step in range(STEPS):
        before = [p.detach().clone() for p in ours]
        give_gradients(step, ours, theirs)
        plain.step()
        with Spy() as spy, stepping(used):
            sharded.step()
        spies.append(spy)
        if hint := values_hint(ours, theirs, before, step):
            return hint, spies, list(used.values())
    used |= {id(each): each for each in optimizers_in(sharded)}  # some are made in the first step
    return None, spies, list(used.values())


@contextlib.contextmanager
def stepping(used: dict[int, torch.optim.Optimizer]) -> Iterator[None]:
    """Add every optimizer that takes a step meanwhile, by its id."""

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        used[id(optimizer)] = optimizer

    hook = register_optimizer_step_pre_hook(note)
    try:
        yield
    finally:
        hook.remove()


def give_gradients(step: int, *models: list[nn.Parameter]) -> None:
    """Give new gradients, equal on all ranks; a frozen parameter has none."""
    for parameters in models:
        for i, p in enumerate(parameters):
            p.grad = numbers(1000 * (step + 1) + i, *p.shape, dtype=p.dtype) if p.requires_grad else None


def shard_values_hint(
    ours: list[nn.Parameter], theirs: list[nn.Parameter], before: list[torch.Tensor], step: int
) -> str | None:
    off = [not same(p.detach(), q.detach()) for p, q in zip(ours, theirs, strict=True)]
    if not any(off):
        return None
    if any(wrong and not p.requires_grad for wrong, p in zip(off, ours, strict=True)):
        return "The frozen parameter (gradient None) has changed on this rank. It must stay as it is."
    stale = [torch.equal(p, old) for p, old, wrong in zip(ours, before, off, strict=True) if wrong]
    trained = sum(p.requires_grad for p in ours)
    if len(stale) == trained and all(stale):
        return f"After step() number {step + 1} no parameter has changed on this rank."
    if all(stale):
        return (
            f"After step() number {step + 1}, {len(stale)} of {trained} parameters still have their old values on one "
            "rank. Does every owner send its new values to all, into the model's own tensors?"
        )
    if step:
        return (
            f"The first step is right, step {step + 1} is not. Is each parameter's state kept from step to step, and "
            "does each step use the new gradient?"
        )
    return f"After one step, {sum(off)} of {trained} parameters differ from the plain optimizer's on one rank."


def optimizers_in(answer: Any) -> list[torch.optim.Optimizer]:
    """Find the optimizers that an answer holds, in its attributes and in lists and dicts there; each once."""
    found: dict[int, torch.optim.Optimizer] = {}
    for value in (answer, *reachable(answer, depth=3)):
        if isinstance(value, torch.optim.Optimizer):
            found[id(value)] = value
    return list(found.values())


def reachable(value: Any, depth: int) -> Iterator[Any]:
    """Yield what an object holds in its attributes, and in lists and dicts there."""
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, (list, tuple, set)):
        inside = list(value)
    else:
        inside = list(getattr(value, "__dict__", {}).values())
    for each in inside:
        yield each
        if depth > 1 and not isinstance(each, (torch.Tensor, torch.optim.Optimizer)):
            yield from reachable(each, depth - 1)


def state_numbers(*optimizers: Any) -> int:
    """Count the numbers in optimizers' state, without step counters."""
    states = [state for optimizer in optimizers for state in optimizer.state.values() if isinstance(state, dict)]
    values = [value for state in states for value in state.values()]
    return sum(value.numel() for value in values if torch.is_tensor(value) and value.dim())


def shard_state_hint(
    sharded: Any, used: list[torch.optim.Optimizer], plain: Any, ours: list[nn.Parameter], size: int
) -> str | None:
    local = getattr(sharded, "local", None)
    if local is None or not hasattr(local, "state"):
        return "Values are right. Keep the optimizer of the own part as `.local`, so that its state can be counted."
    counts = [p.numel() for p in ours]
    trained = sum(p.numel() for p in ours if p.requires_grad)
    for_each = state_numbers(plain) // trained
    limit = -(-sum(counts) // size) + max(counts)
    held = state_numbers(*{id(each): each for each in (*used, local)}.values()) // for_each
    if size > 1 and held > limit:
        return (
            f"Values are right, but with {size} ranks one rank keeps state for {held} of {trained} numbers. "
            f"A fair share plus the largest parameter is {limit}."
        )
    groups = getattr(local, "param_groups", ())
    updated = sum(p.numel() for group in groups for p in group["params"] if p.requires_grad)
    if size > 1 and updated > limit:
        return (
            f"Values are right, but with {size} ranks one rank's `.local` updates {updated} of {trained} numbers. "
            f"Only an owner updates a parameter; a fair share plus the largest parameter is {limit}."
        )
    if size == 1 and not state_numbers(local):
        return "Values are right, but `.local` holds no state. It must be the optimizer that updates the own part."
    return None


def shard_traffic(spies: list[Spy], ours: list[nn.Parameter], size: int) -> str | None:
    if size == 1:
        return None
    whole, largest = sum(p.nbytes for p in ours), max(p.nbytes for p in ours)
    limit = 1.01 * (size - 1) * (whole / size + largest) + MARKS_BYTES
    sent = max(average_bytes(spy, size) for spy in spies)
    if sent > limit:
        return (
            f"Values and state are right, but a step sends about {sent:.0f} bytes from each of {size} ranks. "
            f"Sending each of the {whole} bytes once, to all others, takes {(size - 1) * whole / size:.0f}."
        )
    return of_waits(*spies)
