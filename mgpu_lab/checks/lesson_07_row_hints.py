"""What is said of a row-parallel layer that was run: of its output, the plain layer, what was sent, a later call."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.lesson_07_layers import Wanted, of_parameters, of_values
from mgpu_lab.checks.spy import Spy, of_waits

SLACK_BYTES = 64


@dataclass
class Run:
    """What a layer returned for two inputs, what it sent, and what it did after a change of its parameters."""

    inputs: list[torch.Tensor]
    outputs: list[Any] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)  # of the outputs, before any further call
    alone: Any = None  # the first output once more, without gradients
    doubled: Any = None  # and with the parameters doubled
    spoilt: bool = False  # whether the plain layer's were doubled, too
    forward: Spy = field(default_factory=Spy)
    backward: Spy = field(default_factory=Spy)


def of_run(  # noqa: PLR0913, PLR0917 - what there is to judge
    layer: Any, whole: nn.Linear, making: Spy, run: Run, wanted: Wanted, what: str
) -> str | None:
    hint = of_waits(making, run.forward, run.backward) or of_making(making)
    hint = hint or of_parameters(layer, whole, wanted, what)
    hint = hint or of_values(layer, run.inputs, run.values, wanted, what)
    return hint or of_change(run, wanted) or of_bytes(run, wanted)


def of_plain(whole: nn.Linear, run: Run, wanted: Wanted) -> str | None:
    """Hint at a plain layer that has changed; its memory in the layer's parameters is looked at later."""
    if not equal(whole, wanted.linear):
        return "The plain layer's own weight or bias has changed. It is to stay as it is."
    for name in ("in_features", "out_features"):
        if getattr(whole, name) != getattr(wanted.linear, name):
            return f"The plain layer's `{name}` has changed. It is to stay as it is."
    for name, parameter in whole.named_parameters():
        if not parameter.requires_grad:
            return f"The plain layer's `{name}` has changed: it needs no gradient any more."
        if parameter.grad is not None and not run.spoilt:
            return f"The plain layer's `{name}` has a gradient now. It is to stay as it is."
    return None


def equal(a: nn.Linear, b: nn.Linear) -> bool:
    ours, theirs = dict(a.named_parameters()), dict(b.named_parameters())
    return ours.keys() == theirs.keys() and all(torch.equal(each, theirs[name]) for name, each in ours.items())


def of_output(output: Any, wanted: Wanted, what: str) -> str | None:
    shape = tuple(wanted.outputs[0].shape)
    if not torch.is_tensor(output):
        return f"forward must return a tensor; it returned {type(output).__name__}."
    if hasattr(output, "placements"):
        return "forward must return a plain tensor; it returned a DTensor. Its to_local() is one."
    if tuple(output.shape) != shape:
        return f"forward returned shape {tuple(output.shape)} where the plain layer has {shape} ({what})."
    if output.dtype != wanted.outputs[0].dtype:
        return f"forward returned {output.dtype} ({what})."
    return None


def of_making(making: Spy) -> str | None:
    if not making.events:
        return None
    sends = f"sends {making.sent_bytes} bytes" if making.sent_bytes else f"calls {making.events[0].name}"
    return f"The constructor {sends}. Every rank has the whole linear: it need only cut its own share."


def of_change(run: Run, wanted: Wanted) -> str | None:
    """Hint at what is wrong once the parameters change."""
    if run.spoilt:
        return "`bias` shares memory with the plain layer's: whoever trains it changes the plain layer."
    if not (torch.is_tensor(run.alone) and wanted.fits(run.alone, wanted.outputs[0])):
        return "Under torch.no_grad() the output is another. The ranks' parts are to be added up there, too."
    if torch.is_tensor(run.doubled) and wanted.fits(run.doubled, 2 * wanted.outputs[0]):
        return None
    return (
        "With new numbers in `weight` and `bias`, as after a step of an optimizer, the output is not theirs. Does "
        "forward compute with something that the constructor made of them, or that an earlier call kept?"
    )


def of_bytes(run: Run, wanted: Wanted) -> str | None:
    outputs = sum(each.nbytes for each in wanted.outputs)
    gathered = sum(event.input_bytes for event in run.forward.named("all_gather", "gather", "broadcast"))
    ring = 2 * (wanted.parts - 1) / wanted.parts * outputs
    if wanted.parts > 1 and gathered > outputs / wanted.parts + SLACK_BYTES:
        return (
            f"{gathered} bytes of a rank were gathered or broadcast in forward; its share of the outputs is "
            f"{outputs / wanted.parts:.0f}. Add up the ranks' parts of the output on the way, as an all-reduce does."
        )
    if run.forward.wire_bytes > ring + SLACK_BYTES:
        return (
            f"Two forwards send {run.forward.wire_bytes:.0f} bytes from a rank, by the ring's count; all-reduces of "
            f"their outputs send {ring:.0f}."
        )
    if not run.backward.events:
        return None
    name, sent = run.backward.events[0].name, run.backward.sent_bytes
    sends = f"sends {sent} bytes" if sent else f"calls {name}"
    return (
        f"Output and gradients are right, but backward {sends}. Every rank has the whole gradient of the output "
        "already."
    )
