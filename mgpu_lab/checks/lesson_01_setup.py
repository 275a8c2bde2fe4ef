"""Checks of lesson 01's exercises: three machines diagnosed, and an all-reduce made of two other collectives.

The first three judge plain Python in the notebook's kernel, on the machines of ``verification``. The last one
communicates and is called on all ranks; only it imports torch.
"""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import fitting, judge_number, number_of
from mgpu_lab.checks.spy import Spy
from mgpu_lab.verification import example

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 0.02
TWO_DECIMALS = 0.005  # 1.26 for 1.2647 is right, and 1.27 by way of 1.69 x 3 / 4; the next mistake is 1% away
WIDTHS = {"float32": 12, "float64": 40, "int64": 50}  # bits: the sums are exact in their type, and in no narrower one
CASES = ((8, "float32"), (7, "float64"), (1, "float32"), (13, "int64"), (1001, "float32"), (60, "float64"))
GIB = 1024**3
UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": GIB, "t": 1024 * GIB}
AMOUNT = r"(\d+(?:\.\d+)?)([bkmgt]?)i?b?"
FIELD = rf"{AMOUNT}(?![^\s,])"  # a mount's fields are parted by commas
SIZE = (  # the three ways in which `docker run` takes a size for /dev/shm; the text is in lower case
    rf"(?<!\S)--shm-size[= ]{AMOUNT}(?!\S)"
    rf"|(?<!\S)--tmpfs[= ]/dev/shm:(?:\S+,)?size={FIELD}"
    rf"|(?<!\S)--mount[= ](?=\S*type=tmpfs)(?=\S*(?:target|destination|dst)=/dev/shm(?![^\s,]))\S*tmpfs-size={FIELD}"
)
BOUND = (  # the host's own /dev/shm inside the container
    r"(?<!\S)(?:-v|--volume)[= ]/dev/shm:/dev/shm(?![^\s:])"
    r"|(?<!\S)--mount[= ](?=\S*type=bind)(?=\S*(?:source|src)=/dev/shm(?![^\s,]))"
    r"\S*(?:target|destination|dst)=/dev/shm(?![^\s,])"
)
NO_LIMIT = (  # a tmpfs there without a size
    r"(?<!\S)--tmpfs[= ]/dev/shm(?:\s|$|:(?!\S*size=))"
    r"|(?<!\S)--mount[= ](?=\S*type=tmpfs)(?=\S*(?:target|destination|dst)=/dev/shm(?![^\s,]))(?!\S*tmpfs-size)"
)
NEARLY = {  # what an option looks like -> the hint; the first that fits is given
    r"^-{0,2}shm_size": "So Compose files and Python spell it. `docker run` wants two dashes in front and one inside.",
    r"^-?shm-?size": "The right word. An option of `docker run` begins with two dashes and has one inside.",
    r"--shmsize|--shm(?!-)": "Nearly the right option: `docker run --help` has its full name.",
    r"--shm-size": "The right option, but its value cannot be read. Docker wants a number and a unit.",
    r"--ipc": "The right idea: which word shares the host's shared memory?",
    r"(^| )(-m|--memory)\b": "The memory row is fine. /dev/shm is a file system in memory, with a limit of its own.",
    r"--ulimit": "That is about locked memory or open files. Here a file system is full: which one?",
    r"--(storage|tmpfs|mount|volume)|(^| )-v\b": "Which folder has 64 MiB? The disk and /tmp have room.",
    r"--(gpus|runtime)": "The GPUs are there. Which row is far too small?",
    r"--cpus": "That is the example's own option. Which row is far too small?",
}  # fmt: skip
HEAT = re.compile(r"heat|hot|therm|temperature")


def narrow_slot(answer: Any) -> str:
    """``{"gpu": ..., "times_longer": ...}`` for the machine with one card in a slot of four lanes."""
    gpu, times = fields(answer, "gpu", "times_longer")
    card_asked_for(gpu, 1, among=2, hint="has all of its lanes. Read the rows on width once more: who has fewer now?")
    hints = {
        4.0: "You counted lanes. Is a lane as fast on both cards? Look at the generations.",
        2.0: "You compared generations. How many lanes has each card?",
        1.0: "'Now' equals 'up to here' on both cards, the slot is the limit. Compare the two cards.",
        1 / 8: "Turned round: the time gets longer, so the number is above 1.",
        7.0: "That is how much *longer* it takes, in multiples. How many times *as long* is one more.",
        6.0: "The two factors do not add up: half the speed per lane, and a quarter of the lanes.",
        16.0: "One step of generation doubles the rate; you have it twice.",
    }
    otherwise = "Two things differ between the slots: the number of lanes, and the speed of one."
    judge_number(times, 8.0, hints, otherwise, relative=TOLERANCE)
    return "An all-reduce moves at the pace of its narrowest link; a check of the slot costs nothing."


def hot_card(answer: Any) -> str:
    """``{"gpu": ..., "reason": ..., "times_faster": ...}`` for the machine with a card that slows itself down."""
    gpu, reason, times = fields(answer, "gpu", "reason", "times_faster")
    clocks = [each.sm_clock_mhz or 0 for each in example("throttling").hardware.gpus]
    ill = clocks.index(min(clocks))
    card_asked_for(gpu, ill, among=4, hint="runs about as fast as two others. Whose clock is far below the rest?")
    if not isinstance(reason, str) or ("heat" in reason.lower() and "power" in reason.lower()):
        raise Wrong(f'Give one reason as text, "heat" or "power", and not {reason!r}.')
    if HEAT.search(reason.lower()) is None:
        raise Wrong(f'A healthy card works at its power limit. What does GPU {ill} report? Answer "heat" or "power".')
    others = [clock for index, clock in enumerate(clocks) if index != ill]
    slow, steady = clocks[ill], min(others)
    wanted = 3 * steady / (4 * slow)
    number = number_of(times)
    if number is not None and number == round(wanted, 1):
        raise Wrong("Rounded too far to tell one answer from another: give two decimals.")
    hints = {
        3 / 4: "That is the share of GPUs left. And at which clock do these three run, with nobody to wait for?",
        steady / slow: "That is how much shorter a step gets. But a step now handles three batches, not four.",
        4 * slow / (3 * steady): "Turned round: this is how much slower it is with the ill card.",
        sum(others) / sum(clocks): "That adds up clocks, as if nobody waited. In DDP all wait for the slowest.",
        3 * max(others) / (4 * slow): "Also three healthy cards wait for the slowest of them.",
        sum(others) / (4 * slow): "Also three healthy cards wait for the slowest of them.",
        3 * steady / sum(clocks): "With the ill card, all four run at its pace, not each at its own.",
        4 * steady / (3 * slow): "There are fewer GPUs without it, so this factor is 3/4, not 4/3.",
        wanted - 1: "That is the gain alone. How many times as many samples is one more.",
    }
    otherwise = "Samples per second: number of GPUs times the slowest clock."
    judge_number(times, wanted, hints, otherwise, relative=TWO_DECIMALS)
    return "Three healthy cards beat four with an ill one. Better still: mend the cooling."


def card_asked_for(gpu: Any, wanted: int, *, among: int, hint: str) -> None:
    """Raise Wrong where ``gpu`` is not the number of the card in question."""
    number = number_of(gpu)
    if number is None:
        raise Wrong(f"Answer with the number of the GPU, not {gpu!r}.")
    if number not in range(among):
        raise Wrong(f"There is no GPU {gpu}: the cards are numbered from 0 to {among - 1}.")
    if number != wanted:
        raise Wrong(f"GPU {gpu} {hint}")


def small_shm(answer: Any) -> str:
    """Return what the option for ``docker run`` does: ``--shm-size=8g``, ``--ipc=host`` and their kin."""
    option = option_text(answer)
    if re.search(r"(?<!\S)--ipc[= ]host(?!\S)", option):
        return "The container shares the host's /dev/shm."
    if re.search(BOUND, option):
        return "The container sees the host's /dev/shm."
    size = re.search(SIZE, option.lower())
    if size is None and re.search(NO_LIMIT, option):
        return "A tmpfs without a size may grow to half of the host's memory."
    if size is None:
        raise Wrong(option_hint(option))
    number, unit = (each for each in size.groups() if each is not None)
    count = float(number) * UNITS[unit]
    if not unit and 0 < count < GIB:
        raise Wrong(f"Without a unit, Docker reads bytes: {number} of them. 1 GiB has {GIB}. Write a unit: k, m or g.")
    if count < GIB:
        raise Wrong("The right option, and still too little: the exercise asks for 1 GiB or more.")
    return f"Shared memory gets {count / GIB:g} GiB; only what is used takes memory."


def option_text(answer: Any) -> str:
    """Return the option as one line of text; a list of words, as subprocess takes them, is one, too."""
    if isinstance(answer, (list, tuple)) and answer and all(isinstance(word, str) for word in answer):
        answer = " ".join(answer)
    if not isinstance(answer, str):
        raise Wrong('Write the option as text, between quotes: "--cpus=4".')
    text = " ".join(re.sub("[\"']", "", answer).replace("\\\n", " ").split())
    return re.sub(r"^(sudo )?(docker|podman|nerdctl) (container )?run ", "", text)


def option_hint(option: str) -> str:
    """Return the hint for an option that gives /dev/shm no more room."""
    for spelling, hint in NEARLY.items():
        if re.search(spelling, option, re.IGNORECASE):
            return hint
    return "Look for the row that is far too small, and for the option of `docker run` that sets its size."


def any_length(answer: Any) -> str:
    """``any_length(x)``: an all-reduce in place, of one reduce-scatter and one all-gather; called on all ranks."""
    from mgpu_lab.checks.on_ranks import on_each_size, sizes_text

    takes_one_tensor(answer)
    for case in CASES:
        on_each_size(partial(hint_for, answer, *case), "a tensor of {} x {}".format(*case))
    lengths = ", ".join(str(length) for length, _ in CASES)
    return f"Lengths {lengths} in three types at {sizes_text()}, and no number too many."


def takes_one_tensor(answer: Any) -> None:
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # written in C: it will show
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise Wrong(f"The check calls any_length(x) with one tensor, and yours takes {signature}.") from error


@dataclass
class Tried:
    """What an answer did with one tensor: what the ranks held before, what this one holds now, what it called."""

    x: Tensor
    ranks: tuple[Tensor, ...]
    rank: int
    returned: Any
    same_memory: bool
    spy: Spy

    @property
    def length(self) -> int:
        return len(self.wanted)

    @property
    def wanted(self) -> Tensor:
        return sum(self.ranks[1:], self.ranks[0])


def hint_for(answer: Any, length: int, kind: str, size: int) -> str | None:
    """Call the answer with one tensor on ``size`` ranks and judge what came of it."""
    import torch
    import torch.distributed as dist

    from mgpu_lab.checks.on_ranks import device_here

    device, rank = device_here(), dist.get_rank()
    ranks = tuple(numbers(length, getattr(torch, kind), each).to(device) for each in range(size))
    x = ranks[rank].clone()
    place = x.data_ptr()
    with Spy() as spy:
        returned = answer(x)
    case = Tried(x, ranks, rank, returned, x.data_ptr() == place, spy)
    return value_hint(case) or calls_hint(case)


def numbers(length: int, dtype: Any, rank: int) -> Tensor:
    """Return a rank's numbers: whole ones, whose sums are exact in ``dtype`` and not in a narrower type.

    They are no multiples of another rank's.
    """
    import torch

    small = (torch.arange(length) * (13 * rank + 7) + 5 * rank) % 97 + 1
    return small.mul(2 ** WIDTHS[str(dtype).removeprefix("torch.")] + 1).to(dtype)


def value_hint(case: Tried) -> str | None:
    import torch

    x, wanted, length, ranks = case.x, case.wanted, case.length, len(case.ranks)
    if x.shape != wanted.shape or x.dtype != wanted.dtype:
        return f"x was {length} x {wanted.dtype}; now it is {tuple(x.shape)} of {x.dtype}. Write the sums into it."
    right, whole = x == wanted, length - length % ranks
    if bool(right.all()):
        return None if case.same_memory else "x was given other memory; write the sums into what it has: x.copy_(...)."
    returned = case.returned
    if isinstance(returned, torch.Tensor) and returned.shape == wanted.shape and bool((returned == wanted).all()):
        return "The sum is right, but x does not hold it: write it back into x."
    if not case.spy.all_waited_for:
        return "An asynchronous call was never waited for: what it brings is not there yet. Wait, then use it."
    for event in case.spy.events:
        if event.elements >= length / ranks and event.dtype != str(x.dtype).removeprefix("torch."):
            return f"{event.name} was given {event.dtype}, and x is {x.dtype}: make your buffers of x's own type."
    own = case.ranks[case.rank]
    twice = "x holds the sum and its own numbers besides" if ranks > 1 else "On one rank x now holds twice the sum"
    mistakes = {
        "That is the mean. An all-reduce adds up; whoever wants the mean divides afterwards.": x == mean(wanted, ranks),
        "That is the largest number of all ranks, not the sum.": x == torch.stack(case.ranks).amax(0),
        f"On rank {case.rank} x of length {length} is what it was before: write the sum back into x.": x == own,
        f"{twice}: write the sum over x, add nothing to it.": x == wanted + own,
        f"With {length} numbers on {in_words(ranks)} the last ones are not summed. Pad before you cut.": right[:whole],
    }
    otherwise = f"With {length} numbers x holds no sums. Are the shares equally long, and gathered in rank order?"
    if bool(right.any()):
        otherwise = "Some numbers are sums and some are not: each rank needs the shares of all ranks, in rank order."
    return fitting(mistakes, lambda signs: len(signs) > 0 and bool(signs.all())) or otherwise


def in_words(ranks: int) -> str:
    return "1 rank" if ranks == 1 else f"{ranks} ranks"


def mean(total: Tensor, ranks: int) -> Tensor:
    return total / ranks if total.is_floating_point() else total // ranks


def calls_hint(case: Tried) -> str | None:
    """Judge the calls of an answer whose sum is right: which, how often, and how far it padded."""
    events, ranks = case.spy.events, len(case.ranks)
    counts = Counter(event.name for event in events)
    if any(event.name == "all_reduce" and event.elements >= case.length for event in events):
        return "The sum is right, but all_reduce did it. Build it from reduce_scatter and all_gather."
    if not case.spy.all_waited_for:
        return "The sum is right this time, but an asynchronous call was never waited for."
    if ranks == 1 and not events:
        return None  # alone, there is nobody to talk to
    if counts != {"reduce_scatter": 1, "all_gather": 1}:
        calls = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "none"
        return f"The sum is right. The calls should be one reduce_scatter and one all_gather; they are: {calls}."
    return padding_hint(case)


def padding_hint(case: Tried) -> str | None:
    """Say which of the calls moved more than the tensor needs: too long a padding, or too wide a type."""
    import torch

    ranks = len(case.ranks)
    enough = math.ceil(case.length / ranks) * ranks
    for event in case.spy.events:
        handed = event.bytes // getattr(torch, event.dtype).itemsize
        if event.bytes <= enough * case.x.element_size():
            continue
        if handed > enough:
            told = f"{event.name} handled {handed} numbers for {case.length} on {in_words(ranks)}"
            return f"The sum is right, but {told}: pad less, {enough} will do."
        return f"The sum is right, but {event.name} was given {event.dtype}, which is wider than x's {case.x.dtype}."
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
