"""The check of lesson 04's exercise on stage 2's gradients: each at its owner, freed elsewhere, sent once."""

import gc
import time
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.lesson_04_numbers import MARKS_BYTES, average_bytes, numbers, same
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

FREED_WITHIN_S = 2.0  # gloo's threads let go of what they sent a little later


def own_gradients(answer: Any) -> str:
    """``keep_own_gradients(parameters, owner)``: the owner keeps the mean, the others nothing; sent once."""
    must_take(answer, "keep_own_gradients(parameters, owner)", [], {})
    for trial, dtype in enumerate((torch.float64, torch.float32)):
        what = "reducing to the owners"
        on_each_size(lambda size, trial=trial, dtype=dtype: gradients_trial(answer, size, trial, dtype), what)  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: means at the owners, 1/N of the bytes held, each gradient sent once."


def owned(size: int, trial: int, turn: int, dtype: torch.dtype) -> tuple[list[nn.Parameter], dict[nn.Parameter, int]]:
    """Parameters of uneven shapes, one of them frozen, and their owners: each rank owns about equally much."""
    generator = torch.Generator().manual_seed(100 * turn + 17 * trial + size)
    count = 2 * size + 2 + trial
    frozen = int(torch.randint(count, (), generator=generator))
    shapes = [(10 + i, 3) if i % 2 else (29 + i,) for i in range(count)]
    parameters = [nn.Parameter(numbers(i, *shape, dtype=dtype), i != frozen) for i, shape in enumerate(shapes)]
    ranks = torch.randperm(size, generator=generator).tolist()
    order = torch.randperm(count, generator=generator).tolist()
    return parameters, {parameters[i]: ranks[place % size] for place, i in enumerate(order)}


def gradients_trial(answer: Any, size: int, trial: int, dtype: torch.dtype) -> str | None:
    """Call the answer twice, with as many parameters and other owners; both, as the other ranks do."""
    hints = [called_once(answer, *owned(size, trial, turn, dtype), size, dtype) for turn in (0, 1)]
    return hints[0] or hints[1]


def called_once(
    answer: Any, parameters: list[nn.Parameter], owner: dict[nn.Parameter, int], size: int, dtype: torch.dtype
) -> str | None:
    rank = dist.get_rank()
    each = [[numbers(100 * (r + 1) + i, *p.shape, dtype=dtype) for i, p in enumerate(parameters)] for r in range(size)]
    trains = [p.requires_grad for p in parameters]
    trained = [(i, p) for i, p in enumerate(parameters) if p.requires_grad]
    for i, p in trained:
        p.grad = each[rank][i].clone()
    dropped = [storage_of(p.grad) for _, p in trained if owner[p] != rank]
    before = [p.detach().clone() for p in parameters]
    with Spy() as spy:
        answer(parameters, owner)
    if not all(map(torch.equal, before, (p.detach() for p in parameters))):
        return "The parameters have changed. Only the gradients are dealt with here; the optimizer steps later."
    if trains != [p.requires_grad for p in parameters]:
        return "A parameter's requires_grad has changed: in the next step it trains as before."
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
    if hint := of_waits(spy):
        return hint
    # what does not belong to this rank, straight to its owner; or padded to the largest share and reduce-scattered
    once = max(whole - held[dist.get_rank()], (size - 1) * max(held), whole * (size - 1) / size)
    sent = average_bytes(spy, size)
    if sent > 1.01 * once + MARKS_BYTES:
        return (
            f"The gradients are right, but about {sent:.0f} bytes left one of {size} ranks; "
            f"sending each gradient once takes {whole * (size - 1) / size:.0f} on average."
        )
    return None
