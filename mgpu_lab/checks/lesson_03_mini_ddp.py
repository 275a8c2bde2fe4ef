"""The check of MiniDDP: equal to one process, with the traffic and the order of events that DDP stands for.

``MiniDDP(module, bucket_mb=25)`` has ``.module`` and ``finish_gradients()``, called after ``backward``. The check
trains small float64 models (``lesson_03_models``) on all ranks at hand, and on the first 1, 2, ... of them, and
compares with one process that sees the whole batch.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.lesson_03_models import MODELS, Case, local_step, one_process
from mgpu_lab.checks.on_ranks import agree, device_here, in_step, off, sizes, sizes_text, smaller_world
from mgpu_lab.checks.spy import Spy
from mgpu_lab.listening.group_calls import GroupCall as Event

TOLERANCE = 1e-9
SMALL_MB, LARGE_MB = 0.001, 1000.0
SLACK_BYTES = 16  # per parameter: room for marks that say which gradients there are


@dataclass
class Step:
    spy: Spy
    backward_ended_s: float
    local: dict[str, torch.Tensor | None]  # gradients of this rank's shard alone, from a copy


def mini_ddp(answer: Any) -> str:
    """Train each model on each number of ranks at hand; return what was found equal."""
    for size in sizes():
        for case in MODELS:
            buckets_mb = (SMALL_MB, LARGE_MB) if size == sizes()[0] else (SMALL_MB,)
            with smaller_world(size) as inside:
                hint = try_case(answer, case, buckets_mb) if inside else None
            agree(hint)
    return (
        f"{sizes_text().capitalize()}: equal to one process after {MODELS[0].steps} steps, each gradient reduced once, "
        "the first all-reduce under way before backward ends; tied, frozen and unused parameters and buffers right."
    )


def try_case(answer: Any, case: Case, buckets_mb: tuple[float, ...]) -> str | None:
    """Train one model with each size of buckets; return the first hint, the same on all ranks."""
    for bucket_mb in buckets_mb:
        findings: list[list[tuple[int, str]]] = [[]] * dist.get_world_size()
        with in_step(f"{case.what}, bucket_mb={bucket_mb:g}"):
            dist.all_gather_object(findings, train(answer, case, bucket_mb))
        first = min((each for found in findings for each in found), default=None)
        if first:
            return first[1]
    return None


def train(answer: Any, case: Case, bucket_mb: float) -> list[tuple[int, str]]:
    """Train through the answer; return what is wrong, each with its position in the order of events."""
    rank, size = dist.get_rank(), dist.get_world_size()
    start, wanted = one_process(case, size)
    torch.manual_seed(1000 + rank)  # ranks start apart, as separate programs do
    module = case.build().to(device_here())
    mini = answer(module, bucket_mb=bucket_mb)
    hints = [after_construction(mini, module, start, case)]
    optimizer = torch.optim.SGD([p for p in mini.module.parameters() if p.requires_grad], lr=case.lr)
    for number in range(case.steps):
        optimizer.zero_grad()
        step = one_step(mini, case, number)
        gradients, state = wanted[number]
        hints.append(of_gradients(mini.module, gradients, step, case))
        hints.append(of_traffic(mini.module, gradients, step, case, bucket_mb))
        optimizer.step()
        hints.append(of_buffers(mini.module, state[rank], case))
    return [(place, hint) for place, hint in enumerate(hints) if hint]


def one_step(mini: Any, case: Case, number: int) -> Step:
    with Spy() as spy:
        loss = local_step(mini.module, case, number, dist.get_rank())
        local = local_gradients(mini.module, loss)
        loss.backward()  # type: ignore[no-untyped-call]
        ended_s = time.perf_counter()
        mini.finish_gradients()
    return Step(spy, ended_s, local)


def local_gradients(module: Any, loss: torch.Tensor) -> dict[str, torch.Tensor | None]:
    """Return this shard's own gradients without touching ``.grad`` or its hooks."""
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, [p for _, p in named], retain_graph=True, allow_unused=True)
    return dict(zip([name for name, _ in named], found, strict=True))


def after_construction(mini: Any, given: Any, start: dict[str, torch.Tensor], case: Case) -> str | None:
    module = mini.module
    for kind, named in (("parameters", module.named_parameters()), ("buffers", module.named_buffers())):
        for name, value in named:
            if not torch.equal(value.detach().cpu(), start[name]):
                return (
                    f"After construction `{name}` is not rank 0's ({case.what}). Ranks start with {kind} of their own; "
                    f"who makes their {kind} equal before the first step?"
                )
    if case.tied and getattr(module, case.tied[0]).weight is not getattr(module, case.tied[1]).weight:
        return "The two layers shared one weight before; after construction they do not. Change values in place."
    if module is given:  # an optimizer made before may hold its parameters
        return None
    return "`.module` is not the model that was handed in. A copy takes its memory again, and the original stays."


def of_gradients(module: Any, wanted: dict[str, Any], step: Step, case: Case) -> str | None:
    if not step.spy.all_waited_for:
        return (
            "An all-reduce was started and never waited for: finish_gradients() returned while it may still be "
            "writing. An asynchronous call returns a work; who calls its wait()?"
        )
    for name, parameter in module.named_parameters():
        hint = of_one_gradient(name, parameter.grad, wanted[name], step.local.get(name), case)
        if hint:
            return hint
    return None


def of_one_gradient(  # noqa: PLR0911 - one for each mistake
    name: str, found: torch.Tensor | None, wanted: torch.Tensor | None, local: torch.Tensor | None, case: Case
) -> str | None:
    size = dist.get_world_size()
    if wanted is None or found is None:
        return of_missing(name, found, wanted, local, case)
    found = found.detach().cpu()
    if off(found, wanted) < TOLERANCE:
        return None
    if size > 1 and off(found, wanted * size) < TOLERANCE:
        return f"`{name}`: the gradient is {size} times too large: it is the sum over {size} ranks, not their mean."
    if size == 1 and any(off(found * times, wanted) < TOLERANCE for times in range(2, 17)):
        return "With one rank alone the gradient comes out divided: is a number of ranks written into the code?"
    if name in case.tied_names:
        return (
            f"`{name}` is shared by two layers and its gradient is wrong: it must be reduced once, when both layers' "
            "parts have been added up. Is it in more than one bucket, or reduced too early?"
        )
    if local is not None and off(found, local.cpu()) < TOLERANCE:
        return f"`{name}`: this rank still has the gradient of its own shard; what the others computed never arrived."
    if off(found * size, wanted) < TOLERANCE:
        return f"`{name}`: the gradient is {size} times too small: it was divided by the number of ranks twice."
    return (
        f"`{name}`: the gradient differs from one process's by {off(found, wanted):.0%} of its largest value "
        f"({case.what}). Does every number come back to the place it was taken from?"
    )


def of_missing(
    name: str, found: torch.Tensor | None, wanted: torch.Tensor | None, local: torch.Tensor | None, case: Case
) -> str | None:
    if wanted is found is None:
        return None
    if wanted is None:
        return (
            f"`{name}` took no part in this step on any rank ({case.what}), so its .grad must stay None; it became a "
            "tensor, and an optimizer with momentum or weight decay would now move it."
        )
    if local is not None:
        return (
            f"`{name}`: this rank computed a gradient, and .grad is None in the end. Was it in .grad already when your "
            "hook ran? A tensor's own register_hook runs before that."
        )
    return (
        f"`{name}` was used on some ranks, not on this one ({case.what}). Its gradient here is zero, so that the "
        "mean over all ranks must arrive in .grad on every rank; it is None."
    )


def of_traffic(  # noqa: PLR0911 - one for each mistake
    module: Any, wanted: dict[str, Any], step: Step, case: Case, bucket_mb: float
) -> str | None:
    trainable = [p for p in module.parameters() if p.requires_grad]
    marks = SLACK_BYTES * len(trainable)
    reduces = [each for each in step.spy.named("all_reduce") if each.input_bytes > marks]
    needed = sum(p.nbytes for name, p in module.named_parameters() if p.requires_grad and wanted[name] is not None)
    sent, most = sum(each.input_bytes for each in reduces), sum(p.nbytes for p in trainable) + marks
    if sent < needed:
        return f"{sent} bytes went through all_reduce, the gradients hold {needed}: reduce them with dist.all_reduce."
    if sent > most:
        return (
            f"{sent} bytes were reduced in one step, the trainable parameters hold {most - marks} ({case.what}): "
            "something is reduced more than once, or need not be reduced at all."
        )
    if bucket_mb == LARGE_MB:
        return None if len(reduces) == 1 else f"{len(reduces)} all-reduces where one bucket holds the whole model."
    if len(trainable) > 1 and len(reduces) == 1:
        return "One all-reduce for everything, whatever bucket_mb says: nothing can be sent before the last gradient."
    if not case.unused and min(each.began_s for each in reduces) > step.backward_ended_s:
        return (
            "Every all-reduce starts only after backward has ended, so nothing overlaps. A gradient is ready long "
            "before: register_post_accumulate_grad_hook tells you when."
        )
    if not all(each.is_async for each in reduces):
        return "An all-reduce inside backward is synchronous: backward stands still meanwhile. What does async_op do?"
    if len(reduces) > 1 and one_at_a_time(reduces, step.backward_ended_s):
        return "Each all-reduce is waited for inside backward, before the next one starts. Wait when all are under way."
    return None


def one_at_a_time(reduces: list[Event], backward_ended_s: float) -> bool:
    """Whether all of them ended inside backward, and each before the next began: backward stood still meanwhile."""
    ends = [each.ended_s or math.inf for each in reduces]
    follows = all(end < after.began_s for end, after in zip(ends, reduces[1:], strict=False))
    return follows and ends[-1] < backward_ended_s


def of_buffers(module: Any, wanted: dict[str, torch.Tensor], case: Case) -> str | None:
    for name, value in module.named_buffers():
        if value.is_floating_point() and off(value.detach().cpu(), wanted[name]) > TOLERANCE:
            return (
                f"The buffer `{name}` drifts apart ({case.what}): each rank updates it from its own shard. DDP sends "
                "rank 0's buffers to all ranks before each forward in training."
            )
    return None
