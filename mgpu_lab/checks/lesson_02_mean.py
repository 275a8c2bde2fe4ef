"""The check of lesson 02's third exercise: the mean over unequal shards, value and gradient, called on the ranks."""

from __future__ import annotations

import functools
import reprlib
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.mistakes import fitting, number_of

if TYPE_CHECKING:
    from torch import Tensor


SIZES = ([3, 2], [4, 4], [2, 2, 1], [7], [1, 5, 2, 9], [6, 6, 6, 6, 1], [1, 1, 8, 3, 2, 2])
TOLERANCE = 1e-5  # of the largest loss; torch.tensor(sizes) / sum(sizes) is fp32


def batch_mean(answer: Any) -> str:
    """``batch_mean(losses, sizes)``: the mean over all samples from the means of unequal shards; on all ranks."""
    from mgpu_lab.checks.on_ranks import on_world

    on_world(lambda _size: batch_mean_hint(answer), "batch_mean(losses, sizes)")
    return f"{len(SIZES)} batches of equal and unequal shards: value and gradient are those of the whole batch."


def batch_mean_hint(answer: Any) -> str | None:
    """Try the answer on each of SIZES, in fp32 and fp64 by turns; return the first hint."""
    import torch
    import torch.distributed as dist

    from mgpu_lab.checks.on_ranks import device_here

    for number, sizes in enumerate(SIZES):
        dtype = (torch.float32, torch.float64)[number % 2]
        random = torch.Generator().manual_seed(number + 100 * dist.get_rank())  # other losses on each rank
        means = 3 * torch.rand(len(sizes), generator=random, dtype=dtype) + 1
        if hint := mean_hint(answer, means.to(device_here()).requires_grad_(), sizes):
            return hint
    return None


def mean_hint(answer: Any, means: Tensor, sizes: list[int]) -> str | None:
    """Return what is wrong with the answer for these shards, None where nothing is."""
    handed = list(sizes)
    found = ask(answer, means * 1, handed, shown="batch_mean(losses, sizes)")  # a copy: answers may write into it
    if handed != sizes:
        return "You changed the list of sizes that you were given. The caller may need it again."
    return form_hint(found, means) or value_hint(found, means, sizes)


def form_hint(found: Any, means: Tensor) -> str | None:
    import torch

    if not isinstance(found, torch.Tensor):
        number = number_of(found) is not None
        lost = ": a plain number has lost the way back to the weights" if number else f", not {reprlib.repr(found)}"
        return f"Return a tensor{lost}."
    mistakes = {
        f"Return one number, not {found.numel()}: backward needs a scalar.": found.numel() != 1,
        "The result cannot be differentiated. Where does the way back break: item, detach, torch.tensor?": (
            not found.requires_grad
        ),
        f"The losses are {means.dtype}, your result is {found.dtype}: that loses digits.": (
            found.dtype.itemsize < means.dtype.itemsize
        ),
    }
    return fitting(mistakes, bool)


def value_hint(found: Tensor, means: Tensor, sizes: list[int]) -> str | None:
    """Return what is wrong with the value, or with its gradient."""
    import torch

    losses, counts = means.detach(), torch.tensor(sizes, dtype=means.dtype, device=means.device)
    weighted, shares = (losses * counts).sum(), counts / counts.sum()
    value, is_near = float(found.detach()), functools.partial(near, scale=float(losses.abs().max()))
    if is_near(value, float(weighted / counts.sum())):
        try:
            [gradient] = torch.autograd.grad(found.sum(), means, allow_unused=True)
        except RuntimeError as error:
            return f"The value is right, but backward fails: {str(error).partition('. ')[0]}."
        same = gradient is not None and torch.allclose(gradient, shares, atol=TOLERANCE)
        return None if same else "The value is right, its gradient is not."
    mistakes = {
        "That counts every shard alike. A shard of 3 samples says more than one of 2.": losses.mean(),
        "That adds the shards' means up. A mean has to be divided by something.": losses.sum(),
        "That is the sum over all samples. Divide by their number.": weighted,
        "Right weights, wrong divisor: divide by the number of samples, not of shards or ranks.": weighted / len(sizes),
        "Divided once too often: shares that add up to 1 are summed, not averaged.": (shares * losses).mean(),
        "The weights are turned round: the shard with more samples counts less.": (
            (losses / counts).sum() / (1 / counts).sum()
        ),
    }
    if hint := fitting(mistakes, lambda wrong: is_near(value, float(wrong))):
        return hint
    if any(is_near(value, float(each)) for each in losses):
        return "That is one shard's loss. All of them count."
    return (
        f"For shards of {sizes} samples the mean over the batch is not {value:.4g}. Weigh each loss by its samples, "
        "and divide by the number of all samples."
    )


def near(found: float, wanted: float, scale: float) -> bool:
    return abs(found - wanted) <= TOLERANCE * scale
