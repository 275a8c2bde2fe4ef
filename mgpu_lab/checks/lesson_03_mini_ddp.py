"""The check of MiniDDP: equal to one process, with the traffic and the order of events that DDP stands for.

``MiniDDP(module, bucket_mb=25)`` has ``.module`` and ``finish_gradients()``, called after ``backward``. The check
trains small float64 models (``lesson_03_models``) on all ranks at hand, and on the first 1, 2, ... of them, and
compares with one process that sees the whole batch. What travelled is judged in ``lesson_03_early``.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.calls import asked
from mgpu_lab.checks.core import refuse
from mgpu_lab.checks.kept import Kept
from mgpu_lab.checks.lesson_03_early import Step, Watched, of_traffic
from mgpu_lab.checks.lesson_03_gradients import TOLERANCE, of_gradients
from mgpu_lab.checks.lesson_03_models import MODELS, Case, local_step, one_process
from mgpu_lab.checks.on_ranks import device_here, off, on_first, sizes, sizes_text
from mgpu_lab.checks.spy import of_waits


def mini_ddp(answer: Any) -> str:
    """Train each model on each number of ranks at hand; return what was found equal."""
    for case in MODELS:
        for bucket_mb in case.buckets:
            for size in sizes():
                train_on(size, Training(answer, case, bucket_mb, size))
    return (
        f"{sizes_text().capitalize()}: equal to one process in every step, each gradient reduced once, a "
        "third of the traffic under way in time; tied, frozen and unused parameters and buffers right."
    )


def train_on(size: int, training: "Training") -> None:
    """Train on the first ranks; raise on all what any rank found first in the order of events."""
    what = f"training {training.case.what} with bucket_mb={training.bucket_mb:g}"
    on_first(size, lambda _: training.stopped_by(), what)
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, training.hints)
    refuse(next((hint for _, hint in sorted((pair for found in gathered for pair in found), key=first_of)), None))


def first_of(pair: tuple[int, str]) -> int:
    return pair[0]


@dataclass
class Training:
    """One answer, one model, one size of buckets: a few steps on one rank, and what is wrong, when."""

    answer: Any
    case: Case
    bucket_mb: float
    size: int
    hints: list[tuple[int, str]] = field(default_factory=list)
    looked: int = 0

    def stopped_by(self) -> str | None:
        """Train to the end even where something is wrong, as the other ranks do; return what ended it, if anything."""
        try:
            self.train()
        except Exception:
            if not self.hints:
                raise
            return self.hints[0][1]
        return None

    def note(self, hint: str | None) -> None:
        """Look once more: all ranks look at the same things in the same order."""
        self.looked += 1
        if hint:
            self.hints.append((self.looked, hint))

    def train(self) -> None:
        rank = dist.get_rank()
        start, wanted = one_process(self.case, self.size)
        torch.manual_seed(1000 + rank)  # ranks start apart, as separate programs do
        module = self.case.build().to(device_here())
        watched = Watched(module)
        mini, hint = asked(
            self.answer, module, bucket_mb=self.bucket_mb, shown=f"MyDDP(module, bucket_mb={self.bucket_mb:g})"
        )
        hint = hint or missing_part(mini) or after_construction(mini, module, start, self.case)
        self.note(hint)
        if mini is None or missing_part(mini):
            return
        other = self.second() if self.case.two else None
        optimizer = torch.optim.SGD([p for p in mini.module.parameters() if p.requires_grad], lr=self.case.lr)
        kept = Kept()
        for number in range(self.case.steps):
            optimizer.zero_grad()
            if other is not None:  # its step begins before this one's and ends after it
                local_step(other.module, self.case, number, rank, self.size).backward()  # type: ignore[no-untyped-call]
            step = self.one_step(mini, number, watched, kept)
            gradients, state = wanted[number]
            self.note(of_waits(step.spy) or of_gradients(mini.module, gradients, step, self.case))
            self.note(of_traffic(mini.module, step, self.case, self.bucket_mb))
            self.note(None if self.hints else of_memory(mini.module, kept, number))  # it is patient: once is enough
            if other is not None:
                asked(other.finish_gradients, shown="finish_gradients()")
            optimizer.step()
            self.note(of_buffers(mini.module, state[rank], state[0], self.case))

    def second(self) -> Any:
        """Return the answer's wrapper of a second model of the same kind."""
        module = self.case.build().to(device_here())
        mini, hint = asked(self.answer, module, bucket_mb=self.bucket_mb, shown="MyDDP(module, ...) a second time")
        self.note(hint)
        return mini

    def one_step(self, mini: Any, number: int, watched: Watched, kept: Kept) -> Step:
        local = self.local_gradients(mini.module, number)
        with kept, watched.watching() as spy:
            loss = local_step(mini.module, self.case, number, dist.get_rank(), self.size)
            began_s = time.perf_counter()
            loss.backward()  # type: ignore[no-untyped-call]
            ended_s = time.perf_counter()
            _, hint = asked(mini.finish_gradients, shown="finish_gradients()")
        self.note(hint)
        return Step(number + 1, spy, began_s, ended_s, watched.ready_bytes, watched.last_s, local)

    def local_gradients(self, module: Any, number: int) -> dict[str, torch.Tensor | None]:
        """Return this shard's own gradients, from a second model with the same weights."""
        twin = self.case.build().to(device_here())
        twin.load_state_dict(module.state_dict())
        local_step(twin, self.case, number, dist.get_rank(), self.size).backward()  # type: ignore[no-untyped-call]
        return {name: p.grad for name, p in twin.named_parameters()}


def missing_part(mini: Any) -> str | None:
    if mini is None:
        return None
    absent = [name for name in ("module", "finish_gradients") if not hasattr(mini, name)]
    return f"The object has no `{absent[0]}`; the check uses .module and .finish_gradients()." if absent else None


def after_construction(mini: Any, given: Any, start: dict[str, torch.Tensor], case: Case) -> str | None:
    if mini is None:
        return None
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


def of_memory(module: Any, kept: Kept, number: int) -> str | None:
    """Hint where more than the gradients and one set of flat buckets is still there after a step."""
    tensors = [*module.parameters(), *module.buffers(), *(p.grad for p in module.parameters())]
    held = sum(p.nbytes for p in module.parameters() if p.requires_grad)
    left = kept.more_than(held + held // 4 + 1024, tensors)
    if not left:
        return None
    return (
        f"After step {number + 1} the tensors that your class still holds take {left} bytes, besides parameters and "
        f"gradients, and one set of buckets takes {held}: what of earlier steps, or of this one, is never let go?"
    )


def of_buffers(module: Any, wanted: dict[str, torch.Tensor], first: dict[str, torch.Tensor], case: Case) -> str | None:
    """Hint where a buffer is neither what this rank made of rank 0's nor, sent after the forward, rank 0's."""
    for name, value in module.named_buffers():
        if all(off(value.cpu().double(), each[name].double()) > TOLERANCE for each in (wanted, first)):
            return (
                f"The buffer `{name}` is not what comes from rank 0's ({case.what}): each rank updates it from its own "
                "shard. Before each forward in training it must be rank 0's on all ranks."
            )
    return None
