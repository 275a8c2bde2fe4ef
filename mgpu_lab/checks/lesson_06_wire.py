"""The check of lesson 06's `reduce_mean`: a mean with bf16 on the wire, fp32 in the sum, rounded once."""

import functools
import math
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits
from mgpu_lab.listening.group_calls import GroupCall

BF16 = 2  # bytes
ROUNDING = 1e-6  # thirds of a whole number of bytes
LENGTHS = (1000, 7, 1, 6, 1001, 4096)
REDUCING = ("all_reduce", "reduce_scatter", "reduce")
BITS = ("uint8", "int8", "int16", "uint16")  # in which bf16 may travel, too


def bf16_wire(answer: Any) -> str:
    """``reduce_mean(x)``: the mean over ranks in place, bf16 on the wire, fp32 in the sum, rounded once."""
    must_take(answer, "reduce_mean(x)", ())
    for length in LENGTHS:
        on_each_size(functools.partial(wire_trial, answer, length), f"reducing {length} numbers")
    return f"{sizes_text().capitalize()}, lengths {', '.join(map(str, LENGTHS))}: rounded once, only bf16 sent."


def wire_trial(answer: Any, length: int, size: int) -> str | None:
    everybody = [vector(length, rank) for rank in range(size)]
    x = everybody[dist.get_rank()].clone().to(device_here())
    place = x.data_ptr()
    with Spy() as spy:
        answer(x)
    if x.data_ptr() != place:
        return "x lies in new memory now. Write the mean into x itself, as copy_ does."
    hint = reducing_hint(spy, size) or bytes_hint(spy, length, size) or type_hint(spy, size) or of_waits(spy)
    return hint or mean_hint(x.cpu(), everybody)


def reducing_hint(spy: Spy, size: int) -> str | None:
    for event in spy.events:
        if event.name in REDUCING and size > 1:
            return f"{event.name} adds up on its way, in the type that travels. Exchange first, then sum in fp32."
    return None


def type_hint(spy: Spy, size: int) -> str | None:
    for event in spy.events:
        if size > 1 and event.bytes and event.dtype not in ("bfloat16", *BITS):
            return f"{event.name} carried {event.elements} x {event.dtype}: only bf16 may travel."
    return None


def bytes_hint(spy: Spy, length: int, size: int) -> str | None:
    """Say where this rank sent more than a bf16 all-reduce of the padded vector does, or nothing."""
    allowed = 2 * (size - 1) * math.ceil(length / size) * BF16
    if size > 1 and not any(event.bytes for event in spy.events):
        return "Nothing went through the process group: the numbers travel by its calls."
    sent = sum(0 if ends_here(event, size) else event.wire_bytes for event in spy.events)
    if sent <= allowed + ROUNDING:
        return None
    told = ", ".join(f"{event.name} of {event.elements} x {event.dtype}" for event in spy.events[:2])
    more = f" and {len(spy.events) - 2} more calls" if len(spy.events) > 2 else ""  # noqa: PLR2004 - those told
    why = "one exchange and one gather are enough, and nobody needs more than one share from each rank"
    if any(event.dtype in ("float32", "float64") for event in spy.events):
        why = "only bf16 may travel"
    return (
        f"For {length} numbers on {size} ranks this rank sent {sent:,.0f} bytes ({told}{more}), and a bf16 "
        f"all-reduce sends {allowed:,}: {why}."
    )


def ends_here(event: GroupCall, size: int) -> bool:
    """Whether a broadcast's ring ends at this rank, the one before the root: it passes nothing on."""
    return event.name == "broadcast" and event.root is not None and (event.root - 1) % size == dist.get_rank()


def vector(length: int, rank: int) -> torch.Tensor:
    """Return a rank's bf16 numbers: some zeros, else of one order but for three bits, so that fp32 sums are exact."""
    dice = torch.Generator().manual_seed(1000 * length + rank)
    found = 0.25 + 1.75 * torch.rand(length, generator=dice, dtype=torch.float64)
    found[rank::5] = 0.0
    return (found * 2.0 ** ((length * 7) % 90 - 45)).bfloat16()  # fp16 does not reach so far for some lengths


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
        **{
            f"The sum is divided by {other}; the number of ranks is {size} here.": (total / other).bfloat16()
            for other in range(2, 6)
            if other != size
        },
    }
    if hint := fitting(mistakes, lambda wrong: torch.equal(x, wrong)):
        return hint
    right = x == wanted
    if len(x) > size and bool(right[: len(x) - len(x) % size].all()):
        return f"With {len(x)} numbers on {size} ranks the last ones are wrong. Pad before you cut."
    if bool(right.any()) and float(right.double().mean()) < 0.6:  # noqa: PLR2004 - a share or two, not all
        return "Some numbers are the mean and most are not: each rank needs all ranks' shares, in rank order."
    return f"{int((~right).sum())} of {len(x)} numbers are not the mean rounded once. In which type is each sum?"
