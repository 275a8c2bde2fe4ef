"""The check of lesson 06's `scaled_step`: a step that all ranks take or none, unscaled, averaged and clipped."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.mistakes import close, fitting, number_of
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Bad:
    """What stands on which rank (modulo the world size; None for all), in which gradient, at which place."""

    value: float
    rank: int | None
    gradient: int
    place: int

    def __str__(self) -> str:
        kind = "a nan" if math.isnan(self.value) else "an inf" if self.value > 0 else "a -inf"
        if self.rank is None:
            return f"{kind} on every rank"
        return f"{kind} on {'the last rank' if self.rank < 0 else f'rank {self.rank}'}"


@dataclass(frozen=True)
class Case:
    """One step: how large the gradients are, their shapes, the scale, and what is bad."""

    what: str
    size: float
    scale: float
    shapes: tuple[tuple[int, ...], ...] = ((5,), (3, 2))
    bad: Bad | None = None


CASES = (
    Case("tiny gradients", 1e-5, 64.0, ((1, 5, 2), (4,))),
    Case("large gradients", 10.0, 1024.0),
    Case("small gradients", 0.01, 512.0, ((4, 3), (), (4, 3))),
    Case("an inf on the last rank", 1.0, 65536.0, bad=Bad(math.inf, -1, 1, 5)),
    Case("a nan on rank 0", 1.0, 256.0, ((6,), (2, 2), (3,)), Bad(math.nan, 0, 0, 2)),
    Case("large gradients again", 3.0, 8192.0, ((2, 2, 2), (9,))),
    Case("a -inf on the last rank", 1.0, 128.0, ((3,), (5, 2), (4,)), Bad(-math.inf, -1, 1, 0)),
    Case("an inf on rank 0", 0.05, 2048.0, ((8,),), Bad(math.inf, 0, 0, 7)),
    Case("a nan on every rank", 0.5, 3.0, ((2, 2), (5,)), Bad(math.nan, None, 1, 3)),
    Case("gradients of a norm just below 1", 0.1, 4096.0, ((10,), (5, 2))),
    Case("gradients of a norm between 1 and 2", 0.45, 4096.0, ((10,), (5, 2))),
    Case("gradients that are all zero", 0.0, 32.0, ((4,), (2, 3))),
    Case("a nan on the last rank at scale 1", 1.0, 1.0, bad=Bad(math.nan, -1, 0, 1)),
    Case("numbers whose sum is above fp32's largest", 1000.0, 2.0**112, ((200,), (3, 2))),
)


def skip_together(answer: Any) -> str:
    """``scaled_step(gradients, scale, apply)``: unscale, mean, clip, and apply on all ranks or on none."""
    must_take(answer, "scaled_step(gradients, scale, apply)", (), 1.0, print)
    for case in CASES:
        on_each_size(functools.partial(skip_trial, answer, case), case.what)
    return f"{sizes_text().capitalize()}: unscaled, then clipped by one norm for all; skipped by all or by none."


def skip_trial(answer: Any, case: Case, size: int) -> str | None:
    rank = dist.get_rank()
    everybody = [gradients_of(case, each, size) for each in range(size)]
    applied: list[list[torch.Tensor]] = []
    given = [case.scale * each.to(device_here()) for each in everybody[rank]]
    kinds: list[str] = []

    def apply(ready: Any) -> None:
        kinds.append(type(ready).__name__)
        applied.append([each.detach().cpu().clone() for each in ready])

    with Spy() as spy:
        scale = answer(given, case.scale, apply)
    if any(kind not in ("list", "tuple") for kind in kinds):
        return f"apply wants a list of tensors; it got a {kinds[0]}."
    return of_waits(spy) or skip_hint(case, everybody, applied) or scale_hint(case, scale)


def gradients_of(case: Case, rank: int, size: int) -> list[torch.Tensor]:
    dice = torch.Generator().manual_seed(rank)
    found = [case.size * (0.2 + torch.rand(shape, generator=dice)) for shape in case.shapes]
    if case.bad is not None and (case.bad.rank is None or rank == case.bad.rank % size):
        found[case.bad.gradient].view(-1)[case.bad.place] = case.bad.value
    return found


def skip_hint(case: Case, everybody: list[list[torch.Tensor]], applied: list[list[torch.Tensor]]) -> str | None:
    if case.bad is not None:
        if not applied:
            return None
        return (
            f"{case.what.capitalize()}, and apply was called. Whether all numbers are finite (neither inf nor nan) is "
            "for all ranks to decide, not for each alone."
        )
    if len(applied) != 1:
        return f"With {case.what} and nothing bad, apply must be called once; it was called {len(applied)} times."
    if [tuple(each.shape) for each in applied[0]] != list(case.shapes):
        return "apply gets a list with one tensor for each gradient, of its shape and in its place; this is not one."
    found, mean = flat(applied[0]), torch.stack([flat(each) for each in everybody]).mean(0)
    if near(found, clipped(mean)):
        return None
    return clip_hint(case, found, mean, everybody)


def clip_hint(case: Case, found: torch.Tensor, mean: torch.Tensor, everybody: list[list[torch.Tensor]]) -> str:
    size, scale, local = len(everybody), case.scale, flat(everybody[dist.get_rank()])
    each_alone = torch.stack([clipped(flat(each)) for each in everybody]).mean(0)
    parts = torch.split(mean, [math.prod(shape) for shape in case.shapes])
    mistakes = {
        "Clipped before unscaling: the norm that was clipped is 'scale' times too large, and the step that much too "
        "small.": clipped(mean * scale) / scale,
        "The gradients are still multiplied by the scale.": clipped(mean * scale),
        "The gradients are still multiplied by the scale, and not clipped.": mean * scale,
        "The gradients are not clipped.": mean,
        "This rank applies its own gradients: where is the mean over ranks?": clipped(local),
        "That is the sum over ranks, clipped. The mean is asked for.": clipped(mean * size),
        "Each rank clips its own gradients before the mean. The norm to be clipped is that of the mean.": each_alone,
        "Each tensor is clipped alone. The norm is one for all tensors together.": torch.cat(list(map(clipped, parts))),
        "Scaled to a norm of 1 although it was smaller: clipping only ever shrinks.": mean / mean.norm(),
    }
    return fitting(mistakes, lambda wrong: near(found, wrong)) or (
        f"With {case.what} and a scale of {scale:g} the gradients applied have a norm of {found.norm():.3g}, it should "
        f"be {clipped(mean).norm():.3g}. Unscale, then the mean over ranks, then one norm for all tensors."
    )


def scale_hint(case: Case, scale: Any) -> str | None:
    wanted = case.scale if case.bad is None else case.scale / 2
    found = number_of(scale)
    if found is None:
        return f"Return the next scale, a number; with {case.what} it returned {scale!r}."
    if close(found, wanted):
        return None
    rule = "halved after a skipped step" if case.bad is not None else "kept when the step is taken"
    return f"With {case.what} and a scale of {case.scale:g} the next scale is {found:g}: it is to be {rule}."


def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([each.flatten() for each in tensors])


def clipped(vector: torch.Tensor) -> torch.Tensor:
    """Shrink a vector to a norm of at most 1."""
    return vector / max(1.0, float(vector.norm()))


def near(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return found.shape == wanted.shape and bool((found - wanted).norm() <= TOLERANCE * wanted.norm())
