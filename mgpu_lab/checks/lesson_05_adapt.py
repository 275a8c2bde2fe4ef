"""The check of lesson 05's `adapt(model, r, alpha)`: what trains, what is untouched, gradients, and bytes.

Each rank checks for itself, on small models without 4-bit layers. An answer may keep its detours wherever it likes: the
gradients are judged against the function that the model computes, not against named parts.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.lesson_05_detours import TOLERANCE, WALK, copies_hint, gradient_hint, scale_hint
from mgpu_lab.checks.lesson_05_models import Listed, Tiny, count_of, ids_of, linear_layers
from mgpu_lab.checks.on_ranks import device_here, off
from mgpu_lab.ledger import memory_ledger

STEPS = 3
OWN_FORWARD = "the forward pass calls itself. A replaced forward must call the one that the layer had before"
TRIALS: tuple[tuple[type[nn.Module], int, float], ...] = ((Tiny, 4, 8), (Listed, 3, 12), (Tiny, 2, 1))
SCALES = ((4, 12, False), (8, 4, True), (3, 12, False), (5, 5, True))  # r, alpha, and whether the layer has a bias


def adapt(answer: Any) -> str:
    """``adapt(model, r, alpha)``: adapt small models, train them, compare with before; then one layer's scale."""
    torch.manual_seed(0)
    earlier: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = []  # a model, its input and its output
    for make, r, alpha in TRIALS:
        model = make().to(device_here())
        before, known = copy.deepcopy(model), dict(model.named_parameters())
        adapted = ask(answer, model, r, alpha, shown=f"adapt(model, {r}, {alpha:g})", endless=WALK)
        refuse(model_hint(adapted, model, known) or trains_hint(adapted, before, known, r))
        refuse(training_hint(adapted, before, known) or copies_hint(adapted, before, r) or gradient_hint(adapted))
        earlier.append((adapted, ids := ids_of(), adapted(ids).detach()))
    for r, alpha, bias in SCALES:
        refuse(scale_hint(answer, r, alpha, bias))
    if not all(torch.equal(model(ids), output) for model, ids, output in earlier):
        raise Wrong("A model that was adapted before gives other outputs since another one was. What do they share?")
    weights = [each for each in adapted.parameters() if each.requires_grad]
    ledger = memory_ledger(adapted)
    return (
        f"{len(TRIALS)} models: step 0 equal, the base untouched bit for bit after {STEPS} steps, gradients right; "
        f"in the last, {sum(each.numel() for each in weights):,} numbers train beside "
        f"{ledger.parameter_count - sum(each.numel() for each in weights):,} frozen ones."
    )


def model_hint(adapted: Any, model: nn.Module, known: dict[str, nn.Parameter]) -> str | None:
    if not isinstance(adapted, nn.Module):
        return f"adapt must return the model; it returned {type(adapted).__name__}."
    held = {id(each) for each in adapted.parameters()}
    gone = [name for name, weight in known.items() if id(weight) not in held]
    if len(gone) == len(known):
        return "The model that came back holds none of the weights handed in. Adapt it in place, not a copy."
    if gone:
        return f"The model no longer holds the weight handed in as {gone[0]}. Keep the layer in its detour."
    if adapted is not model:
        return f"adapt returned another object ({type(adapted).__name__}). Return the model itself, no wrapper of it."
    return None


def trains_hint(adapted: nn.Module, before: nn.Module, known: dict[str, nn.Parameter], r: int) -> str | None:  # noqa: PLR0911 - one hint for each mistake
    loose = [name for name, weight in known.items() if weight.requires_grad]
    if loose:
        return f"Parameters of the base still train ({len(loose)}), such as {loose[0]}. Freeze the base first."
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    found, layers = sum(weight.numel() for weight in weights), dict(linear_layers(before))
    wanted = sum(count_of(layer, r) for layer in layers.values())
    if found == wanted:
        return None
    if not found and len(list(adapted.parameters())) > len(known):
        return "Nothing trains: the detours are frozen, too. Freeze the base before they are made, or apart from them."
    if not found:
        return (
            "Nothing trains: the model has no parameter that it did not have before. Does the search reach nested "
            "layers, as named_modules() does, and are a detour's matrices parameters of a module?"
        )
    head = before.lm_head
    if isinstance(head, nn.Linear) and found == wanted + count_of(head, r):
        return "The head has a detour too. Leave out the layer called lm_head."
    deep = sum(count_of(layer, r) for name, layer in layers.items() if ".mlp." in name)
    if deep and found == wanted - deep:
        return "Layers inside nested modules have no detour. named_modules() finds layers at every depth."
    if found in {wanted - named_like(layers, test, r) for test in (str.endswith, str.__contains__)}:
        return "A layer has no detour because its name is like the head's. Only the one called lm_head is left out."
    return f"{found:,} numbers train, {wanted:,} expected: r * (in + out) for every linear layer but the head."


def named_like(layers: dict[str, nn.Linear], test: Callable[[str, str], bool], r: int) -> int:
    """Count the detours of the layers whose names pass a test for ``head``."""
    return sum(count_of(layer, r) for name, layer in layers.items() if test(name, "head"))


def training_hint(adapted: nn.Module, before: nn.Module, known: dict[str, nn.Parameter]) -> str | None:  # noqa: PLR0911 - one hint for each mistake
    """Compare step 0, train a few steps; judge the base, and whether anything was learned."""
    ids = ids_of()
    shown = "the adapted model on token ids"
    touched = [name for name, weight in before.named_parameters() if not torch.equal(weight, known[name])]
    if touched:
        return f"The base has changed: {touched[0]} is not what it was before the call."
    if not torch.equal(ask(adapted, ids, shown=shown, endless=OWN_FORWARD), before(ids)):
        return (
            "Step 0 is not equal to the model before, bit for bit. The detour must be added to the layer's own "
            "output, and add exactly nothing at first: which of its matrices starts at zero?"
        )
    weights = [each for each in adapted.parameters() if each.requires_grad]
    optimizer, first = torch.optim.AdamW(weights, lr=0.01), adapted(ids).detach()
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = adapted(ids[:, :-1])
        if not logits.requires_grad:
            return "No gradient reaches a detour. Is it part of the forward pass, and not detached?"
        nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        if any(weight.grad is None for weight in weights):
            return "No gradient reaches one of the detours. Is every one part of the forward pass?"
        if step == 0 and not any(weight.grad.any() for weight in weights if weight.grad is not None):
            return "All gradients are zero. Where A and B both start at zero, neither can ever move."
        optimizer.step()
    optimizer.zero_grad()
    touched = [name for name, weight in before.named_parameters() if not torch.equal(weight, known[name])]
    if touched:
        return f"The base has changed: {touched[0]}. A detour is added to the output, never into the weight."
    with torch.no_grad():
        last, in_eval = adapted(ids), adapted.eval()(ids)
    adapted.train()
    if torch.equal(last, first):
        return f"After {STEPS} steps the output is what it was. Are the detours part of the forward pass?"
    if off(in_eval, last) > TOLERANCE:
        return "In eval mode the output is another one than in train mode. A detour is added in both."
    return None
