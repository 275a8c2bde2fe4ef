"""Checks of two of lesson 04's exercises on ranks: clipping by the global norm, and ZeRO-2's gradients.

Both compare with one process, and look at what is sent.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy

TOLERANCE = 1e-9
CLIP_TOLERANCE = 1e-5  # a norm may well be kept in fp32, and torch's clip_grad_norm_ adds 1e-6 to it
MAX_NORM = 1.0
NUMBER_BYTES = 8


def numbers(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device_here())


def same(found: torch.Tensor, wanted: torch.Tensor, relative: float = TOLERANCE) -> bool:
    return found.shape == wanted.shape and torch.allclose(found.double(), wanted.double(), relative, TOLERANCE)


def global_clip(answer: Any) -> str:
    """``clip_to_global_norm(gradients, max_norm)``: scale in place, return the norm over all ranks."""
    for scale in (1.0, 1e-3):
        on_each_size(lambda size, scale=scale: clip_trial(answer, size, scale), "clipping")  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: large and small norms, a rank without gradients, one number sent."


def share(rank: int, size: int, scale: float) -> list[torch.Tensor]:
    """One rank's gradients, of uneven size; where they are small, the last of several ranks has none."""
    if scale < 1 < size and rank == size - 1:
        return []
    return [scale * (rank + 1) * numbers(10 * rank + i, 3, i + 2) for i in range(2)]


def clip_trial(answer: Any, size: int, scale: float) -> str | None:
    rank = dist.get_rank()
    whole = [gradient for each in range(size) for gradient in share(each, size, scale)]
    norm = float(torch.cat([gradient.flatten() for gradient in whole]).norm())
    mine = share(rank, size, scale)
    before = [gradient.clone() for gradient in mine]
    with Spy() as spy:
        returned = answer(list(mine), MAX_NORM)  # a list of its own: new tensors put into it change nothing here
    factor = min(1.0, MAX_NORM / norm)
    if all(same(a, factor * b, CLIP_TOLERANCE) for a, b in zip(mine, before, strict=True)):
        return clip_norm_hint(returned, norm) or clip_traffic(spy, size)
    return clip_hint(mine, before, norm, [share_norm(each, size, scale) for each in range(size)])


def share_norm(rank: int, size: int, scale: float) -> float:
    parts = [gradient.flatten() for gradient in share(rank, size, scale)]
    return float(torch.cat(parts).norm()) if parts else 0.0


def clip_norm_hint(returned: Any, norm: float) -> str | None:
    try:
        found = float(returned)
    except (TypeError, ValueError, RuntimeError):
        what = type(returned).__name__
        return f"The gradients are right, but the function returns no number ({what}). Return the norm before clipping."
    if abs(found - norm) > 1e-5 * norm:
        return "The gradients are right, but the returned norm is not the one over all ranks, before clipping."
    return None


def clip_traffic(spy: Spy, size: int) -> str | None:
    calls = [event.name for event in spy.events]
    if size > 1 and set(calls) == {"all_reduce"} and spy.sent_bytes > NUMBER_BYTES:
        return (
            f"The result is right, but {spy.sent_bytes} bytes were sent by {', '.join(calls)}. One number per rank "
            "is enough: what can each rank work out alone, so that only sums remain?"
        )
    if size > 1 and calls != ["all_reduce"]:
        return f"The result is right. You called {', '.join(calls) or 'nothing'}; one all_reduce is enough."
    return None


def clip_hint(found: list[torch.Tensor], before: list[torch.Tensor], norm: float, norms: list[float]) -> str:
    factor = float((found[0] / before[0]).flatten()[0])
    alone = MAX_NORM / norms[dist.get_rank()]
    known = {  # the first that fits
        "The gradients did not change. Scale them in place (mul_), not copies of them.": 1.0,
        "These gradients were smaller than max_norm. Clipping never makes them larger.": MAX_NORM / norm,
        "Each rank used the norm of its own share: the step's direction changed. Which norm have all in common?": alone,
        "The ranks' norms were added up. Norms do not add; what under the root does?": MAX_NORM / sum(norms),
        "The largest of the ranks' norms was used. That is not the norm of all together.": MAX_NORM / max(norms),
        "The sum of squares was used as it is: the root is missing.": MAX_NORM / norm**2,
        "The squares were averaged over the ranks. The whole gradient is not an average of its parts: add them up.": (
            MAX_NORM * len(norms) ** 0.5 / norm
        ),
        "The gradients were scaled twice.": (MAX_NORM / norm) ** 2,
    }
    otherwise = f"On {len(norms)} ranks the gradients were multiplied by {factor:.4g}, not by max_norm / norm of all."
    return fitting(known, lambda wrong: abs(factor - wrong) < CLIP_TOLERANCE * abs(wrong)) or otherwise


def own_gradients(answer: Any) -> str:
    """``keep_own_gradients(parameters, owner)``: the owner keeps the mean, the others nothing; sent once."""
    on_each_size(lambda size: gradients_trial(answer, size), "reducing to the owners")
    return f"{sizes_text().capitalize()}: means at the owners, 1/N of the bytes held, each gradient sent once."


def gradients_trial(answer: Any, size: int) -> str | None:
    rank, shapes = dist.get_rank(), ((4, 3), (5,), (2, 2), (7,), (3,))
    parameters = [nn.Parameter(numbers(i, *shape), requires_grad=i != 1) for i, shape in enumerate(shapes)]
    owner = {p: (i + 1) % size for i, p in enumerate(parameters)}
    each = [[numbers(100 * (r + 1) + i, *shape) for i, shape in enumerate(shapes)] for r in range(size)]
    trained = [(i, p) for i, p in enumerate(parameters) if p.requires_grad]
    for i, p in trained:
        p.grad = each[rank][i].clone()
    with Spy() as spy:
        answer(parameters, owner)
    if parameters[1].grad is not None:
        return "The frozen parameter has a gradient now. Skip parameters whose grad is None."
    for i, p in trained:
        hint = gradient_hint(p.grad, [ranks[i] for ranks in each], mine=owner[p] == rank)
        if hint:
            return hint
    return gradients_traffic(spy, sum(p.nbytes for _, p in trained), size)


def gradient_hint(found: torch.Tensor | None, each: list[torch.Tensor], *, mine: bool) -> str | None:
    if mine and found is None:
        return "An owner has lost its gradient. Only the ranks that do not own a parameter drop it."
    if not mine and found is not None:
        return (
            "A rank still holds the gradient of a parameter that it does not own. Set .grad to None there: "
            "freeing that memory is what stage 2 is for."
        )
    return None if found is None else mean_hint(found, each)


def mean_hint(found: torch.Tensor, each: list[torch.Tensor]) -> str | None:
    total, size = torch.stack(each).sum(0), len(each)
    if same(found, total / size):
        return None
    known = {
        "The owner holds the sum over the ranks. The mean is wanted.": [total],
        "The sum was divided by the number of ranks twice.": [total / size**2],
        "The owner holds one rank's gradient. What do the other ranks contribute?": each,
        "A gradient was divided by the number of ranks, but nothing was added up.": [one / size for one in each],
    }
    hint = fitting(known, lambda wrong: any(same(found, one) for one in wrong))
    return hint or "The owner's gradient is not the mean over the ranks."


def gradients_traffic(spy: Spy, wanted_bytes: int, size: int) -> str | None:
    if size == 1:
        return None
    names = {event.name for event in spy.events}
    if "all_reduce" in names:
        return (
            "The gradients are right, but all_reduce brings each sum to every rank, and all but one throw it away. "
            "Which collective brings it to one rank only?"
        )
    if names & {"all_gather", "all_gather_into_tensor", "all_gather_object", "gather", "gather_object"}:
        return "The gradients are right, but they were gathered whole: N copies arrive where one sum would do."
    if not spy.all_waited_for:
        return "An asynchronous call was never waited for: its result may not be there yet."
    if spy.sent_bytes > 1.01 * wanted_bytes:
        return f"{spy.sent_bytes} bytes were sent; each gradient once makes {wanted_bytes}."
    return None
