"""The check of lesson 07's row-parallel linear: its cases, how a layer is made and run, and what must be refused."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.lesson_07_layers import Wanted, of_shapes
from mgpu_lab.checks.lesson_07_row_hints import Run, equal, of_output, of_plain, of_run
from mgpu_lab.checks.on_ranks import device_here, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy


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
        return of_plain(whole, run, wanted) or of_run(layer, whole, making, run, wanted, case.what)


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
        refuse(of_output(output, wanted, case.what))
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
