"""Checks of lesson 02's exercises: shards, bytes of device 0, the mean over unequal shards, keys of a checkpoint.

Only ``batch_mean`` gets tensors and is called on the ranks; the others judge plain Python and import no torch.
"""

from __future__ import annotations

import functools
import itertools
import math
import reprlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import fitting, judge_number, number_of

if TYPE_CHECKING:
    from torch import Tensor

TELLING = ((8, 4), (5, 4), (3, 4), (9, 4), (1, 2), (7, 1), (10, 3), (3, 2))  # their hints say most: they come first
SHARDS = (*TELLING, *itertools.product(range(1, 25), range(1, 10)), (100, 64), (65_537, 16))
TOO_MANY = 10_000  # sizes: more than any right answer here
STATES: tuple[list[str], ...] = (
    ["module.decoder.weight", "module.decoder.bias"],
    ["decoder.SelfAttention.weight", "embedding.weight", "model.norm.scale"],
    ["module.module.decoder.weight", "module.module.loss.scale"],
    ["module.encoder.module.weight", "module.module_list.0.weight", "module.modules.1.bias"],
    ["encoder.module.weight", "module_list.0.weight", "modular.module.module.bias"],
    ["module.module.encoder.module.module.weight", "module.module.olmo.weight"],
    [],
)
SIZES = ([3, 2], [4, 4], [2, 2, 1], [7], [1, 5, 2, 9], [6, 6, 6, 6, 1], [1, 1, 8, 3, 2, 2])
PARAMETERS, DEVICES, SAMPLES, OUTPUTS = 1_000_000, 6, 60, 60 * 1000
FP32 = 4
TOLERANCE = 1e-5  # of the largest loss; torch.tensor(sizes) / sum(sizes) is fp32


def ask(answer: Callable[..., Any], call: str, *arguments: Any) -> Any:
    """Call an answer; Wrong, with the call in words, where it cannot be called like this or calls itself for ever."""
    try:
        return answer(*arguments)
    except RecursionError as error:
        raise Wrong(f"The check calls {call}, and that calls itself without end (RecursionError).") from error
    except TypeError as error:
        inside = error.__traceback__ and error.__traceback__.tb_next
        if inside:
            raise
        raise Wrong(f"The check calls {call}: {error}.") from error


def shard_sizes(answer: Any) -> str:
    """``shard_sizes(samples, devices)``: what ``chunk`` gives to each device."""
    for samples, devices in SHARDS:
        size = math.ceil(samples / devices)
        wanted = [min(size, samples - first) for first in range(0, samples, size)]
        found, again = (sizes_of(answer, samples, devices) for _ in range(2))
        if found != again:
            raise Wrong("The second call gives another list than the first: your function keeps something in between.")
        if found != wanted:
            raise Wrong(f"{samples} samples on {devices_text(devices)}: {sizes_hint(found, samples, devices)}")
    return f"{len(SHARDS)} cases; 5 samples on 4 devices leave one device without work."


def devices_text(devices: int) -> str:
    return f"{devices} device{'s' * (devices > 1)}"


def sizes_of(answer: Any, samples: int, devices: int) -> list[int]:
    """Call the answer; return the sizes in a list or anything like one as Python's own numbers."""
    found = ask(answer, f"shard_sizes({samples}, {devices})", samples, devices)
    case = f"for {samples} samples on {devices_text(devices)} it was {reprlib.repr(found)}"
    if not isinstance(found, Iterable) or isinstance(found, str | bytes | Mapping):
        raise Wrong(f"Return a list of sizes; {case}.")
    sizes = [number_of(each) for each in itertools.islice(found, TOO_MANY)]
    if any(size is None or not size.is_integer() for size in sizes):
        raise Wrong(f"Return a list of whole numbers; {case}.")
    return [int(size) for size in sizes if size is not None]


def sizes_hint(found: list[int], samples: int, devices: int) -> str:
    size, held, least, most = math.ceil(samples / devices), sum(found), min(found, default=1), max(found, default=1)
    in_order = [min(size, samples - first) for first in range(0, samples, size)]
    floored = len(found) > devices > 1 and most == samples // devices
    mistakes = {
        "a device that gets nothing is not in the list.": 0 in found and held == samples,
        f"a shard cannot hold {least} samples.": least < 0,
        f"your shards hold {held} samples together. The last one may be smaller than the others.": held < samples,
        f"your shards hold {held} samples together, more than there are.": held > samples,
        "the small shard comes last, not first.": sorted(found, reverse=True) == in_order,
        f"you have {len(found)} shards for {devices_text(devices)}. Round the size of a shard up, not down.": floored,
        f"you have {len(found)} shards for {devices_text(devices)}.": len(found) > devices,
        "you even the shards out. chunk rounds the size up and cuts until nothing is left.": most - least <= 1
        and len(found) == min(samples, devices),
    }
    otherwise = "the size of a shard is samples / devices, rounded up; all but the last one have it."
    return fitting(mistakes, bool) or otherwise


def device_zero(answer: Any) -> str:
    """``{"on_device_0": ..., "sent_for_replicas": ...}`` in bytes."""
    names = ("on_device_0", "sent_for_replicas")
    if not isinstance(answer, Mapping) or any(answer.get(name) is None or answer[name] is ... for name in names):
        raise Wrong('Answer with a dictionary of both: {"on_device_0": ..., "sent_for_replicas": ...}.')
    copy, outputs = FP32 * PARAMETERS, FP32 * OUTPUTS
    wanted = 4 * copy + outputs
    held = {
        4 * copy: "Nearly. Where are the outputs of all samples when the loss is computed?",
        4 * copy + OUTPUTS: "You counted the outputs as numbers. An fp32 number has four bytes.",
        4 * copy + outputs / SAMPLES: "Those are the outputs of one sample. The batch has more.",
        4 * copy + DEVICES * outputs: "The batch of 60 is cut into shards. No device gets 60 samples of its own.",
        4 * copy + 2 * outputs: "You counted the outputs twice. Their gradient is not asked for.",
        3 * copy + outputs: "One copy is missing. Adam keeps two moments, and there are gradients too.",
        2 * copy + outputs: "Parameters, gradients, and? What does Adam remember about each parameter?",
        copy + outputs: "Only the parameters and outputs. After the backward there is more, and Adam has its state.",
        5 * copy + outputs: "One copy too many. Device 0 needs no replica: it uses the model itself.",
        wanted / DEVICES: "DataParallel divides the batch only. What lasts is not shared out.",
        4 * copy + outputs / DEVICES: "Gather brings the outputs of all samples, not only device 0's own.",
        (4 + DEVICES - 1) * copy + outputs: "The replicas of the others are on the others.",
        4 * PARAMETERS + OUTPUTS: "Those are numbers. An fp32 number has four bytes.",
        wanted / 2: "Those are two bytes per number. An fp32 number has four.",
        2 * wanted: "Those are eight bytes per number. An fp32 number has four.",
        (DEVICES - 1) * copy: "That is what is sent for the replicas. Here what device 0 holds is asked for.",
        **dict.fromkeys((wanted / 1e6, wanted / 2**20, wanted / 1e9, wanted / 2**30), "Answer in bytes."),
    }
    judge = functools.partial(judge_number, relative=0.0, ask="Answer in bytes, as a number")
    judge(answer[names[0]], wanted, held, "on_device_0: parameters, gradients, two moments, outputs.")
    needed = (DEVICES - 1) * copy
    sent = {
        DEVICES * copy: "Device 0 uses the model itself and sends no copy to itself.",
        copy: "Each of the other devices needs a copy of its own.",
        (DEVICES - 1) * PARAMETERS: "Those are numbers. An fp32 number has four bytes.",
        2 * needed: "The gradients come back in the backward. Here only the forward is asked for.",
        needed / DEVICES: "A replica is a whole model, not a share of it.",
        2 * needed / DEVICES: "That is an all-reduce. DataParallel sends whole copies from one device.",
        4 * needed: "A replica has weights. Gradients and Adam's moments stay on device 0.",
        **dict.fromkeys((needed / 1e6, needed / 2**20, needed / 1e9, needed / 2**30), "Answer in bytes."),
    }
    judge(answer[names[1]], needed, sent, "sent_for_replicas: how many copies, how large is one?")
    copies = DEVICES - 1
    return f"16 bytes per parameter and all outputs on one device, and {copies} whole models sent at every forward."


def batch_mean(answer: Any) -> str:
    """``batch_mean(losses, sizes)``: the mean over all samples from the means of unequal shards; on all ranks."""
    from mgpu_lab.checks.on_ranks import on_world

    on_world(lambda _size: batch_mean_hint(answer), "batch_mean(losses, sizes)")
    return f"{len(SIZES)} batches of equal and unequal shards: value and gradient are those of the whole batch."


def batch_mean_hint(answer: Any) -> str | None:
    """Try the answer on each of SIZES, in fp32 and fp64 by turns; return the first hint."""
    import torch
    import torch.distributed as dist

    from mgpu_lab.checks.on_ranks import device_here

    for number, sizes in enumerate(SIZES):
        dtype = (torch.float32, torch.float64)[number % 2]
        random = torch.Generator().manual_seed(number + 100 * dist.get_rank())  # other losses on each rank
        means = 3 * torch.rand(len(sizes), generator=random, dtype=dtype) + 1
        if hint := mean_hint(answer, means.to(device_here()).requires_grad_(), sizes):
            return hint
    return None


def mean_hint(answer: Any, means: Tensor, sizes: list[int]) -> str | None:
    """Return what is wrong with the answer for these shards, None where nothing is."""
    handed = list(sizes)
    try:
        found = ask(answer, "batch_mean(losses, sizes)", means * 1, handed)  # a copy: answers may write into it
    except Wrong as wrong:
        return str(wrong)
    if handed != sizes:
        return "You changed the list of sizes that you were given. The caller may need it again."
    return form_hint(found, means) or value_hint(found, means, sizes)


def form_hint(found: Any, means: Tensor) -> str | None:
    import torch

    if not isinstance(found, torch.Tensor):
        number = number_of(found) is not None
        lost = ": a plain number has lost the way back to the weights" if number else f", not {reprlib.repr(found)}"
        return f"Return a tensor{lost}."
    mistakes = {
        f"Return one number, not {found.numel()}: backward needs a scalar.": found.numel() != 1,
        "The result cannot be differentiated. Where does the way back break: item, detach, torch.tensor?": (
            not found.requires_grad
        ),
        f"The losses are {means.dtype}, your result is {found.dtype}: that loses digits.": (
            found.dtype.itemsize < means.dtype.itemsize
        ),
    }
    return fitting(mistakes, bool)


def value_hint(found: Tensor, means: Tensor, sizes: list[int]) -> str | None:
    """Return what is wrong with the value, or with its gradient."""
    import torch

    losses, counts = means.detach(), torch.tensor(sizes, dtype=means.dtype, device=means.device)
    weighted, shares = (losses * counts).sum(), counts / counts.sum()
    value, is_near = float(found.detach()), functools.partial(near, scale=float(losses.abs().max()))
    if is_near(value, float(weighted / counts.sum())):
        try:
            [gradient] = torch.autograd.grad(found.sum(), means, allow_unused=True)
        except RuntimeError as error:
            return f"The value is right, but backward fails: {str(error).partition('. ')[0]}."
        same = gradient is not None and torch.allclose(gradient, shares, atol=TOLERANCE)
        return None if same else "The value is right, its gradient is not."
    mistakes = {
        "That counts every shard alike. A shard of 3 samples says more than one of 2.": losses.mean(),
        "That adds the shards' means up. A mean has to be divided by something.": losses.sum(),
        "That is the sum over all samples. Divide by their number.": weighted,
        "Right weights, wrong divisor: divide by the number of samples, not of shards or ranks.": weighted / len(sizes),
        "Divided once too often: shares that add up to 1 are summed, not averaged.": (shares * losses).mean(),
        "The weights are turned round: the shard with more samples counts less.": (
            (losses / counts).sum() / (1 / counts).sum()
        ),
    }
    if hint := fitting(mistakes, lambda wrong: is_near(value, float(wrong))):
        return hint
    if any(is_near(value, float(each)) for each in losses):
        return "That is one shard's loss. All of them count."
    return (
        f"For shards of {sizes} samples the mean over the batch is not {value:.4g}. Weigh each loss by its samples, "
        "and divide by the number of all samples."
    )


def near(found: float, wanted: float, scale: float) -> bool:
    return abs(found - wanted) <= TOLERANCE * scale


def plain_checkpoint(answer: Any) -> str:
    """``plain(state)``: the wrapper's ``module.`` taken from the front of every key, in a new dictionary."""
    numbers = itertools.count()  # each tensor is another number, so one from an earlier call is known; the first is 0
    for kind, keys in itertools.product((dict, OrderedDict), STATES):
        state = kind((key, next(numbers)) for key in keys)
        before = dict(state)
        found = ask(answer, "plain(state)", state)
        if not isinstance(found, dict):
            raise Wrong(f"Return a dictionary, not {type(found).__name__}.")
        if dict(state) != before:
            raise Wrong(
                "You changed the dictionary that you were given. Make a new one, and leave the file's as it is."
            )
        if found is state:
            raise Wrong("You returned the dictionary that you were given. Make a new one, also where no key changes.")
        if any(type(value) is int and value < min(state.values(), default=0) for value in found.values()):
            raise Wrong("The result holds tensors of an earlier call: your function keeps something in between.")
        for key, number in state.items():
            judge_key(key, found, [name for name, value in found.items() if value == number])
        if len(found) != len(state):
            raise Wrong(f"{len(state)} tensors went in, {len(found)} keys came out: each tensor once.")
    return f"{len(STATES)} checkpoints: wrapped once, twice, not at all, empty, and with layers called module inside."


def judge_key(key: str, result: dict[Any, Any], under: list[Any]) -> None:
    """Raise Wrong where the tensor of ``key`` is not ``under`` the key without the wrapper's name."""
    wanted = key
    while wanted.startswith("module."):
        wanted = wanted.removeprefix("module.")
    if wanted in under:
        return
    if not under and wanted in result:
        raise Wrong(f"{wanted!r} is there, but what it stands for is not what was under {key!r}.")
    if not under:
        raise Wrong(f"{key!r} is lost: its tensor is in no key of the result.")
    found = under[0]
    if not isinstance(found, str):
        raise Wrong(f"{key!r} became {found!r}: a key is text.")
    inside = (key.replace("module.", ""), key.rsplit("module.", maxsplit=1)[-1])
    letters, twice = (key.lstrip("module."), key.strip("module.")), key.startswith("module.module.")
    mistakes = {
        "the wrapper's name is still in front.": found == key,
        "stripping takes away letters, not a word. Which method takes a whole prefix?": found in letters,
        "a layer inside is called module, too. Only the front belongs to the wrapper.": found in inside,
        "this model was wrapped twice.": twice and found == key.removeprefix("module."),
        "this key has no wrapper's name in front, so it stays as it is.": wanted == key,
        "the dot belongs to the prefix.": found == f".{wanted}",
    }
    otherwise = "take away `module.` as often as it stands in front, and nothing else."
    raise Wrong(f"{key!r} became {found!r}: {fitting(mistakes, bool) or otherwise}")
