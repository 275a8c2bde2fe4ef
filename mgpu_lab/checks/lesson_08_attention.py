"""For the check of lesson 08's split attention: an answer's layer is made and called, and each call is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.endless import ending
from mgpu_lab.checks.lesson_08_plain import BATCH, HEAD_SIZE, OF_GROUP, PASSES, Case, Requests
from mgpu_lab.checks.on_ranks import off
from mgpu_lab.checks.spy import Spy
from mgpu_lab.wire.errors import LabError

PATIENCE_S = 10.0  # of computing in one call; a rank that waits for another on a GPU may compute all the while


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
