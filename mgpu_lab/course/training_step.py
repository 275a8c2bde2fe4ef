"""One optimizer step of a Transformers decoder: the one that ranks run, ledgers measure and traces follow.

The loss is the model's own: Transformers takes the logits to fp32 and shifts the labels.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mgpu_lab.course.traffic import Traffic, traffic

if TYPE_CHECKING:
    from mgpu_lab.ledger.facts import LedgerRow

LET_GO_S = 0.1  # gloo's threads hold a tensor for a moment after its collective, reference cycles until collected
MOMENTS = ("forward's end", "backward", "step")


@dataclass(frozen=True)
class FollowedStep:
    """A step that was followed: a ledger's rows where each part of it held the most, and what it sent.

    `numbers` are those of the operations after which it held the most.
    """

    moments: dict[str, list[LedgerRow]]
    sent: Traffic
    numbers: frozenset[int] = frozenset()


def adamw(model: Any) -> Any:
    """Return AdamW over what is trained: fused, which needs no temporary memory, as the Transformers Trainer has it.

    Not fused, it takes one parameter more on a CPU, and on a GPU about one copy of all parameters (`foreach`). Whole
    parameters and those that tensor parallelism has cut are two groups: fused, AdamW does not take both at once.
    """
    import torch

    kinds: dict[type, list[Any]] = {}
    for each in model.parameters():
        if each.requires_grad:
            kinds.setdefault(type(each.data), []).append(each)
    return torch.optim.AdamW([{"params": group} for group in kinds.values()], lr=1e-4, fused=True)


def optimizer_step(
    model: Any,
    optimizer: Any,
    micro_batches: Iterable[Any],
    autocast_dtype: Any = None,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Run forward and backward of each micro-batch, then the optimizer, then drop the gradients.

    `micro_batches` are token ids, each [sequences, tokens]. `autocast_dtype` computes in a dtype that is not the
    parameters' (DDP's mixed precision). DDP averages its gradients in the last micro-batch's backward; FSDP scatters
    them in each. `told` is called after each part with its name, one of `MOMENTS`.
    """
    batches = list(micro_batches)
    for number, ids in enumerate(batches, 1):
        apart = number < len(batches) and hasattr(model, "no_sync")
        with model.no_sync() if apart else nullcontext():
            loss = forward(model, ids, autocast_dtype) / len(batches)
            told(MOMENTS[0])
            loss.backward()
            told(MOMENTS[1])
        del loss
    optimizer.step()
    told(MOMENTS[2])
    optimizer.zero_grad()


def forward(model: Any, ids: Any, autocast_dtype: Any = None) -> Any:
    """Return the loss of a micro-batch."""
    import torch

    with torch.autocast(ids.device.type, autocast_dtype) if autocast_dtype else nullcontext():
        return model(input_ids=ids, labels=ids, use_cache=False).loss


def followed_step(
    model: Any,
    optimizer: Any,
    micro_batches: Iterable[Any],
    autocast_dtype: Any = None,
    asked_at: Collection[int] | None = None,
) -> FollowedStep:
    """Run `optimizer_step`, and return where each part of it held the most bytes and what it sent.

    Follow the second step, not the first: the first makes the optimizer's state and DDP's final buckets. `asked_at`:
    see the ledger's `Tracker`.
    """
    from mgpu_lab.ledger.subject import Subject
    from mgpu_lab.ledger.tracker import Tracker

    moments: dict[str, list[LedgerRow]] = {}
    largest: dict[str, tuple[int, int]] = {}  # bytes, number of the operation

    def told(name: str) -> None:
        reached = (tracker.most_bytes, tracker.most_at)
        gc.collect()
        time.sleep(LET_GO_S)
        rows = tracker.turn()
        if reached[0] > largest.get(name, (-1, 0))[0]:
            largest[name], moments[name] = reached, rows

    with traffic() as sent:
        tracker = Tracker(Subject(model, optimizer), asked_at)
        with tracker:
            optimizer_step(model, optimizer, micro_batches, autocast_dtype, told)
        tracker.close()
    return FollowedStep(moments, sent, frozenset(number for _, number in largest.values()))
