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
    grouped: bool = False  # rank 0 alone, and the others together

    def linear(self, size: int) -> nn.Linear:
        """Return the plain layer, the same on every rank; its input features divide by ``size``."""
        torch.manual_seed(7 + size)
        return nn.Linear(12 * size, 12, bias=self.bias).to(device_here(), self.dtype)

    @property
    def call(self) -> str:
        """The call as one would write it."""
        return "RowParallelLinear(linear, group)" if self.grouped else "RowParallelLinear(linear)"


CASES = (
    Case("a float64 layer", torch.float64, (5,)),
    Case("a float32 layer without bias", torch.float32, (2, 3), bias=False),
    Case("a float32 layer", torch.float32, (3,)),
    Case("a float64 layer in a group of some of the ranks", torch.float64, (2, 2), grouped=True),
)


@dataclass
class Run:
    """What a layer returned for two inputs, and what its calls sent."""

    inputs: list[torch.Tensor]
    outputs: list[Any] = field(default_factory=list)
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
            layer = ask(answer, *arguments, shown=case.call)
        refuse(of_shapes(layer, wanted, case.what))
        run = two_steps(layer, wanted, case)
        return of_run(layer, whole, making, run, wanted, case)


def two_steps(layer: Any, wanted: Wanted, case: Case) -> Run:
    """Call the layer on two inputs and go back through both at once."""
    run = Run([wanted.own_input(i) for i in range(2)])
    with run.forward:
        run.outputs = [ask(layer, x, shown="layer(x)") for x in run.inputs]
    for output in run.outputs:
        refuse(of_output(output, wanted, case))
    loss = sum((output * scale).sum() for output, scale in zip(run.outputs, wanted.scales, strict=True))
    if not getattr(loss, "requires_grad", False):
        raise Wrong(f"The output needs no gradient ({case.what}): backward ends there. Is something detached?")
    with run.backward:
        loss.backward()
    return run


def of_output(output: Any, wanted: Wanted, case: Case) -> str | None:
    shape = tuple(wanted.outputs[0].shape)
    if not torch.is_tensor(output):
        return f"forward must return a tensor; it returned {type(output).__name__}."
    if tuple(output.shape) != shape:
        return f"forward returned shape {tuple(output.shape)} where the plain layer has {shape} ({case.what})."
    if output.dtype != case.dtype:
        return f"forward returned {output.dtype} ({case.what})."
    return None


def of_run(  # noqa: PLR0913, PLR0917 - what there is to judge
    layer: Any, whole: nn.Linear, making: Spy, run: Run, wanted: Wanted, case: Case
) -> str | None:
    changed = any(not torch.equal(a, b) for a, b in zip(whole.parameters(), wanted.linear.parameters(), strict=True))
    if changed:
        return "The plain layer's own weight or bias has changed. It is to stay as it is."
    hint = of_waits(making, run.forward, run.backward) or of_parameters(layer, whole, wanted, case.what)
    hint = hint or of_values(layer, run.inputs, run.outputs, wanted, case.what)
    return hint or of_bytes(making, run, wanted)


def of_bytes(making: Spy, run: Run, wanted: Wanted) -> str | None:
    if making.sent_bytes:
        return (
            f"The constructor sends {making.sent_bytes} bytes. Every rank has the whole linear: it need only cut its "
            "own share."
        )
    outputs = sum(each.nbytes for each in wanted.outputs)
    gathered = sum(event.input_bytes for event in run.forward.named("all_gather", "gather", "broadcast"))
    ring = 2 * (wanted.parts - 1) / wanted.parts * outputs
    if wanted.parts > 1 and gathered > outputs / wanted.parts + SLACK_BYTES:
        return (
            f"{gathered} bytes of a rank were gathered in forward: with N ranks each then holds N tensors. Add up the "
            "ranks' parts of the output on the way, as an all-reduce does."
        )
    if run.forward.wire_bytes > ring + SLACK_BYTES:
        return (
            f"Two forwards send {run.forward.wire_bytes:.0f} bytes from a rank, by the ring's count; all-reduces of "
            f"their outputs send {ring:.0f}."
        )
    if run.backward.sent_bytes:
        return (
            f"Output and gradients are right, but backward sends {run.backward.sent_bytes} bytes. Every rank has the "
            "whole gradient of the output already."
        )
    return None


def of_refusal(answer: Any, size: int) -> str | None:
    """Hint where a layer whose input features do not divide is not refused."""
    if size == 1:
        return None
    features = 3 * size + 1
    what = f"{features} input features on {size} ranks"
    try:
        answer(nn.Linear(features, 4).to(device_here()))
    except ValueError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the one asked for
        return f"{what}: the constructor raised {type(error).__name__}, not ValueError."
    return f"{what} do not divide, and the constructor raised no ValueError."
