"""The check of lesson 03's exercise on accumulating gradients: values, one synchronisation, one graph at a time."""

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.lesson_03_regression import TOLERANCE, data, gradients, mean_loss, network, worst
from mgpu_lab.checks.lesson_03_traffic import percent
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

TWICE = 3  # micro-batches


def accumulate(answer: Any) -> str:
    """``accumulate(ddp, batches, loss_of)``: the gradient of all micro-batches, with one synchronisation."""
    for count in (4, 1, 3, 7):
        trial = functools.partial(accumulate_trial, answer, count)
        on_each_size(trial, f"accumulating {count} micro-batches")
    return (
        f"{sizes_text().capitalize()}: 1, 3, 4 and 7 micro-batches give one process's gradient, synchronised once, one "
        "graph at a time."
    )


class Graphs:
    """Notes which micro-batches' graphs are alive whenever a forward begins."""

    def __init__(self) -> None:
        self.held: list[list[weakref.ref[Any]]] = []  # what each forward has saved for its backward
        self.most = 0

    def forward(self, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Run a forward, after a look at what the earlier ones still hold."""
        alive = sum(any(each() is not None for each in saved) for saved in self.held)
        self.most = max(self.most, alive + 1)
        saved: list[weakref.ref[Any]] = []
        self.held.append(saved)

        def pack(tensor: torch.Tensor) -> "Saved":
            box = Saved(tensor)
            saved.append(weakref.ref(box))
            return box

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
            return run()


class Saved:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def accumulate_trial(answer: Any, count: int, size: int) -> str | None:
    """Call the answer, and with few micro-batches once more on the same model; both, as the other ranks do."""
    ddp = DistributedDataParallel(network())
    hints = [accumulate_once(answer, ddp, each, size) for each in ((count, count + 1) if count == TWICE else (count,))]
    return next((hint for hint in hints if hint), None)


def accumulate_once(answer: Any, ddp: DistributedDataParallel, count: int, size: int) -> str | None:
    rank = dist.get_rank()
    ddp.zero_grad()
    batches = [[data(4, 10 * each + i + 50 * count) for i in range(count)] for each in range(size)]
    alone = network()
    for batch in (batch for part in batches for batch in part):
        (mean_loss(alone, batch) / count / size).backward()  # type: ignore[no-untyped-call]
    graphs = Graphs()
    will_sync: list[bool] = []
    paused: list[bool] = []  # one entry for each no_sync()
    no_sync = ddp.no_sync
    ddp.no_sync = lambda: paused.append(True) or no_sync()  # type: ignore[method-assign, func-returns-value]

    def loss_of(model: Any, batch: Any) -> torch.Tensor:
        will_sync.append(bool(ddp.require_backward_grad_sync))
        return graphs.forward(lambda: mean_loss(model, batch))

    with Spy() as spy, restored(ddp, no_sync):
        ask(answer, ddp, list(batches[rank]), loss_of, shown="my_accumulate(ddp, batches, loss_of)")
    held = sum(p.nbytes for p in ddp.module.parameters())
    syncs, last = synchronisations(spy, held), will_sync[-1:] == [True]
    seen = Seen(count, len(will_sync), syncs, bool(paused), sum(will_sync), last)
    hint = of_waits(spy) or accumulate_hint(seen, gradients(ddp.module), gradients(alone))
    if not hint and graphs.most > 1:
        return (
            f"The graphs of {graphs.most} micro-batches are in memory at once: all their activations, as for one large "
            "batch. Each loss needs its own backward before the next forward."
        )
    if not hint and not ddp.require_backward_grad_sync:
        return "The gradient is right, but DDP is left without synchronisation: a backward after yours sends nothing."
    return hint


@contextlib.contextmanager
def restored(ddp: Any, no_sync: Any) -> Iterator[None]:
    """Give DDP back its own ``no_sync`` in the end."""
    try:
        yield
    finally:
        ddp.no_sync = no_sync


def synchronisations(spy: Spy, held: int) -> int:
    """Return how many times as much was averaged as the gradients hold."""
    halves = sum(event.bytes for event in spy.named("reduce_scatter", "all_gather")) / 2
    moved = sum(event.bytes for event in spy.named("all_reduce", "send", "reduce", "gather")) + halves
    return round((moved - min(moved, 64)) / held + 0.45)  # a few small numbers are none


@dataclass(frozen=True)
class Seen:
    micro_batches: int
    forwards: int
    syncs: int
    paused: bool  # whether no_sync() was used at all
    free: int  # forwards outside no_sync()
    last_synced: bool  # whether DDP was to synchronise after the last forward


def accumulate_hint(seen: Seen, found: list[torch.Tensor], wanted: list[torch.Tensor]) -> str | None:  # noqa: PLR0911 - one for each mistake
    """Name the mistake."""
    if seen.forwards != seen.micro_batches:
        return f"There are {seen.micro_batches} micro-batches, the loss was asked for {seen.forwards} times."
    if seen.syncs > 1:
        why = "DDP's no_sync() holds them back."
        if seen.paused:
            why = (
                f"{seen.free} of {seen.forwards} forwards ran outside no_sync(). It must hold when the forward runs, "
                "not only after."
            )
        if seen.free < 2:  # noqa: PLR2004 - more than DDP's own
            why = "besides DDP's own, gradients were averaged again."
        return f"{seen.syncs} synchronisations where one is enough: {why}"
    if worst(found, wanted) < TOLERANCE:
        return None
    if seen.syncs == 0 and dist.get_world_size() > 1:
        if seen.last_synced:
            return "Nothing was synchronised, and no no_sync() was to blame: the forward went past DDP. Hand on `ddp`."
        return "Nothing was synchronised: the last micro-batch must run outside no_sync()."
    if not seen.last_synced and seen.syncs == 1 and seen.micro_batches > 1:
        return "The last micro-batch is the one to synchronise, when all gradients are there; it was told not to."
    if worst(found, wanted, seen.micro_batches) < TOLERANCE:
        return (
            f"The gradient is {seen.micro_batches} times too large: backward adds up, so each loss counts only in part."
        )
    return (
        f"The gradient differs from that of all micro-batches by {percent(worst(found, wanted))}. Does every loss get "
        "the same weight, and do gradients stay in .grad between micro-batches?"
    )
