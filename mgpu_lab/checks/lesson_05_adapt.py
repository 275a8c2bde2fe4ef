"""The check of lesson 05's `adapt(model, r, alpha)`: what trains, what is untouched, and the bytes of both.

Each rank checks for itself, on small models without 4-bit layers.
"""

import copy
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off
from mgpu_lab.ledger import memory_ledger

RANK, ALPHA, STEPS = 4, 8, 3
WIDTH, INNER, WORDS = 24, 40, 50
TOLERANCE = 1e-4  # rounding of fp32


class Block(nn.Module):
    """One layer with a nested part, a bias and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.mix(x)
        return x + torch.as_tensor(self.mlp(self.norm(x)))


class Tiny(nn.Module):
    """A model with what a language model has: embedding, layers, norm, head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.Sequential(Block(), Block())
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.lm_head(self.layers(self.embed(ids))))


def adapt(answer: Any) -> str:
    """``adapt(model, r, alpha)``: adapt a small model, train it, compare with what it was; then one layer's scale."""
    torch.manual_seed(0)
    model = Tiny().to(device_here())
    before = copy.deepcopy(model)
    known = dict(model.named_parameters())
    ids = torch.randint(WORDS, (8, 16), device=device_here())
    adapted = answer(model, RANK, ALPHA)
    if not isinstance(adapted, nn.Module):
        raise Wrong(f"adapt must return the model; it returned {type(adapted).__name__}.")
    if not any(weight is each for weight in known.values() for each in adapted.parameters()):
        raise Wrong("The model that came back holds none of the weights handed in. Adapt it in place, not a copy.")
    refuse(trains_hint(adapted, known))
    if not torch.equal(adapted(ids), before(ids)):
        raise Wrong(
            "Step 0 is not equal to the model before, bit for bit. The detour must be added to the layer's own "
            "output, and add exactly nothing at first: which of its matrices starts at zero?"
        )
    optimizer = torch.optim.AdamW([each for each in adapted.parameters() if each.requires_grad], lr=0.01)
    refuse(training_hint(adapted, optimizer, known, before, ids))
    refuse(scale_hint(answer))
    ledger = memory_ledger(adapted, optimizer)
    return (
        f"step 0 equal, the base untouched bit for bit after {STEPS} steps; {wanted_count(before):,} numbers train, "
        f"with {ledger.gradients:,} bytes of gradients and {ledger.optimizer_state:,} of optimizer state."
    )


def adapters_of(model: nn.Module) -> int:
    """Count what a detour beside this linear layer trains."""
    return RANK * (model.in_features + model.out_features) if isinstance(model, nn.Linear) else 0


def wanted_count(model: nn.Module) -> int:
    """Count what all detours of a model train; the head has none."""
    return sum(adapters_of(layer) for name, layer in model.named_modules() if name != "lm_head")


def trains_hint(adapted: nn.Module, known: dict[str, nn.Parameter]) -> str | None:
    loose = [name for name, weight in known.items() if weight.requires_grad]
    if loose:
        return f"{len(loose)} parameters of the base still train, such as {loose[0]}. Freeze the base first."
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    found, wanted = sum(weight.numel() for weight in weights), wanted_count(Tiny())
    if found == wanted:
        return None
    if not found:
        return "Nothing trains. The detours need parameters of their own, made after or apart from the freezing."
    if found == wanted + adapters_of(Tiny().lm_head):
        return "The head has a detour too. Leave out the layer called lm_head."
    nested = sum(adapters_of(layer) for name, layer in Tiny().named_modules() if ".mlp." in name)
    if found == wanted - nested:
        return "Layers inside nested modules have no detour. named_modules() finds layers at every depth."
    return f"{found:,} numbers train, {wanted:,} expected: r * (in + out) for every linear layer but the head."


def training_hint(
    adapted: nn.Module,
    optimizer: torch.optim.Optimizer,
    known: dict[str, nn.Parameter],
    before: nn.Module,
    ids: torch.Tensor,
) -> str | None:
    """Train a few steps; judge gradients, the base, and whether anything was learned."""
    first, weights = adapted(ids).detach(), [each for each in adapted.parameters() if each.requires_grad]
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
    touched = [name for name, weight in before.named_parameters() if not torch.equal(weight, known[name])]
    if touched:
        return f"The base has changed: {touched[0]}. A detour is added to the output, never into the weight."
    if torch.equal(adapted(ids), first):
        return "After three steps the output is what it was. Are the detours part of the forward pass?"
    return None


def scale_hint(answer: Any) -> str | None:
    """Fill both matrices of one layer and compare its detour with alpha / r * B A x."""
    torch.manual_seed(1)
    holder = nn.Sequential(nn.Linear(WIDTH, INNER)).to(device_here())
    x = torch.randn(7, WIDTH, device=device_here())
    plain = holder(x).detach()
    adapted = answer(holder, RANK, ALPHA)
    weights = [each for each in adapted.parameters() if each.requires_grad]
    for weight in weights:
        nn.init.normal_(weight)
    thin = [w.T if w.shape[0] == WIDTH else w for w in weights if WIDTH in w.shape and w.dim() > 1]
    wide = [w.T if w.shape[1] == INNER else w for w in weights if INNER in w.shape and w.dim() > 1]
    if len(thin) != 1 or len(wide) != 1:
        return f"A detour has two matrices, in x r and r x out. Yours has {[list(each.shape) for each in weights]}."
    detour = (x @ thin[0].T @ wide[0].T).detach()
    added = adapted(x).detach() - plain

    def scaled_by(factor: float) -> bool:
        return off(added, detour * factor) < TOLERANCE

    if scaled_by(ALPHA / RANK):
        return None
    known = {"is not scaled": 1.0, "is scaled by alpha": ALPHA, "is scaled by r / alpha": RANK / ALPHA}
    if what := fitting(known, scaled_by):
        return f"The detour {what}. It should be alpha / r, so that another r needs no other learning rate."
    return "The detour does not add alpha / r times B A x to the layer's output."
