"""For the check of lesson 08's split attention: the plain attention, what an answer is asked, and its calls judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.on_ranks import device_here, off
from mgpu_lab.checks.spy import Spy

WIDTH, HEAD_SIZE, BATCH = 10, 4, 2
PASSES = ((0, 5), (1, 3), (0, 1), (1, 1), (0, 2))  # request, new positions: two requests in turn
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


@dataclass
class Call:
    """One forward: what it returned and what it called."""

    spy: Spy
    output: Any
    keys: Any
    values: Any


@dataclass
class Served:
    """An answer's layer after all passes."""

    making: Spy
    calls: list[Call]

    def wrong_from_the_start(self, requests: Requests) -> bool:
        return off(self.calls[0].output, requests.outputs[0]) > 1e-5  # noqa: PLR2004


def serve(answer: Any, whole: nn.Module, requests: Requests, group: tuple[Any, ...]) -> Served:
    """Make the layer and run all passes."""
    with torch.no_grad():
        with Spy() as making:
            layer = ask(answer, whole, *group, shown=f"SplitAttention(attention{', group' * len(group)})")
        pasts, calls = dict[int, Any](), list[Call]()
        for x, (request, _) in zip(requests.inputs, PASSES, strict=True):
            past = (pasts[request],) if request in pasts else ()
            with Spy() as spy:
                returned = ask(layer, x.clone(), *past, shown=f"layer(x{', past' * len(past)})")
            output, pasts[request] = parted(returned)
            calls.append(Call(spy, output, *pasts[request]))
    return Served(making, calls)


def parted(returned: Any) -> tuple[Any, Any]:
    """Return an output and a pair of keys and values, all tensors."""
    match returned:
        case (output, (keys, values)) if all(torch.is_tensor(each) for each in (output, keys, values)):
            return output, (keys, values)
    raise Wrong("layer(x) must return an output and a pair of keys and values: output, (k, v), all tensors.")


def of_call(call: Call, requests: Requests, number: int, case: Case, rank: int) -> str | None:
    """Hint at a call's shapes, the bytes that it keeps, and what it calls."""
    wanted, start = requests.outputs[number], f"{case.text}, rank {rank}: "
    if call.output.shape != wanted.shape or call.output.dtype != wanted.dtype:
        return f"{start}the output is {tuple(call.output.shape)} {call.output.dtype}; x is {tuple(wanted.shape)}."
    positions, fewest = requests.pairs[number][0].shape[2], len(case.kv_heads_of(rank))
    for name, kept in (("k", call.keys), ("v", call.values)):
        if hint := of_kept(name, kept, (BATCH, fewest, positions, HEAD_SIZE), case, wanted.element_size()):
            return start + hint
    return of_sent(call, wanted, start, case)


def of_kept(name: str, kept: torch.Tensor, shape: tuple[int, ...], case: Case, number_bytes: int) -> str | None:
    wanted = torch.Size(shape).numel() * number_bytes
    if tuple(kept.shape) != shape:
        text = f"{name} has shape {tuple(kept.shape)} where {shape} will do, [batch, KV heads, positions, head size]."
        if kept.dim() == len(shape) and kept.shape[1] > shape[1]:
            heads = f"{kept.shape[1]} heads are kept, and this rank's query heads use {shape[1]}."
            repeated = kept.shape[1] == case.heads // case.ranks
            return f"{text} {heads}{' Keep them before they are repeated for the query heads.' * repeated}"
        return text
    held = kept.untyped_storage().nbytes()
    if held > wanted:
        text = f"{name} is a view of {held} bytes in memory, and {wanted} are needed."
        return f"{text} As long as a slice is kept, all of what it was cut from is."
    return None


def of_sent(call: Call, output: torch.Tensor, start: str, case: Case) -> str | None:
    if case.ranks == 1:
        return None
    names = [event.name for event in call.spy.events]
    if not names:
        return f"{start}forward calls no collective: each rank has only its own heads' part of the output."
    if names != ["all_reduce"]:
        return f"{start}forward calls {', '.join(names)}; one all_reduce is enough, of the parts of the output."
    if call.spy.sent_bytes != output.nbytes:
        sent = f"its all_reduce has {call.spy.sent_bytes} bytes"
        return f"{start}{sent}, and the output has {output.nbytes}."
    return None
