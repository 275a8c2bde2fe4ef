"""Checks of lesson 03's exercises around a training step: gradients weighted by tokens, and accumulation."""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.parallel import DistributedDataParallel

from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy

TOLERANCE = 1e-6  # token counts may well be kept in fp32
WIDTH = 6
MICRO_BATCHES = 4


def data(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs (rows, WIDTH) and wanted outputs (rows, 2); what each row is like depends on the seed."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64) + seed % 5
    y = torch.randn(rows, 2, generator=generator, dtype=torch.float64) * (1 + seed % 3)
    return x.to(device_here()), y.to(device_here())


def network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 2)).double().to(device_here())


def mean_loss(model: Any, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    x, y = batch
    return (model(x) - y).square().sum(1).mean()  # type: ignore[no-any-return]


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in model.parameters()]


def worst(found: list[torch.Tensor], wanted: list[torch.Tensor], factor: float = 1.0) -> float:
    """Return the largest relative difference between ``found`` and ``factor * wanted``."""
    return max(off(a, factor * b) for a, b in zip(found, wanted, strict=True))


def weighted_gradients(answer: Any) -> str:
    """``weighted_average(model, n_tokens)`` after backward of this rank's own mean loss."""
    on_each_size(lambda size: weighted_trial(answer, size), "averaging gradients of uneven shards")
    return f"{sizes_text().capitalize()}: shards of 8, 2, 5 and 3 rows give one process's gradient; no gradient twice."


def rows_of(rank: int) -> int:
    return (8, 2, 5, 3)[rank % 4]


def weighted_trial(answer: Any, size: int) -> str | None:
    rank = dist.get_rank()
    shards = [data(rows_of(each), each) for each in range(size)]
    batch = tuple(torch.cat(parts) for parts in zip(*shards, strict=True))
    wanted = gradients_of(batch)  # type: ignore[arg-type]
    each = [gradients_of(shard) for shard in shards]
    model = network()
    mean_loss(model, shards[rank]).backward()  # type: ignore[no-untyped-call]
    with Spy() as spy:
        answer(model, rows_of(rank))
    found = gradients(model)
    return weighted_hint(found, wanted, each, size) or weighted_traffic(spy, model, size)


def gradients_of(batch: tuple[torch.Tensor, torch.Tensor]) -> list[torch.Tensor]:
    model = network()
    mean_loss(model, batch).backward()  # type: ignore[no-untyped-call]
    return gradients(model)


def weighted_hint(
    found: list[torch.Tensor], wanted: list[torch.Tensor], each: list[list[torch.Tensor]], size: int
) -> str | None:
    if worst(found, wanted) < TOLERANCE:
        return None
    if size == 1:
        return "With one rank the gradient is right before you start; after your function it is not."
    rows = [float(rows_of(rank)) for rank in range(size)]
    shares, twice = [n / size for n in rows], [1 / n / size for n in rows]
    known = {
        "This is the mean of the ranks' means: 2 rows count as much as 8.": [1 / size] * size,
        "This is the sum of the ranks' means. Divide, but by what?": [1.0] * size,
        "Each gradient is multiplied by its rows and summed, but the sum is divided by nothing.": rows,
        "The weighted sum is divided by the number of ranks; the rows of all ranks together belong there.": shares,
        "Each rank's gradient is divided by its rows: it is a mean already. Undo the mean, do not do it twice.": twice,
        "The weights are the wrong way round: the rank with few rows counts most.": [n / sum(twice) for n in twice],
    }

    def mixed(weights: list[float]) -> list[torch.Tensor]:
        return [sum(w * g for w, g in zip(weights, parts, strict=True)) for parts in zip(*each, strict=True)]

    hint = fitting(known, lambda weights: worst(found, mixed(weights)) < TOLERANCE)
    if hint:
        return hint
    if worst(found, each[dist.get_rank()]) < TOLERANCE:
        return "This rank still has the gradient of its own rows; nothing from the other ranks has arrived."
    return (
        f"The gradient differs from one process's by {worst(found, wanted):.0%}. Turn each mean back into a sum over "
        "rows, add over ranks, divide by the rows of all ranks."
    )


def weighted_traffic(spy: Spy, model: nn.Module, size: int) -> str | None:
    if not spy.all_waited_for:
        return "An asynchronous call was started and never waited for."
    held = sum(p.nbytes for p in model.parameters())
    gathered = spy.named("all_gather") and not spy.named("reduce_scatter")  # on 2 ranks it sends as much
    moved = sum(event.bytes for event in spy.events) if gathered else spy.sent_bytes
    if size > 1 and moved > held + 64:
        return f"{moved} bytes were moved, the gradients hold {held}: one all-reduce each, and one small number."
    return None


def accumulate(answer: Any) -> str:
    """``accumulate(ddp, batches, loss_of)``: the gradient of all micro-batches, with one synchronisation."""
    on_each_size(lambda size: accumulate_trial(answer, size), "accumulating")
    return f"{sizes_text().capitalize()}: {MICRO_BATCHES} micro-batches give one process's gradient, synchronised once."


def accumulate_trial(answer: Any, size: int) -> str | None:
    rank = dist.get_rank()
    batches = [[data(4, 10 * each + i) for i in range(MICRO_BATCHES)] for each in range(size)]
    alone = network()
    for batch in (batch for part in batches for batch in part):
        (mean_loss(alone, batch) / MICRO_BATCHES / size).backward()  # type: ignore[no-untyped-call]
    ddp = DistributedDataParallel(network())
    sent: list[int] = []
    ddp.register_comm_hook(sent, lambda state, bucket: count_bucket(state, bucket))  # noqa: PLW0108 - torch reads annotations, and strings confuse it
    forwards: list[bool] = []
    paused: list[bool] = []  # one entry for each no_sync()
    no_sync = ddp.no_sync
    ddp.no_sync = lambda: paused.append(True) or no_sync()  # type: ignore[method-assign, func-returns-value]

    def loss_of(model: Any, batch: Any) -> torch.Tensor:
        forwards.append(bool(ddp.require_backward_grad_sync))
        return mean_loss(model, batch)

    answer(ddp, batches[rank], loss_of)
    return accumulate_hint(len(sent), forwards, len(paused), gradients(ddp.module), gradients(alone))


def count_bucket(sent: list[int], bucket: Any) -> Any:
    """Count one bucket, then reduce it as DDP does without a hook."""
    sent.append(bucket.buffer().nbytes)
    return default_hooks.allreduce_hook(None, bucket)  # type: ignore[arg-type]


def accumulate_hint(  # noqa: PLR0911 - one for each mistake
    syncs: int, forwards: list[bool], paused: int, found: list[torch.Tensor], wanted: list[torch.Tensor]
) -> str | None:  # fmt: skip
    """Name the mistake. ``forwards`` tells of each forward whether DDP was to synchronise after it."""
    if len(forwards) != MICRO_BATCHES:
        return f"There are {MICRO_BATCHES} micro-batches, the loss was asked for {len(forwards)} times."
    if syncs == 0:
        return "Nothing was synchronised: the last micro-batch must run outside no_sync()."
    if syncs > 1:
        why = (
            "no_sync() must hold when the forward runs, not only after."
            if paused
            else "DDP's no_sync() holds them back."
        )
        return f"{syncs} synchronisations where one is enough: {why}"
    if not forwards[-1]:
        return "The last micro-batch is the one to synchronise, when all gradients are there; it was told not to."
    if worst(found, wanted) < TOLERANCE:
        return None
    if worst(found, wanted, MICRO_BATCHES) < TOLERANCE:
        return f"The gradient is {MICRO_BATCHES} times too large: backward adds up, so each loss counts only in part."
    return (
        "One synchronisation, but the gradient is not that of all micro-batches. Does every loss get the same "
        "weight, and do gradients stay in .grad between micro-batches?"
    )
