"""Checks of two of lesson 04's exercises on ranks: clipping by the global norm, and ZeRO-2's gradients.

Both compare with one process, and look at what is sent.
"""

import gc
import time
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from mgpu_lab.checks.lesson_04_bytes import must_take
from mgpu_lab.checks.mistakes import close, fitting, number_of
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy

PRECISION = {torch.float64: 1e-9, torch.float32: 2e-5}
MARKS_BYTES = 64  # counts and other small messages beside the numbers themselves
FREED_WITHIN_S = 2.0  # gloo's threads let go of what they sent a little later


def numbers(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device_here(), dtype)


def same(found: torch.Tensor, wanted: torch.Tensor, relative: float | None = None) -> bool:
    """Whether two tensors hold the same numbers, but for rounding in the coarser of their dtypes."""
    if not torch.is_tensor(found) or found.shape != wanted.shape:
        return False
    relative = relative or max(PRECISION.get(each.dtype, 1e-2) for each in (found, wanted))
    scale = float(wanted.detach().abs().max()) if wanted.numel() else 0.0
    return torch.allclose(found.detach().double(), wanted.detach().double(), relative, relative * scale)


def average_bytes(spy: Spy, size: int) -> float:
    """Return what this rank sends; for a reduce or a broadcast its part of what all send: (N-1) times the tensor."""
    shared = {"reduce", "broadcast", "gather"}
    return sum(
        (size - 1) / size * (event.input_bytes if event.name == "gather" else event.bytes)
        if event.name in shared
        else event.wire_bytes
        for event in spy.events
    )


# ---- clipping

NUMBERS_BYTES = 32  # that may be sent to each other rank
TENSORS = 24  # enough to tell a call for each of them from a call for all
CLIPS = (  # dtype, scale of the gradients, max_norm, the rank without gradients (if there are several)
    (torch.float64, 1.0, 1.0, -1),
    (torch.float32, 3.0, 0.3, 0),
    (torch.float32, 0.01, 2.5, -1),  # smaller than max_norm
    (torch.float64, 1.0, 7.0, None),
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
    answer: Any, size: int, dtype: torch.dtype, scale: float, max_norm: float, empty: int | None
) -> str | None:
    rank = dist.get_rank()
    shares = [share(each, size, dtype, scale, empty) for each in range(size)]
    norms, norm = [norm_of(each) for each in shares], norm_of([tensor for each in shares for tensor in each])
    mine, before = share(rank, size, dtype, scale, empty), shares[rank]
    with Spy() as spy:
        returned = answer(list(mine), max_norm)  # a list of its own: new tensors put into it change nothing here
    factor = min(1.0, max_norm / norm)
    if all(same(a, factor * b, 2e-5) for a, b in zip(mine, before, strict=True)):  # torch adds 1e-6 to the norm
        return clip_norm_hint(returned, norm, norms[rank]) or clip_traffic(spy, size)
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
    if not spy.all_waited_for:
        return "An asynchronous call was never waited for: its result may not be there yet."
    return None


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
    otherwise = (
        f"With {size} rank{'s' * (size > 1)}, max_norm {max_norm} and norm {norm:.4g} of all, the gradients were "
        f"multiplied by {factor:.6g}, not by {wanted:.6g}."
    )
    return fitting(known, lambda wrong: abs(factor - wrong) < 1e-4 * abs(wrong)) or otherwise


# ---- stage 2's gradients


def own_gradients(answer: Any) -> str:
    """``keep_own_gradients(parameters, owner)``: the owner keeps the mean, the others nothing; sent once."""
    must_take(answer, "keep_own_gradients(parameters, owner)", [], {})
    for trial, dtype in enumerate((torch.float64, torch.float32, torch.float64)):
        what = "reducing to the owners"
        on_each_size(lambda size, trial=trial, dtype=dtype: gradients_trial(answer, size, trial, dtype), what)  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: means at the owners, 1/N of the bytes held, each gradient sent once."


def owned(size: int, trial: int, dtype: torch.dtype) -> tuple[list[nn.Parameter], dict[nn.Parameter, int]]:
    """Parameters of uneven shapes, one of them frozen, and their owners: each rank owns about equally much."""
    generator = torch.Generator().manual_seed(17 * trial + size)
    count = 2 * size + 2 + trial
    frozen = int(torch.randint(count, (), generator=generator))
    shapes = [(10 + i, 3) if i % 2 else (29 + i,) for i in range(count)]
    parameters = [nn.Parameter(numbers(i, *shape, dtype=dtype), i != frozen) for i, shape in enumerate(shapes)]
    ranks = torch.randperm(size, generator=generator).tolist()
    order = torch.randperm(count, generator=generator).tolist()
    return parameters, {parameters[i]: ranks[place % size] for place, i in enumerate(order)}


def gradients_trial(answer: Any, size: int, trial: int, dtype: torch.dtype) -> str | None:
    rank = dist.get_rank()
    parameters, owner = owned(size, trial, dtype)
    each = [[numbers(100 * (r + 1) + i, *p.shape, dtype=dtype) for i, p in enumerate(parameters)] for r in range(size)]
    trained = [(i, p) for i, p in enumerate(parameters) if p.requires_grad]
    for i, p in trained:
        p.grad = each[rank][i].clone()
    dropped = [storage_of(p.grad) for _, p in trained if owner[p] != rank]
    with Spy() as spy:
        answer(parameters, owner)
    if any(p.grad is not None for p in parameters if not p.requires_grad):
        return "The frozen parameter has a gradient now. Skip parameters whose grad is None."
    for i, p in trained:
        hint = gradient_hint(p.grad, [ranks[i] for ranks in each], mine=owner[p] == rank)
        if hint:
            return hint
    if not all_freed(dropped):
        return (
            "The .grad of parameters that a rank does not own is None, but something still holds the memory of those "
            "gradients after the call: a list, a flat buffer or a view of it?"
        )
    sizes = {p: p.nbytes for _, p in trained}
    return kept_hint(parameters, owned_bytes(sizes, owner, size)) or gradients_traffic(spy, sizes, owner, size)


def owned_bytes(sizes: dict[nn.Parameter, int], owner: dict[nn.Parameter, int], size: int) -> list[int]:
    return [sum(each for p, each in sizes.items() if owner[p] == rank) for rank in range(size)]


def kept_hint(parameters: list[nn.Parameter], held: list[int]) -> str | None:
    """What the kept gradients keep in memory: no more than the largest share."""
    storages = [p.grad.untyped_storage() for p in parameters if p.grad is not None]
    kept = sum({each.data_ptr(): each.nbytes() for each in storages}.values())
    if kept > 1.01 * max(held) + MARKS_BYTES:
        return (
            f"The gradients are right, but those that one rank keeps are views of larger tensors: {kept} bytes stay in "
            f"memory, where {max(held)} are the largest share. Keep copies of the own part only."
        )
    return None


def storage_of(tensor: Any) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def all_freed(storages: list[StorageWeakRef]) -> bool:
    until = time.monotonic() + FREED_WITHIN_S
    while not all(each.expired() for each in storages):  # type: ignore[no-untyped-call]
        gc.collect()
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


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


def gradients_traffic(
    spy: Spy, sizes: dict[nn.Parameter, int], owner: dict[nn.Parameter, int], size: int
) -> str | None:
    if size == 1:
        return None
    whole = sum(sizes.values())
    held = owned_bytes(sizes, owner, size)
    large = {event.name for event in spy.events if event.bytes > MARKS_BYTES}
    if "all_reduce" in large:
        return (
            "The gradients are right, but all_reduce brings each sum to every rank, and all but one throw it away. "
            "Which collective brings it to one rank only?"
        )
    if "all_gather" in large:
        return "The gradients are right, but they were gathered whole: N copies arrive where one sum would do."
    if not spy.all_waited_for:
        return "An asynchronous call was never waited for: its result may not be there yet."
    # what does not belong to this rank, straight to its owner; or padded to the largest share and reduce-scattered
    once = max(whole - held[dist.get_rank()], (size - 1) * max(held), whole * (size - 1) / size)
    sent = average_bytes(spy, size)
    if sent > 1.01 * once + MARKS_BYTES:
        return (
            f"The gradients are right, but about {sent:.0f} bytes left one of {size} ranks; "
            f"sending each gradient once takes {whole * (size - 1) / size:.0f} on average."
        )
    return None
