"""Checks of lesson 02's exercises: shards, bytes of device 0, the mean over unequal shards, keys of a checkpoint.

Only ``batch_mean`` gets tensors and is called on the ranks; the others judge plain Python and import no torch.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import close, fitting, judge_number, number_of

if TYPE_CHECKING:
    from torch import Tensor

SHARDS = ((8, 4), (5, 4), (3, 4), (9, 4), (1, 2), (7, 1), (10, 3))
STATES = (
    ["module.decoder.weight", "module.decoder.bias"],
    ["decoder.weight", "embedding.weight"],
    ["module.module.decoder.weight", "module.module.loss.scale"],
    ["module.encoder.module.weight", "module.module_list.0.weight"],
    ["encoder.module.weight", "module_list.0.weight"],
)
SIZES = ([3, 2], [4, 4], [2, 2, 1], [7])
PARAMETERS, DEVICES, OUTPUTS = 1_000_000, 6, 60 * 1000
FP32 = 4
TOLERANCE = 1e-6  # torch.tensor(sizes) / sum(sizes) is fp32


def shard_sizes(answer: Any) -> str:
    """``shard_sizes(samples, devices)``: what ``chunk`` gives to each device."""
    for samples, devices in SHARDS:
        size = math.ceil(samples / devices)
        wanted = [min(size, samples - first) for first in range(0, samples, size)]
        found = answer(samples, devices)
        if not isinstance(found, list | tuple):
            raise Wrong(f"Return a list of sizes; for {samples} samples on {devices} devices it was {found!r}.")
        if any(number_of(size) is None for size in found):
            raise Wrong(f"Return a list of whole numbers; for {samples} samples on {devices} devices it was {found!r}.")
        if list(found) != wanted:
            raise Wrong(f"{samples} samples on {devices} devices: {sizes_hint(list(found), samples, devices)}")
    return f"{len(SHARDS)} cases; 5 samples on 4 devices leave one device without work."


def sizes_hint(found: list[Any], samples: int, devices: int) -> str:
    if 0 in found:
        return "a device that gets nothing is not in the list."
    if sum(found) != samples:
        return f"your shards hold {sum(found)} samples together. The last one may be smaller than the others."
    if len(found) > devices:
        return f"you have {len(found)} shards for {devices} devices. Round the size of a shard up, not down."
    if max(found) - min(found) <= 1 and len(found) == min(samples, devices):
        return "you even the shards out. chunk rounds the size up and cuts until nothing is left."
    if found[0] < found[-1]:
        return "the small shard comes last, not first."
    return "the size of a shard is samples / devices, rounded up; all but the last one have it."


def device_zero(answer: Any) -> str:
    """``{"on_device_0": ..., "sent_for_replicas": ...}`` in bytes."""
    names = ("on_device_0", "sent_for_replicas")
    if not isinstance(answer, dict) or any(answer.get(name) is None or answer[name] is ... for name in names):
        raise Wrong('Answer with a dictionary of both: {"on_device_0": ..., "sent_for_replicas": ...}.')
    copy, outputs = FP32 * PARAMETERS, FP32 * OUTPUTS
    held = {
        4 * copy: "Nearly. Where are the outputs of all samples when the loss is computed?",
        4 * copy + OUTPUTS: "You counted the outputs as numbers. An fp32 number has four bytes.",
        3 * copy + outputs: "One copy is missing. Adam keeps two moments, and there are gradients too.",
        2 * copy + outputs: "Parameters, gradients, and? What does Adam remember about each parameter?",
        copy + outputs: "Only the parameters and outputs. After the backward there is more, and Adam has its state.",
        (4 * copy + outputs) / DEVICES: "DataParallel divides the batch only. What lasts is not shared out.",
        4 * copy + outputs / DEVICES: "Gather brings the outputs of all samples, not only device 0's own.",
        (4 + DEVICES - 1) * copy + outputs: "The replicas of the others are on the others.",
        4 * PARAMETERS + OUTPUTS: "Those are numbers. An fp32 number has four bytes.",
    }
    judge = functools.partial(judge_number, relative=0.0, ask="Answer in bytes, as a number")
    judge(answer[names[0]], 4 * copy + outputs, held, "on_device_0: parameters, gradients, two moments, outputs.")
    sent = {
        DEVICES * copy: "Device 0 uses the model itself and sends no copy to itself.",
        copy: "Each of the other devices needs a copy of its own.",
        (DEVICES - 1) * PARAMETERS: "Those are numbers. An fp32 number has four bytes.",
        2 * (DEVICES - 1) * copy: "The gradients come back in the backward. Here only the forward is asked for.",
        (DEVICES - 1) * copy / DEVICES: "A replica is a whole model, not a share of it.",
        2 * (DEVICES - 1) * copy / DEVICES: "That is an all-reduce. DataParallel sends whole copies from one device.",
    }
    judge(answer[names[1]], (DEVICES - 1) * copy, sent, "sent_for_replicas: how many copies, how large is one?")
    copies = DEVICES - 1
    return f"16 bytes per parameter and all outputs on one device, and {copies} whole models sent at every forward."


def batch_mean(answer: Any) -> str:
    """``batch_mean(losses, sizes)``: the mean over all samples from the means of unequal shards; on all ranks."""
    import torch

    from mgpu_lab.checks.on_ranks import agree, device_here

    for sizes in SIZES:
        weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True, device=device_here())
        samples = torch.arange(1.0, sum(sizes) + 1, dtype=torch.float64, device=device_here()) ** 2
        shards = samples.split(sizes)  # type: ignore[no-untyped-call]
        losses = torch.stack([(weight * shard).mean() for shard in shards])
        agree(mean_hint(answer(losses, list(sizes)), losses, sizes, weight, samples.mean()))
    return f"Shards of {', '.join(map(str, SIZES))}: value and gradient are those of the whole batch."


def mean_hint(found: Any, losses: Tensor, sizes: list[int], weight: Tensor, wanted: Tensor) -> str | None:
    import torch

    if not isinstance(found, torch.Tensor):
        return "Return a tensor: a plain number has lost the way back to the weights."
    if found.numel() != 1:
        return f"Return one number, not {found.numel()}: backward needs a scalar."
    if not found.requires_grad:
        return "The result cannot be differentiated. Where does the way back break: item, detach, torch.tensor?"
    value, counts = float(found.detach()), torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    if close(value, float(wanted), TOLERANCE):
        gradient = torch.autograd.grad(found.sum(), weight)[0]
        return None if torch.isclose(gradient, wanted) else "The value is right, its gradient is not."
    weighted = (losses * counts).sum().detach()
    mistakes = {
        "That counts every shard alike. A shard of 3 samples says more than one of 2.": losses.mean(),
        "That adds the shards' means up. A mean has to be divided by something.": losses.sum(),
        "That is the sum over all samples. Divide by their number.": weighted,
        "Right weights, wrong divisor: divide by the number of samples, not of shards.": weighted / len(sizes),
        "That is one shard's loss. All of them count.": losses[0],
        "The weights are turned round: more samples, more weight.": (losses / counts).sum() / (1 / counts).sum(),
    }
    otherwise = f"For shards of {sizes} samples the mean over the batch is another one. Weigh each loss by its samples."
    return fitting(mistakes, lambda wrong: close(value, float(wrong.detach()), TOLERANCE)) or otherwise


def plain_checkpoint(answer: Any) -> str:
    """``plain(state)``: the wrapper's ``module.`` taken from the front of every key, in a new dictionary."""
    for keys in STATES:
        state = {key: number for number, key in enumerate(keys)}
        before = dict(state)
        found = answer(state)
        if not isinstance(found, dict):
            raise Wrong(f"Return a dictionary, not {type(found).__name__}.")
        if state != before or found is state:
            raise Wrong(
                "You changed the dictionary that you were given. Make a new one, and leave the file's as it is."
            )
        for key, number in state.items():
            judge_key(key, next((name for name, value in found.items() if value == number), None))
        if len(found) != len(state):
            raise Wrong(f"{len(state)} tensors went in, {len(found)} keys came out: each tensor once.")
    return f"{len(STATES)} checkpoints: wrapped once, twice, not at all, and with a layer called module."


def judge_key(key: str, found: str | None) -> None:
    wanted = key
    while wanted.startswith("module."):
        wanted = wanted.removeprefix("module.")
    if found == wanted:
        return
    shown = f"{key!r} became {found!r}"
    if found is None:
        raise Wrong(f"{key!r} is lost: its tensor is in no key of the result.")
    if found == key:
        raise Wrong(f"{shown}: the wrapper's name is still in front.")
    if found == key.lstrip("module."):
        raise Wrong(f"{shown}: lstrip takes away letters, not a word. Which method takes a whole prefix?")
    if found == key.replace("module.", ""):
        raise Wrong(f"{shown}: a layer inside is called module, too. Only the front belongs to the wrapper.")
    if found == key[len("module.") :]:
        again = found.startswith("module.")
        raise Wrong(f"{shown}: " + ("this model was wrapped twice." if again else "this one has no wrapper's name."))
    if found.startswith("."):
        raise Wrong(f"{shown}: the dot belongs to the prefix.")
    raise Wrong(f"{shown}. Take away `module.` as often as it stands in front, and nothing else.")
