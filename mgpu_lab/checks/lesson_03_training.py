"""Checks of lesson 03's exercises around a training step: gradients weighted by tokens, and accumulation."""

import functools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.nn.parallel import DistributedDataParallel

from mgpu_lab.checks.kept import Kept
from mgpu_lab.checks.lesson_03_traffic import called, of_bytes, of_kept, of_waits, percent
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy

TOLERANCE = 1e-6  # token counts may well be kept in fp32
SHORT_TYPES = ("float32", "float16", "bfloat16")  # gradients may not
SMALL_BYTES = 64  # below it a call carries counts, not gradients
WIDTH, KINDS = 6, 5
PADDED = -100
Batch = tuple[torch.Tensor, torch.Tensor]


def data(rows: int, seed: int) -> Batch:
    """Return inputs (rows, WIDTH) and wanted outputs (rows, 2); what each row is like depends on the seed."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64) + seed % 5
    y = torch.randn(rows, 2, generator=generator, dtype=torch.float64) * (1 + seed % 3)
    return x.to(device_here()), y.to(device_here())


def network(outputs: int = 2) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, outputs)).double().to(device_here())


def mean_loss(model: Any, batch: Batch) -> torch.Tensor:
    x, y = batch
    return (model(x) - y).square().sum(1).mean()  # type: ignore[no-any-return]


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in model.parameters()]


def worst(found: list[torch.Tensor], wanted: list[torch.Tensor], factor: float = 1.0) -> float:
    """Return the largest relative difference between ``found`` and ``factor * wanted``."""
    return max(off(a, factor * b) for a, b in zip(found, wanted, strict=True))


# ---- weighted gradients


@dataclass(frozen=True)
class Shards:
    """How many tokens each rank has; with padding, all have equally many rows."""

    what: str
    tokens: tuple[int, ...]
    padded: bool = False

    def of(self, rank: int) -> int:
        return self.tokens[rank % len(self.tokens)]

    def build(self) -> nn.Module:
        return network(KINDS if self.padded else 2)

    def batch(self, rank: int) -> Batch:
        """Return a rank's inputs and what is wanted; padding is marked by -100."""
        seed = 100 * len(self.what) + rank
        if not self.padded:
            return data(self.of(rank), seed)
        generator = torch.Generator().manual_seed(seed)
        x, _ = data(max(self.tokens), seed)
        y = torch.randint(KINDS, (len(x),), generator=generator)
        y[self.of(rank) :] = PADDED
        return x, y.to(device_here())

    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean over the tokens that count."""
        return (
            F.cross_entropy(model(batch[0]), batch[1], ignore_index=PADDED) if self.padded else mean_loss(model, batch)
        )


SHARDS = (
    Shards("shards of different sizes", (8, 2, 5, 3)),
    Shards("equal rows, some of them padding", (3, 14, 9, 20), padded=True),
    Shards("shards of very different sizes", (1, 700, 40, 6)),
    Shards("equal shards", (7, 7, 7, 7)),
)


def weighted_gradients(answer: Any) -> str:
    """``weighted_average(model, n_tokens)`` after backward of this rank's own mean loss."""
    for shards in SHARDS:
        on_each_size(lambda size, shards=shards: weighted_trial(answer, shards, size), f"averaging {shards.what}")  # type: ignore[misc]
    return f"{sizes_text().capitalize()}: 1 to 700 tokens a rank, with padding, give one process's gradient, sent once."


def weighted_trial(answer: Any, shards: Shards, size: int) -> str | None:
    rank = dist.get_rank()
    batches = [shards.batch(each) for each in range(size)]
    wanted = gradients_of(shards, (torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])))
    each = [gradients_of(shards, batch) for batch in batches]
    model = shards.build()
    shards.loss(model, batches[rank]).backward()  # type: ignore[no-untyped-call]
    before = [p.detach().clone() for p in model.parameters()]
    shown = f"weighted_average(model, {shards.of(rank)})"
    with Kept() as kept, Spy() as spy:
        _, hint = called(shown, answer, model, shards.of(rank))
    if hint:
        return hint
    if any(p.grad is None for p in model.parameters()):
        return "A parameter has .grad None in the end; it had a gradient on every rank."
    if any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)):
        return "The weights have changed: only .grad is to be weighed, the optimizer steps later."
    hint = of_waits(spy) or weighted_hint(gradients(model), wanted, each, shards, size)
    held = [p.grad for p in model.parameters() if p.grad is not None]
    hint = hint or weighted_types(spy) or weighted_bytes(spy, held, size)
    known = [*model.parameters(), *(p.grad for p in model.parameters())]
    return hint or of_kept(kept.more_than(256, known))


def gradients_of(shards: Shards, batch: Batch) -> list[torch.Tensor]:
    model = shards.build()
    shards.loss(model, batch).backward()  # type: ignore[no-untyped-call]
    return gradients(model)


def weighted_types(spy: Spy) -> str | None:
    short = next((event for event in spy.events if event.bytes > SMALL_BYTES and event.dtype in SHORT_TYPES), None)
    if short is None:
        return None
    return f"{short.elements} numbers travelled as {short.dtype}, and the model's gradients are float64."


def weighted_bytes(spy: Spy, held: list[torch.Tensor], size: int) -> str | None:
    hint = of_bytes(spy, held, size)
    return hint and f"{hint} Here: one all-reduce each, and one small number."


def weighted_hint(
    found: list[torch.Tensor], wanted: list[torch.Tensor], each: list[list[torch.Tensor]], shards: Shards, size: int
) -> str | None:
    if worst(found, wanted) < TOLERANCE:
        return None
    if size == 1:
        return "With one rank the gradient is right before you start; after your function it is not."
    tokens = [float(shards.of(rank)) for rank in range(size)]
    per_rank, twice = [n / size for n in tokens], [1 / n / size for n in tokens]
    own, shares = [n / tokens[dist.get_rank()] for n in tokens], [n / sum(tokens) / size for n in tokens]
    known = {
        f"This is the mean of the ranks' means: {min(tokens):g} tokens count as much as {max(tokens):g}.": [1 / size]
        * size,
        "This is the sum of the ranks' means. Divide, but by what?": [1.0] * size,
        "Each gradient is multiplied by its tokens and summed, but the sum is divided by nothing.": tokens,
        "The weighted sum is divided by the number of ranks; the tokens of all ranks together belong there.": per_rank,
        "The weighted sum is divided by each rank's own tokens; the tokens of all ranks together belong there.": own,
        "The ranks' shares add up to 1: their sum is the mean already, and it was divided by the number of ranks "
        "besides.": shares,
        "Each rank's gradient is divided by its tokens: it is a mean already. Undo it, do not do it twice.": twice,
        "The weights are the wrong way round: the rank with few tokens counts most.": [n / sum(twice) for n in twice],
    }

    def mixed(weights: list[float]) -> list[torch.Tensor]:
        return [sum(w * g for w, g in zip(weights, parts, strict=True)) for parts in zip(*each, strict=True)]

    hint = fitting(known, lambda weights: worst(found, mixed(weights)) < TOLERANCE)
    if hint:
        return hint
    if worst(found, each[dist.get_rank()]) < TOLERANCE:
        return f"Rank {dist.get_rank()} has the gradient of its own tokens; nothing from the other ranks has arrived."
    return (
        f"The gradient differs from one process's by {percent(worst(found, wanted))} ({shards.what}). Turn each mean "
        "back into a sum over tokens, add over ranks, divide by the tokens of all ranks."
    )


# ---- accumulation


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
    rank = dist.get_rank()
    batches = [[data(4, 10 * each + i + 50 * count) for i in range(count)] for each in range(size)]
    alone = network()
    for batch in (batch for part in batches for batch in part):
        (mean_loss(alone, batch) / count / size).backward()  # type: ignore[no-untyped-call]
    ddp, graphs = DistributedDataParallel(network()), Graphs()
    will_sync: list[bool] = []
    paused: list[bool] = []  # one entry for each no_sync()
    no_sync = ddp.no_sync
    ddp.no_sync = lambda: paused.append(True) or no_sync()  # type: ignore[method-assign, func-returns-value]

    def loss_of(model: Any, batch: Any) -> torch.Tensor:
        will_sync.append(bool(ddp.require_backward_grad_sync))
        return graphs.forward(lambda: mean_loss(model, batch))

    with Spy() as spy:
        _, hint = called("my_accumulate(ddp, batches, loss_of)", answer, ddp, list(batches[rank]), loss_of)
    if hint:
        return hint
    held = sum(p.nbytes for p in ddp.module.parameters())
    syncs, last = synchronisations(spy, held), will_sync[-1:] == [True]
    seen = Seen(count, len(will_sync), syncs, bool(paused), sum(will_sync), last)
    hint = of_waits(spy) or accumulate_hint(seen, gradients(ddp.module), gradients(alone))
    if not hint and graphs.most > 1:
        return (
            f"The graphs of {graphs.most} micro-batches are in memory at once: all their activations, as for one large "
            "batch. Each loss needs its own backward before the next forward."
        )
    return hint


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
