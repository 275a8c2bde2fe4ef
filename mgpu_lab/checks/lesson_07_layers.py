"""What the check of lesson 07's row-parallel linear compares with: the plain layer, and what usual mistakes lead to."""

from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.lesson_03_traffic import percent
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import off

TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-9}


class Wanted:
    """The plain layer on the whole of two inputs: outputs and gradients, and this rank's share of each."""

    def __init__(self, linear: nn.Linear, lead: tuple[int, ...], rank: int, parts: int) -> None:
        self.linear, self.rank, self.parts = linear, rank, parts
        self.tolerance = TOLERANCES[linear.weight.dtype]
        self.inputs = [self.numbers(i, *lead, linear.in_features).requires_grad_() for i in range(2)]
        self.scales = [self.numbers(2 + i, *lead, linear.out_features) for i in range(2)]
        outputs = [linear(x) for x in self.inputs]
        sum((y * scale).sum() for y, scale in zip(outputs, self.scales, strict=True)).backward()
        self.outputs = [y.detach() for y in outputs]

    def numbers(self, seed: int, *shape: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(91 + seed)
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(self.linear.weight)

    def own(self, tensor: Any, rank: int | None = None) -> torch.Tensor:
        """Return a rank's share of the last dimension."""
        share: torch.Tensor = tensor.detach().chunk(self.parts, -1)[self.rank if rank is None else rank]
        return share

    def own_input(self, i: int) -> torch.Tensor:
        """Return this rank's features of an input, a leaf."""
        return self.own(self.inputs[i]).clone().requires_grad_()

    def fits(self, found: torch.Tensor, wanted: torch.Tensor) -> bool:
        return found.shape == wanted.shape and off(found.detach(), wanted.detach()) < self.tolerance


def of_shapes(layer: Any, wanted: Wanted, what: str) -> str | None:
    """Hint where a layer is no module with a weight of the right shape: such a one cannot be called."""
    if not isinstance(layer, nn.Module):
        return f"The layer must be an nn.Module, not {type(layer).__name__}."
    if type(layer).forward is nn.Module.forward and type(layer).__call__ is nn.Module.__call__:
        return "The layer has no forward(x) yet."
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, nn.Parameter):
        return f"`weight` must be an nn.Parameter; it is {type(weight).__name__}."
    return of_weight_shape(weight, wanted, what) or of_kinds(weight, getattr(layer, "bias", None), wanted.linear, what)


def of_weight_shape(weight: nn.Parameter, wanted: Wanted, what: str) -> str | None:
    outside, inside = wanted.linear.weight.shape
    share, found = (outside, inside // wanted.parts), tuple(weight.shape)
    if found == share:
        return None
    mistakes = {
        f"`weight` is the whole one ({what}): a rank keeps {share[1]} of {inside} input features.": (outside, inside),
        f"`weight` has a share of the *output* features ({what}): that is the column-parallel cut.": (
            outside // wanted.parts,
            inside,
        ),
        f"`weight` has shape {found} ({what}): it is transposed. nn.Linear keeps {share}.": share[::-1],
    }
    return fitting(mistakes, lambda shape: found == shape) or (
        f"`weight` has shape {found} ({what}); with {wanted.parts} rank{'s' * (wanted.parts > 1)} in the group it is "
        f"{share}."
    )


def of_kinds(weight: Any, bias: Any, whole: nn.Linear, what: str) -> str | None:
    """Hint where forward would end in an error of torch's: a wrong type, a bias of a wrong shape."""
    if weight.dtype != whole.weight.dtype:
        return f"`weight` is {weight.dtype}, and the plain layer's is {whole.weight.dtype}."
    if not torch.is_tensor(bias) or whole.bias is None:
        return None
    if bias.shape != whole.bias.shape:
        return f"`bias` has shape {tuple(bias.shape)} ({what}); the whole one has {tuple(whole.bias.shape)}."
    if bias.dtype != whole.bias.dtype:
        return f"`bias` is {bias.dtype}, and the plain layer's is {whole.bias.dtype}."
    return None


def of_parameters(layer: nn.Module, whole: nn.Linear, wanted: Wanted, what: str) -> str | None:
    """Hint at wrong shards, and at memory that is not given back."""
    weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
    if not torch.equal(weight, wanted.own(wanted.linear.weight)):
        return f"`weight` is not rank {wanted.rank}'s share of the input features, in the order of the group's ranks."
    hint = of_bias(layer, wanted.linear.bias, what)
    if hint:
        return hint
    storage, of_whole = weight.untyped_storage(), whole.weight.untyped_storage()
    if storage.nbytes() > weight.nbytes or storage.data_ptr() == of_whole.data_ptr():
        return (
            "`weight` is a view of a larger tensor (the whole weight?) and keeps all of that in memory. Copy the share."
        )
    held = sum(p.numel() for p in layer.parameters())
    most = weight.numel() + (bias.numel() if bias is not None else 0)
    if held > most:
        return f"The layer has parameters of {held} numbers; `weight` and `bias` have {most}. What else does it keep?"
    return None


def of_bias(layer: nn.Module, whole: Any, what: str) -> str | None:
    bias = getattr(layer, "bias", ...)
    if whole is None:
        return None if bias is None else f"`bias` must be None where linear has none ({what})."
    if not isinstance(bias, nn.Parameter):
        return f"`bias` must be an nn.Parameter on every rank; it is {type(bias).__name__}."
    if not torch.equal(bias, whole):
        return f"`bias` is not the plain layer's on every rank ({what})."
    if bias.untyped_storage().nbytes() > bias.nbytes:
        return "`bias` is a view of a larger tensor and keeps all of that in memory. Copy it."
    return None


def of_values(layer: nn.Module, inputs: list[Any], outputs: list[Any], wanted: Wanted, what: str) -> str | None:
    for i in (1, 0):
        if not wanted.fits(outputs[i], wanted.outputs[i]):
            return of_wrong_output(outputs, i, wanted, what)
    gradients = {f"`{name}`": (p.grad, wanted.linear.get_parameter(name).grad) for name, p in layer.named_parameters()}
    gradients["`weight`"] = (gradients["`weight`"][0], wanted.own(wanted.linear.weight.grad))
    for i, x in enumerate(inputs):
        gradients[f"the input (call {i + 1})"] = (x.grad, wanted.own(wanted.inputs[i].grad))
    return next((hint for name, pair in gradients.items() if (hint := of_gradient(name, *pair, wanted, what))), None)


def of_wrong_output(outputs: list[Any], i: int, wanted: Wanted, what: str) -> str:
    """Name the mistake behind a wrong output."""
    found, right, n = outputs[i], wanted.outputs[i], wanted.parts
    if n == 1:
        return f"With one rank in the group the output is to be the plain layer's, and is not ({what})."
    bias = wanted.linear.bias.detach() if wanted.linear.bias is not None else torch.zeros_like(right[..., 0])[..., None]
    part = wanted.own(wanted.inputs[i]) @ wanted.own(wanted.linear.weight).T
    if i == 0 and wanted.fits(found, wanted.outputs[1]):
        return "After a second call the first call's output holds the second's: they share memory."
    mistakes = {
        f"The output is rank {wanted.rank}'s part alone: the other ranks' has not been added.": part + bias,
        f"The bias is in the output {n} times: each rank added it before the sum.": right + (n - 1) * bias,
        "The bias is not in the output.": right - bias,
        "The output is the mean of the ranks' parts, not their sum.": (right - bias) / n + bias,
    }
    hint = fitting(mistakes, lambda wrong: wanted.fits(found, wrong))
    if hint is None and found.dtype == torch.float64 and off(found.detach(), right) < TOLERANCES[torch.float32]:
        hint = "The output is right to float32's digits only: on the way something was float32."
    return f"{hint or of_other(found, right, wanted)} ({what})"


def of_other(found: torch.Tensor, right: torch.Tensor, wanted: Wanted) -> str:
    if not bool(torch.isfinite(found).all()):
        return f"On rank {wanted.rank} of the group the output has values that are nan or inf."
    return (
        f"On rank {wanted.rank} of the group the output differs from the plain layer's by "
        f"{percent(off(found.detach(), right))} of its largest value. Is it the sum of all ranks' parts, in the group?"
    )


def of_gradient(name: str, found: Any, right: Any, wanted: Wanted, what: str) -> str | None:
    n, here = wanted.parts, f"on rank {wanted.rank} of the group ({what})"
    if found is None:
        return f"The output is right, but {name} gets no gradient {here}."
    if wanted.fits(found, right):
        return None
    if n > 1 and wanted.fits(found, right * n):
        return (
            f"The output is right, but the gradient of {name} is {n} times too large {here}: in backward the ranks' "
            "equal gradients of the output were added up, or something counts once for each rank."
        )
    if n > 1 and wanted.fits(found * n, right):
        return f"The output is right, but the gradient of {name} is {n} times too small {here}."
    return (
        f"The output is right, but the gradient of {name} is not {here}: it differs by "
        f"{percent(off(found, right))} of its largest value."
    )
