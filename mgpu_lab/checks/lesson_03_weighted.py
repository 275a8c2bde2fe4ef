"""The check of lesson 03's exercise on gradients weighted by tokens."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.kept import Kept
from mgpu_lab.checks.lesson_03_regression import TOLERANCE, Batch, data, gradients, mean_loss, network, worst
from mgpu_lab.checks.lesson_03_traffic import of_bytes, of_kept, percent
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

KINDS = 5
SHORT_TYPES = ("float32", "float16", "bfloat16")  # gradients may not
SMALL_BYTES = 64  # below it a call carries counts, not gradients
PADDED = -100


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
    Shards("hundreds of tokens", (851, 999, 1999, 1500)),
)


def weighted_gradients(answer: Any) -> str:
    """``weighted_average(model, n_tokens)`` after backward of this rank's own mean loss."""
    for shards in SHARDS:
        on_each_size(lambda size, shards=shards: weighted_trial(answer, shards, size), f"averaging {shards.what}")  # type: ignore[misc]
    most = max(shards.of(rank) for shards in SHARDS for rank in range(dist.get_world_size()))
    return (
        f"{sizes_text().capitalize()}: 1 to {most:,} tokens a rank, with padding, give one process's gradient, sent "
        "once."
    )


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
        ask(answer, model, shards.of(rank), shown=shown)
    if any(p.grad is None for p in model.parameters()):
        return "A parameter has .grad None in the end; it had a gradient on every rank."
    if any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)):
        return "The weights have changed: only .grad is to be weighed, the optimizer steps later."
    hint = of_waits(spy) or weighted_hint(gradients(model), wanted, each, shards, size)
    held = [p.grad for p in model.parameters() if p.grad is not None]
    hint = hint or weighted_types(spy) or weighted_bytes(spy, held, size)
    known = [*model.parameters(), *(p.grad for p in model.parameters())]
    return hint or of_kept(kept.more_than(256, known)) or of_hooks(model, shards, batches[rank], each[rank])


def of_hooks(model: nn.Module, shards: Shards, batch: Batch, alone: list[torch.Tensor]) -> str | None:
    """Hint where the next backward gives other gradients than a model's own."""
    model.zero_grad()
    shards.loss(model, batch).backward()  # type: ignore[no-untyped-call]
    if worst(gradients(model), alone) < TOLERANCE:
        return None
    return "The next backward on the same model gives other gradients than its own. Does a hook stay behind?"


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
