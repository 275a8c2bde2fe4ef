"""What is wrong with the gradients that MiniDDP leaves, compared with those of one process on the whole batch."""

from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.lesson_03_early import Step
from mgpu_lab.checks.lesson_03_models import Case
from mgpu_lab.checks.lesson_03_traffic import percent
from mgpu_lab.checks.on_ranks import off

TOLERANCE = 1e-9


def of_gradients(module: Any, wanted: dict[str, Any], step: Step, case: Case) -> str | None:
    for name, parameter in module.named_parameters():
        hint = of_one_gradient(name, parameter.grad, wanted[name], step.local.get(name), case)
        if hint:
            return hint
    return None


def of_one_gradient(  # noqa: PLR0911 - one for each mistake
    name: str, found: torch.Tensor | None, wanted: torch.Tensor | None, local: torch.Tensor | None, case: Case
) -> str | None:
    size = dist.get_world_size()
    if wanted is None or found is None:
        return of_missing(name, found, wanted, local, case)
    found = found.detach().cpu()
    if found.shape != wanted.shape:
        return f"`{name}`: .grad has shape {tuple(found.shape)}, the parameter {tuple(wanted.shape)} ({case.what})."
    if off(found, wanted) < TOLERANCE:
        return None
    if size > 1 and off(found, wanted * size) < TOLERANCE:
        return too_large(name, size, case)
    if size == 1 and any(off(found * times, wanted) < TOLERANCE for times in range(2, 17)):
        return "With one rank alone the gradient comes out divided: is a number of ranks written into the code?"
    if name in case.tied_names:
        return (
            f"`{name}` is shared by two layers and its gradient is wrong: it must be reduced once, when both layers' "
            "parts have been added up. Is it in more than one bucket, or reduced too early?"
        )
    if size > 1 and local is not None and off(found, local.cpu()) < TOLERANCE:
        rank = dist.get_rank()
        return f"`{name}`: rank {rank} still has the gradient of its own shard; what the others computed never arrived."
    if size > 1 and off(found * size, wanted) < TOLERANCE:
        return f"`{name}`: the gradient is {size} times too small: it was divided by the number of ranks twice."
    if off(found, wanted) < 1e-5:  # noqa: PLR2004 - what float32 keeps
        return f"`{name}`: right to float32's digits only, and the model is float64: on the way something was float32."
    return (
        f"`{name}`: the gradient differs from one process's by {percent(off(found, wanted))} of its largest value "
        f"({case.what}). Does every number come back to the place it was taken from?"
    )


def too_large(name: str, size: int, case: Case) -> str:
    if not case.unused:
        return f"`{name}`: the gradient is {size} times too large: it is the sum over {size} ranks, not their mean."
    return (
        f"`{name}`: the gradient is {size} times too large ({case.what}): the sum over {size} ranks, or the mean over "
        "the one that used it. Ranks without a gradient count as zeros."
    )


def of_missing(
    name: str, found: torch.Tensor | None, wanted: torch.Tensor | None, local: torch.Tensor | None, case: Case
) -> str | None:
    if wanted is found is None:
        return None
    if wanted is None:
        return (
            f"`{name}` took no part in this step on any rank ({case.what}), so its .grad must stay None; it became a "
            "tensor, and an optimizer with momentum or weight decay would now move it."
        )
    if local is not None and not local.any():
        return (
            f"`{name}` has a gradient of zeros, and .grad is None in the end: used, with a gradient of zero, is used."
        )
    if local is not None:
        return (
            f"`{name}`: rank {dist.get_rank()} computed a gradient, and .grad is None in the end. Was it in .grad "
            "already when your hook ran? A tensor's own register_hook runs before that."
        )
    return (
        f"`{name}` was used on some ranks, not on rank {dist.get_rank()} ({case.what}). There its gradient counts as "
        "zero, and the mean over all ranks must arrive in .grad on every rank; on this one it is None."
    )
