"""The check of lesson 05's `MyLoRA(frozen, r, alpha)`: one layer and its detour, their gradients, and what trains.

Each rank checks for itself. All layers are made before any is used, so that what one leaves in its class is seen.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong, is_stub, refuse
from mgpu_lab.checks.lesson_05_layers import CASES, Case, Packed, Plain
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off

TOLERANCE = 1e-4  # rounding of fp32
NO_SCALE = "That is no scaling at all."


def lora_linear(answer: Any) -> str:
    """``MyLoRA(frozen, r, alpha)``: outputs, gradients of A, B and x, and what trains."""
    if is_stub(getattr(answer, "__init__", answer)):
        raise NotImplementedError
    torch.manual_seed(0)
    made = []
    for case in CASES:
        frozen = Packed(case.inside, case.outside) if case.packed else Plain(case.inside, case.outside, case.bias)
        made.append((case, frozen.to(device_here())))
    layers = [tried(case, answer, frozen, case.r, case.alpha, shown=case.call) for case, frozen in made]
    seen, drawn = set[int](), dict[tuple[int, int], torch.Tensor]()
    for (case, frozen), layer in zip(made, layers, strict=True):
        hint = shared_hint(layer, seen) or parts_hint(case, frozen, layer) or step_0_hint(case, frozen, layer)
        hint = hint or alike_hint(case, layer, drawn) or first_step_hint(case, layer)
        hint = hint or filled_hint(case, frozen, layer)
        refuse(hint and f"{case.call}: {hint}")
    return (
        f"{len(CASES)} layers, one of them packed: step 0 equal bit for bit, r * (in + out) numbers train, "
        "outputs and the gradients of A, B and x are right."
    )


def tried(case: Case, answer: Any, *arguments: Any, shown: str) -> Any:
    """Call an answer; what fails beside a packed layer alone fails because of its weight."""
    try:
        return ask(answer, *arguments, shown=shown)
    except RuntimeError as error:
        if not case.packed:
            raise
        says = str(error).splitlines()[0].rstrip(".")
        raise Wrong(
            f"{case.call} fails: {says}. The packed weight is no matrix, and its type is not that of A and B: call the "
            "frozen layer, and add to its output."
        ) from None


def shared_hint(layer: Any, seen: set[int]) -> str | None:
    """Judge whether the layer's A and B are its own; adds them to those seen."""
    weights = layer.parameters() if isinstance(layer, nn.Module) else ()
    own = {id(each) for each in weights if each.requires_grad}
    if own & seen:
        return "its A or B is that of a layer made before. Each layer has its own."
    seen |= own
    return None


def alike_hint(case: Case, layer: nn.Module, drawn: dict[tuple[int, int], torch.Tensor]) -> str | None:
    """Judge whether A is drawn for each layer anew; ``drawn`` holds the earlier ones by their sizes."""
    a, _ = (each.detach() for each in matrices(case, layer) or ())
    rows = as_matrix(a, case.r, case.inside).clone()
    before = drawn.setdefault((case.r, case.inside), rows)
    if before is not rows and torch.equal(before, rows):
        return "A is the same in two layers. It must be random, drawn anew for each layer."
    return None


def first_step_hint(case: Case, layer: nn.Module) -> str | None:
    """Judge whether B gets a gradient while it is still zero."""
    parts = matrices(case, layer)
    found = layer(torch.randn(*case.shape, case.inside, device=device_here()))
    if found.requires_grad:
        found.backward(torch.randn_like(found))
    if parts is None or parts[1].grad is None or not parts[1].grad.any():
        return (
            "in the first step, while B is zero, no gradient reaches B: it would stay zero for ever. Is alpha / r "
            "rounded to 0?"
        )
    return None


def parts_hint(case: Case, frozen: nn.Module, layer: Any) -> str | None:  # noqa: PLR0911 - one hint for each mistake
    """Judge what the module holds and what of it trains."""
    if not isinstance(layer, nn.Module):
        return f"it must make a torch.nn.Module; it made {type(layer).__name__}."
    if not any(each is frozen.weight for each in layer.parameters()):
        return "the frozen layer's own weight is not among its parameters. Keep the layer as an attribute, no copy."
    loose = [name for name, weight in frozen.named_parameters() if weight.requires_grad]
    if loose:
        return f"the frozen layer's {loose[0]} still trains."
    weights = [each for each in layer.parameters() if each.requires_grad]
    found = sum(each.numel() for each in weights)
    if found == 0:
        return "nothing trains. A and B must be parameters of the module, and not frozen with the layer."
    if found == case.trained + case.r + case.outside:
        return "A and B have a bias, too. The detour is two matrices and nothing else."
    if found != case.trained:
        return f"{found} numbers train; r * (in + out) are {case.trained}."
    if any(each.dtype != torch.float32 for each in weights):
        return f"A and B must be fp32; yours are {', '.join(str(each.dtype) for each in weights)}."
    if matrices(case, layer) is None:
        shapes = [list(each.shape) for each in weights]
        return f"the detour must have two matrices, r x in and out x r; yours has {shapes}."
    return None


def matrices(case: Case, layer: nn.Module) -> tuple[nn.Parameter, nn.Parameter] | None:
    """Return the parameters that are A and B, in whatever layout; None where there are none such."""
    weights = [each for each in layer.parameters() if each.requires_grad]
    found = []
    for wide in (case.inside, case.outside):
        shape = sorted(size for size in (wide, case.r) if size != 1)
        found += [each for each in weights if sorted(each.squeeze().shape) == shape]
    return (found[0], found[1]) if len(found) == len(weights) == 2 else None  # noqa: PLR2004 - A and B


def as_matrix(weight: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Return a parameter's values as ``[rows, columns]``, whichever way round it lies."""
    values = weight.detach()
    return values.reshape(rows, columns) if values.shape[0] == rows else values.T.reshape(rows, columns)


def step_0_hint(case: Case, frozen: nn.Module, layer: nn.Module) -> str | None:  # noqa: PLR0911 - one hint for each mistake
    """Judge the layer as it was made: equal to the frozen one, which it calls."""
    x = torch.randn(*case.shape, case.inside, device=device_here())
    given = x.clone()
    calls = getattr(frozen, "calls", 0)
    found = tried(case, layer, given, shown=f"the layer on an input of shape {list(x.shape)}")
    if isinstance(frozen, Plain) and frozen.calls == calls:
        return "the frozen layer was not called. Its weight may be packed: call the layer, do not read its weight."
    if not given.equal(x):
        return "the input that was handed in has changed. It is read, not written."
    wanted = frozen(x)
    if not isinstance(found, torch.Tensor) or found.shape != wanted.shape:
        kind = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        return f"for an input of shape {list(x.shape)} the output is {kind}, frozen(x) is {list(wanted.shape)}."
    a, b = (each.detach() for each in matrices(case, layer) or ())
    if not a.any() and not b.any():
        return "A and B are both zero. Then both gradients are zero for ever: A must be random."
    if b.any() and not a.any():
        return "the first matrix, A, is zero and the second, B, is random. It must be the other way round."
    if not torch.equal(found, wanted):
        return "step 0 is not equal to frozen(x), bit for bit. B must be zero, and the detour be added to frozen(x)."
    rows = as_matrix(a, case.r, case.inside)
    if case.r > 1 and (rows == rows[0]).all():
        return "the rows of A are all equal, so the detour has rank 1 whatever r is. A must be random."
    return None


def filled_hint(case: Case, frozen: nn.Module, layer: nn.Module) -> str | None:
    """Fill A and B; judge the detour's output and scale, then the gradients of A, B and the input."""
    parts = matrices(case, layer)
    if parts is None:
        return "A or B is not what it was before the first call."
    for part in parts:
        nn.init.normal_(part)
        part.grad = None
    x = torch.randn(*case.shape, case.inside, device=device_here(), requires_grad=True)
    a = as_matrix(parts[0], case.r, case.inside).requires_grad_()
    b = as_matrix(parts[1], case.outside, case.r).requires_grad_()
    x_alone = x.detach().clone().requires_grad_()
    detour = functional.linear(functional.linear(x_alone, a), b)
    found = layer(x)
    hint = scale_hint(case, (found - frozen(x)).detach(), detour.detach())
    if hint:
        return hint
    with torch.no_grad():
        in_eval = layer.eval()(x)
    layer.train()
    if off(in_eval, found.detach()) > TOLERANCE:
        return "in eval mode the output is another one than in train mode. The detour is added in both."
    push = torch.randn_like(found)
    if not found.requires_grad:
        return "no gradient reaches A and B. Is the output detached, or made under no_grad?"
    found.backward(push)
    (detour * (case.alpha / case.r)).backward(push)  # type: ignore[no-untyped-call]
    through_detour = x_alone.grad.clone() if x_alone.grad is not None else None
    frozen(x_alone).backward(push)
    hint = gradient_hint(case, parts, (a, b), (x, x_alone), through_detour)
    if hint is None and off(layer(x).detach(), found.detach()) > TOLERANCE:
        return "after a backward pass the same input gives another output. Only an optimizer's step changes A and B."
    return hint


def scale_hint(case: Case, added: torch.Tensor, detour: torch.Tensor) -> str | None:
    """Judge how much of the detour was added."""
    right = case.alpha / case.r
    if off(added, detour * right) < TOLERANCE:
        return None
    if float(added.abs().max()) < TOLERANCE:
        return f"with A and B filled, the detour adds nothing. Is alpha / r, {right:.4g}, rounded to 0?"
    factor = float((added * detour).sum() / (detour * detour).sum())
    if off(added, detour * factor) >= TOLERANCE or abs(factor) < TOLERANCE:
        return "with A and B filled, the layer does not add alpha / r times B A x to frozen(x)."
    mistakes = {
        NO_SCALE: 1.0,
        "That is alpha alone.": case.alpha,
        "That is r / alpha.": case.r / case.alpha,
        "That is alpha / sqrt(r), as in rsLoRA.": case.alpha / case.r**0.5,
        "That is alpha / r twice.": right * right,
    }
    what = fitting(mistakes, lambda wrong: abs(wrong - factor) < TOLERANCE * abs(wrong)) or ""
    return f"the detour is multiplied by {factor:.4g}; alpha / r is {right:.4g}. {what}".rstrip()


def gradient_hint(
    case: Case,
    parts: tuple[nn.Parameter, nn.Parameter],
    wanted: tuple[torch.Tensor, torch.Tensor],
    inputs: tuple[torch.Tensor, torch.Tensor],
    through_detour: torch.Tensor | None,
) -> str | None:
    """Compare the gradients of A, B and the input with those of the reference."""
    sizes = ((case.r, case.inside), (case.outside, case.r))
    for name, part, right, size in zip("AB", parts, wanted, sizes, strict=True):
        if part.grad is None:
            return f"no gradient reaches {name}. Is it part of the forward pass, and not detached?"
        if off(as_matrix(part.grad, *size), right.grad) > TOLERANCE:
            return f"the gradient of {name} is not right, though the output is. What is cut off on the way back?"
    x, x_alone = inputs
    if x.grad is None:
        return "no gradient reaches the input: layers before this one could not learn."
    if off(x.grad, x_alone.grad) < TOLERANCE:
        return None
    if through_detour is not None and off(x.grad, through_detour) < TOLERANCE:
        return "the input's gradient passes through the detour alone. W needs none, but x has one through W, too."
    return "the gradient of the input is not right, though the output is. It passes through W and through the detour."
