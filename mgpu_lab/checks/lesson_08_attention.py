"""For the check of lesson 08's split attention: the plain attention, what an answer is asked, and its calls judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.endless import ending
from mgpu_lab.checks.on_ranks import device_here, off
from mgpu_lab.checks.spy import Spy
from mgpu_lab.wire.errors import LabError

WIDTH, HEAD_SIZE, BATCH = 10, 4, 2
PASSES = ((0, 5), (1, 3), (0, 1), (1, 3), (0, 2))  # request, new positions: two in turn, and both are of length 6 once
PATIENCE_S = 10.0  # of computing in one call; a rank that waits for another on a GPU may compute all the while
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


@dataclass
class Call:
    """One forward: what it returned and what it called; copies tell whether a later one changes its keys and values."""

    spy: Spy
    output: Any
    k: Any
    v: Any
    past: Any  # the very object that came back with the output
    request: int
    hint: str | None = None

    def __post_init__(self) -> None:
        self.copies = {"k": self.k.clone(), "v": self.v.clone()}

    def changed(self) -> str | None:
        """Return the name of what is not as it was returned."""
        values = {name: (getattr(self, name), held) for name, held in zip(("k", "v"), self.past, strict=True)}
        return next(
            (name for name, (value, held) in values.items() if held is not value or not same(value, self.copies[name])),
            None,
        )


def same(tensor: torch.Tensor, copy: torch.Tensor) -> bool:
    return tensor.shape == copy.shape and torch.allclose(tensor, copy, rtol=0, atol=0, equal_nan=True)


@dataclass
class Served:
    """An answer's layer after all passes."""

    making: Spy
    calls: list[Call]

    def wrong_from_the_start(self, requests: Requests) -> bool:
        return off(self.calls[0].output, requests.outputs[0]) > 1e-5  # noqa: PLR2004


def serve(answer: Any, whole: nn.Module, requests: Requests, rank: int, group: tuple[Any, ...] = ()) -> Served:
    """Make the layer and run all passes; where one fails, what was wrong with those before it comes first."""
    try:
        with torch.no_grad():
            with Spy() as making:
                layer = made(answer, whole, requests.case, group)
            calls = list[Call]()
            try:
                for number in range(len(PASSES)):
                    one_pass(layer, calls, requests, number, rank)
            except Exception:
                refuse_calls(calls)
                raise
            refuse_calls(calls)
    except NotImplementedError as error:
        error.add_note(requests.case.text)
        raise
    return Served(making, calls)


def one_pass(layer: Any, calls: list[Call], requests: Requests, number: int, rank: int) -> None:
    """Call the layer once more; its call has the hint of what is wrong with it, whatever its numbers."""
    (request, _), x = PASSES[number], requests.inputs[number].clone()
    before = [call for call in calls if call.request == request]
    past = tuple(call.past for call in before[-1:])
    shown = f"layer(x{', past' * len(past)})"
    with ending(shown, PATIENCE_S, LabError), Spy() as spy:
        returned = ask(layer, x, *past, shown=shown)
    call = Call(spy, *parted(returned), request)
    calls.append(call)
    start = f"{requests.case.text}, rank {rank}: "
    call.hint = of_call(call, requests, number, rank) or of_changes(calls, before, start, shown)
    if not call.hint and not same(x, requests.inputs[number]):
        call.hint = f"{start}x has changed during {shown}; whoever calls may still need it."


def refuse_calls(calls: list[Call]) -> None:
    """Raise Wrong for the first call that is not as it should be, whatever its numbers."""
    refuse(next((call.hint for call in calls if call.hint), None))


def of_changes(calls: list[Call], before: list[Call], start: str, shown: str) -> str | None:
    """Hint where the latest call has changed keys or values that a call before it returned."""
    for call in calls[:-1]:
        if name := call.changed():
            if before and call is before[-1]:
                return f"{start}{name} of past has changed during {shown}; past must stay as it is. Return new tensors."
            text = f"{name} of an earlier call has changed during {shown}"
            return f"{start}{text}; that request still needs it. Are k and v in memory that the layer uses again?"
    return None


def made(answer: Any, whole: nn.Module, case: Case, group: tuple[Any, ...]) -> Any:
    """Return the layer; its heads can be dealt evenly, so that a ValueError is wrong."""
    shown = f"SplitAttention(attention{', group' * len(group)})"
    try:
        with ending(shown, PATIENCE_S, LabError):
            return ask(answer, whole, *group, shown=shown)
    except ValueError as error:
        text = f"{case.text}: they can be dealt evenly, and the constructor raised ValueError: {error}"
        raise Wrong(f"{text}. {OF_GROUP}" if case.grouped else text) from None


def parted(returned: Any) -> tuple[Any, Any, Any, Any]:
    """Return an output, keys and values, all tensors, and the pair as it came."""
    match returned:
        case (output, (keys, values)) if all(torch.is_tensor(each) for each in (output, keys, values)):
            return output, keys, values, returned[1]
    raise Wrong("layer(x) must return an output and a pair of keys and values: output, (k, v), all tensors.")


def of_call(call: Call, requests: Requests, number: int, rank: int) -> str | None:
    """Hint at a call's shapes, the bytes that it keeps, and what it calls."""
    wanted, case = requests.outputs[number], requests.case
    start = f"{case.text}, rank {rank}: "
    if call.output.shape != wanted.shape or call.output.dtype != wanted.dtype:
        return f"{start}the output is {tuple(call.output.shape)} {call.output.dtype}; x is {tuple(wanted.shape)}."
    for name in ("k", "v"):
        if hint := of_kept(name, call, requests, number, len(case.kv_heads_of(rank))):
            return f"{start}{hint}{f' {OF_GROUP}' * case.grouped}"
    return of_sent(call, wanted, start, case)


def of_kept(name: str, call: Call, requests: Requests, number: int, heads: int) -> str | None:
    """Hint where more is kept than these KV heads of all positions, or something else."""
    kept, whole = getattr(call, name), requests.pairs[number][0]
    shape = (BATCH, heads, whole.shape[2], HEAD_SIZE)
    if kept.dtype != whole.dtype:
        return f"{name} is {kept.dtype}, and x is {whole.dtype}."
    if tuple(kept.shape) != shape:
        more = of_more(kept, requests, number, heads) if (kept[:, :1].shape == whole[:, :1].shape) else ""
        layout = "[batch, KV heads, positions, head size]"
        return f"{name} has shape {tuple(kept.shape)} where {shape} will do, {layout}.{more}"
    held, wanted = kept.untyped_storage().nbytes(), kept.numel() * kept.element_size()
    if held > wanted:
        text = f"{name} is a view of {held} bytes in memory, and {wanted} are needed."
        return f"{text} As long as a slice is kept, all of what it was cut from is."
    return None


def of_more(keys: torch.Tensor, requests: Requests, number: int, heads: int) -> str:
    """Say which KV heads are kept beyond those that are needed."""
    found = requests.heads_kept(keys, number)
    count = keys.shape[1]
    text = f" {count} head{'s are' if count > 1 else ' is'} kept, and this rank's query heads use {heads}."
    if found is not None and len(set(found)) < len(found):
        return f"{text} Keep them before they are repeated for the query heads."
    return text


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
