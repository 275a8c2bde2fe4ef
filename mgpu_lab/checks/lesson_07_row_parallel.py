"""The check of lesson 07's row-parallel linear: values, gradients, bytes, the shard's own memory, the group."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.lesson_07_layers import Wanted, of_parameters, of_shapes, of_values
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

SLACK_BYTES = 64


@dataclass(frozen=True)
class Case:
    what: str
    dtype: torch.dtype
    lead: tuple[int, ...]  # the input's dimensions before its features
    bias: bool = True
    outside: int = 12  # output features
    grouped: bool = False  # rank 0 alone, and the others together

    def linear(self, size: int) -> nn.Linear:
        """Return the plain layer, the same on every rank; its input features divide by ``size``."""
        torch.manual_seed(7 + size)
        return nn.Linear(11 * size, self.outside, bias=self.bias).to(device_here(), self.dtype)

    @property
    def call(self) -> str:
        """The call as one would write it."""
        return "RowParallelLinear(linear, group)" if self.grouped else "RowParallelLinear(linear)"


CASES = (
    Case("a float64 layer", torch.float64, (5,)),
    Case("a float32 layer without bias", torch.float32, (2, 3), bias=False),
    Case("a float32 layer with 7 output features", torch.float32, (3,), outside=7),
    Case("a float64 layer in a group of some of the ranks", torch.float64, (2, 2), grouped=True),
    Case("a float32 layer in a group, two dimensions", torch.float32, (4,), grouped=True),
)


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


def row_parallel(answer: Any) -> str:
    """``RowParallelLinear(linear, group=None)``: the plain layer's output and gradients from shares of its input."""
    is_untouched = all(getattr(answer, name, None) is getattr(nn.Module, name) for name in ("__init__", "forward"))
    if is_untouched:
        raise NotImplementedError
    must_take(answer, "RowParallelLinear(linear, group)", nn.Linear(1, 1), None)
    for case in CASES:
        on_each_size(lambda size, case=case: one_case(answer, case, size), f"the layer's step ({case.what})")  # type: ignore[misc]
    on_each_size(lambda size: of_refusal(answer, size), "making a layer that does not divide")
    return (
        f"{sizes_text().capitalize()}, and groups: output and all gradients are the plain layer's, float32 and "
        "float64; forward sends one all-reduce of the output, backward nothing."
    )


@contextlib.contextmanager
def group_of(case: Case, size: int) -> Iterator[Any]:
    """Yield the group to split over: None, or this rank's of two."""
    if not case.grouped:
        yield None
        return
    parts = [[0], list(range(1, size))] if size > 1 else [[0]]
    groups = [dist.new_group(part) for part in parts]  # every rank makes every group
    yield groups[min(dist.get_rank(), 1)]


def one_case(answer: Any, case: Case, size: int) -> str | None:
    with group_of(case, size) as group:
        parts = dist.get_world_size(group)
        whole, wanted = case.linear(parts), Wanted(case.linear(parts), case.lead, dist.get_rank(group), parts)
        arguments = (whole, group) if case.grouped else (whole,)
        with Spy() as making:
            layer = made(answer, arguments, case, parts)
        refuse(of_shapes(layer, wanted, case.what))
        run = two_steps(layer, whole, wanted, case)
        return of_plain(whole, run, wanted) or of_run(layer, whole, making, run, wanted, case)


def made(answer: Any, arguments: tuple[Any, ...], case: Case, parts: int) -> Any:
    """Return the layer; the input features divide by the ranks, so that a ValueError is wrong."""
    try:
        return ask(answer, *arguments, shown=case.call)
    except ValueError as error:
        whole: nn.Linear = arguments[0]
        shape = f"{whole.in_features} input features, {whole.out_features} output features"
        raise Wrong(
            f"{shape}, {parts} rank{'s' * (parts > 1)} in the group ({case.what}): the input features divide, and the "
            f"constructor raised ValueError: {error}"
        ) from None


def two_steps(layer: Any, whole: nn.Linear, wanted: Wanted, case: Case) -> Run:
    """Call the layer on two inputs and go back through both at once."""
    run = Run([wanted.own_input(i) for i in range(2)])
    with run.forward:
        run.outputs = [ask(layer, x, shown="layer(x)") for x in run.inputs]
    run.values = [each.detach().clone() if torch.is_tensor(each) else each for each in run.outputs]
    double(layer, whole, wanted, run)  # now: a rank whose output is no tensor goes no further
    for output in run.outputs:
        refuse(of_output(output, wanted, case))
    loss = sum((output * scale).sum() for output, scale in zip(run.outputs, wanted.scales, strict=True))
    if not getattr(loss, "requires_grad", False):
        raise Wrong(f"The output needs no gradient ({case.what}): backward ends there. Is something detached?")
    with run.backward:
        loss.backward()
    return run


def double(layer: Any, whole: nn.Linear, wanted: Wanted, run: Run) -> None:
    """Call the layer once more with its parameters doubled, as an optimizer might change them, and put them back."""
    with torch.no_grad():
        run.alone = ask(layer, run.inputs[0], shown="layer(x)")
    parameters = list(layer.parameters())
    for parameter in parameters:
        parameter.data.mul_(2)  # unseen by autograd: backward through the outputs is still to come
    run.spoilt = not equal(whole, wanted.linear)
    run.doubled = ask(layer, run.inputs[0], shown="layer(x)")
    for parameter in parameters:
        parameter.data.div_(2)


def equal(a: nn.Linear, b: nn.Linear) -> bool:
    ours, theirs = dict(a.named_parameters()), dict(b.named_parameters())
    return ours.keys() == theirs.keys() and all(torch.equal(each, theirs[name]) for name, each in ours.items())


def of_output(output: Any, wanted: Wanted, case: Case) -> str | None:
    shape = tuple(wanted.outputs[0].shape)
    if not torch.is_tensor(output):
        return f"forward must return a tensor; it returned {type(output).__name__}."
    if hasattr(output, "placements"):
        return "forward must return a plain tensor; it returned a DTensor. Its to_local() is one."
    if tuple(output.shape) != shape:
        return f"forward returned shape {tuple(output.shape)} where the plain layer has {shape} ({case.what})."
    if output.dtype != case.dtype:
        return f"forward returned {output.dtype} ({case.what})."
    return None


def of_run(  # noqa: PLR0913, PLR0917 - what there is to judge
    layer: Any, whole: nn.Linear, making: Spy, run: Run, wanted: Wanted, case: Case
) -> str | None:
    hint = of_waits(making, run.forward, run.backward) or of_making(making)
    hint = hint or of_parameters(layer, whole, wanted, case.what)
    hint = hint or of_values(layer, run.inputs, run.values, wanted, case.what)
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


def of_refusal(answer: Any, size: int) -> str | None:
    """Hint where a layer whose input features do not divide is not refused."""
    if size == 1:
        return None
    hint = of_one_refusal(answer, 3 * size + 1, size, f"on {size} ranks")
    with group_of(Case("", torch.float32, (), grouped=True), size) as group:
        parts = dist.get_world_size(group)
        if hint is None and parts > 1:  # as many features as ranks in all
            hint = of_one_refusal(answer, size, parts, f"on {size} ranks, in a group of {parts}", group)
    return hint


def of_one_refusal(answer: Any, features: int, parts: int, where: str, *group: Any) -> str | None:
    what = f"{features} input features {where}"
    try:
        answer(nn.Linear(features, 2 * parts).to(device_here()), *group)
    except ValueError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the one asked for
        return f"{what}: the constructor raised {type(error).__name__}, not ValueError."
    return f"{what} do not divide, and the constructor raised no ValueError."
