"""What the detours of an adapted model compute and hold: gradients, scale, memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.lesson_05_models import INNER, WIDTH, WORDS, count_of, ids_of, linear_layers
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off

TOLERANCE = 1e-4  # rounding of fp32
SLACK_BYTES = 256  # a scale or a name for each layer may be a tensor
WALK = (
    "while it walks over the modules it puts new ones in, and then visits the frozen layer inside its own detour. "
    "Collect the layers first, as in list(model.named_modules()), then replace them"
)


def gradient_hint(adapted: nn.Module) -> str | None:
    """Compare the gradients with how much the loss really changes, all matrices filled; the model is used up by it.

    In fp64, where the answer computes in it; in fp32 with a longer step and less strictly where it does not.
    """
    ids = ids_of()
    push = torch.randn(*ids.shape, WORDS, dtype=torch.float64, device=ids.device)

    def loss() -> torch.Tensor:
        return torch.as_tensor((adapted(ids).double() * push).mean())

    step, tolerance = 1e-6, 1e-3
    try:
        adapted.double()
        loss()
    except RuntimeError:  # an answer that mixes in tensors of its own type
        adapted.float()
        step, tolerance = 1e-2, 0.05
    weights = [each for each in adapted.parameters() if each.requires_grad]
    for weight in weights:
        nn.init.normal_(weight, std=0.3)
    loss().backward()  # type: ignore[no-untyped-call]
    for weight in weights:
        direction = torch.randn_like(weight)
        said = float((weight.grad * direction).sum()) if weight.grad is not None else 0.0
        real = slope_along(loss, weight, direction, step)
        if abs(real - said) > tolerance * max(abs(real), abs(said), 1e-4):
            return (
                f"The gradients are not right: moving one of the matrices ({list(weight.shape)}) a little changes the "
                f"loss by {real:.3g} a unit, its gradient says {said:.3g}. A gradient must pass back through the "
                "frozen layers, too: they need none for their weights, but no_grad or detach cuts off what lies before."
            )
    return None


@torch.no_grad()
def slope_along(loss: Callable[[], torch.Tensor], weight: nn.Parameter, direction: torch.Tensor, step: float) -> float:
    """Return how fast the loss changes along a direction, from two losses on both sides."""
    middle = weight.detach().clone()
    weight.copy_(middle + step * direction)
    above = float(loss())
    weight.copy_(middle - step * direction)
    below = float(loss())
    weight.copy_(middle)
    return (above - below) / (2 * step)


def copies_hint(adapted: nn.Module, before: nn.Module, r: int) -> str | None:
    """Judge whether the adapted model holds more than the base and the detours."""
    adapters = sum(4 * count_of(layer, r) for _, layer in linear_layers(before))
    slack = SLACK_BYTES * len(list(before.modules()))
    more = held_bytes(adapted) - held_bytes(before) - adapters
    if more <= slack:
        return None
    return f"The model now holds {more:,} bytes beyond base and detours. Does a detour keep a copy of its weight?"


def held_bytes(model: nn.Module) -> int:
    """Sum the storages that a model's modules hold as parameters, buffers or attributes, each once; no gradients."""
    held = [*model.parameters(), *model.buffers()]
    held += [each for module in model.modules() for each in vars(module).values() if isinstance(each, torch.Tensor)]
    return sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in held}.values())


def scale_hint(answer: Any, r: int, alpha: float, bias: bool) -> str | None:  # noqa: FBT001 - a part of the case
    """Fill both matrices of one layer and compare its detour with alpha / r * B A x."""
    holder = nn.Sequential(nn.Linear(WIDTH, INNER, bias)).to(device_here())
    x = torch.randn(7, WIDTH, device=device_here())
    plain = holder(x).detach()
    adapted = ask(answer, holder, r, alpha, shown=f"adapt(model, {r}, {alpha:g})", endless=WALK)
    if not isinstance(adapted, nn.Module):
        raise Wrong(f"adapt must return the model; it returned {type(adapted).__name__}.")
    weights = [each for each in adapted.parameters() if each.requires_grad]
    for weight in weights:
        nn.init.normal_(weight)
    thin = [w.T if w.shape[0] == WIDTH else w for w in weights if WIDTH in w.shape and w.dim() > 1]
    wide = [w.T if w.shape[1] == INNER else w for w in weights if INNER in w.shape and w.dim() > 1]
    if not weights:
        return f"In Sequential(Linear({WIDTH}, {INNER})) nothing trains. Only a layer called lm_head is left out."
    if len(thin) != 1 or len(wide) != 1:
        return f"A detour has two matrices, in x r and r x out. Yours has {[list(each.shape) for each in weights]}."
    detour = (x @ thin[0].T @ wide[0].T).detach()
    added = adapted(x).detach() - plain

    def scaled_by(factor: float) -> bool:
        return off(added, detour * factor) < TOLERANCE

    if scaled_by(alpha / r):
        return None
    known = {
        "is not scaled": 1.0,
        "is scaled by alpha": alpha,
        "is scaled by r / alpha": r / alpha,
        "is scaled by alpha / sqrt(r), as in rsLoRA": alpha / r**0.5,
    }
    factor = float((added * detour).sum() / (detour * detour).sum())
    what = fitting(known, scaled_by) or (f"is scaled by {factor:.4g}" if scaled_by(factor) else None)
    if what:
        return f"With r={r} and alpha={alpha:g} the detour {what}. It should be alpha / r, {alpha / r:.4g} here."
    return "The detour does not add alpha / r times B A x to the layer's output."
