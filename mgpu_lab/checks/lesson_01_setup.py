"""Checks of lesson 01's exercises: three machines diagnosed, and an all-reduce made of two other collectives.

The first three judge plain Python in the notebook's kernel, on the machines of ``verification``. The last one
communicates and is called on all ranks; only it imports torch.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import fitting, judge_number, number_of
from mgpu_lab.checks.spy import Spy
from mgpu_lab.verification import example

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 0.02
LENGTHS = (8, 7, 1, 1001)
GIB = 1024**3
ONE_TENSOR = {  # the same collectives on one tensor instead of a list
    "reduce_scatter_tensor": "reduce_scatter",
    "reduce_scatter_single": "reduce_scatter",
    "all_gather_into_tensor": "all_gather",
    "all_gather_single": "all_gather",
}
UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": GIB, "t": 1024 * GIB}
SIZE = r"(?<!\S)(?:--shm-size[= ]|--tmpfs[= ]/dev/shm:(?:\S+,)?size=)(\d+(?:\.\d+)?)([bkmgt]?)i?b?(?!\S)"


def narrow_slot(answer: Any) -> str:
    """``{"gpu": ..., "times_longer": ...}`` for the machine with one card in a slot of four lanes."""
    gpu, times = fields(answer, "gpu", "times_longer")
    if number_of(gpu) is None:
        raise Wrong(f"Answer with the number of the GPU, not {gpu!r}.")
    if gpu != 1:
        raise Wrong(f"GPU {gpu} has all of its lanes. Read the rows on width once more: who has fewer now?")
    hints = {
        4.0: "You counted lanes. Is a lane as fast on both cards? Look at the generations.",
        2.0: "You compared generations. How many lanes has each card?",
        1.0: "'Now' equals 'up to here' on both cards, the slot is the limit. Compare the two cards.",
        1 / 8: "Turned round: the time gets longer, so the number is above 1.",
        16.0: "One step of generation doubles the rate; you have it twice.",
    }
    otherwise = "Two things differ between the slots: the number of lanes, and the speed of one."
    judge_number(times, 8.0, hints, otherwise, relative=TOLERANCE)
    return "An all-reduce moves at the pace of its narrowest link; a check of the slot costs nothing."


def hot_card(answer: Any) -> str:
    """``{"gpu": ..., "reason": ..., "times_faster": ...}`` for the machine with a card that slows itself down."""
    gpu, reason, times = fields(answer, "gpu", "reason", "times_faster")
    if number_of(gpu) is None:
        raise Wrong(f"Answer with the number of the GPU, not {gpu!r}.")
    if gpu != 2:  # noqa: PLR2004 - the card's number in the example
        raise Wrong(f"GPU {gpu} runs about as fast as two others. Whose clock is far below the rest?")
    if str(reason).strip().lower() != "heat":
        raise Wrong('A healthy card works at its power limit. What does GPU 2 report? Answer "heat" or "power".')
    clocks = [each.sm_clock_mhz or 0 for each in example("throttling").hardware.gpus]
    others = [clock for index, clock in enumerate(clocks) if index != gpu]
    slow, steady = clocks[gpu], min(others)
    hints = {
        3 / 4: "That is the share of GPUs left. And at which clock do these three run, with nobody to wait for?",
        steady / slow: "That is how much shorter a step gets. But a step now handles three batches, not four.",
        4 * slow / (3 * steady): "Turned round: this is how much slower it is with the ill card.",
        sum(others) / sum(clocks): "That adds up clocks, as if nobody waited. In DDP all wait for the slowest.",
        3 * max(others) / (4 * slow): "Also three healthy cards wait for the slowest of them.",
        sum(others) / (4 * slow): "Also three healthy cards wait for the slowest of them.",
        3 * steady / sum(clocks): "With the ill card, all four run at its pace, not each at its own.",
        4 * steady / (4 * slow) * 4 / 3: "There are fewer GPUs without it, so this factor is 3/4, not 4/3.",
    }
    otherwise = "Samples per second: number of GPUs times the slowest clock."
    judge_number(times, 3 * steady / (4 * slow), hints, otherwise, relative=TOLERANCE)
    return "Three healthy cards beat four with an ill one. Better still: mend the cooling."


def small_shm(answer: Any) -> str:
    """Return what the option for ``docker run`` does: ``--shm-size=8g``, ``--ipc=host`` and their kin."""
    if not isinstance(answer, str):
        raise Wrong('Write the option as text, between quotes: "--cpus=4".')
    option = re.sub("[\"']", "", answer).strip().removeprefix("docker run").strip()
    if re.search(r"(?<!\S)--ipc[= ]host(?!\S)", option):
        return "The container shares the host's /dev/shm."
    if re.search(r"(?<!\S)(-v|--volume)[= ]/dev/shm:/dev/shm(?!\w)", option):
        return "The container sees the host's /dev/shm."
    size = re.search(SIZE, option.lower())
    if size is None:
        raise Wrong(option_hint(option))
    count = float(size[1]) * UNITS[size[2]]
    if not size[2] and count < GIB:
        raise Wrong(f"Without a unit, Docker reads bytes: {size[1]} of them. Add one of k, m, g.")
    if count < GIB:
        raise Wrong("The right option, and still too little: batches on their way fill that at once. Use 1g or more.")
    return f"Shared memory gets {count / GIB:g} GiB; only what is used takes memory."


def option_hint(option: str) -> str:
    hints = {
        ("-m", "--memory"): "The memory row is fine. /dev/shm is a file system in memory with a limit of its own.",
        ("--ulimit",): "That is about locked memory or open files. Here a file system is full: which one?",
        ("--storage", "--tmpfs", "-v", "--mount"): "Which folder has 64 MiB? The disk and /tmp have room.",
        ("--gpus", "--runtime"): "The GPUs are there. Which row is far too small?",
        ("--ipc",): "The right idea: which word shares the host's shared memory?",
        ("--shm-size",): "The right option, but its value cannot be read. Docker wants a number and a unit.",
    }
    otherwise = "Look for the row that is far too small, and for the option of `docker run` that sets its size."
    return next((hint for words, hint in hints.items() if option.startswith(words)), otherwise)


def any_length(answer: Any) -> str:
    """``any_length(x)``: an all-reduce in place, of one reduce_scatter and one all_gather; called on all ranks."""
    import torch.distributed as dist

    from mgpu_lab.checks.on_ranks import agree, device_here, in_step

    device = device_here()
    for length in LENGTHS:
        x, wanted = numbers(length, device)
        with in_step(f"with {length} numbers"), Spy() as spy:
            returned = answer(x)
        agree(value_hint(x, wanted, returned) or calls_hint(spy, length, dist.get_world_size()))
    return f"Lengths {', '.join(map(str, LENGTHS))} at world size {dist.get_world_size()}, and no byte too many."


def numbers(length: int, device: Any) -> tuple[Tensor, Tensor]:
    """Return this rank's numbers and their sum over all ranks; small whole ones, so that sums are exact."""
    import torch
    import torch.distributed as dist

    base = torch.arange(1, length + 1, dtype=torch.float32, device=device)
    ranks = dist.get_world_size()
    return base * (dist.get_rank() + 1), base * (ranks * (ranks + 1) // 2)


def value_hint(x: Tensor, wanted: Tensor, returned: Any) -> str | None:
    import torch
    import torch.distributed as dist

    ranks, length = dist.get_world_size(), len(wanted)
    own = wanted * (dist.get_rank() + 1) / (ranks * (ranks + 1) // 2)
    right, whole = x == wanted, length - length % ranks
    if bool(right.all()):
        return None
    if isinstance(returned, torch.Tensor) and returned.shape == wanted.shape and torch.equal(returned, wanted):
        return "The sum is right, but x does not hold it: write it back into x."
    mistakes = {
        "That is the mean. An all-reduce adds up; whoever wants the mean divides afterwards.": x * ranks == wanted,
        f"x of length {length} is what it was before: write the sum back into x.": x == own,
        f"With {length} numbers on {ranks} ranks the last ones are not summed. Pad before you cut.": right[:whole],
    }
    otherwise = f"With {length} numbers x holds no sums. Are the shares equally long, and gathered in rank order?"
    if bool(right.any()):
        otherwise = "Some numbers are sums and some are not: each rank needs the shares of all ranks, in rank order."
    return fitting(mistakes, lambda signs: len(signs) > 0 and bool(signs.all())) or otherwise


def calls_hint(spy: Spy, length: int, ranks: int) -> str | None:
    counts = {name: len(spy.named(name)) for name in dict.fromkeys(event.name for event in spy.events)}
    if "all_reduce" in counts:
        return "The sum is right, but all_reduce did it. Build it from reduce_scatter and all_gather."
    if not spy.all_waited_for:
        return "The sum is right this time, but an asynchronous call was never waited for."
    if sorted(ONE_TENSOR.get(event.name, event.name) for event in spy.events) != ["all_gather", "reduce_scatter"]:
        calls = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "none that can be seen"
        return f"The sum is right. The calls should be one reduce_scatter and one all_gather; they are: {calls}."
    share = math.ceil(length / ranks)
    found = next(event.elements for event in spy.events if event.name.startswith("reduce_scatter"))
    if found > share:
        return f"The sum is right, but a share of {length} on {ranks} ranks has {found}: pad less, {share} will do."
    return None


def fields(answer: Any, *names: str) -> tuple[Any, ...]:
    """Return the values of a dictionary's keys; Wrong where one is missing or still open."""
    shape = "{" + ", ".join(f'"{name}": ...' for name in names) + "}"
    if not isinstance(answer, dict):
        raise Wrong(f"Answer with a dictionary: {shape}.")
    open_ones = [name for name in names if answer.get(name) is None or answer[name] is ...]
    if open_ones:
        raise Wrong(f"{', '.join(open_ones)} is still open: {shape}.")
    return tuple(answer[name] for name in names)
