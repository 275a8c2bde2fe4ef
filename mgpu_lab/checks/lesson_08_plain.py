"""For the check of lesson 08's split attention: the plain attention, how its heads lie on ranks, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.on_ranks import device_here, off

WIDTH, HEAD_SIZE, BATCH = 10, 4, 2
PASSES = ((0, 5), (1, 3), (0, 1), (1, 3), (0, 2))  # request, new positions: two in turn, and both are of length 6 once
OF_GROUP = "Are rank, size and all-reduce those of the group?"
Pair = tuple[torch.Tensor, torch.Tensor]


class Attention(nn.Module):
    """Grouped-query attention of one process, without positions: the layer that an answer splits."""

    def __init__(self, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.head_size = HEAD_SIZE
        self.q = nn.Linear(WIDTH, heads * HEAD_SIZE, bias=False)
        self.k, self.v = (nn.Linear(WIDTH, kv_heads * HEAD_SIZE, bias=False) for _ in range(2))
        self.o = nn.Linear(heads * HEAD_SIZE, WIDTH, bias=False)

    def forward(self, x: torch.Tensor, past: Pair | None = None) -> tuple[torch.Tensor, Pair]:
        """Return the output of the new positions and the keys and values of all."""
        q, k, v = (layer(x).unflatten(-1, (-1, HEAD_SIZE)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=x.device).tril(k.shape[2] - q.shape[2])
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)
        return self.o(mixed.transpose(1, 2).flatten(2)), (k, v)


@dataclass(frozen=True)
class Case:
    """Heads on ranks. Until ``on`` says how many ranks there are, the heads are those of one."""

    what: str
    heads: int
    kv_heads: int
    ranks: int = 0
    each: bool = True  # whether KV heads grow with the ranks
    dtype: torch.dtype = torch.float64
    grouped: bool = False

    def on(self, ranks: int) -> Case:
        return replace(
            self, ranks=ranks, heads=self.heads * ranks, kv_heads=self.kv_heads * (ranks if self.each else 1)
        )

    @property
    def tolerance(self) -> float:
        return 1e-5 if self.dtype == torch.float32 else 1e-10

    @property
    def text(self) -> str:
        counts = (("query head", self.heads), ("KV head", self.kv_heads), ("rank", self.ranks))
        told = ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts)
        return f"{told} in the group" if self.grouped else told

    @property
    def advice(self) -> str:
        if self.grouped:
            return OF_GROUP
        if self.kv_heads < self.ranks:
            return "Which KV head do this rank's query heads use, and is each part of the output added once?"
        return "Are query heads and KV heads of a rank those that belong together, and is each part added once?"

    def attention(self) -> Attention:
        """Return the plain layer, the same on every rank."""
        torch.manual_seed(100 * self.heads + 10 * self.kv_heads + self.ranks)
        return Attention(self.heads, self.kv_heads).to(device_here(), self.dtype)

    def query_heads_of(self, rank: int) -> range:
        each = self.heads // self.ranks
        return range(rank * each, (rank + 1) * each)

    def kv_heads_of(self, rank: int) -> range:
        mine, group = self.query_heads_of(rank), self.heads // self.kv_heads
        return range(mine[0] // group, mine[-1] // group + 1)


CASES = (
    Case("as many KV heads as ranks", 2, 1),
    Case("one KV head", 2, 1, each=False),
    Case("two KV heads a rank", 4, 2, dtype=torch.float32),
    Case("one KV head, in a group of some of the ranks", 3, 1, each=False, grouped=True),
)


class Requests:
    """Inputs of a few passes over two requests, and what one process returns."""

    def __init__(self, case: Case) -> None:
        self.case = case
        whole, pasts = case.attention(), dict[int, Any]()
        self.inputs = [torch.randn(BATCH, new, WIDTH, device=device_here(), dtype=case.dtype) for _, new in PASSES]
        self.outputs, self.pairs, self.told = list[torch.Tensor](), list[Pair](), list[str]()
        for x, (request, new) in zip(self.inputs, PASSES, strict=True):
            with torch.no_grad():
                output, pasts[request] = whole(x, pasts.get(request))
            self.outputs.append(output)
            self.pairs.append(pasts[request])
            later = (
                "a prompt" if pasts[request][0].shape[2] == new else f"{new} new position{'s' * (new > 1)} with a past"
            )
            self.told.append(later)

    def heads_kept(self, keys: torch.Tensor, number: int) -> list[int] | None:
        """Return which KV heads of the plain layer these keys are; None where they are none of them."""
        whole = self.pairs[number][0]
        each = [
            next((i for i in range(whole.shape[1]) if off(keys[:, head], whole[:, i]) < 1e-5), None)  # noqa: PLR2004
            for head in range(keys.shape[1])
        ]
        found = [head for head in each if head is not None]
        return found if len(found) == len(each) else None
