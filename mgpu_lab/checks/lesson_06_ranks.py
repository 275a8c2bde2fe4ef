"""Checks of lesson 06's exercises on ranks: a mean with bf16 on the wire, and a step that all take or none."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import common, device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy

LENGTHS = (1000, 7, 1, 1001)
ADDS_UP = "adds up on its way, in the type that travels. Exchange first, then sum in fp32."
PACKS = "packs whatever it is given. Send bf16 tensors: their bytes can be counted."
REFUSED = {
    **dict.fromkeys(("all_reduce", "all_reduce_coalesced", "reduce"), ADDS_UP),
    **dict.fromkeys(("reduce_scatter", "reduce_scatter_tensor", "reduce_scatter_single"), ADDS_UP),
    **dict.fromkeys(("all_gather_object", "gather_object", "broadcast_object_list"), PACKS),
}
SCALE = 1024.0
SHAPES = ((5,), (3, 2))
TOLERANCE = 1e-4


def bf16_wire(answer: Any) -> str:
    """``reduce_mean(x)``: the mean over ranks in place, bf16 on the wire, fp32 in the sum, rounded once."""
    on_each_size(lambda size: wire_trial(answer, size), "reducing")
    return f"{sizes_text().capitalize()}, lengths {', '.join(map(str, LENGTHS))}: rounded once, only bf16 sent."


def wire_trial(answer: Any, size: int) -> str | None:
    for length in LENGTHS:
        everybody = [vector(length, rank) for rank in range(size)]
        x = everybody[dist.get_rank()].clone().to(device_here())
        with Spy() as spy:
            answer(x)
        hint = common(calls_hint(spy, length, size) or mean_hint(x.cpu(), everybody))
        if hint:
            return hint
    return None


def vector(length: int, rank: int) -> torch.Tensor:
    """Return a rank's bf16 numbers, between 1/4 and 2: their fp32 sums are exact."""
    dice = torch.Generator().manual_seed(1000 * length + rank)
    return (0.25 + 1.75 * torch.rand(length, generator=dice, dtype=torch.float64)).bfloat16()


def calls_hint(spy: Spy, length: int, size: int) -> str | None:
    share = math.ceil(length / size)
    for event in spy.events:
        if event.name in REFUSED:
            return f"{event.name} {REFUSED[event.name]}"
        if event.input_bytes > 2 * event.elements:
            return f"{event.name} moved {event.input_bytes // event.elements} bytes per number: only bf16 may travel."
        if event.elements > share * size:
            return (
                f"{event.name} moved {event.elements} numbers for a vector of {length} on {size} ranks: who needs more "
                "than one share from each rank?"
            )
        if not event.waited_for:
            return f"{event.name} was started and never waited for."
    if len(spy.events) > 2:  # noqa: PLR2004 - one exchange, one gather
        return f"{len(spy.events)} collectives, where one exchange and one gather will do."
    return None


def mean_hint(x: torch.Tensor, everybody: list[torch.Tensor]) -> str | None:
    size, own = len(everybody), everybody[dist.get_rank()]
    total = torch.stack(everybody).double().sum(0)
    wanted = (total / size).bfloat16()
    if torch.equal(x, wanted):
        return None
    rounded, running = total.bfloat16(), functools.reduce(torch.add, everybody)
    shares = torch.stack([each / size for each in everybody]).double().sum(0)
    mistakes = {
        "x is what it was before: write the mean back into x.": own,
        "That is the sum. Divide by the number of ranks, in fp32.": rounded,
        "Rounded twice: the sum went to bf16 and was divided there. Divide in fp32, then round once.": rounded / size,
        "The sum was made in bf16, which rounds after each addition. Turn the shares into fp32 first.": running / size,
        "Divided before the sum, in bf16: each number is rounded once more. Divide the sum.": shares.bfloat16(),
    }
    if hint := fitting(mistakes, lambda wrong: torch.equal(x, wrong)):
        return hint
    right = x == wanted
    if len(x) > size and bool(right[: len(x) - len(x) % size].all()):
        return f"With {len(x)} numbers on {size} ranks the last ones are wrong. Pad before you cut."
    if bool(right.any()) and float(right.double().mean()) < 0.6:  # noqa: PLR2004 - a share or two, not all
        return "Some numbers are the mean and most are not: each rank needs all ranks' shares, in rank order."
    return f"{int((~right).sum())} of {len(x)} numbers are not the mean rounded once. In which type is each sum?"


@dataclass(frozen=True)
class Case:
    """One step: how large the gradients are, and which rank has a bad one."""

    what: str
    size: float
    bad: float | None = None
    bad_rank: int = 0


CASES = (
    Case("large gradients", 10.0),
    Case("small gradients", 0.01),
    Case("an inf on the last rank", 1.0, math.inf, -1),
    Case("a nan on rank 0", 1.0, math.nan),
    Case("large gradients again", 3.0),
)


def skip_together(answer: Any) -> str:
    """``scaled_step(gradients, scale, apply)``: unscale, mean, clip, and apply on all ranks or on none."""
    for case in CASES:
        on_each_size(functools.partial(skip_trial, answer, case), case.what)
    return f"{sizes_text().capitalize()}: unscaled, then clipped by one norm for all; skipped by all or by none."


def skip_trial(answer: Any, case: Case, size: int) -> str | None:
    rank = dist.get_rank()
    everybody = [gradients_of(case, each, size) for each in range(size)]
    applied: list[list[torch.Tensor]] = []
    given = [SCALE * each.to(device_here()) for each in everybody[rank]]
    scale = answer(given, SCALE, lambda ready: applied.append([each.detach().cpu().clone() for each in ready]))
    return common(skip_hint(case, everybody, applied) or scale_hint(case, scale))


def gradients_of(case: Case, rank: int, size: int) -> list[torch.Tensor]:
    dice = torch.Generator().manual_seed(rank)
    found = [case.size * (0.2 + torch.rand(shape, generator=dice)) for shape in SHAPES]
    if case.bad is not None and rank == case.bad_rank % size:
        found[-1].view(-1)[-1] = case.bad
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
    if [tuple(each.shape) for each in applied[0]] != list(SHAPES):
        return "apply gets one tensor for each gradient, of its shape and in its place; these are not."
    found, mean = flat(applied[0]), torch.stack([flat(each) for each in everybody]).mean(0)
    if near(found, clipped(mean)):
        return None
    return clip_hint(case, found, mean, everybody)


def clip_hint(case: Case, found: torch.Tensor, mean: torch.Tensor, everybody: list[list[torch.Tensor]]) -> str:
    size, local = len(everybody), flat(everybody[dist.get_rank()])
    each_alone = torch.stack([clipped(flat(each)) for each in everybody]).mean(0)
    parts = torch.split(mean, [math.prod(shape) for shape in SHAPES])
    mistakes = {
        "Clipped before unscaling: the norm that was clipped is 'scale' times too large, and the step that much too "
        "small.": clipped(mean * SCALE) / SCALE,
        "The gradients are still multiplied by the scale.": clipped(mean * SCALE),
        "The gradients are not clipped.": mean,
        "This rank applies its own gradients: where is the mean over ranks?": clipped(local),
        "That is the sum over ranks, clipped. The mean is asked for.": clipped(mean * size),
        "Each rank clips its own gradients before the mean. The norm to be clipped is that of the mean.": each_alone,
        "Each tensor is clipped alone. The norm is one for all tensors together.": torch.cat(list(map(clipped, parts))),
        "Scaled to a norm of 1 although it was smaller: clipping only ever shrinks.": mean / mean.norm(),
    }
    return fitting(mistakes, lambda wrong: near(found, wrong)) or (
        f"With {case.what} the gradients applied have a norm of {found.norm():.3g}, it should be "
        f"{clipped(mean).norm():.3g}. Unscale, then the mean over ranks, then one norm for all tensors."
    )


def scale_hint(case: Case, scale: Any) -> str | None:
    wanted = SCALE if case.bad is None else SCALE / 2
    try:
        found = float(scale)
    except (TypeError, ValueError):
        return f"Return the next scale, a number; with {case.what} it returned {scale!r}."
    if found == wanted:
        return None
    rule = "halved after a skipped step" if case.bad is not None else "kept when the step is taken"
    return f"With {case.what} the next scale is {found:g}: it is to be {rule}."


def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([each.flatten() for each in tensors])


def clipped(vector: torch.Tensor) -> torch.Tensor:
    """Shrink a vector to a norm of at most 1."""
    return vector / max(1.0, float(vector.norm()))


def near(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return found.shape == wanted.shape and bool((found - wanted).norm() <= TOLERANCE * wanted.norm())
