"""The check of lesson 04's exercise on clipping by the global norm: values, the norm, and what is sent."""

from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.lesson_04_numbers import average_bytes, numbers, same
from mgpu_lab.checks.mistakes import close, fitting, number_of
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

NUMBERS_BYTES = 32  # that may be sent to each other rank
TENSORS = 24  # enough to tell a call for each of them from a call for all
BETWEEN = 0.95  # of the norm of all: each rank's own gradients are below it
CLIPS = (  # dtype, scale of the gradients, max_norm (None: BETWEEN), the rank without gradients (if there are several)
    (torch.float64, 1.0, 1.0, -1),
    (torch.float32, 3.0, 0.3, 0),
    (torch.float32, 0.01, 2.5, -1),  # smaller than max_norm
    (torch.float64, 1.0, 7.0, None),
    (torch.float64, 0.03, None, None),  # the norm is below 1: its square is smaller
    (torch.float32, 0.0, 1.5, None),
)


def global_clip(answer: Any) -> str:
    """``clip_to_global_norm(gradients, max_norm)``: scale in place, return the norm over all ranks."""
    must_take(answer, "clip_to_global_norm(gradients, max_norm)", [], 1.0)
    for clip in CLIPS:
        on_each_size(lambda size, clip=clip: clip_trial(answer, size, *clip), "clipping")  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: large and small norms, a rank without gradients, only numbers sent."


def share(rank: int, size: int, dtype: torch.dtype, scale: float, empty: int | None) -> list[torch.Tensor]:
    """One rank's gradients, of uneven size; one of several ranks may have none."""
    if size > 1 and empty is not None and rank == empty % size:
        return []
    return [scale * (rank + 1) * numbers(100 * rank + i, 3, i % 5 + 1, dtype=dtype) for i in range(TENSORS)]


def norm_of(tensors: list[torch.Tensor]) -> float:
    return float(torch.cat([each.double().flatten() for each in tensors]).norm()) if tensors else 0.0


def clip_trial(  # noqa: PLR0913, PLR0917 - what is varied
    answer: Any, size: int, dtype: torch.dtype, scale: float, max_norm: float | None, empty: int | None
) -> str | None:
    rank = dist.get_rank()
    shares = [share(each, size, dtype, scale, empty) for each in range(size)]
    norms, norm = [norm_of(each) for each in shares], norm_of([tensor for each in shares for tensor in each])
    max_norm = BETWEEN * norm if max_norm is None else max_norm
    mine, before = share(rank, size, dtype, scale, empty), shares[rank]
    places = [each.data_ptr() for each in mine]
    with Spy() as spy:
        returned = answer(list(mine), max_norm)  # a list of its own: new tensors put into it change nothing here
    if places != [each.data_ptr() for each in mine]:
        return "The gradients lie in new memory now. Scale them in place, with mul_ or copy_."
    factor = min(1.0, max_norm / norm) if norm else 1.0
    if all(same(a, factor * b, 2e-5) for a, b in zip(mine, before, strict=True)):  # torch adds 1e-6 to the norm
        return clip_norm_hint(returned, norm, norms[rank]) or clip_traffic(spy, size)
    if not norm:
        return "All gradients were zero, and then they were not. What is max_norm / 0?"
    return clip_hint(mine, before, norm, norms, max_norm)


def clip_norm_hint(returned: Any, norm: float, alone: float) -> str | None:
    found = number_of(returned)
    if found is None:
        what = type(returned).__name__
        return f"The gradients are right, but the function returns no number ({what}). Return the norm before clipping."
    if close(found, alone, 2e-5) and not close(alone, norm, 2e-5):
        return "The gradients are right, but one rank returned the norm of its own share. Return that over all ranks."
    if not close(found, norm, 2e-5):
        return (
            f"The gradients are right, but the returned norm is {found:.4g}. Over all ranks, before clipping, "
            f"it is {norm:.4g}."
        )
    return None


def clip_traffic(spy: Spy, size: int) -> str | None:
    limit = NUMBERS_BYTES * (size - 1)
    sent = average_bytes(spy, size)
    if sent > limit:
        names = sorted({event.name for event in spy.events})
        return (
            f"The result is right, but with {size} ranks about {sent:.0f} bytes left a rank by {', '.join(names)}; "
            f"{limit} are enough. What can each rank work out alone, so that only one number remains to be sent?"
        )
    return of_waits(spy)


def clip_hint(
    found: list[torch.Tensor], before: list[torch.Tensor], norm: float, norms: list[float], max_norm: float
) -> str:
    factors = [norm_of([a]) / norm_of([b]) for a, b in zip(found, before, strict=True)]
    factor, size = factors[0], len(norms)
    if not all(same(a, f * b, 1e-4) for f, a, b in zip(factors, found, before, strict=True)):
        return "A gradient is no longer a multiple of what it was. Clipping multiplies all of them by one number."
    if max(factors) - min(factors) > 1e-4 * max(factors):
        return (
            f"One rank's gradients were multiplied by different numbers, from {min(factors):.4g} to "
            f"{max(factors):.4g}. One number for all keeps the direction."
        )
    alone = norms[dist.get_rank()]
    known = {  # the first that fits
        "The gradients did not change. Scale them in place (mul_), not copies of them.": 1.0,
        **(
            {}
            if max_norm < norm
            else {"These gradients were smaller than max_norm. Clipping never makes them larger.": max_norm / norm}
        ),
        "Each rank used the norm of its own share: the step's direction changed. Which norm have all in common?": (
            min(1.0, max_norm / alone)
        ),
        "The ranks' norms were added up. Norms do not add; what under the root does?": max_norm / sum(norms),
        "The largest of the ranks' norms was used. That is not the norm of all together.": max_norm / max(norms),
        "The sum of squares was used as it is: the root is missing.": max_norm / norm**2,
        "The squares were averaged over the ranks. The whole gradient is not an average of its parts: add them up.": (
            max_norm * size**0.5 / norm
        ),
        "The gradients were scaled twice.": (max_norm / norm) ** 2,
        "The gradients were divided by the norm; max_norm was left out.": 1 / norm,
    }
    wanted = min(1.0, max_norm / norm)
    nearly = abs(factor - wanted) < 1e-3 * wanted
    otherwise = (
        f"With {size} rank{'s' * (size > 1)}, max_norm {max_norm} and norm {norm:.4g} of all, the gradients were "
        f"multiplied by {factor:.6g}, not by {wanted:.6g}."
    )
    if nearly:
        return otherwise
    return fitting(known, lambda wrong: abs(factor - wrong) < 1e-4 * abs(wrong)) or otherwise
